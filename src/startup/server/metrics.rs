//! Reads what all parts of a replica count, and writes it under the names of `telemetry::metrics::table`.

use std::{sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    api::{MetricsPage, request_metrics::RequestCounts},
    auth::{
        coherence::Link,
        housekeeping::{Rest, repeat},
        jwt::{RemoteKeys, RemoteKeysState},
        keys::hasher::Hasher,
        metrics::CheckCounts,
        occupancy::Occupancy,
    },
    domain::{build::REVISION, denial::Denial, ports::StoreError, secret::SecretString},
    policy_file::PolicyCounts,
    protect::Gate,
    server::OpenConnections,
    store::{Sample, Store},
    telemetry::{
        metrics::{exposition::Exposition, labels::KEY_STATES, process, table},
        traces,
    },
};

/// A number that says how full a cache is.
type OccupancyPart = fn(&Occupancy) -> u64;

/// Everything that counts.
pub(super) struct Sources {
    pub(super) connections: OpenConnections,
    pub(super) max_connections: usize,
    /// `None` without a policy file.
    pub(super) policy: Option<Arc<PolicyCounts>>,
    pub(super) requests: Arc<RequestCounts>,
    pub(super) gate: Arc<Gate>,
    pub(super) hasher: Arc<Hasher>,
    pub(super) link: Arc<Link>,
    pub(super) key_sets: Vec<Arc<RemoteKeys>>,
    pub(super) store: Arc<Store>,
    pub(super) samples: Arc<Samples>,
}

/// The last sample of the database, and when it was taken.
#[derive(Default)]
pub(super) struct Samples(Mutex<Option<(OffsetDateTime, Sample)>>);

impl Samples {
    /// Asks the database for ever, at this interval. Replicas that started together don't ask together.
    pub(super) async fn take(self: Arc<Self>, store: Arc<Store>, every: Duration) {
        let take_now = || {
            let (samples, store) = (Arc::clone(&self), Arc::clone(&store));
            async move {
                let sample = store.sample().await?;
                *samples.lock() = Some((OffsetDateTime::now_utc(), sample));
                Ok::<_, StoreError>(())
            }
        };
        repeat(
            Rest::about(every, 0.1),
            take_now,
            |error, repeated| {
                tracing::warn!(%error, repeated, "could not sample the metrics of the database; trying again later");
            },
            |lasted_ms| tracing::info!(lasted_ms, "the metrics of the database are sampled again"),
        )
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, Option<(OffsetDateTime, Sample)>> {
        self.0.lock()
    }
}

impl Sources {
    /// The page, for those who present `token`, if there is one; and what counts its requests.
    pub(super) fn page(self, token: Option<SecretString>) -> (Arc<MetricsPage>, Arc<RequestCounts>) {
        let requests = Arc::clone(&self.requests);
        (Arc::new(MetricsPage::new(move || self.text(), token)), requests)
    }

    /// The answer to a scrape. Reads memory and `/proc`, and asks nobody.
    fn text(&self) -> String {
        let mut text = Exposition::default();
        self.requests(&mut text);
        self.checks(&mut text);
        self.hashing(&mut text);
        self.database(&mut text);
        self.coherence(&mut text);
        self.issuers(&mut text);
        self.keys(&mut text);
        self.policy(&mut text);
        let replica = Uuid::from_u128(self.store.replica_id().0).to_string();
        text.family(&table::BUILD).value(&[env!("CARGO_PKG_VERSION"), REVISION, &replica], 1);
        text.single(&table::SPANS_DROPPED, traces::dropped_spans());
        process::write(&mut text);
        text.finish()
    }

    fn requests(&self, text: &mut Exposition) {
        let mut requests = text.family(&table::REQUESTS);
        for (labels, status, count) in self.requests.counts() {
            requests.value(&[labels.method, labels.route, status], count);
        }
        let mut durations = text.family(&table::REQUEST_DURATION);
        for (labels, distribution) in self.requests.durations() {
            durations.distribution(&[labels.method, labels.route], &distribution);
        }
        text.single(&table::HTTP_CONNECTIONS, self.connections.count());
        text.single(&table::HTTP_CONNECTIONS_LIMIT, self.max_connections);
    }

    fn policy(&self, text: &mut Exposition) {
        let mut loaded = text.family(&table::POLICY_LOADED_AT);
        self.policy.iter().for_each(|policy| loaded.value(&[], policy.loaded_at()));
        let mut failures = text.family(&table::POLICY_FAILURES);
        self.policy.iter().for_each(|policy| failures.value(&[], policy.failures()));
    }

    fn checks(&self, text: &mut Exposition) {
        let Gate { keys, tokens, denials, .. } = &*self.gate;
        let mut checks = text.family(&table::CHECKS);
        let mut write = |kind, counts: &CheckCounts| {
            for checked in counts.all() {
                checks.value(&[kind, checked.outcome, checked.way], checked.count);
            }
        };
        write("key", keys.counts());
        write("token", tokens.counts());
        let mut reasons = text.family(&table::DENIALS);
        for (place, reason) in Denial::codes().enumerate() {
            reasons.value(&[reason], denials.get(place));
        }
        let mut limited = text.family(&table::LIMIT_CHECKS);
        keys.limit_counts().outcomes().for_each(|(outcome, count)| limited.value(&[outcome], count));
        let mut slices = text.family(&table::LIMIT_SLICES);
        keys.limit_counts().grants().for_each(|(outcome, count)| slices.value(&[outcome], count));
        let uses = keys.uses();
        text.single(&table::USAGE_PENDING, uses.pending() as u64);
        text.single(&table::USAGE_ROWS, uses.rows());
        text.single(&table::USAGE_LOST, uses.lost());
        text.family(&table::CREDITS_WRITTEN_OFF).value(&[], keys.limit_counts().written_off());
        let mut first = text.family(&table::CHECKS_WAITING);
        first.value(&["key"], keys.first_checks());
        first.value(&["token"], tokens.first_checks());
        let caches = [("keys", keys.occupancy()), ("tokens", tokens.occupancy())];
        let parts: [(_, OccupancyPart); 4] = [
            (&table::CACHE_ENTRIES, |cache| cache.entries),
            (&table::CACHE_USED, |cache| cache.used),
            (&table::CACHE_PLACES, |cache| cache.places),
            (&table::CACHE_EVICTIONS, |cache| cache.evicted),
        ];
        for (family, part) in parts {
            let mut samples = text.family(family);
            caches.iter().for_each(|(name, cache)| samples.value(&[name], part(cache)));
        }
    }

    fn hashing(&self, text: &mut Exposition) {
        let lanes = self.hasher.lanes();
        let mut queue = text.family(&table::HASHING_QUEUE);
        lanes.iter().for_each(|lane| queue.value(&[lane.name], lane.queue));
        let (running, limit) = self.hasher.running();
        text.single(&table::HASHING_RUNNING, running);
        text.single(&table::HASHING_LIMIT, limit);
        let mut waits = text.family(&table::HASHING_WAIT);
        lanes.iter().for_each(|lane| waits.distribution(&[lane.name], &lane.waits));
        text.family(&table::HASH_DURATION).distribution(&[], &self.hasher.durations());
        let mut refusals = text.family(&table::HASHING_REFUSALS);
        lanes.iter().for_each(|lane| refusals.value(&[lane.name], lane.refused));
    }

    fn database(&self, text: &mut Exposition) {
        let pools = self.store.pools();
        let mut open = text.family(&table::CONNECTIONS);
        for (name, pool) in &pools {
            open.value(&[name, "idle"], pool.idle);
            open.value(&[name, "used"], pool.used);
        }
        let mut limits = text.family(&table::CONNECTIONS_LIMIT);
        pools.iter().for_each(|(name, pool)| limits.value(&[name], pool.most));
        let mut waits = text.family(&table::CONNECTION_WAIT);
        pools.iter().for_each(|(name, pool)| waits.distribution(&[name], &pool.waits));
        let mut timeouts = text.family(&table::CONNECTION_TIMEOUTS);
        pools.iter().for_each(|(name, pool)| timeouts.value(&[name], pool.failed));
        let statements: Vec<_> = self.store.statements().all().collect();
        let mut durations = text.family(&table::STATEMENTS);
        statements.iter().for_each(|statement| durations.distribution(&[statement.name], &statement.durations));
        let mut failures = text.family(&table::STATEMENT_FAILURES);
        statements.iter().for_each(|statement| failures.value(&[statement.name], statement.failures));
        let mut clock = text.family(&table::CLOCK_AHEAD);
        if let Some((_, sample)) = *self.samples.lock() {
            clock.value(&[], sample.clock_ahead);
        }
    }

    fn coherence(&self, text: &mut Exposition) {
        let (state, counts) = (self.link.state(), self.link.counts());
        text.single(&table::LEASE, state.lease_left.as_secs_f64());
        text.family(&table::HEARTBEATS).distribution(&[], &counts.round_trips());
        text.single(&table::HEARTBEAT_FAILURES, counts.heartbeat_failures());
        let mut pulse = text.family(&table::PULSE_AGE);
        state.pulse_age.into_iter().for_each(|age| pulse.value(&[], age.as_secs_f64()));
        text.single(&table::REPLICAS, state.replicas);
        text.single(&table::CHANGES_WAITING, state.waiting_changes);
        let mut confirmations = text.family(&table::CONFIRMATIONS);
        counts.confirmations().for_each(|(how, distribution)| confirmations.distribution(&[how], &distribution));
        text.single(&table::RECONNECTS, counts.reconnects());
        let mut queue = text.family(&table::QUEUE_USAGE);
        if let Some((_, sample)) = *self.samples.lock() {
            queue.value(&[], sample.queue_usage);
        }
    }

    fn issuers(&self, text: &mut Exposition) {
        let states: Vec<RemoteKeysState<'_>> = self.key_sets.iter().map(|keys| keys.state()).collect();
        let mut ages = text.family(&table::ISSUER_AGE);
        for state in &states {
            state.age.into_iter().for_each(|age| ages.value(&[state.issuer], age.as_secs_f64()));
        }
        let mut fetches = text.family(&table::ISSUER_FETCHES);
        for state in &states {
            fetches.value(&[state.issuer, "ok"], state.fetched);
            fetches.value(&[state.issuer, "failed"], state.failed);
        }
        let mut unknown = text.family(&table::ISSUER_UNKNOWN_KEYS);
        states.iter().for_each(|state| unknown.value(&[state.issuer], state.unknown_keys));
        text.single(&table::ISSUERS_WITHOUT_KEYS, self.gate.tokens.verifier().issuers_without_keys());
    }

    fn keys(&self, text: &mut Exposition) {
        let sample = *self.samples.lock();
        let mut keys = text.family(&table::KEYS);
        if let Some((_, sample)) = sample {
            KEY_STATES.iter().zip(sample.keys).for_each(|(state, count)| keys.value(&[state], count));
        }
        let mut expiring = text.family(&table::KEYS_EXPIRING);
        sample.into_iter().for_each(|(_, sample)| expiring.value(&[], sample.expiring));
        let mut at = text.family(&table::SAMPLED_AT);
        sample.into_iter().for_each(|(taken_at, _)| at.value(&[], taken_at.unix_timestamp()));
    }
}
