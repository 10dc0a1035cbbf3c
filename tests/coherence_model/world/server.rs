//! A server of the database: its rows, and its queue of notifications.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use keyward::auth::coherence::{ChangeId, Notification, ReplicaId};

use super::Version;

#[derive(Clone, Hash)]
pub(super) struct Server {
    /// A row is its version.
    pub(super) rows: Vec<Version>,
    /// What each transaction there has sent, in the order of commits.
    pub(super) log: Vec<Vec<Notification>>,
    /// The replicas that have sent heartbeats, with their leases.
    pub(super) replicas: BTreeMap<ReplicaId, Duration>,
    /// The changes that replicas have acknowledged by a row.
    pub(super) acknowledged: BTreeSet<(ReplicaId, ChangeId)>,
}

impl Server {
    pub(super) fn new(keys: usize) -> Self {
        Self { rows: vec![0; keys], log: Vec::new(), replicas: BTreeMap::new(), acknowledged: BTreeSet::new() }
    }
}
