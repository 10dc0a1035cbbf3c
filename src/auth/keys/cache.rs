//! The cache of keys. [`Freshness`] decides whether an entry may be trusted.

use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use quick_cache::{Weighter, sync::Cache};
use subtle::ConstantTimeEq;

use crate::auth::{
    coherence::{FillTicket, Freshness, MonotonicTime, RecordId},
    limits::meter::Meters,
    metrics::Way,
    occupancy::{CountEvictions, Occupancy},
    usage::KeyUses,
};
use crate::{
    domain::{
        api_key::{KeyId, Proof},
        denial::Denial,
        key_record::KeyRecord,
    },
    telemetry::metrics::counting::Counter,
};

/// The result of reading a key's row.
#[derive(Clone)]
pub(crate) struct Finding {
    /// Taken before the read; decides whether the result may still be trusted.
    pub(crate) ticket: FillTicket,
    pub(crate) status: KeyStatus,
}

/// What a read found out about a key.
#[derive(Clone)]
pub(crate) enum KeyStatus {
    /// A genuine key without a row. Inserts send no notification, so this expires.
    Absent { until: MonotonicTime },
    /// The secret of the key with exactly this text was verified.
    Proven { proof: Proof, key: ProvenKey },
    /// The stored hash does not match the secret. Never cached.
    WrongSecret,
}

/// An authentic key, with what counts its use.
#[derive(Clone)]
pub struct ProvenKey {
    /// The key.
    pub record: Arc<KeyRecord>,
    /// Its uses.
    pub(in crate::auth) uses: Arc<KeyUses>,
    /// The meters of its limits.
    pub(in crate::auth) meters: Meters,
}

/// What is known about a presented text.
pub enum Examined {
    /// The text is not a valid key, whoever presents it and for whatever purpose.
    No(Denial, Way),
    /// The key is authentic. Whether it may be used is not decided.
    Proven(ProvenKey, Way),
}

impl Finding {
    /// The consequence for any use of the key. `way`: how this was found.
    pub(crate) fn examined(self, way: Way) -> Examined {
        match self.status {
            KeyStatus::Absent { .. } => Examined::No(Denial::KeyUnknown, way),
            KeyStatus::WrongSecret => Examined::No(Denial::KeyWrongSecret, way),
            KeyStatus::Proven { key, .. } => Examined::Proven(key, way),
        }
    }

    /// The key, if exactly this one was verified.
    pub(crate) fn proven(&self, presented: &Proof) -> Option<&ProvenKey> {
        match &self.status {
            KeyStatus::Proven { proof, key } => bool::from(proof.ct_eq(presented)).then_some(key),
            KeyStatus::Absent { .. } | KeyStatus::WrongSecret => None,
        }
    }

    /// The key, if exactly this one was verified; otherwise the finding. A copy would cost two atomic operations for
    /// each part of the key.
    pub(crate) fn into_proven(self, presented: &Proof) -> Result<ProvenKey, Self> {
        match self.status {
            KeyStatus::Proven { proof, key } if bool::from(proof.ct_eq(presented)) => Ok(key),
            status => Err(Self { status, ..self }),
        }
    }

    /// Whether the finding applies to exactly this key, which has a valid tag.
    pub(crate) fn is_about(&self, presented: &Proof) -> bool {
        matches!(self.status, KeyStatus::Absent { .. }) || self.proven(presented).is_some()
    }

    /// Whether the finding may be used from memory at `now`.
    pub(crate) fn may_be_believed(&self, id: KeyId, freshness: &Freshness, now: MonotonicTime) -> bool {
        let lasts = match self.status {
            KeyStatus::Absent { until } => now < until,
            KeyStatus::Proven { .. } => true,
            KeyStatus::WrongSecret => false,
        };
        lasts && freshness.may_believe(&self.ticket, record_id(id), now)
    }
}

/// The id of a key in the protocol.
pub(crate) fn record_id(id: KeyId) -> RecordId {
    RecordId(id.as_uuid().as_u128())
}

/// Findings by key, up to the capacity. An entry must be requested twice before it can displace one that is in use (a
/// form of CLOCK-Pro), so a flood of one-off ids does not evict the hot keys.
pub(crate) struct KeyCache {
    findings: Cache<KeyId, Finding, ByRoom, BuildHasherDefault<IdHasher>, CountEvictions<KeyId, Finding>>,
    evicted: Arc<Counter>,
}

/// The weight of a finding, in keys of the usual size. A key with large metadata or many scopes counts as several, so
/// that the memory is bounded whatever owners put into their keys.
#[derive(Clone)]
struct ByRoom;

/// The heap memory of a usual record, in bytes: its owner, a few scopes, small metadata.
const USUAL_BYTES: usize = 256;

impl Weighter<KeyId, Finding> for ByRoom {
    fn weight(&self, _: &KeyId, finding: &Finding) -> u64 {
        match &finding.status {
            KeyStatus::Proven { key, .. } => 1 + (key.record.bytes_besides() / USUAL_BYTES) as u64,
            KeyStatus::Absent { .. } | KeyStatus::WrongSecret => 1,
        }
    }
}

/// Hashes ids for the table. Only ids with a valid tag are stored, and their last 62 bits were generated at random, so
/// nobody can choose colliding ones, and a keyed hash would be a waste. Lookups can use any id, but the table they
/// search is well distributed.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, id: &[u8]) {
        /// 2^64 divided by the golden ratio: moves the random bits into the high ones, two of which are fixed in ids.
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        let low = id.last_chunk().copied().map_or(0, u64::from_be_bytes);
        self.0 = low.wrapping_mul(SPREAD);
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

impl KeyCache {
    /// A cache for `entries` keys of the usual size. The table is allocated in advance, so that it never grows during
    /// requests; the system provides the memory only as it is used.
    pub(crate) fn new(entries: usize) -> Self {
        let evicted = Arc::<Counter>::default();
        let (hasher, lifecycle) = (BuildHasherDefault::default(), CountEvictions::new(Arc::clone(&evicted)));
        Self { findings: Cache::with(entries, entries as u64, ByRoom, hasher, lifecycle), evicted }
    }

    /// How full it is.
    pub(super) fn occupancy(&self) -> Occupancy {
        Occupancy {
            entries: self.findings.len() as u64,
            used: self.findings.weight(),
            places: self.findings.capacity(),
            evicted: self.evicted.get(),
        }
    }

    /// The finding for a key, if it may be used from memory at `now`.
    pub(crate) fn believed(&self, id: KeyId, freshness: &Freshness, now: MonotonicTime) -> Option<Finding> {
        self.findings.get(&id).filter(|finding| finding.may_be_believed(id, freshness, now))
    }

    /// Whether exactly this key was verified before. A proof stays valid when the row changes.
    pub(crate) fn has_proof(&self, id: KeyId, presented: &Proof) -> bool {
        self.findings.get(&id).is_some_and(|finding| finding.proven(presented).is_some())
    }

    /// The counter of a key's uses, even if nothing else that is known of the key may be believed.
    pub(super) fn uses(&self, id: KeyId) -> Option<Arc<KeyUses>> {
        match self.findings.get(&id)?.status {
            KeyStatus::Proven { key, .. } => Some(key.uses),
            KeyStatus::Absent { .. } | KeyStatus::WrongSecret => None,
        }
    }

    /// Stores a finding, unless something has invalidated it since the read began.
    pub(crate) fn keep(&self, id: KeyId, finding: &Finding, freshness: &Freshness) {
        let worth_it = !matches!(finding.status, KeyStatus::WrongSecret);
        if worth_it && freshness.is_current(&finding.ticket, record_id(id)) {
            self.findings.insert(id, finding.clone());
        }
    }
}
