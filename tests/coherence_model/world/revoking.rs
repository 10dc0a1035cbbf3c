//! Those who revoke: commit, wait for what the protocol says, return.

use keyward::auth::coherence::{
    ChangeId, Heartbeat, MonotonicTime, Notification, Progress, Records, Settled, settled_unheard_at,
};
use test_support::fingerprint::Part;

use super::{Node, Version, World, record};
use crate::rules::{Fault, Rules};

#[derive(Clone, Hash)]
pub(super) struct Revoke {
    pub(super) by: Option<usize>,
    pub(super) key: usize,
    pub(super) change: ChangeId,
    /// The version that it brings.
    pub(super) version: Version,
    pub(super) committed_at: Option<MonotonicTime>,
    pub(super) own_heard: bool,
}

/// How often what happened; shows that an exploration wasn't about nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) settled_by_acknowledgement: u64,
    pub(crate) settled_by_expiry: u64,
    pub(crate) settled_unheard: u64,
    pub(crate) believed: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.settled_by_acknowledgement += other.settled_by_acknowledgement;
        self.settled_by_expiry += other.settled_by_expiry;
        self.settled_unheard += other.settled_unheard;
        self.believed += other.believed;
    }
}

impl World {
    /// Announced and committed at once: nothing that others do in between makes a difference.
    pub(super) fn revoke(&mut self, by: Option<usize>, key: usize, rules: &Rules) {
        self.revokes_left -= 1;
        self.next_change += 1;
        let change = ChangeId(self.next_change);
        if rules.fault == Some(Fault::SequencesGuessed) {
            let next = self.nodes.iter().enumerate().map(|(i, node)| Heartbeat {
                replica: node.replica.id(),
                sequence: node.next_sequence(i),
                lease: rules.settings[i].lease,
            });
            let guessed = Notification::Pulse { number: 0, heartbeats: next.collect() };
            self.servers[self.primary].log.push(Part::new(vec![guessed]));
        }
        let server = &mut *self.servers[self.primary];
        server.rows[key] += 1;
        let version = server.rows[key];
        let records = Records::These(vec![record(key)]);
        let changed = Notification::Changed { number: self.next_change, records };
        let announced = Notification::Announced { change };
        let transactions = match (by, rules.fault) {
            (None, _) => vec![vec![changed]],
            // In two steps, for there is something between them.
            (_, Some(Fault::AnnouncedBeforeChanged)) => vec![vec![announced.clone()], vec![changed]],
            _ => vec![vec![changed, announced.clone()]],
        };
        server.log.extend(transactions.into_iter().map(Part::new));
        self.revokes.push(Revoke { by, key, change, version, committed_at: None, own_heard: false });
        if let Some(i) = by {
            let now = self.clock(rules, i);
            let node = &mut *self.nodes[i];
            node.replica.announce_change(change);
            let connection = node.socket.as_ref().and_then(|s| s.connection);
            if let Some(connection) = connection
                && rules.fault == Some(Fault::OwnNotificationNotAwaited)
            {
                node.replica.heard(connection, &announced, now, &node.freshness);
            }
        }
        if let (Some(_), Some(Fault::ForgeriesBelieved)) = (by, rules.fault) {
            // Somebody else says that the replicas have applied it.
            let forge = |node: &Part<Node>| Notification::Applied {
                replica: node.replica.id(),
                changes: vec![change],
                up_to: None,
            };
            let forged = self.nodes.iter().map(forge).collect();
            self.servers[self.primary].log.push(Part::new(forged));
        }
    }

    /// A revoke returns as soon as it may: later is only easier.
    pub(super) fn let_revokes_return(&mut self, rules: &Rules) {
        for index in (0..self.revokes.len()).rev() {
            let Some(committed_at) = self.revokes[index].committed_at else {
                continue;
            };
            let now = self.revoker_clock(rules, index);
            let unheard_until = |at| settled_unheard_at(at, rules.longest_lease);
            let revoke = &self.revokes[index];
            let progress = match revoke.by {
                Some(i) if self.nodes[i].paused => continue,
                Some(i) => self.nodes[i].replica.progress(revoke.change, unheard_until(committed_at), now),
                None if now < unheard_until(committed_at) => Progress::Waiting { until: now },
                None => Progress::Done(Settled::Unheard),
            };
            let too_early = match rules.fault {
                Some(Fault::NoWaitForAcknowledgements) => revoke.own_heard,
                Some(Fault::DeafRevokerReturns) => revoke.by.is_none_or(|i| self.nodes[i].socket.is_none()),
                _ => false,
            };
            match progress {
                Progress::Done(Settled::Heard { expired: 0, .. }) => {
                    self.tally.settled_by_acknowledgement += 1;
                }
                Progress::Done(Settled::Heard { .. }) => self.tally.settled_by_expiry += 1,
                Progress::Done(Settled::Unheard) => self.tally.settled_unheard += 1,
                Progress::Waiting { .. } if too_early => {}
                Progress::Waiting { .. } => continue,
            }
            let revoke = self.revokes.remove(index);
            if let Some(i) = revoke.by {
                self.nodes[i].replica.forget_change(revoke.change);
            }
            self.returned[revoke.key] = self.returned[revoke.key].max(revoke.version);
        }
    }

    pub(super) fn revoker_clock(&self, rules: &Rules, index: usize) -> MonotonicTime {
        match self.revokes[index].by {
            Some(i) => self.clock(rules, i),
            None => MonotonicTime::from_nanos(self.now * rules.clock_rates[0]),
        }
    }
}
