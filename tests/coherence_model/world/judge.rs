//! Looks at a world: is the promise kept, has this state been seen, can anything still happen?

use std::hash::{Hash, Hasher};

use super::{Entry, Fill, Node, World, record};
use crate::rules::{Fault, Rules};

impl World {
    /// The property: no check that starts after a revoke has returned believes an older row. Says who
    /// would, if somebody would.
    pub(super) fn broken_promise(&mut self, rules: &Rules) -> Option<String> {
        if let Some(read) = &self.believed_too_old {
            return Some(read.clone());
        }
        for i in 0..self.nodes.len() {
            let now = self.clock(rules, i);
            let node = &self.nodes[i];
            if node.paused {
                continue;
            }
            for key in 0..rules.keys {
                let floor = self.returned[key];
                let id = record(key);
                if let Some(entry) = node.cache[key] {
                    let believed = match rules.fault {
                        Some(Fault::NoLeaseCheck) => node.freshness.is_current(&entry.ticket, id),
                        _ => node.freshness.may_believe(&entry.ticket, id, now),
                    };
                    self.tally.believed += u64::from(believed);
                    let second_half = match rules.fault {
                        Some(Fault::EntryBeforeLease) => node.freshness.lease_valid(now),
                        _ => node.freshness.is_current(&entry.ticket, id),
                    };
                    let half_floor = node.half_checks[key].filter(|_| second_half);
                    if believed && entry.version < floor || half_floor.is_some_and(|floor| entry.version < floor) {
                        return Some(format!(
                            "replica {i} believes version {} of key {key}, though the revoke that made it {floor} has returned",
                            entry.version
                        ));
                    }
                }
                if let Some(Fill::Read(read)) = node.fills[key] {
                    let shared = rules.fault == Some(Fault::ReadSharedUnasked)
                        || node.freshness.may_believe(&read.ticket, id, now);
                    if shared && read.version < floor {
                        return Some(format!(
                            "replica {i} shares a read of version {} of key {key}, though the revoke that made it {floor} has returned",
                            read.version
                        ));
                    }
                }
            }
        }
        None
    }

    /// Whether nothing can go wrong any more: all changes are made, and every old version that is
    /// cached or about to be is one that nobody may believe, ever.
    pub(super) fn nothing_can_go_wrong(&self) -> bool {
        let rows = &self.servers[self.primary].rows;
        let harmless = |node: &Node, key: usize| {
            let entry = node.cache[key].filter(|e| e.version < rows[key]);
            let believable = |e: Entry| node.freshness.is_current(&e.ticket, record(key));
            let read = matches!(node.fills[key], Some(Fill::Read(e)) if e.version < rows[key]);
            let checking = node.half_checks[key].is_some();
            // On a server that was superseded, what it reads next is old.
            let may_read_old = node.server != self.primary && (node.budget.fills > 0 || node.fills[key].is_some());
            !entry.is_some_and(believable) && !read && !checking && !may_read_old
        };
        let everywhere = |key| self.nodes.iter().all(|node| harmless(node, key));
        self.revokes_left == 0 && (0..rows.len()).all(everywhere)
    }

    /// For the long simulation, in which no server is superseded and nothing is repeated: forget what everybody has
    /// read, so that memory stays flat.
    pub(super) fn forget_what_all_have_read(&mut self) {
        let sockets = || self.nodes.iter().filter_map(|n| n.socket.as_ref());
        let log = &mut self.servers[0].log;
        let read = sockets().map(|s| s.delivered).min().unwrap_or(log.len());
        log.drain(..read);
        let sockets = self.nodes.iter_mut().filter_map(|n| n.socket.as_mut());
        sockets.for_each(|s| s.delivered -= read);
    }
}

/// What tells two states apart: everything except the tally, and except log entries that were
/// delivered to all who listen and can't be repeated.
impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.now, self.primary, &self.returned, &self.flying, &self.unanswered).hash(state);
        (&self.revokes, self.revokes_left, self.repetitions_left, self.forgeries_left, &self.believed_too_old)
            .hash(state);
        for (number, server) in self.servers.iter().enumerate() {
            let sockets = || self.nodes.iter().filter_map(|n| n.socket.as_ref()).filter(|s| s.server == number);
            let heard = sockets().map(|s| s.delivered).min().unwrap_or(server.log.len());
            let heard = if self.repetitions_left > 0 { 0 } else { heard };
            (&server.rows, &server.log[heard..], &server.replicas, server.pulse, &server.acknowledged).hash(state);
            sockets().for_each(|s| (s.delivered - heard).hash(state));
        }
        self.nodes.hash(state);
    }
}

/// How much it has been delivered is told by the world, which knows what there is to deliver.
impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let tickets = (0..self.cache.len()).map(|key| self.freshness.read_started(record(key)));
        tickets.for_each(|ticket| ticket.hash(state));
        (&self.replica, self.freshness.lease_until(), self.server).hash(state);
        self.socket.as_ref().map(|s| (s.server, s.connection)).hash(state);
        (&self.cache, &self.fills, &self.half_checks).hash(state);
        (self.budget, self.paused, self.left).hash(state);
    }
}
