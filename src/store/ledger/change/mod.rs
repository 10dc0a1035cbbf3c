//! Changes a key while its row is locked.
//!
//! - `counting`: how often an owner does so

mod counting;

use std::num::NonZeroI64;

use ipnet::IpNet;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    Store, announce, audit, credits,
    idempotency::{self, remember},
    insert::{metadata_as_sent, objections, write_key},
    managed_rows, owner_parts,
    plans::plan_of,
    version_of,
};
use crate::domain::{
    key_record::ManagedKey,
    ledger::{Change, Decision, Outcome, Quota, Refusal},
    plan::Plan,
    ports::StoreError,
    role::Role,
};

impl Store {
    /// Announces the change even if nothing changes, because whoever made it earlier may have failed after the commit,
    /// while waiting for the replicas.
    pub(super) async fn change_key(&self, change: &Change<'_>) -> Result<Outcome, StoreError> {
        let mut seat = self.to_change(change.reach, change.author).await?;
        seat.connection.begin().await?;
        let transaction = &mut *seat.connection;
        // Keys that share credits belong to one owner, and are changed together.
        if change.quota.is_some() || change.with_credits {
            lock_owner_of_key(transaction, change).await?;
        }
        let Some(key) = locked(transaction, change).await? else {
            return Ok(Outcome::Refused(Refusal::NotFound));
        };
        let id = key.record.id.as_uuid();
        if let Some(request) = change.once
            && let Some(before) = idempotency::earlier(transaction, request, change.at).await?
        {
            if !before.is_same {
                return Ok(Outcome::Refused(Refusal::OtherRequest));
            }
            announce(transaction, &[id], change.mark).await?;
            seat.connection.finish().await?;
            return Ok(Outcome::Changed(Box::new(key)));
        }
        let owner = &key.record.owner;
        let plan = if change.quota.is_some() { plan_of(transaction, owner).await? } else { None };
        let Decision { key: mut changed, event, successor, credits } = match (change.decide)(&key, plan.as_ref()) {
            Ok(decision) => decision,
            Err(refusal) => return Ok(Outcome::Refused(refusal)),
        };
        let quota = quota(change, plan.as_ref(), &key, &changed, successor.is_some());
        if quota.living.is_some() || quota.made_in_a_day.is_some() {
            // One that goes on for longer is among them already.
            let itself = u32::from(successor.is_none() && key.record.is_alive(change.at));
            let objections = objections(transaction, owner, &quota, itself, change.at).await?;
            if let Some(refusal) = objections.too_many.or(objections.too_fast) {
                return Ok(Outcome::Refused(refusal));
            }
        }
        if let (Some(most), Some(event)) = (change.most_in_a_day, &event)
            && event.action.is_limited_per_day()
            && let Some(refusal) = counting::count(transaction, owner, most, change.author, event).await?
        {
            return Ok(Outcome::Refused(refusal));
        }
        if let Some(credits) = &credits {
            credits::change_of_key(transaction, &mut changed, credits).await?;
        }
        if let Some(request) = change.once
            && !remember(transaction, request, Some(key.record.id), change.at).await?
        {
            return Ok(Outcome::Refused(Refusal::OtherRequest));
        }
        if let (Some(successor), Some(proof)) = (&successor, change.successor) {
            write_key(transaction, successor, proof.hash, proof.pepper).await?;
            if let Some(request) = proof.request
                && !remember(transaction, request, Some(successor.record.id), change.at).await?
            {
                return Ok(Outcome::Refused(Refusal::OtherRequest));
            }
        }
        if let Some(event) = &event {
            changed.version = overwrite(transaction, &changed, change.at).await?;
            changed.updated_at = change.at;
            audit::write(transaction, change.at, &[id], &changed.record.owner, change.author, event).await?;
        }
        announce(transaction, &[id], change.mark).await?;
        seat.connection.finish().await?;
        Ok(Outcome::Changed(Box::new(changed)))
    }
}

/// The limits on this change: on living keys, if it increases their number, and on new keys, if it makes one.
fn quota(
    change: &Change<'_>,
    plan: Option<&Plan>,
    before: &ManagedKey,
    after: &ManagedKey,
    has_successor: bool,
) -> Quota {
    let Quota { living, plan, made_in_a_day } = change.quota.clone().unwrap_or_default().tightened_by(plan);
    let twice = |most: u32| most.saturating_mul(2);
    let is_alive = |key: &ManagedKey| key.record.is_alive(change.at);
    Quota {
        living: match (is_alive(before), is_alive(after)) {
            (_, true) if has_successor => living.map(twice),
            (false, true) => living,
            // What is rotated has room beside its successor until the end that the rotation has set, and no longer.
            (true, true) if before.successor.is_some() && after.record.outlasts(&before.record) => living,
            _ => None,
        },
        plan,
        made_in_a_day: made_in_a_day.filter(|_| has_successor).map(twice),
    }
}

/// Takes the lock of [`lock_owner`](super::lock_owner) before the key's row is locked, because revoking the keys of an
/// owner takes the two in this order. A key never changes its owner, so the owner can be read without a lock.
async fn lock_owner_of_key(connection: &mut PgConnection, change: &Change<'_>) -> Result<(), sqlx::Error> {
    let (issuer, subject) = owner_parts(change.reach);
    let query = sqlx::query!(
        "SELECT lock_owner(issuer, subject) FROM api_keys
         WHERE id = $1 AND (issuer = $2 OR $2 IS NULL) AND (subject = $3 OR $3 IS NULL)",
        change.id.as_uuid(),
        issuer,
        subject,
    );
    query.execute(connection).await.map(drop)
}

/// Reads the key and locks its row until the transaction ends.
async fn locked(connection: &mut PgConnection, change: &Change<'_>) -> Result<Option<ManagedKey>, StoreError> {
    let (issuer, subject) = owner_parts(change.reach);
    let query = managed_rows!(
        "WHERE api_keys.id = $1
           AND (api_keys.issuer = $2 OR $2 IS NULL) AND (api_keys.subject = $3 OR $3 IS NULL)
         FOR NO KEY UPDATE OF api_keys",
        change.id.as_uuid(),
        issuer,
        subject,
    );
    let Some(row) = query.fetch_optional(&mut *connection).await? else { return Ok(None) };
    let mut key = ManagedKey::try_from(row)?;
    // Read again, because somebody may have changed them while this has waited for the lock of the key.
    if let (true, Some(spent)) = (change.with_credits, key.record.credits) {
        key.credits = credits::read(connection, spent.holder).await?;
    }
    Ok(Some(key))
}

/// Writes the changeable columns and returns the new version.
async fn overwrite(
    connection: &mut PgConnection,
    key: &ManagedKey,
    at: OffsetDateTime,
) -> Result<NonZeroI64, sqlx::Error> {
    let record = &key.record;
    let scopes: Vec<String> = record.scopes.iter().map(str::to_owned).collect();
    let query = sqlx::query_scalar!(
        "UPDATE api_keys
         SET name = $2, scopes = $3, metadata = $4::text::jsonb, metadata_as_sent = $5, allowed_ips = $6,
             expires_at = $7, enabled = $8, disabled_by = $9, revoked_at = $10, revoked_reason = $11,
             successor_id = $12, updated_at = $13, description = $14, limits = $15, credits_holder = $16,
             credits_version = $17
         WHERE id = $1
         RETURNING version",
        record.id.as_uuid(),
        record.name.as_ref().map(|name| name.as_str()),
        &scopes,
        record.metadata.as_object(),
        metadata_as_sent(&record.metadata),
        record.allowed_ips.networks() as &[IpNet],
        record.expires_at,
        record.enabled,
        key.disabled_by.map(Role::as_str),
        record.revoked_at,
        key.revoked_reason,
        key.successor.map(|successor| successor.as_uuid()),
        at,
        key.description.as_ref().map(|description| description.as_str()),
        record.limits.to_stored(),
        record.credits.map(|credits| credits::uuid(credits.holder)),
        record.credits.map(|credits| credits.version),
    );
    query.fetch_one(connection).await.map(version_of)
}
