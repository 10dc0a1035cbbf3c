//! The reads and writes of checks on the table `api_keys`.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::{Statement, Store, rows::CheckedRow};
use crate::domain::{
    api_key::KeyId,
    ports::{
        StoreError,
        keys::{KeyStore, StoredHash, StoredKey},
    },
};

/// The query for the keys with this condition. It proves by its commit that its server is the primary.
macro_rules! stored_keys {
    ($condition:literal, $argument:expr) => {
        sqlx::query_as!(
            CheckedRow,
            r#"SELECT id AS "id!", issuer AS "issuer!", subject AS "subject!", api_keys.name, environment AS "environment!",
                      api_keys.scopes AS "scopes!", coalesce(metadata_as_sent, metadata::text) AS "metadata!",
                      allowed_ips AS "allowed_ips!", expires_at, enabled AS "enabled!",
                      disabled_owners.subject IS NOT NULL AS "owner_disabled!", revoked_at, api_keys.limits::text AS "limits!",
                      owner_limits.limits::text AS "owner_limits?", plans.limits::text AS "plan_limits?", credits_holder,
                      api_keys.credits_version, owner_limits.credits_version AS "owner_credits_version?",
                      secret_hash AS "secret_hash!"
               FROM api_keys LEFT JOIN disabled_owners USING (issuer, subject) LEFT JOIN owner_limits USING (issuer, subject)
               LEFT JOIN owner_plans USING (issuer, subject) LEFT JOIN plans ON plans.name = owner_plans.plan
               WHERE (SELECT pg_logical_emit_message(true, 'keyward', '') IS NOT NULL) AND "#
                + $condition,
            $argument,
        )
    };
}

#[async_trait]
impl KeyStore for Store {
    async fn find(&self, ids: &[KeyId]) -> Result<Vec<Arc<StoredKey>>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let work = async {
            let mut read = self.requests.tentative().await?;
            let rows = match ids[..] {
                // Planned once for each connection. A list is planned each time, because its length is not known
                // before.
                [id] => stored_keys!("id = $1", id).fetch_all(&mut *read).await?,
                _ => stored_keys!("id = ANY($1)", &ids).fetch_all(&mut *read).await?,
            };
            read.finish().await?;
            Ok(rows)
        };
        let rows = self.within_deadline(Statement::FindKeys, work).await?;
        rows.into_iter().map(|row| row.try_into().map(Arc::new)).collect()
    }

    async fn replace_hash(&self, id: KeyId, old: &StoredHash, new: &StoredHash) -> Result<(), StoreError> {
        let query = sqlx::query!(
            "UPDATE api_keys SET secret_hash = $3 WHERE id = $1 AND secret_hash = $2",
            id.as_uuid(),
            old.expose(),
            new.expose(),
        );
        self.execute(Statement::ReplaceHash, query).await
    }
}
