//! The rows of replicas: what `keyward replicas` shows.

use std::time::Duration;

use async_trait::async_trait;

use super::Statement;
use crate::{
    domain::ports::{
        StoreError,
        replicas::{ReplicaDirectory, ReplicaRow},
    },
    store::Store,
};

#[async_trait]
impl ReplicaDirectory for Store {
    async fn replicas(&self) -> Result<Vec<ReplicaRow>, StoreError> {
        let query = sqlx::query!(
            r#"SELECT id AS "id!", address, version AS "version!", revision, lease_ms AS "lease_ms!",
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
            revision: row.revision,
            lease: Duration::from_millis(row.lease_ms.unsigned_abs().into()),
            started_at: row.started_at,
            heartbeat_at: row.heartbeat_at,
            acknowledged_at: row.acknowledged_at,
            alive: row.alive,
        });
        Ok(replicas.collect())
    }
}
