//! The revocation promise as a pure state machine: messages and instants in, decisions out.
//!
//! > When a revoke returns, no check that starts afterwards believes the revoked row, on any replica.
//!
//! - [`Freshness`] is asked on every check: may this cached record be believed now?
//! - [`Replica`] is driven by the one task that owns the listening connection.
//! - [`Progress`] tells a revoker whether it may answer.
//!
//! There is no I/O here and no clock. The caller carries the messages ([`Notification`]) and reads the
//! clock. `tests/coherence_model` explores what can happen in between.
//!
//! # Why it holds
//!
//! Postgres delivers notifications to every listener in commit order. A change C is announced in its own transaction,
//! after what it changes. A lease that B takes from a
//! heartbeat committed *after* C means that B has applied C first: one task, in delivery
//! order. A lease from a heartbeat committed *before* C ends, in real time, at the latest one lease
//! after that heartbeat's arrival at the revoker A. When A hears its own announcement of C, it has heard each of those
//! heartbeats, except those sent before A began to listen, whose leases end one longest lease after
//! that. So after C each other replica has either acknowledged (it applied C), or left (it gave up its
//! lease), or outlived its lease; and A has applied C itself. Where A can't hear C, every lease from
//! before C is over one longest lease after the commit.
//!
//! # Who is believed
//!
//! Whoever may connect to the database may send notifications, and read those of others. So what could shorten a wait
//! or give a lease carries a proof that a replica sent it: heartbeats, announcements, acknowledgements, good-byes.
//! Everything else only invalidates, or only lengthens a wait, up to one longest lease: what triggers send, and heartbeats
//! without a proof.
//!
//! Messages can be replayed, too, and nothing follows from that but waits:
//!
//! - An acknowledgement names its changes, by random numbers that are used once, and a good-bye names a run of a replica. Both
//!   stay true for ever.
//! - A heartbeat gives its sender a lease only while it is under way, and that counts from its sending; to others it
//!   makes the sender's lease look longer than it is.
//! - An announcement is acknowledged by who has applied its change, however often it comes. Its own sender counts the first,
//!   and the original comes before any copy, for nobody can have read it earlier than its commit.
//!
//! # What it relies on
//!
//! - The clock ([`MonotonicTime`]) counts while the process, or the machine, is stopped
//!   (`CLOCK_BOOTTIME` on Linux), and two replicas' clocks run at rates that differ by less than
//!   [`Settings::clock_margin`] allows. Their readings are never compared.
//! - LISTEN has taken effect (its command has completed) before
//!   [`listener_connected`](Replica::listener_connected) is called, and a row is read in a transaction that begins after
//!   its ticket was taken, from a server that was still the primary afterwards.
//! - A heartbeat is reported as sent ([`heartbeat_sent`](Replica::heartbeat_sent)) when it is as durable as a change, which no
//!   server can make it that another one has superseded.
//! - Every instant given as `now` was read after the message or request at hand had arrived; for
//!   [`tick`](Replica::tick), before the heartbeat is sent.
//! - What a change invalidates, and then its announcement, are part of its transaction.
//! - The database keeps the longest lease of any replica. A replica enters its own there before its
//!   first heartbeat. It is read after LISTEN has taken effect
//!   ([`listener_connected`](Replica::listener_connected)) and after a change has committed
//!   ([`settled_unheard_at`]), so that whoever is not heard is counted there.

mod acknowledgements;
mod confirmation;
mod freshness;
mod link;
mod membership;
mod replica;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::time::Duration;

pub use crate::domain::coherence::{
    ChangeId, LONGEST_LEASE, Mark, MonotonicTime, Notification, RecordId, Records, ReplicaId,
};
pub use confirmation::{Progress, Settled};
pub use freshness::{FillTicket, Freshness};
pub use link::{Announced, Link};
pub use replica::{Connection, Replica, Ticked};

/// The shortest lease that still leaves room for a few heartbeats.
pub const SHORTEST_LEASE: Duration = Duration::from_secs(1);

/// The protocol's bounds. [`Settings::for_lease`] chooses everything from the lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// R: revokers wait so long for this replica when it is silent, by their clock.
    pub lease: Duration,
    /// This replica believes its cache for `lease - clock_margin` by its own clock. So the promise
    /// holds while no clock runs faster than another by more than `lease : (lease - clock_margin)`.
    pub clock_margin: Duration,
    /// A heartbeat that the database has taken and that hasn't come back for so long means that the
    /// listening connection is dead, whatever it says.
    pub deaf_after: Duration,
    /// Other replicas followed one by one (about 100 bytes each). With more, changes take up to R.
    pub most_replicas: usize,
    /// Changes of this replica that may wait at a time. Those beyond wait for the longest lease.
    pub most_waiting: usize,
}

/// The configured lease is out of bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a lease of {0:?} is not possible: choose one from {SHORTEST_LEASE:?} to {LONGEST_LEASE:?}")]
pub struct InvalidLease(Duration);

impl Settings {
    /// Everything that follows from the lease R.
    ///
    /// The margin is a fifth of R: clocks may differ in rate by 25 %. That is far more than quartz
    /// does, but a time daemon may slew: chrony by up to 8.3 %, on two machines in opposite
    /// directions 18 %.
    ///
    /// # Errors
    /// When `lease` isn't between [`SHORTEST_LEASE`] and [`LONGEST_LEASE`].
    pub fn for_lease(lease: Duration) -> Result<Self, InvalidLease> {
        if !(SHORTEST_LEASE..=LONGEST_LEASE).contains(&lease) {
            return Err(InvalidLease(lease));
        }
        Ok(Self { lease, clock_margin: lease / 5, deaf_after: lease / 2, most_replicas: 1024, most_waiting: 4096 })
    }

    /// For how long a heartbeat lets its sender believe, from the instant before the sending.
    fn believes_for(&self) -> Duration {
        self.lease.saturating_sub(self.clock_margin)
    }
}

/// When a change that committed before `committed_at` (read after the commit's reply) is settled
/// though nobody has been heard. `longest_lease` is what the database said after the commit, or
/// [`LONGEST_LEASE`]. A revoker without a [`Replica`] (a command line) waits for this.
pub fn settled_unheard_at(committed_at: MonotonicTime, longest_lease: Duration) -> MonotonicTime {
    committed_at.after(longest_lease)
}
