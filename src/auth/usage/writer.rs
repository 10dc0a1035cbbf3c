//! The keys with uses that are not written yet, and their writing.

use std::{
    collections::VecDeque,
    net::IpAddr,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use time::OffsetDateTime;
use tokio::sync::Mutex as AsyncMutex;

use super::counter::{KeyUses, ListState, Taken, hour_of};
use crate::{
    auth::{clock, coherence::MonotonicTime},
    config::{LastUsed, Usage},
    domain::{
        api_key::KeyId,
        ports::{
            StoreError,
            usage::{HourlyUses, KeyUse, UsageBatch, UsageStore},
        },
        usage::{UsageTag, UsageTags, UseOutcome},
    },
    telemetry::{metrics::counting::Counter, outage::Trouble},
};

/// The pause between writes in seconds: a sixth of [`LastUsed::write_every`], within these bounds. Of a batch of 50 keys,
/// half of what the database does is for the batch itself, so few large ones are cheaper.
const PAUSE_SECONDS: RangeInclusive<usize> = 1..=10;
/// So many keys are always written for each second if they are due, however much time there is. Mostly 200 rows.
const KEYS_AT_LEAST: usize = 100;
/// A write that fails within this time may have met a connection that was lost before.
const SOON: Duration = Duration::from_secs(1);
/// The maximum number of keys in a batch, which takes some tens of milliseconds.
const WRITTEN_TOGETHER: usize = 1000;

/// The uses that wait to be written.
pub struct UsageWriter {
    list: Mutex<List>,
    /// The lengths of the list, to be read without its lock.
    listed: AtomicUsize,
    turned: AtomicUsize,
    /// Held during a write: one batch at a time.
    writing: AsyncMutex<Writing>,
    store: Arc<dyn UsageStore>,
    settings: LastUsed,
    /// The longest time that a use waits, unless the store is away or slow.
    write_within: Duration,
    tags: UsageTags,
    trouble: Trouble,
    lost: Arc<Counter>,
    rows: Counter,
}

/// What waits, the oldest first.
struct List {
    /// Keys, with the time of their first use that is not written.
    keys: VecDeque<(MonotonicTime, Arc<KeyUses>)>,
    /// Counts of keys that were used again in a later hour.
    turned: Vec<Taken>,
}

#[derive(Default)]
struct Writing {
    /// The number of the last batch.
    number: i64,
    /// The batch whose fate is unknown.
    unsettled: Option<UsageBatch>,
}

impl UsageWriter {
    /// No use is counted yet.
    pub fn new(store: Arc<dyn UsageStore>, settings: LastUsed, usage: &Usage) -> Self {
        // In advance, so that a check never waits for it to grow.
        let keys = VecDeque::with_capacity(settings.max_pending);
        Self {
            list: Mutex::new(List { keys, turned: Vec::new() }),
            listed: AtomicUsize::new(0),
            turned: AtomicUsize::new(0),
            writing: AsyncMutex::default(),
            store,
            write_within: usage.write_within.max(settings.write_every),
            settings,
            tags: usage.tags.clone(),
            trouble: Trouble::default(),
            lost: Arc::default(),
            rows: Counter::default(),
        }
    }

    /// A counter for this key.
    pub(in crate::auth) fn counter(&self, key: KeyId) -> Arc<KeyUses> {
        Arc::new(KeyUses::new(key, Arc::clone(&self.lost)))
    }

    /// Counts a use: two loads and one addition, and once per write a lock.
    pub(in crate::auth) fn count(&self, key: &Arc<KeyUses>, outcome: UseOutcome, tag: UsageTag, at: OffsetDateTime) {
        let hour = hour_of(at);
        if key.list_state(hour) == ListState::Earlier {
            self.turn(key, hour);
        }
        key.count(outcome, tag);
        if key.list_state(hour) == ListState::Unlisted {
            self.list(key, hour);
        }
    }

    /// Counts a use of a valid key, and notes when and from where it was.
    pub(in crate::auth) fn note(
        &self,
        key: &Arc<KeyUses>,
        outcome: UseOutcome,
        tag: UsageTag,
        at: OffsetDateTime,
        from: Option<IpAddr>,
    ) {
        key.note(at, from);
        self.count(key, outcome, tag, at);
    }

    /// Lists a key. If there is no room, that is left to its next use, and its uses stay in the counter.
    #[cold]
    fn list(&self, key: &Arc<KeyUses>, hour: u32) {
        if self.listed.load(Relaxed) >= self.settings.max_pending {
            return;
        }
        let mut list = self.list.lock();
        if list.keys.len() < self.settings.max_pending && key.list(hour) {
            list.keys.push_back((clock::now(), Arc::clone(key)));
            self.listed.store(list.keys.len(), Relaxed);
        }
    }

    /// Sets the counts of an earlier hour aside. If there is no room, they count for this hour.
    #[cold]
    fn turn(&self, key: &KeyUses, hour: u32) {
        let mut list = self.list.lock();
        if let Some(earlier) = key.turn(hour)
            && list.turned.len() < self.settings.max_pending
        {
            key.take(earlier, |taken| list.turned.push(taken));
            self.turned.store(list.turned.len(), Relaxed);
        }
    }

    /// Writes for ever: each key soon after its uses are as old as [`LastUsed::write_every`]. If there are many, so
    /// many at a time that none waits for longer than [`Usage::write_within`].
    pub async fn run(self: Arc<Self>) {
        let pause = (seconds(self.settings.write_every) / 6).clamp(*PAUSE_SECONDS.start(), *PAUSE_SECONDS.end());
        loop {
            tokio::time::sleep(Duration::from_secs(pause as u64)).await;
            let now = clock::now().as_nanos();
            let due = MonotonicTime::from_nanos(now.saturating_sub(nanos(self.settings.write_every)));
            let of = |waiting: &AtomicUsize| {
                let each_second = waiting.load(Relaxed).div_ceil(seconds(self.write_within).max(1));
                pause * each_second.max(KEYS_AT_LEAST)
            };
            self.write_some(Some(due), of(&self.listed), of(&self.turned)).await;
        }
    }

    /// Writes everything, after any write in progress. What can't be written stays pending.
    pub async fn write(&self) {
        self.write_some(None, usize::MAX, usize::MAX).await;
    }

    /// The same, with a second attempt if the first fails soon: a connection may have been lost while nobody looked.
    pub async fn write_finally(&self) {
        let begin = clock::now().as_nanos();
        self.write().await;
        if clock::now().as_nanos().saturating_sub(begin) < nanos(SOON) {
            self.write().await;
        }
    }

    /// Writes at most so many keys, and counts of earlier hours, in batches. `due`: only keys that were listed by then.
    async fn write_some(&self, due: Option<MonotonicTime>, mut keys: usize, mut turned: usize) {
        let mut writing = self.writing.lock().await;
        loop {
            if writing.unsettled.is_none() {
                let batch =
                    self.take(due, keys.min(WRITTEN_TOGETHER), turned.min(WRITTEN_TOGETHER), writing.number + 1);
                if batch.last_uses.is_empty() && batch.counts.is_empty() {
                    return;
                }
                keys = keys.saturating_sub(WRITTEN_TOGETHER);
                turned = turned.saturating_sub(WRITTEN_TOGETHER);
                writing.number = batch.number;
                // Before the store is asked: if this future is dropped meanwhile, the batch is not.
                writing.unsettled = Some(batch);
            }
            let Some(batch) = &writing.unsettled else { return };
            if let Err(error) = self.store.write_usage(batch).await {
                return self.tell(&error);
            }
            self.rows.add((batch.last_uses.len() + batch.counts.len()) as u64);
            writing.unsettled = None;
            self.trouble.is_over(|lasted_ms| tracing::info!(lasted_ms, "the uses of keys are written again"));
        }
    }

    fn tell(&self, error: &StoreError) {
        self.trouble.tell(error, |repeated| {
            tracing::warn!(%error, repeated, "could not write the uses of keys; trying again");
        });
    }

    /// Takes a batch.
    fn take(&self, due: Option<MonotonicTime>, keys: usize, turned: usize, number: i64) -> UsageBatch {
        // Allocated before taking the lock, which checks wait for.
        let (mut counts, mut last_uses) = (Vec::with_capacity(2 * keys + turned), Vec::with_capacity(keys));
        let mut list = self.list.lock();
        let rest = list.turned.len().saturating_sub(turned);
        counts.extend(list.turned.drain(rest..));
        self.turned.store(list.turned.len(), Relaxed);
        for _ in 0..keys {
            let Some((_, key)) = list.keys.pop_front_if(|(since, _)| due.is_none_or(|due| *since <= due)) else {
                break;
            };
            let hour = key.unlist();
            key.take(hour, |taken| counts.push(taken));
            last_uses.extend(key.take_last().map(|(key, last)| KeyUse { key, last }));
        }
        self.listed.store(list.keys.len(), Relaxed);
        drop(list);
        UsageBatch {
            number,
            last_uses: one_each(last_uses),
            counts: counts.iter().map(|taken| self.hourly(taken)).collect(),
        }
    }

    fn hourly(&self, taken: &Taken) -> HourlyUses {
        let Taken { key, hour, outcome, tag, count } = *taken;
        let hour = OffsetDateTime::from_unix_timestamp(i64::from(hour) * 3600).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        HourlyUses { key, hour, outcome, tag: self.tags.name(tag).to_owned(), count }
    }

    /// The keys with uses that are not written yet.
    pub fn pending(&self) -> usize {
        self.listed.load(Relaxed) + self.turned.load(Relaxed)
    }

    /// The keys with uses that are not known to be written, also those of a batch whose fate is unknown.
    pub fn unwritten(&self) -> usize {
        let unsettled = self.writing.try_lock().ok();
        let unsettled = unsettled.as_ref().and_then(|writing| writing.unsettled.as_ref());
        self.pending() + unsettled.map_or(0, |batch| batch.last_uses.len().max(batch.counts.len()))
    }

    /// The rows that were written.
    pub fn rows(&self) -> u64 {
        self.rows.get()
    }

    /// The uses that were lost, because their key was forgotten while the list had no room.
    pub fn lost(&self) -> u64 {
        self.lost.get()
    }

    /// The declared tags.
    pub fn tags(&self) -> &UsageTags {
        &self.tags
    }
}

/// The latest use of each key: two counters may be of one key, if it was forgotten in between.
fn one_each(mut uses: Vec<KeyUse>) -> Vec<KeyUse> {
    uses.sort_by_key(|one| std::cmp::Reverse((one.key.as_uuid(), one.last.at)));
    uses.dedup_by_key(|key_use| key_use.key);
    uses
}

fn seconds(span: Duration) -> usize {
    usize::try_from(span.as_secs()).unwrap_or(usize::MAX)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
