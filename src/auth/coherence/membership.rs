//! Which other replicas may hold a lease, and until when at the latest.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{MonotonicTime, ReplicaId};

/// Built from the heartbeats that this replica hears; all times are this replica's own.
///
/// A heartbeat was sent before it arrived here, and the lease that it brings its sender counts from
/// the sending. So `arrival + lease` is never earlier than that lease's end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Membership {
    listed: BTreeMap<ReplicaId, MonotonicTime>,
    /// Leases of replicas that are not listed have ended by this instant. They are those whose
    /// heartbeats were sent before we began to listen, and those that no longer fitted.
    unlisted_until: MonotonicTime,
    most: usize,
}

impl Membership {
    pub(super) fn new(most: usize) -> Self {
        Self { listed: BTreeMap::new(), unlisted_until: MonotonicTime::from_nanos(0), most }
    }

    /// Listening begins anew, after what may have been any number of unheard heartbeats, none of
    /// them sent later than `now`. That covers the listed ones as well, so the list starts over.
    pub(super) fn start_over(&mut self, now: MonotonicTime, longest_lease: Duration) {
        self.listed.clear();
        self.unlisted_until = self.unlisted_until.max(now.after(longest_lease));
    }

    pub(super) fn heard_heartbeat(&mut self, of: ReplicaId, now: MonotonicTime, lease: Duration) {
        let until = now.after(lease);
        if let Some(known) = self.listed.get_mut(&of) {
            *known = until.max(*known);
            return;
        }
        if self.listed.len() >= self.most {
            self.listed.retain(|_, until| now < *until);
        }
        if self.listed.len() < self.most {
            self.listed.insert(of, until);
        } else {
            self.unlisted_until = self.unlisted_until.max(until);
        }
    }

    pub(super) fn left(&mut self, replica: ReplicaId) {
        self.listed.remove(&replica);
    }

    /// Every listed replica whose lease may still run at `now`, with the latest end of that lease.
    pub(super) fn holders(&self, now: MonotonicTime) -> BTreeMap<ReplicaId, MonotonicTime> {
        let running = self.listed.iter().filter(|(_, until)| now < **until);
        running.map(|(id, until)| (*id, *until)).collect()
    }

    pub(super) fn unlisted_until(&self) -> MonotonicTime {
        self.unlisted_until
    }

    pub(super) fn len(&self) -> usize {
        self.listed.len()
    }
}
