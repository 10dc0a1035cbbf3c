//! How many connections of clients are open, for operators.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// The connections that are open now, of all workers.
#[derive(Clone, Debug, Default)]
pub struct OpenConnections(Arc<AtomicUsize>);

impl OpenConnections {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Counts one more until the result is dropped.
    pub(super) fn one_more(&self) -> Opened {
        self.0.fetch_add(1, Relaxed);
        Opened(self.clone())
    }
}

/// An open connection.
pub(super) struct Opened(OpenConnections);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}
