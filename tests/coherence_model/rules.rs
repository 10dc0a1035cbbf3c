//! What a world is made of, what may happen in it, and what may be wrong with it.

use std::fmt;
use std::time::Duration;

use keyward::auth::coherence::CoherenceTimings;

/// One deliberate mistake, made by the world around the unchanged state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The ticket of a fill is taken after the read, so that no epoch guards the race.
    TicketTakenAfterRead,
    /// Cached entries are believed without a lease.
    NoLeaseCheck,
    /// A revoke returns when its own notification is back, without any acknowledgement.
    NoWaitForAcknowledgements,
    /// Entries survive a new listening connection.
    NoGenerationCheck,
    /// A change is announced before what it changes, so it is acknowledged before it is applied.
    AnnouncedBeforeChanged,
    /// A revoker that has just begun to listen takes itself for one that has listened for ever.
    NewListenerTrusted,
    /// A revoker that begins to listen does not read who may hold a lease.
    HoldersNotRead,
    /// The members are those known at the commit, not when the own notification is back.
    OwnNotificationNotAwaited,
    /// A check looks at the entry first, and at the lease afterwards.
    EntryBeforeLease,
    /// The lease counts from the heartbeat's return instead of its sending.
    LeaseFromReturn,
    /// A replica says that it leaves, and keeps its lease.
    LeaveKeepsLease,
    /// A check joins a read that began before it, without asking whether it may be believed.
    ReadSharedUnasked,
    /// A revoker that can't hear returns at once.
    DeafRevokerReturns,
    /// Anybody's word that a change was applied is taken.
    ForgeriesBelieved,
    /// Whoever can't prove to be a replica isn't waited for.
    UnprovenNotCounted,
    /// A heartbeat is committed without waiting for the standby.
    HeartbeatsNotDurable,
    /// A heartbeat that comes back brings a lease, whether the server has answered or not.
    LeaseWithoutAnswer,
    /// A row is believed that no commit has proven afterwards.
    ReadNotProven,
    /// Whoever is named by a pulse isn't waited for.
    PulsesNotCounted,
    /// A pulse does not tell a new heartbeat from one that was named before.
    RenewalsNotNoticed,
    /// Somebody can name a heartbeat before it is sent.
    SequencesGuessed,
}

/// What may happen how often to one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) connections: u32,
    pub(crate) heartbeats: u32,
    pub(crate) fills: u32,
    pub(crate) leaves: u32,
    pub(crate) restarts: u32,
    pub(crate) pauses: u32,
}

/// The constants of one exploration.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// One per replica.
    pub(crate) settings: Vec<CoherenceTimings>,
    /// What the database says is the longest lease.
    pub(crate) longest_lease: Duration,
    /// Whether replicas have rows: a listener reads all of them when it begins, and acknowledgements are rows.
    /// Otherwise it waits for the longest lease, and heartbeats and acknowledgements are messages to all.
    pub(crate) has_rows: bool,
    /// Whether heartbeats are told to all by pulses.
    pub(crate) has_pulses: bool,
    /// A replica that neither sends nor hears pulses, of an older version.
    pub(crate) older: Option<usize>,
    pub(crate) fault: Option<Fault>,
    /// Which replicas listen from the start.
    pub(crate) connected: Vec<bool>,
    pub(crate) budgets: Vec<Budget>,
    /// Nanoseconds that a replica's clock counts in one tick of the world.
    pub(crate) clock_rates: Vec<u64>,
    pub(crate) keys: usize,
    /// Who revokes: replicas by number, or `None` for a command line. Its clock rate is 1 (or the
    /// first replica's).
    pub(crate) revokers: Vec<Option<usize>>,
    pub(crate) revokes: u32,
    pub(crate) ticks: u64,
    /// Whether reading a row and caching it are two steps. As entries are only believed by their
    /// ticket, the moment of caching makes no difference, unless a fault makes one.
    pub(crate) caches_later: bool,
    /// Whether a commit and its answer are two steps.
    pub(crate) answers_later: bool,
    /// A replica whose messages prove nothing to the others: of an older version, or with other peppers.
    pub(crate) unproven: Option<usize>,
    /// Whether another server may take the place of the one that all begin with, while that goes on.
    pub(crate) may_be_superseded: bool,
    /// How many messages somebody may send once more.
    pub(crate) repetitions: u32,
    /// How many pulses somebody may send who has read none: with any replica, and a lease of nothing.
    pub(crate) forgeries: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Wait,
    ListenTakesEffect(usize),
    Connected(usize),
    ListenerLost(usize),
    Deliver(usize),
    Look(usize),
    /// With a pulse, or without one.
    Heartbeat(usize, bool),
    /// The heartbeats that a pulse will name are read.
    ReadHeartbeats(usize),
    Commit(usize),
    Reply(usize),
    Supersede,
    Repeat(usize, usize, usize),
    ForgePulse(usize),
    TakeTicket(usize, usize),
    ReadRow(usize, usize),
    StoreEntry(usize, usize),
    CheckFirstHalf(usize, usize),
    Revoke(usize, usize),
    RevokeReply(usize),
    Leave(usize),
    Restart(usize),
    Pause(usize),
    Resume(usize),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Action::Wait => write!(f, "time passes"),
            Action::ListenTakesEffect(i) => write!(f, "replica {i}: LISTEN takes effect"),
            Action::Connected(i) => write!(f, "replica {i}: learns that it listens"),
            Action::ListenerLost(i) => write!(f, "replica {i}: loses its listening connection"),
            Action::Deliver(i) => write!(f, "replica {i}: hears the next notification"),
            Action::Look(i) => write!(f, "replica {i}: reads who has acknowledged"),
            Action::Heartbeat(i, true) => write!(f, "replica {i}: sends a heartbeat and perhaps a pulse"),
            Action::Heartbeat(i, false) => write!(f, "replica {i}: sends a heartbeat"),
            Action::ReadHeartbeats(_) => write!(f, "database: reads what a pulse will name"),
            Action::Commit(_) => write!(f, "database: takes a notification"),
            Action::Reply(_) => write!(f, "database: answers that it has it"),
            Action::Supersede => write!(f, "database: the standby takes over, and the first server goes on"),
            Action::Repeat(..) => write!(f, "somebody: sends once more"),
            Action::ForgePulse(i) => write!(f, "somebody: sends a pulse with replica {i} in it"),
            Action::TakeTicket(i, k) => write!(f, "replica {i}: begins to read key {k}"),
            Action::ReadRow(i, k) => write!(f, "replica {i}: has read key {k}"),
            Action::StoreEntry(i, k) => write!(f, "replica {i}: caches key {k}"),
            Action::CheckFirstHalf(i, k) => {
                write!(f, "replica {i}: half-way through a check of key {k}")
            }
            Action::Revoke(r, k) => write!(f, "revoker {r}: commits a revoke of key {k}"),
            Action::RevokeReply(_) => write!(f, "revoker: learns of the commit"),
            Action::Leave(i) => write!(f, "replica {i}: leaves"),
            Action::Restart(i) => write!(f, "replica {i}: is killed and started again"),
            Action::Pause(i) => write!(f, "replica {i}: is paused"),
            Action::Resume(i) => write!(f, "replica {i}: is resumed"),
        }
    }
}

/// Small numbers: a lease of `lease` nanoseconds.
pub(crate) fn settings(lease: u64, clock_margin: u64) -> CoherenceTimings {
    CoherenceTimings {
        lease: Duration::from_nanos(lease),
        clock_margin: Duration::from_nanos(clock_margin),
        // Whoever ticks wants a pulse.
        heartbeat_every: Duration::ZERO,
        deaf_after: Duration::from_nanos(lease),
        most_replicas: 8,
        most_waiting: 8,
    }
}
