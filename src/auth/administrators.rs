//! Limits how much one administrator reads at once, so that none keeps owners or other administrators out.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::Undecided;
use crate::{
    domain::{
        audit::Actor,
        ports::{Busy, StoreError},
    },
    turns::{Turn, Turns},
};

/// The administrators who read something.
pub struct Administrators {
    turns: Arc<Turns<Actor>>,
    most: usize,
    patience: Duration,
}

/// An administrator's turn to read. It ends when this is dropped.
pub struct Reading(#[expect(dead_code, reason = "held while they read")] Turn<Actor>);

impl Administrators {
    /// Each reads `most` things at a time, and waits so long for that.
    pub fn new(most: usize, patience: Duration) -> Self {
        Self { turns: Turns::new(), most, patience }
    }

    /// The turn of this administrator, for one request that changes nothing: a change would keep it while it waits for
    /// the replicas.
    ///
    /// # Errors
    /// [`Undecided`] if others of theirs have kept this one waiting.
    pub async fn read(&self, administrator: Actor) -> Result<Reading, Undecided> {
        let turn = timeout(self.patience, self.turns.take(administrator, self.most)).await;
        turn.map(Reading).map_err(|_| StoreError::Busy(Busy::Administrator).into())
    }
}
