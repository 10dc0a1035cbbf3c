//! The rows of replicas: what `keyward replicas` shows.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::Statement;
use crate::{domain::ports::StoreError, store::Store};

/// A replica, as its last heartbeat left it.
#[derive(Clone, Debug)]
pub struct ReplicaRow {
    /// The id of this run of the replica, which is in its `application_name` as well.
    pub id: Uuid,
    /// Where it listens; `None` for an application that uses the library.
    pub address: Option<String>,
    /// Its version.
    pub version: String,
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

impl Store {
    /// The replicas with a row, oldest first. Those that have deregistered have none, and rows of those that have been
    /// silent for some minutes are removed by the others.
    ///
    /// # Errors
    /// [`StoreError`] if the database could not answer.
    pub async fn replicas(&self) -> Result<Vec<ReplicaRow>, StoreError> {
        let query = sqlx::query!(
            r#"SELECT id AS "id!", address, version AS "version!", lease_ms AS "lease_ms!",
                      started_at AS "started_at!", heartbeat_at AS "heartbeat_at!", acknowledged_at AS "acknowledged_at?",
                      heartbeat_at > now() - lease_ms * interval '1 millisecond' AS "alive!"
               FROM replicas LEFT JOIN acknowledgements ON acknowledgements.replica = replicas.id
               ORDER BY started_at, id"#
        );
        let work = async {
            let mut connection = self.requests.acquire().await?;
            Ok(query.fetch_all(&mut *connection).await?)
        };
        let rows = self.within_deadline(Statement::ListReplicas, work).await?;
        let replicas = rows.into_iter().map(|row| ReplicaRow {
            id: row.id,
            address: row.address,
            version: row.version,
            lease: Duration::from_millis(row.lease_ms.unsigned_abs().into()),
            started_at: row.started_at,
            heartbeat_at: row.heartbeat_at,
            acknowledged_at: row.acknowledged_at,
            alive: row.alive,
        });
        Ok(replicas.collect())
    }
}
