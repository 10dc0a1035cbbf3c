//! Everything around a check, in one process: a store and a channel of notifications that count, wait,
//! fail and answer on command, and between them the real checker, hasher and link.

pub mod channel;
pub mod gate;
pub mod hashing_thread;
pub mod limits;
mod plans;
pub mod store;
pub mod tokens;

use std::{num::NonZeroUsize, ops::Sub, sync::Arc, time::Duration};

use futures_util::FutureExt;
use keyward::{
    auth::{
        Undecided,
        coherence::{CoherenceTimings, Freshness, Link, RecordId, Records, ReplicaId},
        keys::{
            check::{CheckStores, KeyChecker},
            hasher::{Hasher, Lane},
        },
        lifecycle::{Caller, ClaimsFollowed, HeldKeys, KeyIssuer, Lifecycle, OwnersStopped},
        usage::writer::UsageWriter,
    },
    config::{Checks, Hashing, KeyPolicy, LastUsed, Usage},
    domain::{
        api_key::{Environment, GeneratedKey, KeyId, Keyring, Pepper},
        audit::Author,
        denial::Denial,
        key_record::KeyRecord,
        ledger::Reach,
        limits::Limits,
        owner::Owner,
        ports::{
            announcements::Announcements,
            keys::{KeyStore, StoredKey},
            ledger::KeyLedger,
            limits::LimitStore,
            plans::PlanStore,
            usage::UsageStore,
        },
        usage::UsageTags,
        verdict::Verdict,
    },
};
use time::{OffsetDateTime, macros::datetime};
use tokio::runtime::Handle;

use self::{channel::Channel, limits::FakeLimits, store::FakeStore};
use crate::{PATIENCE, eventually};

/// When the tests happen.
pub const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);
/// A lease that no test outlives.
pub const LONG_LEASE: Duration = Duration::from_secs(60);

/// How a world is to be.
pub struct Plan {
    pub cached_keys: usize,
    pub max_cold: usize,
    pub max_limit_wait: Duration,
    pub max_noted_uses: usize,
    pub tags: UsageTags,
    pub hashing: Hashing,
    pub settings: CoherenceTimings,
    /// Whether the replica's own heartbeats come back to it, which gives it a lease.
    pub with_lease: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            cached_keys: 1000,
            max_cold: 1024,
            max_limit_wait: PATIENCE,
            max_noted_uses: 1000,
            tags: UsageTags::default(),
            hashing: CHEAP,
            settings: CoherenceTimings::for_lease(LONG_LEASE).expect("a valid lease"),
            with_lease: true,
        }
    }
}

/// The cheapest hash there is. Two at once, however many cores there are.
pub const CHEAP: Hashing = Hashing {
    memory_kib: 64,
    iterations: 1,
    parallelism: 1,
    concurrency: NonZeroUsize::new(2).expect("not zero"),
    max_wait: PATIENCE,
};

/// One replica, and what is around it.
pub struct World {
    pub keyring: Arc<Keyring>,
    pub store: Arc<FakeStore>,
    pub limits: Arc<FakeLimits>,
    pub channel: Arc<Channel>,
    pub hasher: Arc<Hasher>,
    pub link: Arc<Link>,
    pub checker: Arc<KeyChecker>,
    pub uses: Arc<UsageWriter>,
    /// Makes the hashes of keys that were "there before", so that the replica's own count from 0.
    foreign_hasher: Hasher,
}

/// A key and its text.
#[derive(Clone)]
pub struct TestKey {
    pub id: KeyId,
    pub text: String,
}

/// What checks have cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    pub queries: usize,
    pub hashes: usize,
}

pub const NOTHING: Costs = Costs { queries: 0, hashes: 0 };
pub const ONE_QUERY: Costs = Costs { queries: 1, hashes: 0 };
pub const ONE_QUERY_AND_HASH: Costs = Costs { queries: 1, hashes: 1 };

impl Sub for Costs {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { queries: self.queries - earlier.queries, hashes: self.hashes - earlier.hashes }
    }
}

impl World {
    /// A replica with a lease, if that is in the plan.
    pub async fn start(plan: Plan) -> Self {
        let channel = Arc::new(Channel::new(plan.with_lease));
        let store = Arc::new(FakeStore::new(Arc::clone(&channel)));
        let world = Self::replica(plan, keyring(), store, Arc::default(), channel);
        tokio::spawn(Arc::clone(&world.link).run());
        world.channel.listening(1).await;
        if world.channel.heartbeats_come_back() {
            eventually("a lease", async || world.freshness().lease_until().as_nanos() > 0).await;
        }
        world
    }

    /// One with the usual plan.
    pub async fn usual() -> Self {
        Self::start(Plan::default()).await
    }

    /// Another replica with another plan, on the same rows.
    pub async fn restarted(&self, plan: Plan) -> Self {
        let world = Self::replica(
            plan,
            Arc::clone(&self.keyring),
            Arc::clone(&self.store),
            Arc::clone(&self.limits),
            Arc::new(Channel::new(true)),
        );
        tokio::spawn(Arc::clone(&world.link).run());
        eventually("a lease", async || world.freshness().lease_until().as_nanos() > 0).await;
        world
    }

    fn replica(
        plan: Plan,
        keyring: Arc<Keyring>,
        store: Arc<FakeStore>,
        limits: Arc<FakeLimits>,
        channel: Arc<Channel>,
    ) -> Self {
        let announcements = Arc::clone(&channel) as Arc<dyn Announcements>;
        let link = Arc::new(Link::new(ReplicaId(rand::random()), plan.settings, announcements));
        let hasher = Arc::new(Hasher::new(&plan.hashing).expect("valid settings"));
        let checks =
            Checks { cached_keys: plan.cached_keys, max_cold: plan.max_cold, max_limit_wait: plan.max_limit_wait };
        let counters = Arc::clone(&limits) as Arc<dyn LimitStore>;
        let keys = Arc::clone(&store) as Arc<dyn KeyStore>;
        let (ring, hashes, runtime) = (Arc::clone(&keyring), Arc::clone(&hasher), Handle::current());
        let settings = LastUsed { write_every: PATIENCE, max_pending: plan.max_noted_uses };
        let usage = Usage { tags: plan.tags, ..Usage::default() };
        let uses = Arc::new(UsageWriter::new(Arc::clone(&store) as Arc<dyn UsageStore>, settings, &usage));
        let stores = CheckStores { keys, limits: counters };
        let checker = KeyChecker::new(ring, stores, hashes, link.freshness(), Arc::clone(&uses), &checks, runtime);
        let foreign_hasher = Hasher::new(&CHEAP).expect("valid settings");
        Self { checker: Arc::new(checker), keyring, store, limits, channel, hasher, link, uses, foreign_hasher }
    }

    pub fn freshness(&self) -> Arc<Freshness> {
        self.link.freshness()
    }

    /// A replica that listens, but never gets a lease.
    pub async fn without_lease(plan: Plan) -> Self {
        Self::start(Plan { with_lease: false, ..plan }).await
    }

    /// A key that is in the store.
    pub async fn key(&self) -> TestKey {
        let GeneratedKey { id, environment, secret, pepper, text } = self.keyring.generate(Environment::Live, NOW);
        let hash = self.foreign_hasher.hash(secret, self.keyring.hash_secret(pepper), Lane::Issue).await;
        let record = KeyRecord::new(id, Owner { issuer: "".into(), subject: "alice".into() }, environment);
        self.store.put(StoredKey { record, hash: hash.expect("a hash") });
        TestKey { id, text: text.expose().to_owned() }
    }

    /// A key with limits: its own, and its owner's, as the database has them.
    pub async fn limited_key(&self, own: &str, owner: &str) -> TestKey {
        let key = self.key().await;
        let limits = |text: &str| Limits::from_stored(text).expect("limits");
        self.store.set(key.id, |record| (record.limits, record.owner_limits) = (limits(own), limits(owner)));
        key
    }

    /// Many of them.
    pub async fn keys(&self, count: usize) -> Vec<TestKey> {
        let mut keys = Vec::new();
        for _ in 0..count {
            keys.push(self.key().await);
        }
        keys
    }

    /// A key that we made, and that has no row (any more).
    pub fn deleted_key(&self) -> TestKey {
        let GeneratedKey { id, text, .. } = self.keyring.generate(Environment::Live, NOW);
        TestKey { id, text: text.expose().to_owned() }
    }

    /// A key that this replica has checked before.
    pub async fn warm_key(&self) -> TestKey {
        let key = self.key().await;
        assert_granted(&self.check(&key).await);
        key
    }

    pub async fn check(&self, key: &TestKey) -> Result<Verdict, Undecided> {
        self.checker.check(key.text.as_bytes(), NOW, None).await
    }

    /// Checks again and again until the outcome is `wanted`.
    pub async fn eventually(&self, key: &TestKey, wanted: impl Fn(&Verdict) -> bool) {
        eventually("another verdict", async || self.check(key).await.is_ok_and(|verdict| wanted(&verdict))).await;
    }

    /// Changes the row, and waits until the replica has applied the change.
    pub async fn change(&self, key: &TestKey, change: impl FnOnce(&mut KeyRecord)) {
        self.store.set(key.id, change);
        self.invalidate(key).await;
    }

    /// Tells the replica that the row has changed, and waits until it has acknowledged that.
    pub async fn invalidate(&self, key: &TestKey) {
        let change = self.channel.announce(Records::These(vec![record(key)]));
        self.channel.applied(change).await;
    }

    pub fn costs(&self) -> Costs {
        let hashes = usize::try_from(self.hasher.durations().count()).expect("a small number");
        Costs { queries: self.store.queries(), hashes }
    }

    /// Changes and revokes, on the same store and link.
    pub fn lifecycle(&self) -> Arc<Lifecycle> {
        Arc::new(Lifecycle {
            ledger: Arc::clone(&self.store) as Arc<dyn KeyLedger>,
            plans: Arc::clone(&self.store) as Arc<dyn PlanStore>,
            policy: KeyPolicy::default(),
            link: Some(Arc::clone(&self.link)),
            runtime: Handle::current(),
            stopped: OwnersStopped::default(),
            followed: ClaimsFollowed::default(),
            held: HeldKeys::default(),
        })
    }

    /// Makes keys, on the same store.
    pub fn issuer(&self) -> KeyIssuer {
        KeyIssuer {
            lifecycle: self.lifecycle(),
            keyring: Arc::clone(&self.keyring),
            hasher: Arc::clone(&self.hasher),
            environment: Environment::Live,
        }
    }
}

/// Somebody who may do everything.
pub fn operator() -> Caller {
    Caller { reach: Reach::Any, scopes: None, scope_bearing: false, unknown_plan: None, author: Author::command_line() }
}

/// A key's name in the protocol.
pub fn record(key: &TestKey) -> RecordId {
    RecordId(key.id.as_uuid().as_u128())
}

/// Any server's, when `pepper` is any text.
pub fn keyring_of(prefix: &str, pepper: &str) -> Keyring {
    let pepper = Pepper::new(pepper.repeat(32).into()).expect("32 bytes");
    Keyring::new(prefix.parse().expect("a prefix"), &[pepper]).expect("a pepper")
}

fn keyring() -> Arc<Keyring> {
    Arc::new(keyring_of("keyward", "p"))
}

/// Lets `work` go as far as it can without waiting.
pub fn poll_once<F: Future + Unpin>(work: &mut F) -> Option<F::Output> {
    work.now_or_never()
}

#[track_caller]
pub fn assert_granted(outcome: &Result<Verdict, Undecided>) {
    assert!(matches!(outcome, Ok(Verdict::Granted(_))), "{outcome:?}");
}

#[track_caller]
pub fn assert_denied(outcome: &Result<Verdict, Undecided>, why: Denial) {
    assert!(matches!(outcome, Ok(Verdict::Denied(denial)) if *denial == why), "{outcome:?}");
}

/// Refused, because a limit is exhausted. Returns the names of all that are.
#[track_caller]
pub fn assert_limited(outcome: &Result<Verdict, Undecided>) -> Vec<String> {
    let Ok(Verdict::Limited(exceeded)) = outcome else { panic!("{outcome:?}") };
    let mut names = Vec::new();
    exceeded.visit_violated(&mut |state| names.push(state.limit.name.to_string()));
    names
}

#[track_caller]
pub fn assert_busy(outcome: &Result<Verdict, Undecided>) {
    assert!(matches!(outcome, Err(Undecided::Busy)), "{outcome:?}");
}
