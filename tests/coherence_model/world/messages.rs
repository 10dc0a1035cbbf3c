//! What replicas read, send and hear.

use keyward::auth::coherence::{Connection, Heartbeat, Notification, ReplicaId};
use test_support::fingerprint::Part;

use super::{Entry, Fill, Sent, Socket, World, revoking::Revoke};
use crate::rules::{Action, Fault, Rules};

impl World {
    /// Reads, and has the server prove that it is still the one that counts.
    pub(super) fn read_row(&mut self, i: usize, key: usize, rules: &Rules) {
        let node = &mut *self.nodes[i];
        let Some(Fill::Started(ticket, floor)) = node.fills[key] else { return };
        let version = self.servers[node.server].rows[key];
        if node.server != self.primary && rules.fault != Some(Fault::ReadNotProven) {
            node.fills[key] = None;
            return;
        }
        // Whoever has asked believes it without any lease.
        if version < floor {
            self.believed_too_old =
                Some(format!("replica {i} reads version {version} of key {key}, though {floor} was there before"));
        }
        node.fills[key] = Some(Fill::Read(Entry { version, ticket }));
        if !rules.caches_later {
            self.perform_locally(rules, Action::StoreEntry(i, key));
        }
    }

    pub(super) fn deliver(&mut self, i: usize, rules: &Rules) {
        let Some(Socket { server, delivered, connection: Some(connection) }) = &mut self.nodes[i].socket else {
            return;
        };
        let (server, connection) = (*server, *connection);
        *delivered += 1;
        let arrived = self.servers[server].log[*delivered - 1].clone();
        for arrived in &*arrived {
            if let Some(notification) = self.as_understood(arrived, i, rules) {
                self.hear(i, connection, notification, rules);
            }
        }
    }

    fn hear(&mut self, i: usize, connection: Connection, mut notification: Notification, rules: &Rules) {
        let now = self.clock(rules, i);
        let node = &mut *self.nodes[i];
        let own = heartbeats(&notification).iter().find(|heartbeat| heartbeat.replica == node.replica.id()).copied();
        if rules.fault == Some(Fault::LeaseFromReturn)
            && let Some(own) = own
            && let Some(fresh) = node.replica.tick(now, own.sequence | 1 << 63).heartbeat
        {
            node.replica.heartbeat_sent(&fresh, 0, now, &node.freshness);
            notification = Notification::Heartbeat(fresh);
        }
        if rules.fault == Some(Fault::LeaseWithoutAnswer)
            && let Some(own) = own
        {
            node.replica.heartbeat_sent(&own, 0, now, &node.freshness);
        }
        node.replica.heard(connection, &notification, now, &node.freshness);
        let due = node.replica.acknowledgement_due(now);
        if rules.revokers.iter().any(|by| by.is_some_and(|r| r != i)) {
            self.send_acknowledgement(i, due);
        }
        if let Notification::Announced { change } = notification {
            let own = |r: &&mut Revoke| r.by == Some(i) && r.change == change;
            self.revokes.iter_mut().filter(own).for_each(|r| r.own_heard = true);
        }
    }

    /// What a message is to a replica. One that cannot prove itself to the others has only its heartbeats counted.
    fn as_understood(&self, message: &Notification, i: usize, rules: &Rules) -> Option<Notification> {
        let is_unproven = |id: &ReplicaId| {
            rules.unproven.is_some_and(|unproven| unproven != i && self.nodes[unproven].replica.id() == *id)
        };
        match message {
            Notification::Heartbeat(heartbeat) if is_unproven(&heartbeat.replica) => {
                let unproven = Notification::Unproven(*heartbeat);
                (rules.fault != Some(Fault::UnprovenNotCounted)).then_some(unproven)
            }
            Notification::Pulse { .. } if rules.older == Some(i) => None,
            Notification::Pulse { number, heartbeats } => {
                let own = self.nodes[i].replica.id();
                let mut heartbeats = heartbeats.clone();
                for other in heartbeats.iter_mut().filter(|heartbeat| heartbeat.replica != own) {
                    if rules.fault == Some(Fault::RenewalsNotNoticed) {
                        other.sequence = 0;
                    }
                }
                if rules.fault == Some(Fault::PulsesNotCounted) {
                    heartbeats.retain(|heartbeat| heartbeat.replica == own);
                }
                Some(Notification::Pulse { number: *number, heartbeats })
            }
            Notification::Applied { replica, .. } | Notification::Left { replica } if is_unproven(replica) => None,
            _ => Some(message.clone()),
        }
    }

    /// A revoker reads who has acknowledged its changes.
    pub(super) fn look(&mut self, i: usize) {
        let node = &mut *self.nodes[i];
        let awaited = node.replica.awaited();
        for (replica, change) in self.servers[node.server].acknowledged.iter().filter(|(_, c)| awaited.contains(c)) {
            node.replica.acknowledged(*replica, &[*change]);
        }
    }

    pub(super) fn commit(&mut self, index: usize, rules: &Rules) {
        let Sent { sender, message, pulse_after, read } = (*self.flying.remove(index)).clone();
        let server = self.nodes[sender].server;
        match &message {
            // Nobody is told of a row.
            Notification::Heartbeat(_) if rules.has_rows => {}
            Notification::Applied { replica, changes, .. } if rules.has_rows => {
                self.servers[server].acknowledged.extend(changes.iter().map(|change| (*replica, *change)));
            }
            _ => self.servers[server].log.push(Part::new(vec![message.clone()])),
        }
        match &message {
            Notification::Heartbeat(_) if rules.older == Some(sender) || !(rules.has_rows || rules.has_pulses) => {}
            Notification::Heartbeat(heartbeat) => {
                let pulse_after = pulse_after.filter(|_| rules.has_pulses);
                self.servers[server].take(*heartbeat, pulse_after, read);
            }
            Notification::Left { replica } => {
                self.servers[server].replicas.remove(replica);
            }
            _ => {}
        }
        // Without its standby a server can't answer. Somebody may cut the wait short, and then everybody there sees it.
        if server == self.primary || rules.fault == Some(Fault::HeartbeatsNotDurable) {
            self.unanswered.push(Part::new((sender, message, self.servers[server].pulse)));
            if !rules.answers_later {
                self.reply(self.unanswered.len() - 1, rules);
            }
        }
    }

    pub(super) fn reply(&mut self, index: usize, rules: &Rules) {
        let unanswered = self.unanswered.remove(index);
        let (sender, message, pulse) = &*unanswered;
        let (sender, pulse) = (*sender, *pulse);
        let now = self.clock(rules, sender);
        let node = &mut *self.nodes[sender];
        match message {
            Notification::Heartbeat(heartbeat) if heartbeat.replica == node.replica.id() => {
                node.replica.heartbeat_sent(heartbeat, pulse, now, &node.freshness);
            }
            Notification::Applied { replica, .. } if *replica == node.replica.id() => {
                node.replica.acknowledgement_finished(true);
                let due = node.replica.acknowledgement_due(now);
                self.send_acknowledgement(sender, due);
            }
            _ => {}
        }
    }

    fn send_acknowledgement(&mut self, sender: usize, due: Option<Notification>) {
        self.flying.extend(due.map(|message| Part::new(Sent { sender, message, pulse_after: None, read: None })));
    }
}

/// The heartbeats that a message tells of.
fn heartbeats(message: &Notification) -> &[Heartbeat] {
    match message {
        Notification::Heartbeat(heartbeat) => std::slice::from_ref(heartbeat),
        Notification::Pulse { heartbeats, .. } => heartbeats,
        _ => &[],
    }
}
