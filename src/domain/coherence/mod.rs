//! The messages between replicas that make a revoked key refused everywhere. `auth::coherence` has the protocol; the
//! messages are defined here because `store` transports them.

pub mod message_keys;

use std::time::Duration;

/// The maximum lease of a replica. A revoker that can learn nothing about the others waits this long.
pub const LONGEST_LEASE: Duration = Duration::from_secs(60);

/// An instant on this machine's monotonic clock: nanoseconds since an unspecified origin (its boot). Meaningless on any
/// other machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// The first 16 bits of the ids whose acknowledgements are rows. Earlier versions choose all bits at random; a replica
/// of theirs that happens to choose these waits for a lease.
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

/// "I am alive." Once its sender knows that it is committed, and hears of it on the listening connection, the sender
/// may trust its cache for the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Heartbeat {
    /// The sender.
    pub replica: ReplicaId,
    /// Another one each time, and at random ([`sequence`](Self::sequence)): nobody can name a heartbeat before it is
    /// committed. Versions that know no pulses count instead.
    pub sequence: u64,
    /// The duration of the lease, which the sender counts from the instant before sending.
    pub lease: Duration,
}

/// Sequences from here on are those of replicas that know pulses. They fit into a `bigint`.
const KNOWS_PULSES: u64 = 1 << 62;

impl Heartbeat {
    /// A sequence from random bits.
    pub fn sequence(random: u64) -> u64 {
        KNOWS_PULSES | random >> 2
    }

    /// Whether its sender hears pulses. Otherwise it hears heartbeats alone.
    pub fn knows_pulses(&self) -> bool {
        self.sequence >= KNOWS_PULSES
    }
}

/// Who may hold a lease at the moment when somebody begins to listen, and so is not heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holders {
    /// The replicas with these heartbeats, and no others.
    Listed(Vec<Heartbeat>),
    /// Any number of replicas, for at most this long.
    Unlisted(Duration),
}

/// The encoded message that announces a change. The store sends it in the change's transaction.
#[derive(Clone, Debug)]
pub struct Mark {
    text: String,
    also_for_earlier_versions: bool,
}

impl Mark {
    /// Wraps an encoded message.
    pub fn new(text: String) -> Self {
        Self { text, also_for_earlier_versions: false }
    }

    /// The same, which replicas of earlier versions hear as well, or not.
    #[must_use]
    pub fn also_for_earlier_versions(self, also: bool) -> Self {
        Self { also_for_earlier_versions: also, ..self }
    }

    /// Whether replicas of earlier versions must hear it as well.
    pub fn is_for_earlier_versions(&self) -> bool {
        self.also_for_earlier_versions
    }

    /// The encoded message.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A message to replicas. All except [`Changed`](Self::Changed), [`Pulse`](Self::Pulse) and
/// [`Unproven`](Self::Unproven) carry a proof that a replica sent them, which has been verified.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Notification {
    /// A heartbeat, told to everybody, for versions that know no pulses.
    Heartbeat(Heartbeat),
    /// The latest committed heartbeat of each replica, told to everybody together. It carries no proof: a replica takes
    /// a lease from a heartbeat of its own that only those can name who have read it, and for others a pulse only makes
    /// revokers wait.
    Pulse {
        /// The pulse's number. A pulse may come in several parts, with the same number.
        number: u64,
        /// The heartbeats.
        heartbeats: Vec<Heartbeat>,
    },
    /// A heartbeat without a valid proof: from a version that had none, from a replica with other peppers, or from an
    /// impostor. Its only effect is that revokers wait.
    Unproven(Heartbeat),
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
