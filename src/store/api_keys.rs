//! The table `api_keys`.

use async_trait::async_trait;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Store;
use crate::domain::{
    api_key::KeyId,
    key_record::{KeyRecord, Revocation},
    ports::{KeyStore, StoreError, StoredHash, StoredKey},
    principal::{Owner, Scopes},
};

type Metadata = serde_json::Map<String, serde_json::Value>;

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
    name: Option<String>,
    environment: String,
    scopes: Vec<String>,
    metadata: Json<Metadata>,
    expires_at: Option<OffsetDateTime>,
    enabled: bool,
    revoked_at: Option<OffsetDateTime>,
    revoked_reason: Option<String>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    last_used_at: Option<OffsetDateTime>,
    secret_hash: String,
}

impl TryFrom<Row> for StoredKey {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let corrupt = |what: String| StoreError::Corrupt(format!("api_keys {}: {what}", KeyId::from(row.id)));
        let record = KeyRecord {
            id: row.id.into(),
            owner: Owner { issuer: row.issuer, subject: row.subject },
            name: row.name,
            environment: row.environment.parse().map_err(|error| corrupt(format!("environment {error}")))?,
            scopes: Scopes::parse(row.scopes.iter().map(String::as_str)).map_err(|error| corrupt(error.to_string()))?,
            metadata: row.metadata.0,
            expires_at: row.expires_at,
            enabled: row.enabled,
            revoked: row.revoked_at.map(|at| Revocation { at, reason: row.revoked_reason }),
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_used_at: row.last_used_at,
        };
        Ok(Self { record, hash: StoredHash::new(row.secret_hash) })
    }
}

#[async_trait]
impl KeyStore for PgKeyStore {
    async fn find(&self, id: KeyId) -> Result<Option<StoredKey>, StoreError> {
        let query = sqlx::query_as!(
            Row,
            r#"SELECT id, issuer, subject, name, environment, scopes, metadata AS "metadata: Json<Metadata>",
                      expires_at, enabled, revoked_at, revoked_reason, created_at, updated_at, last_used_at,
                      secret_hash
               FROM api_keys WHERE id = $1"#,
            id.as_uuid(),
        );
        let row = self.store.within_deadline(query.fetch_optional(&self.store.pool)).await?;
        row.map(StoredKey::try_from).transpose()
    }

    async fn insert(&self, key: &StoredKey) -> Result<(), StoreError> {
        let record = &key.record;
        let scopes: Vec<String> = record.scopes.iter().map(str::to_owned).collect();
        let query = sqlx::query!(
            "INSERT INTO api_keys (id, issuer, subject, name, environment, scopes, metadata, expires_at, enabled,
                                   created_at, updated_at, secret_hash)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            record.id.as_uuid(),
            record.owner.issuer,
            record.owner.subject,
            record.name,
            record.environment.as_str(),
            &scopes,
            Json(&record.metadata) as _,
            record.expires_at,
            record.enabled,
            record.created_at,
            record.updated_at,
            key.hash.expose(),
        );
        self.store.within_deadline(query.execute(&self.store.pool)).await.map(drop)
    }
}
