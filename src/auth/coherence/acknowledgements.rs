//! The changes that this replica has applied but not acknowledged yet.

use super::{ChangeId, Notification, ReplicaId};

/// The maximum number of changes per message. A notification has at most 8000 bytes.
const MOST_AT_ONCE: usize = 400;
/// The maximum number of changes that wait for acknowledgement. Beyond that, the oldest are dropped, and their revokers
/// wait for the lease.
const MOST_DUE: usize = 8 * MOST_AT_ONCE;

/// At most one acknowledgement is being sent: in a burst of changes, the next one covers all of them, so the load on
/// the database stays bounded.
///
/// Each change is named. "All up to this one" would be shorter, but could be replayed together with an old
/// announcement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Acknowledgements {
    due: Vec<ChangeId>,
    under_way: Option<UnderWay>,
    /// The latest change that a trigger has numbered. Older versions have no other acknowledgements.
    applied: Option<u64>,
    told: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct UnderWay {
    changes: Vec<ChangeId>,
    up_to: Option<u64>,
}

impl Acknowledgements {
    pub(super) fn applied(&mut self, number: u64) {
        self.applied = Some(number);
    }

    pub(super) fn announced(&mut self, change: ChangeId) {
        if self.due.len() == MOST_DUE {
            self.due.remove(0);
        }
        self.due.push(change);
    }

    /// `to_older_versions`: whether a replica of an older version waits for a number.
    pub(super) fn next(&mut self, replica: ReplicaId, to_older_versions: bool) -> Option<Notification> {
        let up_to = self.applied.filter(|number| to_older_versions && self.told != Some(*number));
        if self.under_way.is_some() || (self.due.is_empty() && up_to.is_none()) {
            return None;
        }
        let changes: Vec<ChangeId> = self.due.drain(..self.due.len().min(MOST_AT_ONCE)).collect();
        self.under_way = Some(UnderWay { changes: changes.clone(), up_to });
        Some(Notification::Applied { replica, changes, up_to })
    }

    pub(super) fn finished(&mut self, sent: bool) {
        let Some(UnderWay { mut changes, up_to }) = self.under_way.take() else { return };
        if sent {
            self.told = up_to.or(self.told);
        } else {
            changes.append(&mut self.due);
            changes.drain(..changes.len().saturating_sub(MOST_DUE));
            self.due = changes;
        }
    }
}
