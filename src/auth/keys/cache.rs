//! What this replica knows of keys. Whether it may believe it is [`Freshness`]'s word.

use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use quick_cache::{
    Weighter,
    sync::{Cache, DefaultLifecycle},
};
use subtle::ConstantTimeEq;

use crate::auth::coherence::{FillTicket, Freshness, MonotonicTime, RecordId};
use crate::domain::{
    api_key::{KeyId, Proof},
    denial::Denial,
    key_record::KeyRecord,
};

/// What a read of a key's row has found.
#[derive(Clone)]
pub(crate) struct Finding {
    /// From before the read: whether it may still be believed.
    pub(crate) ticket: FillTicket,
    pub(crate) standing: Standing,
}

/// How a key stands.
#[derive(Clone)]
pub(crate) enum Standing {
    /// Genuine, but there is no row. Rows are added without a notification, so this is known only
    /// until then.
    Absent { until: MonotonicTime },
    /// Its secret was proven, once, for the key with this very text.
    Proven { proof: Proof, record: Arc<KeyRecord> },
    /// The stored hash is not of this secret. Never kept.
    WrongSecret,
}

/// What is known of a text that somebody presents as a key.
pub enum Examined {
    /// It is no key that works, whoever asks and whatever for.
    No(Denial),
    /// It is the very key that this is known of. Whether it is good for anything is not said.
    Proven(Arc<KeyRecord>),
}

impl Finding {
    /// What follows, whenever and wherever the key is used.
    pub(crate) fn examined(self) -> Examined {
        match self.standing {
            Standing::Absent { .. } => Examined::No(Denial::KeyUnknown),
            Standing::WrongSecret => Examined::No(Denial::KeyWrongSecret),
            Standing::Proven { record, .. } => Examined::Proven(record),
        }
    }

    /// The record, if it was this very key that was proven.
    pub(crate) fn proven(&self, presented: &Proof) -> Option<&Arc<KeyRecord>> {
        match &self.standing {
            Standing::Proven { proof, record } => bool::from(proof.ct_eq(presented)).then_some(record),
            Standing::Absent { .. } | Standing::WrongSecret => None,
        }
    }

    /// Whether it holds for this very key, which has a good tag.
    pub(crate) fn is_about(&self, presented: &Proof) -> bool {
        matches!(self.standing, Standing::Absent { .. }) || self.proven(presented).is_some()
    }

    /// Whether this may be answered from memory at `now`.
    pub(crate) fn may_be_believed(&self, id: KeyId, freshness: &Freshness, now: MonotonicTime) -> bool {
        let lasts = match self.standing {
            Standing::Absent { until } => now < until,
            Standing::Proven { .. } => true,
            Standing::WrongSecret => false,
        };
        lasts && freshness.may_believe(&self.ticket, record_id(id), now)
    }
}

/// A key's name in the protocol.
pub(crate) fn record_id(id: KeyId) -> RecordId {
    RecordId(id.as_uuid().as_u128())
}

/// Findings by key, as many as there is room for. An entry must be asked for twice before it can displace one
/// that is in use (a form of CLOCK-Pro), so a flood of one-off ids does not purge the keys that are hot.
pub(crate) struct KeyCache {
    findings: Cache<KeyId, Finding, ByRoom, BuildHasherDefault<IdHasher>>,
}

/// How much room a finding takes, in keys of the usual size: one with long notes or many scopes takes that of
/// several, so that the memory is bounded whatever owners write into their keys.
#[derive(Clone)]
struct ByRoom;

/// What a key of the usual size may hold beside its record: its owner, a few scopes, a short note. In bytes.
const USUAL_BYTES: usize = 256;

impl Weighter<KeyId, Finding> for ByRoom {
    fn weight(&self, _: &KeyId, finding: &Finding) -> u64 {
        match &finding.standing {
            Standing::Proven { record, .. } => 1 + (record.bytes_besides() / USUAL_BYTES) as u64,
            Standing::Absent { .. } | Standing::WrongSecret => 1,
        }
    }
}

/// Spreads ids over the table. Only ids that we have tagged are kept, and we made their last 62 bits at
/// random, so nobody can choose them to collide; to hash them with a key would be a waste. Anybody may look for an
/// id of their choice, but finds a table that is as even as chance makes it.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, id: &[u8]) {
        /// 2^64 divided by the golden ratio: carries the random bits into the high ones, two of which are fixed.
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
    /// Room for `entries` keys of the usual size. The room is set aside at once, so that it never has to grow while
    /// requests wait, but the system gives the memory only as it is used.
    pub(crate) fn new(entries: usize) -> Self {
        let (hasher, lifecycle) = (BuildHasherDefault::default(), DefaultLifecycle::default());
        Self { findings: Cache::with(entries, entries as u64, ByRoom, hasher, lifecycle) }
    }

    /// What is known of a key and may be answered from memory at `now`.
    pub(crate) fn believed(&self, id: KeyId, freshness: &Freshness, now: MonotonicTime) -> Option<Finding> {
        self.findings.get(&id).filter(|finding| finding.may_be_believed(id, freshness, now))
    }

    /// Whether this very key was proven before. A proof outlives a change of the row.
    pub(crate) fn has_proof(&self, id: KeyId, presented: &Proof) -> bool {
        self.findings.get(&id).is_some_and(|finding| finding.proven(presented).is_some())
    }

    /// Keeps a finding that nothing has invalidated since the read behind it began.
    pub(crate) fn keep(&self, id: KeyId, finding: &Finding, freshness: &Freshness) {
        let worth_it = !matches!(finding.standing, Standing::WrongSecret);
        if worth_it && freshness.is_current(&finding.ticket, record_id(id)) {
            self.findings.insert(id, finding.clone());
        }
    }
}
