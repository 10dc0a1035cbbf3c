//! What replicas tell each other so that a revoked key is refused everywhere. The protocol itself is
//! `auth::coherence`; the messages stand here because `store` carries them.

pub mod message_keys;

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

/// A change that somebody waits for: random, chosen by whoever makes it. It travels as a message of its own in the
/// change's transaction ([`Notification::Announced`]), since what a trigger sends proves nothing about its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId(pub u64);

/// The message that announces a change, as it travels. The store sends it in the change's transaction.
#[derive(Clone, Debug)]
pub struct Mark(String);

impl Mark {
    /// Wraps the text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Everything that replicas are told. All but [`Changed`](Self::Changed) and [`Unproven`](Self::Unproven) carry a proof
/// that a replica sent them; it has been verified.
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
    /// The same without a proof: of a version that knew none, of a replica with other peppers, or of an impostor. It
    /// makes revokers wait, and does nothing else.
    Unproven {
        /// Who is said to have sent it.
        replica: ReplicaId,
        /// The lease that it is said to have.
        lease: Duration,
    },
    /// Rows have changed; sent by a trigger, in the transaction that changes them. Anybody who may connect to the
    /// database could send it, too: it makes replicas read again, and does nothing else.
    Changed {
        /// The trigger's own number, by which older versions acknowledge.
        number: u64,
        /// What must be read again.
        records: Records,
    },
    /// "Tell me when you have applied what this transaction has changed." Sent after the change itself.
    Announced {
        /// Names the change.
        change: ChangeId,
    },
    /// "I have applied these changes." True for ever, so a repetition by somebody else does no harm.
    Applied {
        /// Who has.
        replica: ReplicaId,
        /// Which.
        changes: Vec<ChangeId>,
        /// The same for replicas of older versions: the number of the latest change, which covers all before it.
        up_to: Option<u64>,
    },
    /// "I hold no lease any more, and shall take no other." Spares revokers the wait. True for ever, too: an id lasts
    /// no longer than its process.
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
    /// Too many to name, or unknown.
    All,
}
