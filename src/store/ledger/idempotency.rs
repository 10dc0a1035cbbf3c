//! Which idempotent requests were made: the table `idempotency_keys`.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::domain::{api_key::KeyId, ledger::IdempotentRequest};

/// How long an `Idempotency-Key` is remembered. A client that retries later has lost its context anyway.
const REMEMBERED: Duration = Duration::DAY;

/// An earlier request with the same `Idempotency-Key`.
pub(super) struct Earlier {
    /// Whether it was the same request.
    pub(super) is_same: bool,
    /// The key that it has created or changed; `None`: it was about an owner.
    pub(super) key: Option<Uuid>,
}

/// The earlier request with this `Idempotency-Key`.
pub(super) async fn earlier(
    connection: &mut PgConnection,
    request: &IdempotentRequest,
    now: OffsetDateTime,
) -> Result<Option<Earlier>, sqlx::Error> {
    let query = sqlx::query!(
        "SELECT request_hash, key_id FROM idempotency_keys
         WHERE issuer = $1 AND subject = $2 AND idempotency_key = $3 AND created_at > $4",
        &*request.by.issuer,
        &*request.by.subject,
        request.key,
        now - REMEMBERED,
    );
    let found = query.fetch_optional(connection).await?;
    Ok(found.map(|found| Earlier { is_same: found.request_hash == request.hash, key: found.key_id }))
}

/// Stores the key that the request has created or changed; `None`: it is about an owner. `false` if another request
/// with this `Idempotency-Key`, for a key of another owner, was faster; the owner's lock does not serialize these.
pub(super) async fn remember(
    connection: &mut PgConnection,
    request: &IdempotentRequest,
    key: Option<KeyId>,
    now: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    let forgotten = now - REMEMBERED;
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
        key.map(|key| key.as_uuid()),
        now,
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
