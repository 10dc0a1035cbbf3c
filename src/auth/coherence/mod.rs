//! The revocation protocol as a pure state machine: messages and timestamps in, decisions out.
//!
//! > When a revocation returns, no check that starts afterwards trusts the revoked row, on any replica.
//!
//! - [`Freshness`] is queried by every check: may this cached record be trusted now?
//! - [`Replica`] is driven by the task that owns the listening connection.
//! - [`Progress`] tells a revoker whether it may answer.
//!
//! There is no I/O and no clock here. The caller transports the messages ([`Notification`]) and reads the clock.
//! `tests/coherence_model` explores the possible interleavings.
//!
//! # Why the promise holds
//!
//! Postgres delivers notifications to every listener in commit order. A change C is announced in its own transaction,
//! after the change itself. Replica B takes a lease from a heartbeat that a pulse names, which was committed after the
//! heartbeat. If that pulse was committed *after* C, B has applied C first, because one task handles messages in
//! delivery order. If it was committed *before* C, the lease ends, in real time, at most one lease after the revoker A
//! first heard of the heartbeat. When A receives its own announcement of C, it has received all of these pulses, except
//! those sent before A started to listen. The heartbeats that they name are in the table that A read after that start,
//! and their leases end one lease after the read; where the table may lack some, all of these leases end one longest
//! lease after it. So after C, every other replica has acknowledged (it applied C),
//! has left (it gave up its lease), or has outlived its lease, and A has applied C itself. If A can't receive its
//! announcement, every lease from before C has ended one longest lease after the commit.
//!
//! # What is authenticated
//!
//! Anybody who can connect to the database can send notifications, and read those of others. So every message that
//! could shorten a wait carries a proof that a replica sent it: announcements, deregistrations, acknowledgements for
//! earlier versions. Acknowledgements by rows need none: only the service's role can write the table. A pulse grants a
//! lease only if it names a random number that was committed with the heartbeat, so whoever knows the number sends
//! later than that. All other messages only invalidate, or only lengthen a wait by up to one longest lease: messages of
//! triggers, and pulses and heartbeats without a proof.
//!
//! Messages can also be replayed, which causes nothing but waits:
//!
//! - An acknowledgement names its changes by random numbers that are used once, and a deregistration names a run of a
//!   replica. Both stay true for ever.
//! - A heartbeat grants its sender a lease only once, counted from its sending. For others, a pulse that names it again
//!   changes nothing, or makes the sender's lease look longer than it is.
//! - An announcement is acknowledged by every replica that has applied its change, however often it arrives. Its own
//!   sender counts only the first, and the original precedes every copy, because nobody can read it before its commit.
//!
//! # Requirements
//!
//! - The clock ([`MonotonicTime`]) continues while the process or the machine is stopped (`CLOCK_BOOTTIME` on Linux),
//!   and the rates of two replicas' clocks differ by less than [`CoherenceTimings::clock_margin`] allows. Their values
//!   are never compared.
//! - LISTEN has taken effect (its command has completed) before [`listener_connected`](Replica::listener_connected) is
//!   called. A row is read in a transaction that begins after its ticket was taken, on a server that was still the
//!   primary afterwards.
//! - A heartbeat is reported as sent ([`heartbeat_sent`](Replica::heartbeat_sent)) once it is as durable as a change. A
//!   server that was superseded can't achieve that. It is the server that is listened to.
//! - Every `now` was read after the current message or request had arrived; for [`tick`](Replica::tick), before the
//!   heartbeat is sent.
//! - A change's invalidations, followed by its announcement, are part of its transaction.
//! - The database stores the longest lease of any replica. A replica registers its own before its first heartbeat. The
//!   value is read after LISTEN has taken effect ([`listener_connected`](Replica::listener_connected)) and after a
//!   change has committed ([`settled_unheard_at`]), so that it includes every replica that is not heard.

mod acknowledgements;
mod confirmation;
mod freshness;
mod link;
mod membership;
mod metrics;
mod replica;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod timings;

use std::time::Duration;

pub use crate::domain::coherence::{
    ChangeId, Heartbeat, Holders, LONGEST_LEASE, Mark, MonotonicTime, Notification, RecordId, Records, ReplicaId,
};
pub use confirmation::{Progress, Settled};
pub use freshness::{FillTicket, Freshness};
pub use link::{Announced, Link};
pub use metrics::{LinkCounts, LinkState};
pub use replica::{Connection, Replica, Ticked};
pub use timings::{CoherenceTimings, InvalidLease, SHORTEST_LEASE};

/// When a change is settled by time alone. It committed before `committed_at`, which was read after the commit's reply.
/// `longest_lease` is the database's value after the commit, or [`LONGEST_LEASE`]. A revoker without a [`Replica`],
/// such as the command line, waits for this.
pub fn settled_unheard_at(committed_at: MonotonicTime, longest_lease: Duration) -> MonotonicTime {
    committed_at.after(longest_lease)
}
