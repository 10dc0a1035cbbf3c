//! Looks at a world: is the promise kept, has this state been seen, can anything still happen?

use std::hash::{Hash, Hasher};

use super::{Entry, Fill, Node, World, record};
use crate::rules::{Fault, Rules};

impl World {
    /// The property: no check that starts after a revoke has returned believes an older row. Says who
    /// would, if somebody would.
    pub(crate) fn violation(&mut self, rules: &Rules) -> Option<String> {
        for i in 0..self.nodes.len() {
            let now = self.clock(rules, i);
            let node = &self.nodes[i];
            if node.paused {
                continue;
            }
            for key in 0..self.rows.len() {
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
    pub(crate) fn is_settled(&self) -> bool {
        let harmless = |node: &Node, key: usize| {
            let entry = node.cache[key].filter(|e| e.version < self.rows[key]);
            let believable = |e: Entry| node.freshness.is_current(&e.ticket, record(key));
            let read = matches!(node.fills[key], Some(Fill::Read(e)) if e.version < self.rows[key]);
            let checking = node.half_checks[key].is_some();
            !entry.is_some_and(believable) && !read && !checking
        };
        let everywhere = |key| self.nodes.iter().all(|node| harmless(node, key));
        self.revokes_left == 0 && (0..self.rows.len()).all(everywhere)
    }

    /// For the long simulation: forget what everybody has read, so that memory stays flat.
    pub(crate) fn trim(&mut self) {
        let sockets = || self.nodes.iter().filter_map(|n| n.socket.as_ref());
        let read = sockets().map(|s| s.delivered).min().unwrap_or(self.log.len());
        self.log.drain(..read);
        let sockets = self.nodes.iter_mut().filter_map(|n| n.socket.as_mut());
        sockets.for_each(|s| s.delivered -= read);
    }
}

/// What tells two states apart: everything except the tally, and except log entries that were
/// delivered to all who listen.
impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let sockets = || self.nodes.iter().filter_map(|n| n.socket.as_ref());
        let read = sockets().map(|s| s.delivered).min().unwrap_or(self.log.len());
        (self.now, &self.rows, &self.returned, &self.flying).hash(state);
        (&self.log[read..], &self.revokes, self.revokes_left).hash(state);
        for node in &self.nodes {
            let tickets = (0..self.rows.len()).map(|k| node.freshness.read_started(record(k)));
            tickets.for_each(|ticket| ticket.hash(state));
            (&node.replica, node.freshness.lease_until(), &node.unapplied).hash(state);
            let socket = node.socket.as_ref();
            socket.map(|s| (s.delivered - read, s.connection)).hash(state);
            (&node.cache, &node.fills, &node.half_checks).hash(state);
            (node.budget, node.paused, node.left).hash(state);
        }
    }
}
