//! The table `api_keys`.

use std::sync::Arc;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Store;
use crate::domain::{
    api_key::KeyId,
    coherence::ChangeId,
    key_record::KeyRecord,
    ports::{KeyStore, Revoke, Revoked, StoreError, StoredHash, StoredKey},
    principal::{Owner, Scopes},
};

pub(super) struct PgKeyStore {
    store: Store,
}

impl PgKeyStore {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }
}

struct Row {
    id: Uuid,
    issuer: String,
    subject: String,
    environment: String,
    scopes: Vec<String>,
    expires_at: Option<OffsetDateTime>,
    enabled: bool,
    revoked_at: Option<OffsetDateTime>,
    secret_hash: String,
}

impl TryFrom<Row> for StoredKey {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let corrupt = |what: String| StoreError::Corrupt(format!("api_keys {}: {what}", KeyId::from(row.id)));
        let record = KeyRecord {
            id: row.id.into(),
            owner: Owner { issuer: row.issuer.into(), subject: row.subject.into() },
            environment: row.environment.parse().map_err(|error| corrupt(format!("environment {error}")))?,
            scopes: Scopes::parse(row.scopes.iter().map(String::as_str)).map_err(|error| corrupt(error.to_string()))?,
            expires_at: row.expires_at,
            enabled: row.enabled,
            revoked_at: row.revoked_at,
        };
        Ok(Self { record, hash: StoredHash::new(row.secret_hash) })
    }
}

#[async_trait]
impl KeyStore for PgKeyStore {
    async fn find(&self, ids: &[KeyId]) -> Result<Vec<Arc<StoredKey>>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let query = sqlx::query_as!(
            Row,
            "SELECT id, issuer, subject, environment, scopes, expires_at, enabled, revoked_at, secret_hash
             FROM api_keys WHERE id = ANY($1)",
            &ids,
        );
        let rows = self.store.within_deadline(query.fetch_all(&self.store.pool)).await?;
        rows.into_iter().map(|row| row.try_into().map(Arc::new)).collect()
    }

    async fn insert(&self, key: &StoredKey, created_at: OffsetDateTime) -> Result<(), StoreError> {
        let record = &key.record;
        let scopes: Vec<String> = record.scopes.iter().map(str::to_owned).collect();
        let query = sqlx::query!(
            "INSERT INTO api_keys (id, issuer, subject, environment, scopes, expires_at, enabled,
                                   created_at, updated_at, secret_hash)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)",
            record.id.as_uuid(),
            &*record.owner.issuer,
            &*record.owner.subject,
            record.environment.as_str(),
            &scopes,
            record.expires_at,
            record.enabled,
            created_at,
            key.hash.expose(),
        );
        self.store.within_deadline(query.execute(&self.store.pool)).await.map(drop)
    }

    async fn revoke(
        &self,
        revoke: &Revoke,
        before_commit: &(dyn Fn(ChangeId) + Send + Sync),
    ) -> Result<Option<Revoked>, StoreError> {
        self.store.within_deadline(self.mark_revoked(revoke, before_commit)).await
    }

    async fn replace_hash(&self, id: KeyId, old: &StoredHash, new: &StoredHash) -> Result<(), StoreError> {
        let query = sqlx::query!(
            "UPDATE api_keys SET secret_hash = $3 WHERE id = $1 AND secret_hash = $2",
            id.as_uuid(),
            old.expose(),
            new.expose(),
        );
        self.store.within_deadline(query.execute(&self.store.pool)).await.map(drop)
    }
}

impl PgKeyStore {
    /// The row keeps the first revocation's time and reason. A change is announced also when nothing
    /// changes: the first revoker may have failed after its commit, while it waited for the replicas.
    async fn mark_revoked(
        &self,
        revoke: &Revoke,
        before_commit: &(dyn Fn(ChangeId) + Send + Sync),
    ) -> Result<Option<Revoked>, sqlx::Error> {
        let (issuer, subject) = revoke.owner.as_ref().map(|owner| (&*owner.issuer, &*owner.subject)).unzip();
        let mut transaction = self.store.pool.begin().await?;
        let at = sqlx::query_scalar!(
            r#"UPDATE api_keys
               SET revoked_reason = CASE WHEN revoked_at IS NULL THEN $4 ELSE revoked_reason END,
                   updated_at = CASE WHEN revoked_at IS NULL THEN $5 ELSE updated_at END,
                   revoked_at = coalesce(revoked_at, $5)
               WHERE id = $1 AND (issuer = $2 OR $2 IS NULL) AND (subject = $3 OR $3 IS NULL)
               RETURNING revoked_at AS "at!""#,
            revoke.id.as_uuid(),
            issuer,
            subject,
            revoke.reason,
            revoke.at,
        );
        let Some(at) = at.fetch_optional(&mut *transaction).await? else { return Ok(None) };
        let change =
            sqlx::query_scalar!(r#"SELECT announce_key_change(ARRAY[$1::uuid]) AS "change!""#, revoke.id.as_uuid(),);
        let change = ChangeId(change.fetch_one(&mut *transaction).await?.unsigned_abs());
        before_commit(change);
        transaction.commit().await?;
        Ok(Some(Revoked { at, change }))
    }
}
