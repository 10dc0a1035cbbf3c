//! Keyward as an application holds it.

use std::sync::Arc;

use async_trait::async_trait;

use super::Gate;

/// Keyward in this process. Made by [`connect`](Self::connect); cheap to clone, and shared by all workers.
///
/// Give it to [`Protect`](crate::Protect), and to the application with `app_data`: then a handler that takes a
/// [`Principal`](crate::Principal) is protected wherever it stands.
#[derive(Clone)]
pub struct Keyward {
    gate: Arc<Gate>,
    membership: Option<Arc<dyn Membership>>,
}

/// This process as one of the replicas.
#[async_trait]
pub(crate) trait Membership: Send + Sync {
    /// Ends it: says good-bye to the others, writes what is pending, closes the connections. In bounded time.
    async fn end(&self);
}

impl Keyward {
    /// What decides in a process that ends its membership by itself.
    pub(crate) fn of(gate: Arc<Gate>) -> Self {
        Self { gate, membership: None }
    }

    pub(crate) fn with(gate: Arc<Gate>, membership: Arc<dyn Membership>) -> Self {
        Self { gate, membership: Some(membership) }
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Leaves the other replicas, so that no revoke waits for this one, writes when keys were last used, and closes the
    /// connections: within a second. To be called after the server has stopped; a check that comes later is
    /// answered 503.
    ///
    /// Without it, a revoke may once wait for a whole lease, and the last minute's uses of keys are not written.
    pub async fn close(&self) {
        if let Some(membership) = &self.membership {
            membership.end().await;
        }
    }
}
