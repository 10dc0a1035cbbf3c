//! The other replicas that may hold a lease, with the latest end of each.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Heartbeat, Holders, LONGEST_LEASE, MonotonicTime, ReplicaId};

/// The maximum number of replicas that are tracked individually and known only from messages of their own without a
/// proof. Separate, so that they can't displace others.
const MOST_UNPROVEN: usize = 64;

/// The end of a lease that was never taken.
const NEVER: MonotonicTime = MonotonicTime::from_nanos(0);

/// Built from heartbeats, which are received one by one or in pulses. All times are on this replica's clock.
///
/// A heartbeat is sent before it arrives here, and the sender counts its lease from the sending. So `arrival + lease`
/// is never earlier than the end of the lease. Pulses name the latest heartbeat of a replica again and again; only the
/// first arrival counts. Others only make it later.
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
    members: BTreeMap<ReplicaId, Member>,
    most: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Member {
    /// The end of its lease.
    until: MonotonicTime,
    /// Its latest heartbeat, if it proves anything.
    sequence: u64,
}

impl Membership {
    pub(super) fn new(most: usize) -> Self {
        Self { proven: Listed::new(most), unproven: Listed::new(MOST_UNPROVEN), unlisted_until: NEVER }
    }

    /// Starts over with a new connection. Any number of heartbeats may have been missed, none of them sent later than
    /// `now`. `holders` covers all who sent them, so the list is cleared.
    pub(super) fn start_over(&mut self, now: MonotonicTime, holders: &Holders, ourselves: ReplicaId) {
        self.proven.members.clear();
        self.unproven.members.clear();
        match holders {
            Holders::Listed(heartbeats) => self.heard_pulse(heartbeats, now, ourselves),
            Holders::Unlisted(longest) => self.unlisted_until = self.unlisted_until.max(now.after(*longest)),
        }
    }

    pub(super) fn heard_heartbeat(&mut self, heartbeat: &Heartbeat, now: MonotonicTime) {
        self.proven.make_room(now, 1);
        self.list(heartbeat, now);
    }

    /// Every heartbeat that is named for the first time has arrived now. The others have arrived before, and a replica
    /// that has died or left is named until somebody removes its row.
    pub(super) fn heard_pulse(&mut self, heartbeats: &[Heartbeat], now: MonotonicTime, ourselves: ReplicaId) {
        self.proven.make_room(now, heartbeats.len());
        for heartbeat in heartbeats.iter().filter(|heartbeat| heartbeat.replica != ourselves) {
            let listed = self.proven.members.get(&heartbeat.replica);
            if listed.is_none_or(|member| member.sequence != heartbeat.sequence) {
                self.list(heartbeat, now);
            }
        }
    }

    fn list(&mut self, heartbeat: &Heartbeat, now: MonotonicTime) {
        let Heartbeat { replica, sequence, lease } = *heartbeat;
        // No replica has a longer lease, whatever the message claims.
        let mut member = Member { until: now.after(lease.min(LONGEST_LEASE)), sequence };
        // Its heartbeats without a proof count for it, too.
        if let Some(unproven) = self.unproven.members.remove(&replica) {
            member.until = member.until.max(unproven.until);
        }
        if !self.proven.list(replica, member) {
            self.unlisted_until = self.unlisted_until.max(member.until);
        }
    }

    /// Returns whether this replica was unknown.
    pub(super) fn heard_unproven(&mut self, of: ReplicaId, now: MonotonicTime, lease: Duration) -> bool {
        let member = Member { until: now.after(lease.min(LONGEST_LEASE)), sequence: 0 };
        // A replica with a proof also sends the unproven form, for older versions, and then this changes nothing. But
        // it may be listed only because a pulse has named it, which proves nothing either.
        if let Some(listed) = self.proven.members.get_mut(&of) {
            listed.until = listed.until.max(member.until);
            return false;
        }
        let is_news = !self.unproven.members.contains_key(&of);
        self.unproven.make_room(now, 1);
        if !self.unproven.list(of, member) {
            self.unlisted_until = self.unlisted_until.max(member.until);
        }
        is_news
    }

    /// This replica holds no lease. It stays listed, because a pulse may still name its latest heartbeat.
    pub(super) fn left(&mut self, replica: ReplicaId) {
        if let Some(member) = self.proven.members.get_mut(&replica) {
            member.until = NEVER;
        }
        self.unproven.members.remove(&replica);
    }

    /// Every listed replica whose lease may be valid at `now`, with the latest end of the lease.
    pub(super) fn holders(&self, now: MonotonicTime) -> BTreeMap<ReplicaId, MonotonicTime> {
        let listed = self.proven.members.iter().chain(&self.unproven.members);
        listed.filter(|(_, member)| now < member.until).map(|(id, member)| (*id, member.until)).collect()
    }

    /// Whether an unproven replica may hold a lease at `now`.
    pub(super) fn has_unproven(&self, now: MonotonicTime) -> bool {
        self.unproven.members.values().any(|member| now < member.until)
    }

    pub(super) fn unlisted_until(&self) -> MonotonicTime {
        self.unlisted_until
    }

    pub(super) fn len(&self) -> usize {
        let listed = self.proven.members.values().chain(self.unproven.members.values());
        listed.filter(|member| member.until != NEVER).count()
    }
}

impl Listed {
    fn new(most: usize) -> Self {
        Self { members: BTreeMap::new(), most }
    }

    /// Removes those whose leases have ended, if there is no room for so many more.
    fn make_room(&mut self, now: MonotonicTime, more: usize) {
        if self.members.len() + more > self.most {
            self.members.retain(|_, member| now < member.until);
        }
    }

    /// Returns whether there was room for it.
    fn list(&mut self, replica: ReplicaId, member: Member) -> bool {
        if let Some(known) = self.members.get_mut(&replica) {
            *known = Member { until: member.until.max(known.until), ..member };
            return true;
        }
        let has_room = self.members.len() < self.most;
        if has_room {
            self.members.insert(replica, member);
        }
        has_room
    }
}
