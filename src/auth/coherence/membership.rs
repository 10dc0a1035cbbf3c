//! Which other replicas may hold a lease, and until when at the latest.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{LONGEST_LEASE, MonotonicTime, ReplicaId};

/// Replicas that prove nothing, followed one by one. Apart from the others, whose places an impostor must not take.
const MOST_UNPROVEN: usize = 64;

/// Built from the heartbeats that this replica hears; all times are this replica's own.
///
/// A heartbeat was sent before it arrived here, and the lease that it brings its sender counts from
/// the sending. So `arrival + lease` is never earlier than that lease's end. A heartbeat that is heard
/// once more, late, only makes that later.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Membership {
    proven: Listed,
    /// Heard of by messages that prove nothing: of an older version, or of an impostor. They are waited for like the
    /// others, but never heard to have applied anything.
    unproven: Listed,
    /// Leases of replicas that are not listed have ended by this instant. They are those whose
    /// heartbeats were sent before we began to listen, and those that no longer fitted.
    unlisted_until: MonotonicTime,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Listed {
    until: BTreeMap<ReplicaId, MonotonicTime>,
    most: usize,
}

impl Membership {
    pub(super) fn new(most: usize) -> Self {
        Self {
            proven: Listed::new(most),
            unproven: Listed::new(MOST_UNPROVEN),
            unlisted_until: MonotonicTime::from_nanos(0),
        }
    }

    /// Listening begins anew, after what may have been any number of unheard heartbeats, none of
    /// them sent later than `now`. That covers the listed ones as well, so the list starts over.
    pub(super) fn start_over(&mut self, now: MonotonicTime, longest_lease: Duration) {
        self.proven.until.clear();
        self.unproven.until.clear();
        self.unlisted_until = self.unlisted_until.max(now.after(longest_lease));
    }

    pub(super) fn heard_heartbeat(&mut self, of: ReplicaId, now: MonotonicTime, lease: Duration) {
        let until = now.after(lease);
        self.unproven.until.remove(&of);
        if !self.proven.list(of, until, now) {
            self.unlisted_until = self.unlisted_until.max(until);
        }
    }

    /// Says whether it is news.
    pub(super) fn heard_unproven(&mut self, of: ReplicaId, now: MonotonicTime, lease: Duration) -> bool {
        // One that proves itself sends both, for the older versions.
        if self.proven.until.contains_key(&of) {
            return false;
        }
        // No replica has a longer one, whatever this says.
        let until = now.after(lease.min(LONGEST_LEASE));
        let is_news = !self.unproven.until.contains_key(&of);
        if !self.unproven.list(of, until, now) {
            self.unlisted_until = self.unlisted_until.max(until);
        }
        is_news
    }

    pub(super) fn left(&mut self, replica: ReplicaId) {
        self.proven.until.remove(&replica);
        self.unproven.until.remove(&replica);
    }

    /// Every listed replica whose lease may still run at `now`, with the latest end of that lease.
    pub(super) fn holders(&self, now: MonotonicTime) -> BTreeMap<ReplicaId, MonotonicTime> {
        let listed = self.proven.until.iter().chain(&self.unproven.until);
        listed.filter(|(_, until)| now < **until).map(|(id, until)| (*id, *until)).collect()
    }

    /// Whether somebody who proves nothing may hold a lease at `now`.
    pub(super) fn has_unproven(&self, now: MonotonicTime) -> bool {
        self.unproven.until.values().any(|until| now < *until)
    }

    pub(super) fn unlisted_until(&self) -> MonotonicTime {
        self.unlisted_until
    }

    pub(super) fn len(&self) -> usize {
        self.proven.until.len() + self.unproven.until.len()
    }
}

impl Listed {
    fn new(most: usize) -> Self {
        Self { until: BTreeMap::new(), most }
    }

    /// Says whether there is room for it.
    fn list(&mut self, replica: ReplicaId, until: MonotonicTime, now: MonotonicTime) -> bool {
        if let Some(known) = self.until.get_mut(&replica) {
            *known = until.max(*known);
            return true;
        }
        if self.until.len() >= self.most {
            self.until.retain(|_, until| now < *until);
        }
        let has_room = self.until.len() < self.most;
        if has_room {
            self.until.insert(replica, until);
        }
        has_room
    }
}
