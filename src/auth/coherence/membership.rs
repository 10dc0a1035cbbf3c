//! The other replicas that may hold a lease, with the latest end of each.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Holders, LONGEST_LEASE, MonotonicTime, ReplicaId};

/// The maximum number of unproven replicas that are tracked individually. Separate, so that impostors can't displace
/// others.
const MOST_UNPROVEN: usize = 64;

/// Built from received heartbeats. All times are on this replica's clock.
///
/// A heartbeat is sent before it arrives here, and the sender counts its lease from the sending. So `arrival + lease`
/// is never earlier than the end of the lease. A replayed heartbeat only makes it later.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Membership {
    proven: Listed,
    /// Replicas known only from unproven messages: of an older version, or impostors. They are waited for like the
    /// others, but never counted as having applied anything.
    unproven: Listed,
    /// The leases of replicas that are not listed end by this instant: those whose heartbeats were sent before we
    /// started to listen, and those that exceeded the limit.
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

    /// Starts over with a new connection. Any number of heartbeats may have been missed, none of them sent later than
    /// `now`. `holders` covers all who sent them, so the list is cleared.
    pub(super) fn start_over(&mut self, now: MonotonicTime, holders: &Holders, ourselves: ReplicaId) {
        self.proven.until.clear();
        self.unproven.until.clear();
        match holders {
            Holders::Listed(holders) => {
                for (replica, lease) in holders.iter().filter(|(replica, _)| *replica != ourselves) {
                    self.heard_heartbeat(*replica, now, *lease);
                }
            }
            Holders::Unlisted(longest) => self.unlisted_until = self.unlisted_until.max(now.after(*longest)),
        }
    }

    pub(super) fn heard_heartbeat(&mut self, of: ReplicaId, now: MonotonicTime, lease: Duration) {
        let until = now.after(lease);
        self.unproven.until.remove(&of);
        if !self.proven.list(of, until, now) {
            self.unlisted_until = self.unlisted_until.max(until);
        }
    }

    /// Returns whether this replica was unknown.
    pub(super) fn heard_unproven(&mut self, of: ReplicaId, now: MonotonicTime, lease: Duration) -> bool {
        // A replica with a proof also sends the unproven form, for older versions.
        if self.proven.until.contains_key(&of) {
            return false;
        }
        // No replica has a longer lease, whatever the message claims.
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

    /// Every listed replica whose lease may be valid at `now`, with the latest end of the lease.
    pub(super) fn holders(&self, now: MonotonicTime) -> BTreeMap<ReplicaId, MonotonicTime> {
        let listed = self.proven.until.iter().chain(&self.unproven.until);
        listed.filter(|(_, until)| now < **until).map(|(id, until)| (*id, *until)).collect()
    }

    /// Whether an unproven replica may hold a lease at `now`.
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

    /// Returns whether there was room for it.
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
