//! What a check costs in this process, without HTTP: `cargo bench --bench warm_check [-- KEYS]`.
//!
//! Fills the cache with a million keys, then asks for them in random order, one thread.

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::{
    collections::HashMap,
    fs,
    hint::black_box,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use keyward::{
    auth::{
        coherence::{ChangeId, CoherenceTimings, Heartbeat, Holders, Link, Mark, Notification, ReplicaId},
        keys::{
            check::{CheckStores, KeyChecker},
            hasher::{Hasher, Lane},
        },
        usage::writer::UsageWriter,
    },
    config::{Checks, Hashing, LastUsed, Usage},
    domain::{
        api_key::{Environment, KeyId, Keyring, Pepper},
        key_record::KeyRecord,
        ledger::Reach,
        limits::{AMOUNT_MAX, Holder, Limits},
        owner::Owner,
        ports::{
            StoreError,
            announcements::{Announcements, Listener, Listening},
            keys::{KeyStore, StoredHash, StoredKey},
            limits::{
                CountedLimit, CreditGrant, CreditOutcome, CreditRequest, LimitStore, SettledSlices, SliceGrant,
                SliceRequest, SliceReturn,
            },
            usage::{UsageBatch, UsageStore},
        },
        usage::{self, KeyDay, Period, UsageQuery},
        verdict::Verdict,
    },
};
use rand::seq::SliceRandom;
use time::OffsetDateTime;
use tokio::sync::mpsc;

const LEASE: Duration = Duration::from_secs(60);
const BATCH: usize = 1_000;
/// Two on the key, one on its owner. Large, so that the database is asked once.
const LIMITS: [&str; 2] = [
    r#"[{"name": "a", "limit": 100000000000, "window": "1h"}, {"name": "b", "limit": 900000000000, "window": "day"}]"#,
    r#"[{"name": "c", "limit": 900000000000, "window": "month"}]"#,
];

const ONE_LIMIT: &str = r#"[{"name": "a", "limit": 100000000000, "window": "1h"}]"#;

fn main() {
    let keys = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(1_000_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(keys));
}

async fn run(keys: usize) {
    let world = World::new(keys);
    let made = world.make_keys(keys, ["[]", "[]"]).await;
    let before = resident_bytes();
    world.warm_up(&made).await;
    let per_key = (resident_bytes() - before) as f64 / keys as f64;
    println!("{keys} keys cached: {per_key:.0} bytes of resident memory each");

    let mut order: Vec<&str> = made.iter().map(String::as_str).collect();
    order.shuffle(&mut rand::rng());
    report("a warm key, any of them", &world.measure(&order).await);
    report("a warm key, one of a thousand", &world.measure(&order[..1_000].repeat(order.len() / 1_000)).await);
    let more = world.make_keys(keys / 10, ["[]", "[]"]).await;
    let with_one = world.make_keys(keys / 10, [ONE_LIMIT, "[]"]).await;
    let limited = world.make_keys(keys / 10, LIMITS).await;
    // As many of each kind, one after the other, so that all find as much memory that was freed before: none.
    world.warm_up(&world.make_keys(keys / 10, ["[]", "[]"]).await).await;
    for (which, keys) in [("more keys", &more), ("keys with a limit", &with_one), ("keys with 3 limits", &limited)] {
        let before = resident_bytes();
        world.warm_up(keys).await;
        let each = (resident_bytes() - before) as f64 / keys.len() as f64;
        println!("{} {which}: {each:.0} bytes of resident memory each", keys.len());
    }
    let limited: Vec<&str> = limited.iter().map(String::as_str).collect();
    report("a warm key with 3 limits, any of them", &world.measure(&limited.repeat(10)).await);
    report(
        "a warm key with 3 limits, one of a thousand",
        &world.measure(&limited[..1_000].repeat(order.len() / 1_000)).await,
    );
    let forged: Vec<String> = order[..1_000].iter().map(|key| forge(key)).collect();
    let forged: Vec<&str> = forged.iter().map(String::as_str).collect();
    report("a forged key", &world.measure(&forged.repeat(1_000)).await);
    let bytes = (per_key * keys as f64) as usize;
    println!("one load from as much memory, that the next has to wait for: {:.0} ns", dependent_load_nanos(bytes));
}

/// What a look-up is made of: each load tells where the next one goes. One random ring through all lines.
fn dependent_load_nanos(bytes: usize) -> f64 {
    const LOADS: usize = 2_000_000;
    #[derive(Clone, Copy)]
    #[repr(align(64))]
    struct Line(usize);
    let mut ring: Vec<usize> = (0..bytes / size_of::<Line>()).collect();
    ring.shuffle(&mut rand::rng());
    let mut lines = vec![Line(0); ring.len()];
    for (from, to) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        lines[*from] = Line(*to);
    }
    let begin = Instant::now();
    let end = (0..LOADS).fold(0, |line, _| lines[line].0);
    black_box(end);
    begin.elapsed().as_nanos() as f64 / LOADS as f64
}

/// The key with the first character of its secret changed.
fn forge(key: &str) -> String {
    let at = "keyward_live_".len() + 22;
    let other = if &key[at..=at] == "x" { "y" } else { "x" };
    format!("{}{other}{}", &key[..at], &key[at + 1..])
}

fn report(what: &str, nanos: &[f64]) {
    let at = |part: f64| nanos[((nanos.len() - 1) as f64 * part) as usize];
    println!("{what}: median {:.0} ns, p99 of batches {:.0} ns", at(0.5), at(0.99));
}

fn resident_bytes() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|word| word.parse::<usize>().ok()).unwrap_or(0) * 4096
}

/// A checker over a store in memory and a link that only hears itself.
struct World {
    keyring: Arc<Keyring>,
    hasher: Arc<Hasher>,
    store: Arc<MemoryStore>,
    checker: KeyChecker,
}

impl World {
    fn new(keys: usize) -> Self {
        let pepper = Pepper::new("p".repeat(32).into()).expect("32 bytes");
        let keyring = Arc::new(Keyring::new("keyward".parse().expect("a prefix"), &[pepper]).expect("a pepper"));
        // As cheap as Argon2 goes: this is not about the hash.
        let hashing = Hashing {
            memory_kib: 8,
            iterations: 1,
            parallelism: 1,
            concurrency: NonZeroUsize::new(2).expect("two"),
            max_wait: Duration::from_secs(60),
        };
        let hasher = Arc::new(Hasher::new(&hashing).expect("valid settings"));
        let store = Arc::new(MemoryStore::default());
        let settings = CoherenceTimings::for_lease(LEASE).expect("a lease in bounds");
        let link = Arc::new(Link::new(ReplicaId(1), settings, Arc::new(Echo::default())));
        tokio::spawn(Arc::clone(&link).run());
        let settings = LastUsed { write_every: LEASE, max_pending: 100_000 };
        let uses = Arc::new(UsageWriter::new(Arc::clone(&store) as Arc<dyn UsageStore>, settings, &Usage::default()));
        let checker = KeyChecker::new(
            Arc::clone(&keyring),
            CheckStores { keys: Arc::clone(&store) as Arc<dyn KeyStore>, limits: Arc::new(Endless) },
            Arc::clone(&hasher),
            link.freshness(),
            uses,
            // Room for all, of which one with limits takes several places.
            &Checks { cached_keys: 2 * keys, max_cold: 1024, ..Checks::default() },
            tokio::runtime::Handle::current(),
        );
        Self { keyring, hasher, store, checker }
    }

    /// `limits`: those of each key, and those of each owner.
    async fn make_keys(&self, count: usize, limits: [&str; 2]) -> Vec<String> {
        let [own, of_owner] = limits.map(|text| Limits::from_stored(text).expect("limits"));
        let now = OffsetDateTime::now_utc();
        let mut made = Vec::with_capacity(count);
        for number in 0..count {
            let issued = self.keyring.generate(Environment::Live, now);
            let pepper = self.keyring.hash_secret(issued.pepper);
            let hash = self.hasher.hash(issued.secret, pepper, Lane::Issue).await.expect("a hash");
            let owner = Owner { issuer: "https://issuer.example".into(), subject: format!("user-{number:08}").into() };
            let (limits, owner_limits) = (own.clone(), of_owner.clone());
            let record = KeyRecord { limits, owner_limits, ..KeyRecord::new(issued.id, owner, Environment::Live) };
            self.store.0.lock().expect("no panic").insert(issued.id, (record, hash.expose().to_owned()));
            made.push(issued.text.expose().to_owned());
        }
        made
    }

    async fn warm_up(&self, keys: &[String]) {
        for key in keys {
            self.check(key).await;
        }
        // The store's copies are not the cache's.
        let mut seen = 0;
        for key in keys.iter().take(1000) {
            seen += usize::from(matches!(self.check(key).await, Verdict::Granted(_)));
        }
        assert_eq!(seen, keys.len().min(1000), "the keys are good");
    }

    async fn check(&self, key: &str) -> Verdict {
        self.checker.check(key.as_bytes(), OffsetDateTime::now_utc(), None).await.expect("a decision")
    }

    /// Nanoseconds a check, by batches, sorted. The texts stand side by side: a request's has just
    /// arrived, so it is in the processor's cache, which a list of a million strings is not.
    async fn measure(&self, keys: &[&str]) -> Vec<f64> {
        let length = keys[0].len();
        let mut nanos = Vec::with_capacity(keys.len() / BATCH);
        for batch in keys.chunks_exact(BATCH) {
            let texts = batch.concat();
            let begin = Instant::now();
            for text in texts.as_bytes().chunks_exact(length) {
                black_box(
                    self.checker.check(black_box(text), OffsetDateTime::now_utc(), None).await.expect("a decision"),
                );
            }
            nanos.push(begin.elapsed().as_nanos() as f64 / BATCH as f64);
        }
        nanos.sort_by(f64::total_cmp);
        nanos
    }
}

#[derive(Default)]
struct MemoryStore(Mutex<HashMap<KeyId, (KeyRecord, String)>>);

#[async_trait]
impl KeyStore for MemoryStore {
    async fn find(&self, ids: &[KeyId]) -> Result<Vec<Arc<StoredKey>>, StoreError> {
        let rows = self.0.lock().expect("no panic");
        let found = ids.iter().filter_map(|id| rows.get(id));
        // What is read from a row is in no other place of the memory.
        let read = |limits: &Limits| Limits::new(limits.as_slice().to_vec()).expect("limits");
        let stored = |(record, hash): &(KeyRecord, String)| {
            let (limits, owner_limits) = (read(&record.limits), read(&record.owner_limits));
            let record = KeyRecord { limits, owner_limits, ..record.clone() };
            Arc::new(StoredKey { record, hash: StoredHash::new(hash.clone()) })
        };
        Ok(found.map(stored).collect())
    }

    async fn replace_hash(&self, _: KeyId, _: &StoredHash, _: &StoredHash) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl UsageStore for MemoryStore {
    async fn write_usage(&self, _: &UsageBatch) -> Result<(), StoreError> {
        Ok(())
    }

    async fn usage(&self, _: &UsageQuery, _: &Reach) -> Result<Result<usage::Usage, usage::TooManyCounts>, StoreError> {
        unimplemented!()
    }

    async fn days_of_keys(&self, _: &[KeyId], _: Period, _: &Reach) -> Result<Vec<KeyDay>, StoreError> {
        unimplemented!()
    }

    async fn keep_usage_months(&self, _: Option<Duration>, _: Option<Duration>) -> Result<Option<u32>, StoreError> {
        unimplemented!()
    }

    async fn forget_usage_keys(&self, _: i32, _: u32) -> Result<Option<i32>, StoreError> {
        unimplemented!()
    }
}

/// Grants all that is wanted.
struct Endless;

#[async_trait]
impl LimitStore for Endless {
    async fn take_slices(&self, requests: &[SliceRequest]) -> Result<Vec<SliceGrant>, StoreError> {
        let now = OffsetDateTime::now_utc();
        let grant = |request: &SliceRequest| SliceGrant {
            granted: request.want,
            left: request.amount,
            ends: now + 60 * LEASE,
            at: now,
        };
        Ok(requests.iter().map(grant).collect())
    }

    async fn exchange_credits(&self, requests: &[CreditRequest]) -> Result<Vec<CreditGrant>, StoreError> {
        let grant = |request: &CreditRequest| CreditGrant {
            outcome: CreditOutcome::Done,
            granted: request.want,
            left: AMOUNT_MAX,
            elsewhere: 0,
            next_refill: None,
            refill: None,
            max: None,
            at: OffsetDateTime::now_utc(),
        };
        Ok(requests.iter().map(grant).collect())
    }

    async fn settle_silent_slices(&self, _: Holder, _: u32) -> Result<SettledSlices, StoreError> {
        Ok(SettledSlices::default())
    }

    async fn return_slices(&self, _: &[SliceReturn]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn counted(&self, _: &[Holder]) -> Result<Vec<CountedLimit>, StoreError> {
        Ok(Vec::new())
    }

    async fn forget_counters(&self, _: Holder, _: u32) -> Result<(Option<Holder>, u64), StoreError> {
        Ok((None, 0))
    }
}

/// Gives back to its one listener whatever is sent.
#[derive(Default)]
struct Echo(Mutex<Option<mpsc::UnboundedSender<Notification>>>);

#[async_trait]
impl Announcements for Echo {
    async fn listen(&self, lease: Duration) -> Result<Listening, StoreError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.0.lock().expect("no panic") = Some(sender);
        Ok(Listening { listener: Box::new(EchoListener(receiver)), holders: Holders::Unlisted(lease), pulse: 0 })
    }

    async fn beat(&self, heartbeat: &Heartbeat, _: Option<u64>) -> Result<u64, StoreError> {
        self.send(&Notification::Heartbeat(*heartbeat)).await.map(|()| 0)
    }

    async fn send(&self, notification: &Notification) -> Result<(), StoreError> {
        if let Some(listener) = &*self.0.lock().expect("no panic") {
            let _ = listener.send(notification.clone());
        }
        Ok(())
    }

    fn mark(&self, _: ChangeId) -> Mark {
        unimplemented!("nobody changes anything")
    }

    async fn acknowledged(&self, _: &[ChangeId]) -> Result<Vec<(ReplicaId, Vec<ChangeId>)>, StoreError> {
        Ok(Vec::new())
    }

    async fn longest_lease(&self) -> Duration {
        LEASE
    }
}

struct EchoListener(mpsc::UnboundedReceiver<Notification>);

#[async_trait]
impl Listener for EchoListener {
    async fn next(&mut self) -> Result<Notification, StoreError> {
        self.0.recv().await.ok_or_else(|| StoreError::Unavailable("closed".to_owned()))
    }
}
