//! A server of the database: its rows, and its queue of notifications.

use std::collections::{BTreeMap, BTreeSet};

use keyward::auth::coherence::{ChangeId, Heartbeat, Notification, ReplicaId};
use test_support::fingerprint::Part;

use super::Version;

#[derive(Clone)]
pub(super) struct Server {
    /// A row is its version.
    pub(super) rows: Vec<Version>,
    /// What each transaction there has sent, in the order of commits.
    pub(super) log: Vec<Part<Vec<Notification>>>,
    /// The latest heartbeat of each replica.
    pub(super) replicas: BTreeMap<ReplicaId, Heartbeat>,
    /// The number of the latest pulse.
    pub(super) pulse: u64,
    /// The changes that replicas have acknowledged by a row.
    pub(super) acknowledged: BTreeSet<(ReplicaId, ChangeId)>,
}

impl Server {
    pub(super) fn new(keys: usize) -> Self {
        Self {
            rows: vec![0; keys],
            log: Vec::new(),
            replicas: BTreeMap::new(),
            pulse: 0,
            acknowledged: BTreeSet::new(),
        }
    }

    /// Takes a heartbeat, and sends a pulse unless somebody else has. `read`: what the statement has read, if that was
    /// earlier.
    pub(super) fn take(&mut self, heartbeat: Heartbeat, pulse_after: Option<u64>, read: Option<Vec<Heartbeat>>) {
        self.replicas.insert(heartbeat.replica, heartbeat);
        if pulse_after != Some(self.pulse) {
            return;
        }
        self.pulse += 1;
        let read = read.unwrap_or_else(|| self.replicas.values().copied().collect());
        let others = read.into_iter().filter(|other| other.replica != heartbeat.replica);
        // Each in a part of its own.
        let part = |heartbeat| Notification::Pulse { number: self.pulse, heartbeats: vec![heartbeat] };
        self.log.push(Part::new(others.chain([heartbeat]).map(part).collect()));
    }
}
