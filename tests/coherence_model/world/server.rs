//! A server of the database: its rows, and its queue of notifications.

use keyward::auth::coherence::Notification;

use super::Version;

#[derive(Clone, Hash)]
pub(super) struct Server {
    /// A row is its version.
    pub(super) rows: Vec<Version>,
    /// What each transaction there has sent, in the order of commits.
    pub(super) log: Vec<Vec<Notification>>,
}

impl Server {
    pub(super) fn new(keys: usize) -> Self {
        Self { rows: vec![0; keys], log: Vec::new() }
    }
}
