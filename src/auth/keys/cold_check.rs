//! The check of a key that memory can't answer: reads the row, and verifies the secret unless that was done before.
//!
//! Each check runs as a separate task: if the client disconnects, neither a slot nor a permit leaks, and the next
//! request finds the result. Concurrent requests for one key share a task.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};

use tracing::Instrument;
use zeroize::Zeroizing;

use super::{
    cache::{Finding, KeyCache, KeyStatus, ProvenKey, record_id},
    hasher::{Hasher, Lane},
    rehash::{OutdatedHash, Rehasher},
};
use crate::auth::{
    Undecided,
    batch_reader::{BatchReader, Rows},
    clock,
    coherence::Freshness,
    limits::limiter::Limiter,
    metrics::Way,
    usage::writer::UsageWriter,
};
use crate::domain::{
    api_key::{KeyId, KeySecret, Keyring, PresentedKey, Proof},
    ports::{
        StoreError,
        keys::{KeyStore, StoredKey},
        limits::LimitStore,
    },
};
use crate::telemetry::steps::step;

/// The stores of a checker.
pub struct CheckStores {
    /// The keys.
    pub keys: Arc<dyn KeyStore>,
    /// The counters of their limits.
    pub limits: Arc<dyn LimitStore>,
}

/// The rows of keys.
pub(crate) struct KeyRows(pub(crate) Arc<dyn KeyStore>);

#[async_trait]
impl Rows for KeyRows {
    const BATCHES_AT_ONCE: usize = 4;

    type Id = KeyId;
    type Row = Arc<StoredKey>;

    async fn find(&self, ids: &[KeyId]) -> Result<HashMap<KeyId, Arc<StoredKey>>, StoreError> {
        let keys = self.0.find(ids).await?;
        Ok(keys.into_iter().map(|key| (key.record.id, key)).collect())
    }
}

/// With what it took to find out.
type Outcome = Result<(Finding, Way), Undecided>;
type InFlight = watch::Receiver<Option<Outcome>>;
type Completion = watch::Sender<Option<Outcome>>;

/// The dependencies of a cold check.
pub(crate) struct ColdChecks {
    pub(crate) keyring: Arc<Keyring>,
    pub(in crate::auth) reader: BatchReader<KeyRows>,
    pub(crate) hasher: Arc<Hasher>,
    pub(super) rehasher: Rehasher,
    pub(super) limiter: Limiter,
    pub(super) uses: Arc<UsageWriter>,
    pub(crate) cache: KeyCache,
    pub(crate) freshness: Arc<Freshness>,
    /// One permit for each concurrent check.
    pub(crate) admission: Arc<Semaphore>,
    pub(crate) in_flight: SingleFlight,
    /// The runtime for the tasks, separate from the threads that serve HTTP.
    pub(crate) runtime: Handle,
}

impl ColdChecks {
    /// The result of a read that is recent enough for this request.
    pub(crate) async fn find_out(self: &Arc<Self>, presented: &PresentedKey<'_>) -> Outcome {
        let id = presented.id;
        let flight = match self.in_flight.join_or_list(id) {
            Join::Leader(completion) => return self.start(presented, completion).await,
            Join::Follower(flight) => flight,
        };
        let (finding, way) = outcome_of(flight).await?;
        // The shared read may have begun before this request, so it counts as memory.
        if finding.is_about(&presented.proof) && finding.may_be_believed(id, &self.freshness, clock::now()) {
            return Ok((finding, way));
        }
        // All requests that waited for the first read are here now. One of them starts a new read, and the others join
        // it. It begins after they arrived, so they need no lease to trust it.
        let flight = match self.in_flight.join_or_list(id) {
            Join::Leader(completion) => return self.start(presented, completion).await,
            Join::Follower(flight) => flight,
        };
        let (finding, way) = outcome_of(flight).await?;
        if finding.is_about(&presented.proof) {
            return Ok((finding, way));
        }
        let completion = self.in_flight.list(id);
        self.start(presented, completion).await
    }

    async fn start(self: &Arc<Self>, presented: &PresentedKey<'_>, completion: Completion) -> Outcome {
        let flight = completion.subscribe();
        let slot = Slot { checks: Arc::clone(self), id: presented.id, flight: flight.clone() };
        let lookup = Lookup {
            id: presented.id,
            proof: presented.proof.clone(),
            secret: presented.secret(),
            pepper: Zeroizing::new(*self.keyring.hash_secret(presented.pepper)),
        };
        match Arc::clone(&self.admission).try_acquire_owned() {
            Ok(permit) => {
                let check = Arc::clone(self).run(lookup, completion, slot, permit);
                drop(self.runtime.spawn(check.instrument(step!("cold_check", credential = "key"))));
            }
            Err(_) => finish(slot, &completion, Err(Undecided::Busy)),
        }
        outcome_of(flight).await
    }

    async fn run(self: Arc<Self>, lookup: Lookup, completion: Completion, slot: Slot, permit: OwnedSemaphorePermit) {
        let id = lookup.id;
        let (outcome, outdated) = match self.prove(lookup).await {
            Ok((finding, way, outdated)) => (Ok((finding, way)), outdated),
            Err(undecided) => (Err(undecided), None),
        };
        if let Ok((finding, _)) = &outcome {
            self.cache.keep(id, finding, &self.freshness);
        }
        // Released first, because a client with an answer may immediately present another key.
        drop(permit);
        finish(slot, &completion, outcome);
        if let Some(outdated) = outdated {
            self.rehasher.submit(outdated);
        }
    }

    async fn prove(&self, lookup: Lookup) -> Result<(Finding, Way, Option<OutdatedHash>), Undecided> {
        let Lookup { id, proof, secret, pepper } = lookup;
        // Another read may have finished between this request's cache lookup and its start.
        if let Some(finding) = self.cache.believed(id, &self.freshness, clock::now())
            && finding.is_about(&proof)
        {
            return Ok((finding, Way::Memory, None));
        }
        let ticket = self.freshness.read_started(record_id(id));
        let finding = |status| Finding { ticket, status };
        let Some(stored) = self.reader.read(id).await? else {
            let until = clock::now().after(ABSENCE_LASTS);
            return Ok((finding(KeyStatus::Absent { until }), Way::Row, None));
        };
        let mut record = stored.record.clone();
        let meters = self.limiter.meters(&mut record);
        let uses = self.cache.uses(id).unwrap_or_else(|| self.uses.counter(id));
        let key = ProvenKey { record: Arc::new(record), uses, meters };
        if self.cache.has_proof(id, &proof) {
            return Ok((finding(KeyStatus::Proven { proof, key }), Way::Row, None));
        }
        let (matches, secret) = self.hasher.verify(secret, &pepper, &stored.hash, Lane::Check).await?;
        if !matches {
            return Ok((finding(KeyStatus::WrongSecret), Way::Hash, None));
        }
        let outdated = self.hasher.is_outdated(&stored.hash).then_some(OutdatedHash { id, secret, pepper, stored });
        Ok((finding(KeyStatus::Proven { proof, key }), Way::Hash, outdated))
    }
}

/// How long a missing row is cached. A row that is restored, for example from a backup, works after this time.
const ABSENCE_LASTS: std::time::Duration = std::time::Duration::from_secs(5);

/// A copy of the presented key for the task.
struct Lookup {
    id: KeyId,
    proof: Proof,
    secret: KeySecret,
    pepper: Zeroizing<[u8; 32]>,
}

/// Publishes the outcome. The slot is freed before, so that waiting requests can start again, and after the cache has
/// the finding, so that no request misses both.
fn finish(slot: Slot, completion: &Completion, outcome: Outcome) {
    drop(slot);
    completion.send_replace(Some(outcome));
}

async fn outcome_of(mut flight: InFlight) -> Outcome {
    match flight.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone().expect("the condition that was waited for"),
        Err(_) => Err(Undecided::Stopped),
    }
}

/// The checks in flight, by key. At most as many as there are permits.
#[derive(Default)]
pub(crate) struct SingleFlight(Mutex<HashMap<KeyId, InFlight>>);

/// How a request gets its finding.
enum Join {
    /// Another request runs the check.
    Follower(InFlight),
    /// This request runs it.
    Leader(Completion),
}

impl SingleFlight {
    /// The flight for this key, or a new one, which is listed from now on.
    fn join_or_list(&self, id: KeyId) -> Join {
        match self.0.lock().entry(id) {
            Entry::Occupied(listed) => Join::Follower(listed.get().clone()),
            Entry::Vacant(vacant) => {
                let (completion, flight) = watch::channel(None);
                vacant.insert(flight);
                Join::Leader(completion)
            }
        }
    }

    /// Replaces the listed flight with a new one, whose result is more likely to be trusted.
    fn list(&self, id: KeyId) -> Completion {
        let (completion, flight) = watch::channel(None);
        self.0.lock().insert(id, flight);
        completion
    }
}

/// The list entry of a flight; removed however the flight ends.
struct Slot {
    checks: Arc<ColdChecks>,
    id: KeyId,
    flight: InFlight,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut in_flight = self.checks.in_flight.0.lock();
        if in_flight.get(&self.id).is_some_and(|listed| listed.same_channel(&self.flight)) {
            in_flight.remove(&self.id);
        }
    }
}
