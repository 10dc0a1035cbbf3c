//! The revoker's side: from a committed change to "no replica trusts the old row any more".

use std::collections::BTreeMap;

use super::membership::Membership;
use super::{ChangeId, MonotonicTime, ReplicaId};

/// The progress of a change. See [`Replica::progress`](super::Replica::progress).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Some replica may still hold a lease on the old row. Ask again after each message. If none arrives, the change is
    /// settled at `until`.
    Waiting {
        /// On this machine's clock.
        until: MonotonicTime,
    },
    /// No check that starts from now on trusts the old row, on any replica.
    Done(Settled),
}

/// How a change was settled, for metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Our own announcement came back, so every replica that might hold the old row was known.
    Heard {
        /// The number of replicas that have applied the change, or left.
        confirmed: usize,
        /// The number of replicas that stayed silent until their lease expired.
        expired: usize,
    },
    /// The announcement could not be heard, or there were too many changes to follow: the longest lease has passed
    /// since the commit.
    Unheard,
}

/// The changes of this replica that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Confirmations {
    waiting: BTreeMap<ChangeId, Option<Heard>>,
    most: usize,
}

/// The state at the moment when the change's own announcement came back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Heard {
    holders: BTreeMap<ReplicaId, MonotonicTime>,
    unlisted_until: MonotonicTime,
    confirmed: usize,
}

impl Confirmations {
    pub(super) fn new(most: usize) -> Self {
        Self { waiting: BTreeMap::new(), most }
    }

    /// Beyond the maximum, a change is not followed, and settles by time ([`Settled::Unheard`]).
    pub(super) fn announce(&mut self, change: ChangeId) {
        if self.waiting.len() < self.most {
            self.waiting.entry(change).or_insert(None);
        }
    }

    pub(super) fn forget(&mut self, change: ChangeId) {
        self.waiting.remove(&change);
    }

    /// Handles a delivered announcement, and returns whether it is our own. Only the first delivery counts: at a
    /// replay, leases that existed then may have expired, and others may have been taken.
    pub(super) fn heard(&mut self, change: ChangeId, now: MonotonicTime, members: &Membership) -> bool {
        let Some(waiting) = self.waiting.get_mut(&change) else { return false };
        waiting.get_or_insert_with(|| Heard {
            holders: members.holders(now),
            unlisted_until: members.unlisted_until(),
            confirmed: 0,
        });
        true
    }

    pub(super) fn applied(&mut self, replica: ReplicaId, changes: &[ChangeId]) {
        for change in changes {
            if let Some(Some(heard)) = self.waiting.get_mut(change) {
                heard.release(replica);
            }
        }
    }

    /// The changes that some replica has not acknowledged yet, as far as is known.
    pub(super) fn awaited(&self) -> Vec<ChangeId> {
        let awaited = |heard: &Heard| !heard.holders.is_empty();
        self.waiting
            .iter()
            .filter(|(_, heard)| heard.as_ref().is_some_and(awaited))
            .map(|(change, _)| *change)
            .collect()
    }

    /// This replica holds no lease, so it need not acknowledge any change.
    pub(super) fn left(&mut self, replica: ReplicaId) {
        self.waiting.values_mut().flatten().for_each(|heard| heard.release(replica));
    }

    /// `unheard_until`: one longest lease after the commit, when every change is settled.
    pub(super) fn progress(&self, change: ChangeId, unheard_until: MonotonicTime, now: MonotonicTime) -> Progress {
        let heard = self.waiting.get(&change).and_then(Option::as_ref);
        let until = match heard {
            Some(heard) => heard.until().min(unheard_until),
            None => unheard_until,
        };
        match heard {
            _ if now < until => Progress::Waiting { until },
            Some(heard) => Progress::Done(Settled::Heard { confirmed: heard.confirmed, expired: heard.holders.len() }),
            None => Progress::Done(Settled::Unheard),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl Heard {
    fn release(&mut self, replica: ReplicaId) {
        if self.holders.remove(&replica).is_some() {
            self.confirmed += 1;
        }
    }

    /// The end of the last lease that may still cover the old row.
    fn until(&self) -> MonotonicTime {
        let ends = self.holders.values().copied();
        ends.fold(self.unlisted_until, MonotonicTime::max)
    }
}
