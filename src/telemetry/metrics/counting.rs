//! Counters and histograms for paths that may take a few nanoseconds longer, and no more.
//!
//! Each thread adds to memory of its own, so that cores do not take a cache line from each other at every request. A
//! scrape adds up what all threads have counted. It sees each counter at a slightly different instant, which Prometheus
//! expects.

use std::{
    cell::Cell,
    sync::{
        LazyLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread::available_parallelism,
    time::Duration,
};

/// The most shards: with more threads than that, some share one, and still count right.
const SHARDS_MAX: usize = 64;
/// The fewest: besides the threads that serve, others count too.
const SHARDS_MIN: usize = 8;

/// A power of two, so that the remainder is a mask.
static SHARDS: LazyLock<usize> = LazyLock::new(|| {
    let cores = available_parallelism().map_or(1, usize::from);
    (2 * cores).next_power_of_two().clamp(SHARDS_MIN, SHARDS_MAX)
});

/// The number of the current thread, by which it finds its shard.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    const NONE: usize = usize::MAX;
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(NONE) };
    }
    NUMBER.with(|number| match number.get() {
        NONE => {
            let new = NEXT.fetch_add(1, Relaxed) % SHARDS_MAX;
            number.set(new);
            new
        }
        known => known,
    })
}

const IN_A_LINE: usize = 16;

/// Two cache lines, because processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line([AtomicU64; IN_A_LINE]);

/// A fixed number of counters that only grow.
#[derive(Debug)]
pub struct Counters {
    /// All lines of the first shard, then those of the second, and so on.
    lines: Box<[Line]>,
    lines_a_shard: usize,
    /// The number of shards less one.
    mask: usize,
    len: usize,
}

impl Counters {
    /// So many counters, which are 0.
    pub fn new(len: usize) -> Self {
        let lines_a_shard = len.div_ceil(IN_A_LINE);
        let lines = (0..lines_a_shard * *SHARDS).map(|_| Line::default()).collect();
        Self { lines, lines_a_shard, mask: *SHARDS - 1, len }
    }

    /// Adds to one counter: no lock, no allocation, and usually no other core.
    pub fn add(&self, index: usize, amount: u64) {
        debug_assert!(index < self.len, "there are {} counters, and none of number {index}", self.len);
        let line = (thread_number() & self.mask) * self.lines_a_shard + index / IN_A_LINE;
        if let Some(line) = self.lines.get(line) {
            line.0[index % IN_A_LINE].fetch_add(amount, Relaxed);
        }
    }

    /// The value of one counter.
    pub fn get(&self, index: usize) -> u64 {
        let shards = self.lines.chunks(self.lines_a_shard.max(1));
        let counts = shards.filter_map(|shard| shard.get(index / IN_A_LINE));
        counts.fold(0, |sum, line| sum.wrapping_add(line.0[index % IN_A_LINE].load(Relaxed)))
    }
}

/// One counter that only grows.
#[derive(Debug)]
pub struct Counter(Counters);

impl Default for Counter {
    fn default() -> Self {
        Self(Counters::new(1))
    }
}

impl Counter {
    /// Counts one more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts so many more.
    pub fn add(&self, amount: u64) {
        self.0.add(0, amount);
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.get(0)
    }
}

/// How many observations of durations took how long. A fixed number of such distributions with the same bounds.
#[derive(Debug)]
pub struct Histograms {
    bounds: &'static [Duration],
    counters: Counters,
}

/// The state of one histogram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// The upper bounds of the buckets but the last, which has none.
    pub bounds: &'static [Duration],
    /// The number of observations in each bucket.
    pub counts: Vec<u64>,
    /// The sum of all observations.
    pub sum: Duration,
}

impl Distribution {
    /// The number of observations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl Histograms {
    /// So many histograms with these upper bounds, in ascending order.
    pub fn new(bounds: &'static [Duration], len: usize) -> Self {
        Self { bounds, counters: Counters::new(len * counters_each(bounds)) }
    }

    /// Adds an observation to one of them.
    pub fn observe(&self, index: usize, took: Duration) {
        let first = index * counters_each(self.bounds);
        let bucket = self.bounds.iter().position(|bound| took <= *bound).unwrap_or(self.bounds.len());
        self.counters.add(first + bucket, 1);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.counters.add(first + self.bounds.len() + 1, nanos);
    }

    /// The state of one of them.
    pub fn distribution(&self, index: usize) -> Distribution {
        let first = index * counters_each(self.bounds);
        let counts = (0..=self.bounds.len()).map(|bucket| self.counters.get(first + bucket)).collect();
        let sum = Duration::from_nanos(self.counters.get(first + self.bounds.len() + 1));
        Distribution { bounds: self.bounds, counts, sum }
    }
}

/// One counter for each bucket, one for what exceeds the last bound, and one for the sum.
const fn counters_each(bounds: &[Duration]) -> usize {
    bounds.len() + 2
}

/// One histogram of durations.
#[derive(Debug)]
pub struct Histogram(Histograms);

impl Histogram {
    /// A histogram with these upper bounds, in ascending order.
    pub fn new(bounds: &'static [Duration]) -> Self {
        Self(Histograms::new(bounds, 1))
    }

    /// Adds an observation.
    pub fn observe(&self, took: Duration) {
        self.0.observe(0, took);
    }

    /// Its state.
    pub fn distribution(&self) -> Distribution {
        self.0.distribution(0)
    }
}

const fn micros<const N: usize>(bounds: [u64; N]) -> [Duration; N] {
    let mut durations = [Duration::ZERO; N];
    let mut at = 0;
    while at < N {
        durations[at] = Duration::from_micros(bounds[at]);
        at += 1;
    }
    durations
}

/// For what usually takes microseconds or milliseconds, and at most some seconds: requests, statements, hashes, waits.
pub const FAST: &[Duration] =
    &micros([100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 250_000, 1_000_000, 2_500_000]);

/// For what takes milliseconds, and up to the longest lease in an outage: heartbeats, confirmations.
pub const SLOW: &[Duration] = &micros([
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 2_500_000, 5_000_000, 15_000_000,
    60_000_000,
]);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_many_threads_count_adds_up() {
        let counters = Arc::new(Counters::new(40));
        let threads = (0..100).map(|_| {
            let counters = Arc::clone(&counters);
            std::thread::spawn(move || (0..1_000).for_each(|at| counters.add(at % 40, 2)))
        });
        threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().expect("no panic"));
        for index in 0..40 {
            assert_eq!(counters.get(index), 100 * 1_000 / 40 * 2, "{index}");
        }
    }

    #[test]
    fn an_observation_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let histograms = Histograms::new(FAST, 3);
        for took in [Duration::ZERO, FAST[0], FAST[0] + Duration::from_nanos(1), FAST[11], Duration::from_secs(9)] {
            histograms.observe(1, took);
        }
        let Distribution { counts, sum, .. } = histograms.distribution(1);
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(sum, FAST[0] * 2 + Duration::from_nanos(1) + FAST[11] + Duration::from_secs(9));
        assert_eq!(histograms.distribution(0).count() + histograms.distribution(2).count(), 0);
    }
}
