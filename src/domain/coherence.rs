//! What replicas tell each other so that a revoked key is refused everywhere. The protocol itself is
//! `auth::coherence`; the messages stand here because `store` carries them.

use std::time::Duration;

/// No replica may use a longer lease, so a revoker that can learn nothing at all waits for this.
pub const LONGEST_LEASE: Duration = Duration::from_secs(60);

/// An instant on this machine's own clock: nanoseconds since an origin of its own (its boot).
/// Meaningless on any other machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonotonicTime(u64);

impl MonotonicTime {
    /// From nanoseconds since the clock's origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This instant plus `span`; stays at the last representable instant (in 584 years).
    pub fn after(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

/// One run of one replica: random, and a new one each time the program starts, so that what a
/// predecessor has sent is never taken for our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(pub u128);

/// The record that a change or a cached read is about: a key's UUID as a number (or any digest of
/// another record's name). Its low bits choose a stripe, so they should be well spread: those of a
/// UUIDv7 are random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u128);

/// One change *notification*, unique in the database: the trigger takes it from a sequence. Where a
/// transaction sends several, the revoker waits for the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId(pub u64);

/// Everything that replicas tell each other, on one channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Notification {
    /// "I am here, and when I hear this myself, I may believe my cache for so long."
    Heartbeat {
        /// Who sent it.
        replica: ReplicaId,
        /// Unique among the heartbeats of that replica.
        sequence: u64,
        /// The lease that the sender counts from the instant before the sending.
        lease: Duration,
    },
    /// Rows have changed; sent by a trigger, in the transaction that changes them.
    Changed {
        /// Names this notification.
        change: ChangeId,
        /// What must be read again.
        records: Records,
    },
    /// "I have applied this change, and all that were delivered before it."
    Applied {
        /// Who has.
        replica: ReplicaId,
        /// The latest change applied.
        up_to: ChangeId,
    },
    /// "I hold no lease any more, and shall take no other." Spares revokers the wait.
    Left {
        /// Who leaves.
        replica: ReplicaId,
    },
}

/// What a change was about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Records {
    /// These.
    These(Vec<RecordId>),
    /// Too many to name in one payload (8000 bytes), or unknown.
    All,
}
