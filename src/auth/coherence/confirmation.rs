//! The revoker's side: from a committed change to "nobody believes the old row any more".

use std::collections::{BTreeMap, VecDeque};

use super::membership::Membership;
use super::{ChangeId, MonotonicTime, ReplicaId};

/// How many heard changes are remembered, to place an acknowledgement among them. An acknowledgement
/// of something older is ignored: the change that waits for it then waits for the lease instead.
const REMEMBERED_CHANGES: usize = 1024;

/// How far a change has come. See [`Replica::progress`](super::Replica::progress).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Some replica may still hold a lease on the old row. Ask again after each message; should none
    /// come, the change is settled at `until`.
    Waiting {
        /// On this machine's clock.
        until: MonotonicTime,
    },
    /// No check that starts from now on believes the old row, anywhere.
    Done(Settled),
}

/// How a change was settled; for metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Our own notification came back, so that every replica that might hold the old row was known.
    Heard {
        /// Replicas that have applied the change, or left.
        confirmed: usize,
        /// Replicas that stayed silent until their lease was over.
        expired: usize,
    },
    /// We couldn't hear, or there were too many to follow: the longest lease has passed since the
    /// commit.
    Unheard,
}

/// The changes of this replica that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Confirmations {
    waiting: BTreeMap<ChangeId, Option<Heard>>,
    most: usize,
    /// Changes in the order in which they were delivered; the back one has position `last_position`.
    recent: VecDeque<ChangeId>,
    last_position: u64,
}

/// What was known at the moment the change's own notification came back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Heard {
    position: u64,
    holders: BTreeMap<ReplicaId, MonotonicTime>,
    unlisted_until: MonotonicTime,
    confirmed: usize,
}

impl Confirmations {
    pub(super) fn new(most: usize) -> Self {
        Self { waiting: BTreeMap::new(), most, recent: VecDeque::new(), last_position: 0 }
    }

    /// Beyond `most` a change isn't followed and settles the slow way ([`Settled::Unheard`]).
    pub(super) fn announce(&mut self, change: ChangeId) {
        if self.waiting.len() < self.most {
            self.waiting.entry(change).or_insert(None);
        }
    }

    pub(super) fn forget(&mut self, change: ChangeId) {
        self.waiting.remove(&change);
        if !self.waiting.values().any(Option::is_some) {
            self.recent.clear();
        }
    }

    /// A change (anybody's) was delivered.
    pub(super) fn heard(&mut self, change: ChangeId, now: MonotonicTime, members: &Membership) {
        self.last_position += 1;
        let position = self.last_position;
        if let Some(unheard @ None) = self.waiting.get_mut(&change) {
            *unheard = Some(Heard {
                position,
                holders: members.holders(now),
                unlisted_until: members.unlisted_until(),
                confirmed: 0,
            });
        }
        // Positions only matter to changes that are heard and unsettled.
        if self.waiting.values().any(Option::is_some) {
            if self.recent.len() == REMEMBERED_CHANGES {
                self.recent.pop_front();
            }
            self.recent.push_back(change);
        }
    }

    /// `replica` has applied `up_to` and, since delivery is in one order, everything before it.
    pub(super) fn applied(&mut self, replica: ReplicaId, up_to: ChangeId) {
        if let Some(back) = self.recent.iter().rev().position(|c| *c == up_to) {
            self.release(replica, self.last_position - back as u64);
        }
    }

    pub(super) fn left(&mut self, replica: ReplicaId) {
        self.release(replica, self.last_position);
    }

    fn release(&mut self, replica: ReplicaId, up_to_position: u64) {
        let heard = self.waiting.values_mut().flatten();
        for change in heard.filter(|change| change.position <= up_to_position) {
            if change.holders.remove(&replica).is_some() {
                change.confirmed += 1;
            }
        }
    }

    /// `unheard_until`: the longest lease after the commit, which settles every change.
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
    /// When the last lease that may still cover the old row is over.
    fn until(&self) -> MonotonicTime {
        let ends = self.holders.values().copied();
        ends.fold(self.unlisted_until, MonotonicTime::max)
    }
}
