//! The port to the rows of replicas, for operators.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;

/// A replica, as its last heartbeat left it.
#[derive(Clone, Debug)]
pub struct ReplicaRow {
    /// The id of this run of the replica, which is in its `application_name` as well.
    pub id: Uuid,
    /// Where it listens; `None` for an application that uses the library.
    pub address: Option<String>,
    /// Its version.
    pub version: String,
    /// What it was built from; `None` for an earlier version, which does not say.
    pub revision: Option<String>,
    /// How long it may trust its memory after a heartbeat.
    pub lease: Duration,
    /// When it first reached the database.
    pub started_at: OffsetDateTime,
    /// Its last heartbeat.
    pub heartbeat_at: OffsetDateTime,
    /// Its last acknowledgement of a change, if there was one.
    pub acknowledged_at: Option<OffsetDateTime>,
    /// Whether its lease may still last. Otherwise it has ended without deregistering, or can't reach the database.
    pub alive: bool,
}

/// The rows of replicas.
#[async_trait]
pub trait ReplicaDirectory: Send + Sync {
    /// The replicas with a row, oldest first. Those that have deregistered have none, and rows of those that have been
    /// silent for some minutes are removed by the others.
    ///
    /// # Errors
    /// [`StoreError`] if the database could not answer.
    async fn replicas(&self) -> Result<Vec<ReplicaRow>, StoreError>;
}
