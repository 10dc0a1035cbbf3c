//! Creates a key, once per idempotent request.

use ipnet::IpNet;
use serde_json::Map;
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::{
    super::rows::ActorColumns,
    Store, audit, credits,
    idempotency::{self, remember},
    lock_owner, managed_rows,
    plans::plan_of,
};
use crate::domain::{
    api_key::{KeyId, PepperFingerprint},
    audit::{Action, Author},
    key_record::ManagedKey,
    ledger::{Event, IdempotentRequest, Inserted, Insertion, Quota, Refusal},
    metadata::Metadata,
    owner::Owner,
    ports::{StoreError, keys::StoredHash},
    role::Role,
};

impl Store {
    pub(super) async fn insert_key(&self, insertion: &Insertion<'_>, author: &Author) -> Result<Inserted, StoreError> {
        let now = insertion.key.created_at;
        let mut seat = self.to_change(insertion.reach, author).await?;
        seat.connection.begin().await?;
        let transaction = &mut *seat.connection;
        let owner = &insertion.key.record.owner;
        lock_owner(transaction, owner).await?;
        if let Some(request) = insertion.request
            && let Some(before) = earlier(transaction, request, now).await?
        {
            seat.connection.finish().await?;
            return Ok(before);
        }
        let plan = plan_of(transaction, owner).await?;
        let mut key = match plan.as_ref().map_or_else(|| Ok(insertion.key.clone()), insertion.fit) {
            Ok(key) => key,
            Err(refusal) => return Ok(Inserted::Refused(refusal)),
        };
        let quota = insertion.quota.clone().tightened_by(plan.as_ref());
        let objections = objections(transaction, owner, &quota, 0, now).await?;
        let owner_disabled = objections.owner_disabled.then_some(Refusal::OwnerDisabled);
        if let Some(refusal) = objections.too_many.or(owner_disabled).or(objections.too_fast) {
            return Ok(Inserted::Refused(refusal));
        }
        if let Some(change) = insertion.credits {
            credits::change_of_key(transaction, &mut key, change).await?;
        }
        write_key(transaction, &key, insertion.hash, insertion.pepper).await?;
        if let Some(request) = insertion.request
            && !remember(transaction, request, Some(key.record.id), now).await?
        {
            return Ok(Inserted::Refused(Refusal::OtherRequest));
        }
        let event = Event { action: Action::KeyCreated, details: Map::new() };
        audit::write(transaction, now, &[key.record.id.as_uuid()], owner, author, &event).await?;
        seat.connection.finish().await?;
        Ok(Inserted::Now(Box::new(key)))
    }
}

/// The outcome of an earlier, identical request. Writes to the log of the database, so that a commit after it waits for
/// the standby: whoever made the request may have waited for that in vain.
pub(super) async fn earlier(
    connection: &mut PgConnection,
    request: &IdempotentRequest,
    now: OffsetDateTime,
) -> Result<Option<Inserted>, StoreError> {
    let Some(before) = idempotency::earlier(connection, request, now).await? else { return Ok(None) };
    if !before.is_same {
        return Ok(Some(Inserted::Refused(Refusal::OtherRequest)));
    }
    // A request for an owner has made no key, and nobody asks here for it.
    let Some(key) = before.key else { return Ok(Some(Inserted::Refused(Refusal::OtherRequest))) };
    let row = managed_rows!(
        "WHERE api_keys.id = $1 AND (SELECT pg_logical_emit_message(true, 'keyward', '') IS NOT NULL)",
        key
    )
    .fetch_optional(connection)
    .await?;
    let key = row.map(ManagedKey::try_from).transpose()?;
    Ok(key.map(|key| Inserted::Before(Box::new(key))))
}

/// What speaks against another key of an owner.
pub(super) struct Objections {
    pub(super) too_many: Option<Refusal>,
    pub(super) owner_disabled: bool,
    pub(super) too_fast: Option<Refusal>,
}

/// What speaks against another key of this owner within this quota. The result stays true while the owner is locked.
/// `itself`: how many of the living keys are that key.
pub(super) async fn objections(
    connection: &mut PgConnection,
    owner: &Owner,
    quota: &Quota,
    itself: u32,
    now: OffsetDateTime,
) -> Result<Objections, sqlx::Error> {
    let a_day_ago = now - Duration::DAY;
    // Living keys have an index of their own, because there may be any number of ended ones. A key counts for its day
    // whatever became of it. Ids are ordered by creation.
    let query = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM (
                       SELECT FROM api_keys
                       WHERE issuer = $1 AND subject = $2 AND revoked_at IS NULL AND coalesce(expires_at, 'infinity') > $3
                       LIMIT $4) AS living) AS "living!",
                  EXISTS (SELECT FROM disabled_owners WHERE issuer = $1 AND subject = $2) AS "owner_disabled!",
                  (SELECT created_at FROM api_keys
                   WHERE $7 AND issuer = $1 AND subject = $2 AND id >= $5 AND created_at > $6
                   ORDER BY id DESC OFFSET $8 LIMIT 1) AS first_of_the_most"#,
        &*owner.issuer,
        &*owner.subject,
        now,
        i64::from(quota.living.unwrap_or(0)) + i64::from(itself),
        KeyId::first_of(a_day_ago).as_uuid(),
        a_day_ago,
        quota.made_in_a_day.is_some(),
        i64::from(quota.made_in_a_day.unwrap_or(1)) - 1,
    );
    let found = query.fetch_one(connection).await?;
    let too_fast = |made_at: OffsetDateTime| {
        let retry_after = (made_at - a_day_ago).try_into().unwrap_or_default();
        Refusal::TooManyNewKeys { retry_after }
    };
    Ok(Objections {
        too_many: quota
            .living
            .filter(|most| found.living >= i64::from(*most) + i64::from(itself))
            .map(|most| Refusal::TooManyKeys { most, plan: quota.plan.clone() }),
        owner_disabled: found.owner_disabled,
        too_fast: found.first_of_the_most.map(too_fast),
    })
}

/// The exact metadata, if `jsonb` would return it differently.
pub(super) fn metadata_as_sent(metadata: &Metadata) -> Option<&str> {
    (!metadata.comes_back_from_jsonb()).then(|| metadata.as_json())
}

/// Inserts the row.
pub(super) async fn write_key(
    connection: &mut PgConnection,
    key: &ManagedKey,
    hash: &StoredHash,
    pepper: PepperFingerprint,
) -> Result<(), sqlx::Error> {
    let record = &key.record;
    let scopes: Vec<String> = record.scopes.iter().map(str::to_owned).collect();
    let creator = key.created_by.as_ref().map(ActorColumns::of);
    let creator = creator.as_ref();
    let query = sqlx::query!(
        "INSERT INTO api_keys (id, issuer, subject, name, environment, scopes, metadata, metadata_as_sent, allowed_ips,
                               expires_at, enabled, disabled_by, created_at, updated_at, secret_hash, description,
                               creator_kind, creator_issuer, creator_subject, predecessor_id, limits, credits_holder,
                               credits_version, pepper)
         VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8, $9, $10, $11, $12, $13, $13, $14, $15, $16, $17, $18, $19, $20,
                 $21, $22, $23)",
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
        key.disabled_by.map(Role::as_str),
        key.created_at,
        hash.expose(),
        key.description.as_ref().map(|description| description.as_str()),
        creator.and_then(|creator| creator.kind.as_deref()),
        creator.and_then(|creator| creator.issuer.as_deref()),
        creator.and_then(|creator| creator.subject.as_deref()),
        key.predecessor.map(|predecessor| predecessor.as_uuid()),
        record.limits.to_stored(),
        record.credits.map(|credits| credits::uuid(credits.holder)),
        record.credits.map(|credits| credits.version),
        pepper.as_bytes(),
    );
    query.execute(connection).await.map(drop)
}
