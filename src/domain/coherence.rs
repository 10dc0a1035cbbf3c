//! The messages between replicas that make a revoked key refused everywhere. `auth::coherence` has the protocol; the
//! messages are defined here because `store` transports them.

pub mod message_keys;

use std::time::Duration;

/// The maximum lease of a replica. A revoker that can learn nothing about the others waits this long.
pub const LONGEST_LEASE: Duration = Duration::from_secs(60);

/// An instant on this machine's monotonic clock: nanoseconds since an unspecified origin (its boot). Meaningless on any
/// other machine.
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

    /// This instant plus `span`, saturating at the last representable instant (in 584 years).
    pub fn after(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

/// The id of one run of a replica: random, and new at each start, so that messages of an earlier run are never taken
/// for our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(pub u128);

/// The record that a change or a cached read concerns: a key's UUID as a number, or a digest that names another record.
/// The low bits choose a stripe, so they must be well distributed; those of a UUIDv7 are random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u128);

/// The id of a change that somebody waits for: random, chosen by whoever makes the change. It is sent as a separate
/// message in the change's transaction ([`Notification::Announced`]), because a message from a trigger does not
/// authenticate its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId(pub u64);

/// The first 16 bits of the ids whose acknowledgements are rows. Earlier versions choose all bits at random; a replica of
/// theirs that happens to choose these waits for a lease.
const BY_ROWS: u64 = 0x6b77;

impl ChangeId {
    /// A new id for a change whose acknowledgements are read from rows.
    pub fn by_rows(random: u64) -> Self {
        Self(BY_ROWS << 48 | random >> 16)
    }

    /// Whether the acknowledgement of this change is a row, which only those who wait for it read. Otherwise it is a
    /// message, which every replica hears.
    pub fn is_by_rows(self) -> bool {
        self.0 >> 48 == BY_ROWS
    }
}

/// Who may hold a lease at the moment when somebody begins to listen, and so is not heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holders {
    /// These replicas, each with the longest that its lease may last, and no others.
    Listed(Vec<(ReplicaId, Duration)>),
    /// Any number of replicas, for at most this long.
    Unlisted(Duration),
}

/// The encoded message that announces a change. The store sends it in the change's transaction.
#[derive(Clone, Debug)]
pub struct Mark(String);

impl Mark {
    /// Wraps an encoded message.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The encoded message.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A message to replicas. All except [`Changed`](Self::Changed) and [`Unproven`](Self::Unproven) carry a proof that a
/// replica sent them, which has been verified.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Notification {
    /// "I am alive, and once I receive this message myself, I may trust my cache for the lease."
    Heartbeat {
        /// The sender.
        replica: ReplicaId,
        /// Unique among the heartbeats of this replica.
        sequence: u64,
        /// The duration of the lease, which the sender counts from the instant before sending.
        lease: Duration,
    },
    /// A heartbeat without a valid proof: from a version that had none, from a replica with other peppers, or from an
    /// impostor. Its only effect is that revokers wait.
    Unproven {
        /// The claimed sender.
        replica: ReplicaId,
        /// The claimed lease.
        lease: Duration,
    },
    /// Rows have changed; sent by a trigger in the transaction that changes them. Anybody who can connect to the
    /// database could send it too. Its only effect is that replicas read the rows again.
    Changed {
        /// The trigger's sequence number, which older versions acknowledge.
        number: u64,
        /// The records that must be read again.
        records: Records,
    },
    /// "Confirm when you have applied the changes of this transaction." Sent after the changes themselves.
    Announced {
        /// The id of the change.
        change: ChangeId,
    },
    /// "I have applied these changes." This stays true, so a replay by somebody else does no harm.
    Applied {
        /// The sender.
        replica: ReplicaId,
        /// The applied changes.
        changes: Vec<ChangeId>,
        /// For replicas of older versions: the number of the latest change, which covers all earlier ones.
        up_to: Option<u64>,
    },
    /// "I hold no lease any more, and will take no other." Spares revokers the wait. This also stays true, because an
    /// id lasts no longer than its process.
    Left {
        /// The sender.
        replica: ReplicaId,
    },
}

/// The records that a change concerns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Records {
    /// These records.
    These(Vec<RecordId>),
    /// All records, because there are too many to name or they are unknown.
    All,
}
