//! The handle of Keyward for applications.

use std::sync::Arc;

use async_trait::async_trait;

use super::Gate;

/// Keyward in this process. Created by [`connect`](Self::connect); cheap to clone, and shared by all workers.
///
/// Pass it to [`Protect`](crate::Protect), and to the application with `app_data`; then every handler that takes a
/// [`Principal`](crate::Principal) is protected.
#[derive(Clone)]
pub struct Keyward {
    gate: Arc<Gate>,
    membership: Option<Arc<dyn ReplicaHandle>>,
}

/// This process as a replica.
#[async_trait]
pub(crate) trait ReplicaHandle: Send + Sync {
    /// Deregisters the replica, writes pending data, gives back limits and credits, and closes the connections, in
    /// bounded time.
    async fn end(&self);
}

impl Keyward {
    /// A handle for a process that ends its membership elsewhere.
    pub(crate) fn of(gate: Arc<Gate>) -> Self {
        Self { gate, membership: None }
    }

    pub(crate) fn with(gate: Arc<Gate>, membership: Arc<dyn ReplicaHandle>) -> Self {
        Self { gate, membership: Some(membership) }
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Deregisters this replica, so that no revocation waits for it, writes the last uses of keys, gives back what it
    /// has in hand of limits and credits, and closes the connections. That usually takes milliseconds, and at most some
    /// ten seconds if the database is slow. Call it after the server has stopped; later checks are answered 503.
    ///
    /// Without it, one revocation may wait for a whole lease, the last minute's uses of keys are lost, and what is in
    /// hand of limits and credits counts as used.
    pub async fn close(&self) {
        if let Some(membership) = &self.membership {
            membership.end().await;
        }
    }
}
