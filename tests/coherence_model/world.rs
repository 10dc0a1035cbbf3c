//! A small world for the protocol to live in: one database, its notification queue, replicas with
//! caches and clocks of their own, and everything that may go wrong between them. The decisions are
//! those of the production code; this file only moves messages and time.

mod judge;
mod possible;
mod revoking;

use keyward::auth::coherence::{
    Connection, FillTicket, Freshness, MonotonicTime, Notification, RecordId, Replica, ReplicaId,
};

use crate::rules::{Action, Budget, Fault, Rules};
use revoking::Revoke;
pub(crate) use revoking::Tally;

/// A row is its version; a change counts it up, and an older version must not be believed.
pub(crate) type Version = u16;

#[derive(Clone, Copy, Hash)]
struct Entry {
    version: Version,
    ticket: FillTicket,
}

/// A read of one key under way.
#[derive(Clone, Copy, Hash)]
enum Fill {
    Started(FillTicket),
    Read(Entry),
}

#[derive(Clone, Hash)]
struct Socket {
    /// How much of the log has been delivered.
    delivered: usize,
    /// `None` until the replica has been told that LISTEN has taken effect.
    connection: Option<Connection>,
}

struct Node {
    replica: Replica,
    freshness: Freshness,
    socket: Option<Socket>,
    /// Only with `AcknowledgedBeforeApplied`: acknowledged, not yet applied.
    unapplied: Option<Notification>,
    cache: Vec<Option<Entry>>,
    fills: Vec<Option<Fill>>,
    /// A check that has passed its first half: the versions it must not go below. By key.
    half_checks: Vec<Option<Version>>,
    budget: Budget,
    paused: bool,
    left: bool,
    clock_offset: u64,
}

pub(crate) struct World {
    now: u64,
    rows: Vec<Version>,
    /// By key, the highest version whose revoke has returned.
    returned: Vec<Version>,
    log: Vec<Notification>,
    /// Sent, and not committed (yet, or ever): sender and message.
    flying: Vec<(usize, Notification)>,
    nodes: Vec<Node>,
    revokes: Vec<Revoke>,
    revokes_left: u32,
    next_change: u64,
    pub(crate) tally: Tally,
}

fn record(key: usize) -> RecordId {
    RecordId(key as u128)
}

impl World {
    pub(crate) fn new(rules: &Rules) -> Self {
        let nodes = (0..rules.budgets.len()).map(|i| Node {
            replica: Replica::new(ReplicaId(i as u128), rules.settings[i].clone()),
            freshness: Freshness::new(rules.keys),
            socket: None,
            unapplied: None,
            cache: vec![None; rules.keys],
            fills: vec![None; rules.keys],
            half_checks: vec![None; rules.keys],
            budget: rules.budgets[i],
            paused: false,
            left: false,
            // Far apart, so that a comparison of two clocks would show.
            clock_offset: 1000 * (i as u64 + 1),
        });
        let mut world = Self {
            now: 0,
            rows: vec![0; rules.keys],
            returned: vec![0; rules.keys],
            log: Vec::new(),
            flying: Vec::new(),
            nodes: nodes.collect(),
            revokes: Vec::new(),
            revokes_left: rules.revokes,
            next_change: 0,
            tally: Tally::default(),
        };
        for (i, _) in rules.connected.iter().enumerate().filter(|(_, c)| **c) {
            world.perform(rules, Action::ListenTakesEffect(i));
            world.perform(rules, Action::Connected(i));
        }
        world
    }

    pub(crate) fn perform(&mut self, rules: &Rules, action: Action) {
        match action {
            Action::Wait => self.now += 1,
            Action::Commit(index) => self.commit(index, rules),
            Action::Revoke(revoker, key) => self.revoke(rules.revokers[revoker], key, rules),
            Action::RevokeReply(index) => {
                self.revokes[index].committed_at = Some(self.revoker_clock(rules, index));
            }
            Action::Deliver(i) => self.deliver(i, rules),
            Action::Restart(i) => self.restart(i, rules),
            Action::Heartbeat(i) => {
                let now = self.clock(rules, i);
                let node = &mut self.nodes[i];
                node.budget.heartbeats -= 1;
                let heartbeat = node.replica.tick(now).heartbeat;
                self.flying.extend(heartbeat.map(|h| (i, h)));
            }
            Action::Leave(i) => {
                let node = &mut self.nodes[i];
                node.budget.leaves -= 1;
                node.left = true;
                let left = match rules.fault {
                    Some(Fault::LeaveKeepsLease) => Notification::Left { replica: node.replica.id() },
                    _ => node.replica.leave(&node.freshness),
                };
                self.flying.push((i, left));
            }
            _ => self.perform_locally(rules, action),
        }
        self.let_revokes_return(rules);
    }

    /// What concerns one replica and its connection only.
    fn perform_locally(&mut self, rules: &Rules, action: Action) {
        let log_end = self.log.len();
        match action {
            Action::ListenTakesEffect(i) => {
                let node = &mut self.nodes[i];
                node.budget.connections -= 1;
                node.socket = Some(Socket { delivered: log_end, connection: None });
            }
            Action::Connected(i) => self.connected(i, rules),
            Action::ListenerLost(i) => {
                let node = &mut self.nodes[i];
                let socket = node.socket.take();
                node.unapplied = None;
                if let Some(connection) = socket.and_then(|s| s.connection) {
                    node.replica.listener_lost(connection);
                }
            }
            Action::TakeTicket(i, key) => {
                let node = &mut self.nodes[i];
                node.budget.fills -= 1;
                let ticket = node.freshness.read_started(record(key));
                node.fills[key] = Some(Fill::Started(ticket));
            }
            Action::ReadRow(i, key) => {
                let node = &mut self.nodes[i];
                if let Some(Fill::Started(ticket)) = node.fills[key] {
                    let version = self.rows[key];
                    node.fills[key] = Some(Fill::Read(Entry { version, ticket }));
                    if !rules.caches_later {
                        self.perform_locally(rules, Action::StoreEntry(i, key));
                    }
                }
            }
            Action::StoreEntry(i, key) => {
                let node = &mut self.nodes[i];
                if let Some(Fill::Read(mut entry)) = node.fills[key].take() {
                    if rules.fault == Some(Fault::TicketTakenAfterRead) {
                        entry.ticket = node.freshness.read_started(record(key));
                    }
                    // Stored whatever the ticket says: an insert that raced with an invalidation.
                    node.cache[key] = Some(entry);
                }
            }
            Action::CheckFirstHalf(i, key) => {
                self.nodes[i].half_checks[key] = Some(self.returned[key]);
            }
            Action::Pause(i) => {
                self.nodes[i].budget.pauses -= 1;
                self.nodes[i].paused = true;
            }
            Action::Resume(i) => self.nodes[i].paused = false,
            _ => unreachable!("handled by perform"),
        }
    }

    fn connected(&mut self, i: usize, rules: &Rules) {
        let mut now = self.clock(rules, i);
        if rules.fault == Some(Fault::NewListenerTrusted) {
            now = MonotonicTime::from_nanos(now.as_nanos() - rules.longest_lease.as_nanos() as u64);
        }
        let node = &mut self.nodes[i];
        let current_before: Vec<bool> = (0..node.cache.len())
            .map(|key| node.cache[key].is_some_and(|e| node.freshness.is_current(&e.ticket, record(key))))
            .collect();
        let connection = node.replica.listener_connected(now, rules.longest_lease, &node.freshness);
        if let Some(socket) = &mut node.socket {
            socket.connection = Some(connection);
        }
        if rules.fault == Some(Fault::NoGenerationCheck) {
            for (key, _) in current_before.iter().enumerate().filter(|(_, c)| **c) {
                let ticket = node.freshness.read_started(record(key));
                node.cache[key] = node.cache[key].map(|e| Entry { ticket, ..e });
            }
        }
    }

    fn deliver(&mut self, i: usize, rules: &Rules) {
        let now = self.clock(rules, i);
        let node = &mut self.nodes[i];
        let Some(socket) = &mut node.socket else {
            return;
        };
        let Some(connection) = socket.connection else {
            return;
        };
        let mut notification = match node.unapplied.take() {
            Some(late) => late,
            None => {
                socket.delivered += 1;
                let arrived = self.log[socket.delivered - 1].clone();
                if rules.fault == Some(Fault::AcknowledgedBeforeApplied)
                    && let Notification::Changed { change, .. } = arrived
                {
                    let replica = node.replica.id();
                    let up_to = change;
                    self.flying.push((i, Notification::Applied { replica, up_to }));
                    node.unapplied = Some(arrived);
                    return;
                }
                arrived
            }
        };
        if rules.fault == Some(Fault::LeaseFromReturn)
            && matches!(notification, Notification::Heartbeat { replica, .. } if replica == node.replica.id())
            && let Some(fresh) = node.replica.tick(now).heartbeat
        {
            notification = fresh;
        }
        node.replica.heard(connection, &notification, now, &node.freshness);
        let due = node.replica.acknowledgement_due();
        if rules.revokers.iter().any(|by| by.is_some_and(|r| r != i)) {
            self.flying.extend(due.map(|ack| (i, ack)));
        }
        if let Notification::Changed { change, .. } = notification {
            let own = |r: &&mut Revoke| r.by == Some(i) && r.change == change;
            self.revokes.iter_mut().filter(own).for_each(|r| r.own_heard = true);
        }
    }

    fn commit(&mut self, index: usize, rules: &Rules) {
        let (sender, message) = self.flying.remove(index);
        let now = self.clock(rules, sender);
        let node = &mut self.nodes[sender];
        match &message {
            Notification::Heartbeat { replica, .. } if *replica == node.replica.id() => {
                node.replica.heartbeat_sent(&message, now);
            }
            Notification::Applied { replica, .. } if *replica == node.replica.id() => {
                node.replica.acknowledgement_finished(true);
                let due = node.replica.acknowledgement_due();
                self.flying.extend(due.map(|ack| (sender, ack)));
            }
            _ => {}
        }
        self.log.push(message);
    }

    fn restart(&mut self, i: usize, rules: &Rules) {
        self.revokes.retain(|r| r.by != Some(i));
        self.next_change += 1; // also serves as a fresh identity
        let id = ReplicaId(u128::from(self.next_change) << 32);
        let node = &mut self.nodes[i];
        node.budget.restarts -= 1;
        node.replica = Replica::new(id, rules.settings[i].clone());
        node.freshness = Freshness::new(rules.keys);
        (node.socket, node.unapplied) = (None, None);
        (node.paused, node.left) = (false, false);
        node.cache.fill(None);
        node.fills.fill(None);
        node.half_checks.fill(None);
    }

    fn clock(&self, rules: &Rules, i: usize) -> MonotonicTime {
        let counted = self.now * rules.clock_rates[i];
        MonotonicTime::from_nanos(self.nodes[i].clock_offset + counted)
    }
}

impl Clone for World {
    fn clone(&self) -> Self {
        let nodes = self.nodes.iter().map(|node| Node {
            replica: node.replica.clone(),
            freshness: node.freshness.detached_copy(),
            socket: node.socket.clone(),
            unapplied: node.unapplied.clone(),
            cache: node.cache.clone(),
            fills: node.fills.clone(),
            half_checks: node.half_checks.clone(),
            budget: node.budget,
            paused: node.paused,
            left: node.left,
            clock_offset: node.clock_offset,
        });
        Self {
            now: self.now,
            rows: self.rows.clone(),
            returned: self.returned.clone(),
            log: self.log.clone(),
            flying: self.flying.clone(),
            nodes: nodes.collect(),
            revokes: self.revokes.clone(),
            revokes_left: self.revokes_left,
            next_change: self.next_change,
            tally: self.tally,
        }
    }
}
