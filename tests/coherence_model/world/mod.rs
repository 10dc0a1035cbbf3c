//! A small world for the protocol to live in: one database, its notification queue, replicas with
//! caches and clocks of their own, and everything that may go wrong between them. The decisions are
//! those of the production code; this file only moves messages and time.
//!
//! The database may have a standby that waits for everything it commits, and takes its place while the first one goes
//! on: then the first has [`Server`] 0, and what counts happens on server 1.

mod explored;
mod judge;
mod messages;
mod possible;
mod revoking;
mod server;

use std::time::Duration;

use keyward::auth::coherence::{
    Connection, FillTicket, Freshness, Heartbeat, Holders, MonotonicTime, Notification, RecordId, Replica, ReplicaId,
};
use test_support::fingerprint::Part;

use crate::rules::{Action, Budget, Fault, Rules};
use revoking::Revoke;
pub(crate) use revoking::Tally;
use server::Server;

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
    /// With the version that it must not go below: that of the latest revoke that had returned.
    Started(FillTicket, Version),
    Read(Entry),
}

#[derive(Clone, Hash)]
struct Socket {
    /// Where it leads.
    server: usize,
    /// How much of that server's log has been delivered.
    delivered: usize,
    /// `None` until the replica has been told that LISTEN has taken effect.
    connection: Option<Connection>,
}

struct Node {
    replica: Replica,
    freshness: Freshness,
    socket: Option<Socket>,
    /// Where its other connections lead.
    server: usize,
    cache: Vec<Option<Entry>>,
    fills: Vec<Option<Fill>>,
    /// A check that has passed its first half: the versions it must not go below. By key.
    half_checks: Vec<Option<Version>>,
    budget: Budget,
    paused: bool,
    left: bool,
    clock_offset: u64,
}

/// What a replica has sent.
#[derive(Clone, Hash)]
struct Sent {
    sender: usize,
    message: Notification,
    /// For a heartbeat: the number of the latest pulse that the sender knows, if it wants another.
    pulse_after: Option<u64>,
    /// The heartbeats that the pulse names, once they were read.
    read: Option<Vec<Heartbeat>>,
}

#[derive(Clone)]
pub(crate) struct World {
    now: u64,
    servers: [Part<Server>; 2],
    /// Which of them counts.
    primary: usize,
    /// By key, the highest version whose revoke has returned.
    returned: Vec<Version>,
    /// Sent, and not committed (yet, or ever).
    flying: Vec<Part<Sent>>,
    /// Committed, and the sender has no answer yet (or never gets one): sender, message, and the latest pulse then.
    unanswered: Vec<Part<(usize, Notification, u64)>>,
    /// A read was believed that was older than a revoke that had returned before it began.
    believed_too_old: Option<String>,
    repetitions_left: u32,
    forgeries_left: u32,
    nodes: Vec<Part<Node>>,
    revokes: Vec<Revoke>,
    revokes_left: u32,
    next_change: u64,
    pub(crate) tally: Tally,
}

impl Node {
    /// The sequence of the next heartbeat of replica `i`.
    fn next_sequence(&self, i: usize) -> u64 {
        (i as u64) << 32 | u64::from(self.budget.heartbeats)
    }
}

fn record(key: usize) -> RecordId {
    RecordId(key as u128)
}

impl World {
    fn begin(rules: &Rules) -> Self {
        let node = |i: usize| Node {
            replica: Replica::new(ReplicaId(i as u128), rules.settings[i].clone()),
            freshness: Freshness::new(rules.keys),
            socket: None,
            server: 0,
            cache: vec![None; rules.keys],
            fills: vec![None; rules.keys],
            half_checks: vec![None; rules.keys],
            budget: rules.budgets[i],
            paused: false,
            left: false,
            // Far apart, so that a comparison of two clocks would show.
            clock_offset: 1000 * (i as u64 + 1),
        };
        let mut world = Self {
            now: 0,
            servers: [Part::new(Server::new(rules.keys)), Part::new(Server::new(rules.keys))],
            primary: 0,
            returned: vec![0; rules.keys],
            flying: Vec::new(),
            unanswered: Vec::new(),
            believed_too_old: None,
            repetitions_left: rules.repetitions,
            forgeries_left: rules.forgeries,
            nodes: (0..rules.budgets.len()).map(|i| Part::new(node(i))).collect(),
            revokes: Vec::new(),
            revokes_left: rules.revokes,
            next_change: 0,
            tally: Tally::default(),
        };
        for (i, _) in rules.connected.iter().enumerate().filter(|(_, c)| **c) {
            world.step(rules, Action::ListenTakesEffect(i));
            world.step(rules, Action::Connected(i));
        }
        world
    }

    fn step(&mut self, rules: &Rules, action: Action) {
        match action {
            Action::Wait => self.now += 1,
            Action::Commit(index) => self.commit(index, rules),
            Action::Reply(index) => self.reply(index, rules),
            Action::Supersede => {
                self.servers[1].rows = self.servers[0].rows.clone();
                self.servers[1].replicas = self.servers[0].replicas.clone();
                self.servers[1].pulse = self.servers[0].pulse;
                self.servers[1].acknowledged = self.servers[0].acknowledged.clone();
                self.primary = 1;
            }
            Action::Repeat(server, transaction, index) => {
                self.repetitions_left -= 1;
                let log = &mut self.servers[server].log;
                log.push(Part::new(vec![log[transaction][index].clone()]));
            }
            Action::ForgePulse(i) => {
                self.forgeries_left -= 1;
                let (replica, lease) = (self.nodes[i].replica.id(), Duration::ZERO);
                let heartbeats = vec![Heartbeat { replica, sequence: u64::MAX, lease }];
                self.servers[self.primary].log.push(Part::new(vec![Notification::Pulse { number: 0, heartbeats }]));
            }
            Action::Revoke(revoker, key) => self.revoke(rules.revokers[revoker], key, rules),
            Action::RevokeReply(index) => {
                self.revokes[index].committed_at = Some(self.revoker_clock(rules, index));
            }
            Action::Deliver(i) => self.deliver(i, rules),
            Action::Look(i) => self.look(i),
            Action::Restart(i) => self.restart(i, rules),
            Action::Heartbeat(i, with_pulse) => {
                let now = self.clock(rules, i);
                let node = &mut *self.nodes[i];
                let sequence = node.next_sequence(i);
                node.budget.heartbeats -= 1;
                let ticked = node.replica.tick(now, sequence);
                let pulse_after = ticked.pulse_after.filter(|_| with_pulse);
                let message = ticked.heartbeat.map(Notification::Heartbeat);
                self.flying
                    .extend(message.map(|message| Part::new(Sent { sender: i, message, pulse_after, read: None })));
            }
            Action::ReadHeartbeats(index) => {
                let server = self.nodes[self.flying[index].sender].server;
                self.flying[index].read = Some(self.servers[server].replicas.values().copied().collect());
            }
            Action::Leave(i) => {
                let node = &mut *self.nodes[i];
                node.budget.leaves -= 1;
                node.left = true;
                let left = match rules.fault {
                    Some(Fault::LeaveKeepsLease) => Notification::Left { replica: node.replica.id() },
                    _ => node.replica.leave(&node.freshness),
                };
                self.flying.push(Part::new(Sent { sender: i, message: left, pulse_after: None, read: None }));
            }
            _ => self.perform_locally(rules, action),
        }
        self.let_revokes_return(rules);
    }

    /// What concerns one replica and its connection only.
    fn perform_locally(&mut self, rules: &Rules, action: Action) {
        match action {
            Action::ListenTakesEffect(i) => {
                let (server, delivered) = (self.primary, self.servers[self.primary].log.len());
                let node = &mut *self.nodes[i];
                node.budget.connections -= 1;
                node.server = server;
                node.socket = Some(Socket { server, delivered, connection: None });
            }
            Action::Connected(i) => self.connected(i, rules),
            Action::ListenerLost(i) => {
                let node = &mut *self.nodes[i];
                let socket = node.socket.take();
                if let Some(connection) = socket.and_then(|s| s.connection) {
                    node.replica.listener_lost(connection);
                }
            }
            Action::TakeTicket(i, key) => {
                let node = &mut *self.nodes[i];
                node.budget.fills -= 1;
                let ticket = node.freshness.read_started(record(key));
                node.fills[key] = Some(Fill::Started(ticket, self.returned[key]));
            }
            Action::ReadRow(i, key) => self.read_row(i, key, rules),
            Action::StoreEntry(i, key) => {
                let node = &mut *self.nodes[i];
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
        let holders = match rules.fault {
            Some(Fault::HoldersNotRead) => Holders::Listed(Vec::new()),
            _ if rules.has_rows => Holders::Listed(self.servers[self.primary].replicas.values().copied().collect()),
            _ => Holders::Unlisted(rules.longest_lease),
        };
        let pulse = self.servers[self.primary].pulse;
        let node = &mut *self.nodes[i];
        let current_before: Vec<bool> = (0..node.cache.len())
            .map(|key| node.cache[key].is_some_and(|e| node.freshness.is_current(&e.ticket, record(key))))
            .collect();
        let connection = node.replica.listener_connected(now, &holders, pulse, &node.freshness);
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

    fn restart(&mut self, i: usize, rules: &Rules) {
        self.revokes.retain(|r| r.by != Some(i));
        self.next_change += 1; // also serves as a fresh identity
        let id = ReplicaId(u128::from(self.next_change) << 32);
        let node = &mut *self.nodes[i];
        node.budget.restarts -= 1;
        node.replica = Replica::new(id, rules.settings[i].clone());
        node.freshness = Freshness::new(rules.keys);
        (node.socket, node.server) = (None, self.primary);
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

impl Clone for Node {
    fn clone(&self) -> Self {
        Self {
            replica: self.replica.clone(),
            freshness: self.freshness.detached_copy(),
            socket: self.socket.clone(),
            server: self.server,
            cache: self.cache.clone(),
            fills: self.fills.clone(),
            half_checks: self.half_checks.clone(),
            budget: self.budget,
            paused: self.paused,
            left: self.left,
            clock_offset: self.clock_offset,
        }
    }
}
