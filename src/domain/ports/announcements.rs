//! How replicas tell each other what has changed.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::domain::coherence::{ChangeId, Mark, Notification};

/// How replicas tell each other what has changed.
#[async_trait]
pub trait Announcements: Send + Sync {
    /// Enters this replica's lease among those that revokers reckon with, and begins to listen.
    /// Listening has taken effect when this returns.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be done.
    async fn listen(&self, lease: Duration) -> Result<Listening, StoreError>;

    /// Tells every listener. When this returns, it is committed; a heartbeat as durably as any change, so that no
    /// server gives a lease that another one has superseded.
    ///
    /// # Errors
    /// [`StoreError`] when it may not have been committed.
    async fn send(&self, notification: &Notification) -> Result<(), StoreError>;

    /// The message that announces a change, to be sent in its transaction.
    fn mark(&self, change: ChangeId) -> Mark;

    /// The longest lease of any replica that has begun to listen before this call. Asks until the
    /// database says; should it be away for a long time, it is the longest possible one.
    async fn longest_lease(&self) -> Duration;
}

/// A new listening connection.
pub struct Listening {
    /// Where the notifications arrive.
    pub listener: Box<dyn Listener>,
    /// The longest lease of any replica, read after listening took effect.
    pub longest_lease: Duration,
}

/// A listening connection.
#[async_trait]
pub trait Listener: Send {
    /// The next notification, in the order in which they were committed. Dropping the future loses none.
    ///
    /// # Errors
    /// [`StoreError`] when the connection is lost, or brings what a replica has sent and this one does not understand:
    /// what came between then and a new connection is not known.
    async fn next(&mut self) -> Result<Notification, StoreError>;
}
