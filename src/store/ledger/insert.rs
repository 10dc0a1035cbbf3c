//! Creates a key, once per idempotent request.

use ipnet::IpNet;
use serde_json::Map;
use sqlx::{Connection, PgConnection};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{super::rows::ActorColumns, BEGIN, Store, audit, lock_owner, managed_rows, owners::is_disabled};
use crate::domain::{
    api_key::KeyId,
    audit::{Action, Author},
    key_record::{DisabledBy, ManagedKey},
    ledger::{Event, IdempotentRequest, Inserted, Insertion, Refusal},
    metadata::Metadata,
    owner::Owner,
    ports::{StoreError, keys::StoredHash},
};

/// How long an `Idempotency-Key` is remembered. A client that retries later has lost its context anyway.
const REMEMBERED: Duration = Duration::DAY;

impl Store {
    pub(super) async fn insert_key(&self, insertion: &Insertion<'_>, author: &Author) -> Result<Inserted, StoreError> {
        let now = insertion.key.created_at;
        let mut seat = self.to_change(insertion.reach).await?;
        let mut transaction = seat.connection.begin_with(BEGIN).await?;
        let owner = &insertion.key.record.owner;
        lock_owner(&mut transaction, owner).await?;
        if let Some(request) = insertion.request
            && let Some(before) = earlier(&mut transaction, request, now).await?
        {
            return Ok(before);
        }
        if let Some(most) = insertion.quota.living
            && !has_room(&mut transaction, owner, most, now).await?
        {
            return Ok(Inserted::Refused(Refusal::TooManyKeys(most)));
        }
        if is_disabled(&mut transaction, owner).await? {
            return Ok(Inserted::Refused(Refusal::OwnerDisabled));
        }
        let most = insertion.quota.made_in_a_day;
        if let Some(retry_after) = next_may_be_made(&mut transaction, owner, most, now).await? {
            return Ok(Inserted::Refused(Refusal::TooManyNewKeys { retry_after }));
        }
        write_key(&mut transaction, insertion.key, insertion.hash).await?;
        if let Some(request) = insertion.request
            && !remember(&mut transaction, request, insertion.key).await?
        {
            return Ok(Inserted::Refused(Refusal::OtherRequest));
        }
        let event = Event { action: Action::KeyCreated, details: Map::new() };
        audit::write(&mut transaction, now, &[insertion.key.record.id.as_uuid()], owner, author, &event).await?;
        // Read back, because whether the owner is disabled is stored in another table.
        let key = written(&mut transaction, insertion.key.record.id.as_uuid()).await?;
        let key = key.ok_or_else(|| StoreError::Corrupt("a new key has no row".to_owned()))?;
        transaction.commit().await?;
        Ok(Inserted::Now(key))
    }
}

/// The outcome of an earlier, identical request.
pub(super) async fn earlier(
    connection: &mut PgConnection,
    request: &IdempotentRequest,
    now: OffsetDateTime,
) -> Result<Option<Inserted>, StoreError> {
    let remembered = sqlx::query!(
        "SELECT request_hash, key_id FROM idempotency_keys
         WHERE issuer = $1 AND subject = $2 AND idempotency_key = $3 AND created_at > $4",
        &*request.by.issuer,
        &*request.by.subject,
        request.key,
        now - REMEMBERED,
    );
    let Some(remembered) = remembered.fetch_optional(&mut *connection).await? else { return Ok(None) };
    if remembered.request_hash != request.hash {
        return Ok(Some(Inserted::Refused(Refusal::OtherRequest)));
    }
    Ok(written(connection, remembered.key_id).await?.map(Inserted::Before))
}

/// The stored key.
async fn written(connection: &mut PgConnection, id: Uuid) -> Result<Option<Box<ManagedKey>>, StoreError> {
    let row = managed_rows!("WHERE api_keys.id = $1", id).fetch_optional(connection).await?;
    Ok(row.map(ManagedKey::try_from).transpose()?.map(Box::new))
}

/// Whether the owner has fewer than `most` living keys. The result stays true while the owner is locked.
pub(super) async fn has_room(
    connection: &mut PgConnection,
    owner: &Owner,
    most: u32,
    now: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    // Uses the index of living keys, because there may be any number of ended ones.
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT FROM api_keys
               WHERE issuer = $1 AND subject = $2 AND revoked_at IS NULL AND coalesce(expires_at, 'infinity') > $3
               LIMIT $4) AS living"#,
        &*owner.issuer,
        &*owner.subject,
        now,
        i64::from(most),
    );
    Ok(count.fetch_one(connection).await? < i64::from(most))
}

/// The exact metadata, if `jsonb` would return it differently.
pub(super) fn metadata_as_sent(metadata: &Metadata) -> Option<&str> {
    (!metadata.comes_back_from_jsonb()).then(|| metadata.as_json())
}

/// How long the owner must wait until another key can be created, if `most` keys were created within a day. The result
/// stays true while the owner is locked. A key counts whatever became of it. Ids are ordered by creation.
pub(super) async fn next_may_be_made(
    connection: &mut PgConnection,
    owner: &Owner,
    most: Option<u32>,
    now: OffsetDateTime,
) -> Result<Option<std::time::Duration>, sqlx::Error> {
    let Some(most) = most else { return Ok(None) };
    let a_day_ago = now - Duration::DAY;
    let query = sqlx::query_scalar!(
        "SELECT created_at FROM api_keys
         WHERE issuer = $1 AND subject = $2 AND id >= $3 AND created_at > $4
         ORDER BY id DESC OFFSET $5 LIMIT 1",
        &*owner.issuer,
        &*owner.subject,
        KeyId::first_of(a_day_ago).as_uuid(),
        a_day_ago,
        i64::from(most) - 1,
    );
    let first_of_them = query.fetch_optional(connection).await?;
    Ok(first_of_them.map(|made_at| (made_at - a_day_ago).try_into().unwrap_or_default()))
}

/// Inserts the row.
pub(super) async fn write_key(
    connection: &mut PgConnection,
    key: &ManagedKey,
    hash: &StoredHash,
) -> Result<(), sqlx::Error> {
    let record = &key.record;
    let scopes: Vec<String> = record.scopes.iter().map(str::to_owned).collect();
    let creator = key.created_by.as_ref().map(ActorColumns::of);
    let creator = creator.as_ref();
    let query = sqlx::query!(
        "INSERT INTO api_keys (id, issuer, subject, name, environment, scopes, metadata, metadata_as_sent, allowed_ips,
                               expires_at, enabled, disabled_by, created_at, updated_at, secret_hash, description,
                               creator_kind, creator_issuer, creator_subject, predecessor_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8, $9, $10, $11, $12, $13, $13, $14, $15, $16, $17, $18, $19)",
        record.id.as_uuid(),
        &*record.owner.issuer,
        &*record.owner.subject,
        record.name.as_ref().map(|name| name.as_str()),
        record.environment.as_str(),
        &scopes,
        record.metadata.as_object(),
        metadata_as_sent(&record.metadata),
        record.allowed_ips.networks() as &[IpNet],
        record.expires_at,
        record.enabled,
        key.disabled_by.map(DisabledBy::as_str),
        key.created_at,
        hash.expose(),
        key.description.as_ref().map(|description| description.as_str()),
        creator.and_then(|creator| creator.kind.as_deref()),
        creator.and_then(|creator| creator.issuer.as_deref()),
        creator.and_then(|creator| creator.subject.as_deref()),
        key.predecessor.map(|predecessor| predecessor.as_uuid()),
    );
    query.execute(connection).await.map(drop)
}

/// Stores the key that the request has created. `false` if another request with this `Idempotency-Key`, for a key of
/// another owner, was faster; the owner's lock does not serialize these.
pub(super) async fn remember(
    connection: &mut PgConnection,
    request: &IdempotentRequest,
    key: &ManagedKey,
) -> Result<bool, sqlx::Error> {
    let forgotten = key.created_at - REMEMBERED;
    let query = sqlx::query!(
        "INSERT INTO idempotency_keys (issuer, subject, idempotency_key, request_hash, key_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (issuer, subject, idempotency_key) DO UPDATE
         SET request_hash = excluded.request_hash, key_id = excluded.key_id, created_at = excluded.created_at
         WHERE idempotency_keys.created_at <= $7",
        &*request.by.issuer,
        &*request.by.subject,
        request.key,
        request.hash.as_slice(),
        key.record.id.as_uuid(),
        key.created_at,
        forgotten,
    );
    if query.execute(&mut *connection).await?.rows_affected() == 0 {
        return Ok(false);
    }
    // Expired entries are deleted a few at a time, at least as fast as they are added.
    let query = sqlx::query!(
        "DELETE FROM idempotency_keys WHERE ctid IN
             (SELECT ctid FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT 2 FOR UPDATE SKIP LOCKED)",
        forgotten,
    );
    query.execute(connection).await.map(|_| true)
}
