//! Clients who keep their pace, whatever they are answered: so many requests a second, by keys of which few are used
//! often and many seldom (Zipf). Nothing is sent twice. For rolling.sh.
//!
//!   steady ADDRESS FILE RATE SECONDS    FILE has a key a line, the most used first

use std::{
    collections::BTreeMap,
    env, fs, io,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use load_programs::client::{Client, get};

/// As many requests may wait for an answer.
const CONNECTIONS: usize = 64;

fn main() -> io::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [address, file, rate, seconds] = &words[..] else {
        return Err(io::Error::other("steady ADDRESS FILE RATE SECONDS"));
    };
    let [rate, seconds] = [rate, seconds].map(|word| word.parse::<usize>().map_err(io::Error::other));
    let (rate, seconds) = (rate?, seconds?);
    let keys = fs::read_to_string(file)?;
    let requests: Vec<String> = keys.lines().map(|key| get("/api/protected-resource", key)).collect();
    let zipf = Zipf::over(requests.len());
    let (next, total, begin) = (AtomicUsize::new(0), rate * seconds, Instant::now());

    let client = || {
        let (mut connection, mut waits, mut failures) = (None, Vec::new(), BTreeMap::<String, usize>::new());
        loop {
            let number = next.fetch_add(1, Relaxed);
            if number >= total {
                return (waits, failures);
            }
            // A request is late from when it was due, and not from when somebody was free to send it.
            let due = Duration::from_secs_f64(number as f64 / rate as f64);
            thread::sleep(due.saturating_sub(begin.elapsed()));
            let outcome = ask(&mut connection, address, &requests[zipf.pick(number)]);
            waits.push(begin.elapsed().saturating_sub(due).as_micros() as u64);
            match outcome {
                Ok(200) => {}
                Ok(status) => *failures.entry(status.to_string()).or_default() += 1,
                Err(error) => *failures.entry(error.kind().to_string()).or_default() += 1,
            }
        }
    };
    let (mut waits, mut failures) = (Vec::new(), BTreeMap::<String, usize>::new());
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(client)).collect();
        for client in clients {
            let (own_waits, own_failures) = client.join().expect("a client does not panic");
            waits.extend(own_waits);
            own_failures.into_iter().for_each(|(kind, count)| *failures.entry(kind).or_default() += count);
        }
    });
    waits.sort_unstable();
    let part = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize] as f64 / 1000.0;
    let failed: usize = failures.values().sum();
    println!(
        "{} requests, {failed} failed; milliseconds: p50 {:.1}, p99 {:.1}, p99.9 {:.1}, most {:.1}",
        waits.len(),
        part(0.5),
        part(0.99),
        part(0.999),
        part(1.0)
    );
    failures.iter().for_each(|(kind, count)| println!("failed: {kind}: {count}"));
    Ok(())
}

/// Picks the first of `n` most often, the second half as often, the third a third as often.
struct Zipf(Vec<f64>);

impl Zipf {
    fn over(n: usize) -> Self {
        let mut sum = 0.0;
        Self(
            (1..=n)
                .map(|rank| {
                    sum += 1.0 / rank as f64;
                    sum
                })
                .collect(),
        )
    }

    /// The same for the same number.
    fn pick(&self, number: usize) -> usize {
        // The finaliser of SplitMix64.
        let mut mixed = (number as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let point = (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64 * self.0[self.0.len() - 1];
        self.0.partition_point(|sum| *sum < point).min(self.0.len() - 1)
    }
}

/// The status of the answer. A connection that failed is replaced at the next request.
fn ask(connection: &mut Option<Client>, address: &str, request: &str) -> io::Result<u16> {
    let mut client = match connection.take() {
        Some(client) => client,
        None => Client::connect(address)?,
    };
    let (status, _) = client.ask(request)?;
    *connection = Some(client);
    Ok(status)
}
