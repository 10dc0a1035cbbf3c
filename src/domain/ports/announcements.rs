//! The port to the messages between replicas.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::domain::coherence::{ChangeId, Heartbeat, Holders, Mark, Notification, ReplicaId};

/// The messages between replicas about changes.
#[async_trait]
pub trait Announcements: Send + Sync {
    /// Registers this replica's lease with revokers and starts to listen. Listening has taken effect when this returns.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be done.
    async fn listen(&self, lease: Duration) -> Result<Listening, StoreError>;

    /// Commits a heartbeat, as durably as a change, so that a server that was superseded can't grant a lease. If the
    /// latest pulse is still the one with the number `pulse_after`, another one is sent together with the heartbeat,
    /// which names it. Returns the number of the latest pulse.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been committed.
    async fn beat(&self, heartbeat: &Heartbeat, pulse_after: Option<u64>) -> Result<u64, StoreError>;

    /// Sends another message to every listener; acknowledgements of changes [by rows](ChangeId::is_by_rows) become a
    /// row instead. It is committed when this returns.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been committed.
    async fn send(&self, notification: &Notification) -> Result<(), StoreError>;

    /// Which replicas have acknowledged which of these changes, by rows.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn acknowledged(&self, changes: &[ChangeId]) -> Result<Vec<(ReplicaId, Vec<ChangeId>)>, StoreError>;

    /// The message that announces a change, for sending in the change's transaction.
    fn mark(&self, change: ChangeId) -> Mark;

    /// The longest lease of all replicas that started to listen before this call. Retries until the database answers.
    /// If it is unreachable for a long time, returns the longest possible lease.
    async fn longest_lease(&self) -> Duration;
}

/// A new listening connection.
pub struct Listening {
    /// The receiver of notifications.
    pub listener: Box<dyn Listener>,
    /// Who may hold a lease, read after listening took effect.
    pub holders: Holders,
    /// The number of the latest pulse, from the same read.
    pub pulse: u64,
}

/// A listening connection.
#[async_trait]
pub trait Listener: Send {
    /// The next notification, in commit order. Dropping the future loses none.
    ///
    /// # Errors
    /// [`StoreError`] if the connection is lost, or if a replica sent a message that this one does not understand.
    /// Notifications between the error and a new connection are lost.
    async fn next(&mut self) -> Result<Notification, StoreError>;
}
