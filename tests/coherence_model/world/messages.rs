//! What replicas read, send and hear.

use keyward::auth::coherence::{Connection, Notification, ReplicaId};

use super::{Entry, Fill, Socket, World, revoking::Revoke};
use crate::rules::{Action, Fault, Rules};

impl World {
    /// Reads, and has the server prove that it is still the one that counts.
    pub(super) fn read_row(&mut self, i: usize, key: usize, rules: &Rules) {
        let node = &mut self.nodes[i];
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
        for arrived in self.servers[server].log[*delivered - 1].clone() {
            if let Some(notification) = self.as_understood(&arrived, i, rules) {
                self.hear(i, connection, notification, rules);
            }
        }
    }

    fn hear(&mut self, i: usize, connection: Connection, mut notification: Notification, rules: &Rules) {
        let now = self.clock(rules, i);
        let node = &mut self.nodes[i];
        let is_own = matches!(notification, Notification::Heartbeat { replica, .. } if replica == node.replica.id());
        if rules.fault == Some(Fault::LeaseFromReturn)
            && is_own
            && let Some(fresh) = node.replica.tick(now).heartbeat
        {
            node.replica.heartbeat_sent(&fresh, now, &node.freshness);
            notification = fresh;
        }
        if rules.fault == Some(Fault::LeaseWithoutAnswer) && is_own {
            node.replica.heartbeat_sent(&notification, now, &node.freshness);
        }
        node.replica.heard(connection, &notification, now, &node.freshness);
        let due = node.replica.acknowledgement_due(now);
        if rules.revokers.iter().any(|by| by.is_some_and(|r| r != i)) {
            self.flying.extend(due.map(|ack| (i, ack)));
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
            Notification::Heartbeat { replica, lease, .. } if is_unproven(replica) => {
                let unproven = Notification::Unproven { replica: *replica, lease: *lease };
                (rules.fault != Some(Fault::UnprovenNotCounted)).then_some(unproven)
            }
            Notification::Applied { replica, .. } | Notification::Left { replica } if is_unproven(replica) => None,
            _ => Some(message.clone()),
        }
    }

    /// A revoker reads who has acknowledged its changes.
    pub(super) fn look(&mut self, i: usize) {
        let node = &mut self.nodes[i];
        let awaited = node.replica.awaited();
        for (replica, change) in self.servers[node.server].acknowledged.iter().filter(|(_, c)| awaited.contains(c)) {
            node.replica.acknowledged(*replica, &[*change]);
        }
    }

    pub(super) fn commit(&mut self, index: usize, rules: &Rules) {
        let (sender, message) = self.flying.remove(index);
        let server = self.nodes[sender].server;
        match &message {
            // Nobody is told of a row.
            Notification::Applied { replica, changes, .. } if rules.has_rows => {
                self.servers[server].acknowledged.extend(changes.iter().map(|change| (*replica, *change)));
            }
            _ => self.servers[server].log.push(vec![message.clone()]),
        }
        match &message {
            Notification::Heartbeat { replica, lease, .. } => {
                self.servers[server].replicas.insert(*replica, *lease);
            }
            Notification::Left { replica } => {
                self.servers[server].replicas.remove(replica);
            }
            _ => {}
        }
        // Without its standby a server can't answer. Somebody may cut the wait short, and then everybody there sees it.
        if server == self.primary || rules.fault == Some(Fault::HeartbeatsNotDurable) {
            self.unanswered.push((sender, message));
            if !rules.answers_later {
                self.reply(self.unanswered.len() - 1, rules);
            }
        }
    }

    pub(super) fn reply(&mut self, index: usize, rules: &Rules) {
        let (sender, message) = self.unanswered.remove(index);
        let now = self.clock(rules, sender);
        let node = &mut self.nodes[sender];
        match &message {
            Notification::Heartbeat { replica, .. } if *replica == node.replica.id() => {
                node.replica.heartbeat_sent(&message, now, &node.freshness);
            }
            Notification::Applied { replica, .. } if *replica == node.replica.id() => {
                node.replica.acknowledgement_finished(true);
                let due = node.replica.acknowledgement_due(now);
                self.flying.extend(due.map(|ack| (sender, ack)));
            }
            _ => {}
        }
    }
}
