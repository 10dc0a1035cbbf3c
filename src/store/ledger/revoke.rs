//! Revokes a key, or many at once, and counts those that would be revoked.

use std::{collections::HashMap, num::NonZeroI64};

use serde_json::{Map, Value};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Store, announce,
    audit::{self, insert_events},
    conditions::{Conditions, with_conditions},
    lock_owner, owner_parts, version_of,
};
use crate::domain::{
    api_key::KeyId,
    audit::Action,
    coherence::Mark,
    ledger::{ChangeContext, Event, Reach, Refusal},
    listing::KeyFilter,
    owner::Owner,
    ports::StoreError,
    precondition::Preconditions,
    revocation::{KeyRevocation, Revoked},
    text::ChangeReason,
};

/// A query about the keys that a filter names and that are not revoked. `$1` and `$2` are the owner, NULL for all of
/// them.
macro_rules! living {
    ($query:ident!($before:literal $after:literal, $filter:expr, $now:expr $(, $argument:expr)* $(,)?)) => {{
        let filter: &KeyFilter = $filter;
        let conditions = Conditions::of(filter);
        let (issuer, subject) = filter.owner.as_ref().map(|owner| (&*owner.issuer, &*owner.subject)).unzip();
        with_conditions!(sqlx::$query!(
            [] $before
            + " FROM api_keys LEFT JOIN disabled_owners USING (issuer, subject)
               WHERE revoked_at IS NULL AND ($1::text IS NULL OR issuer = $1) AND ($2::text IS NULL OR subject = $2)",
            "disabled_owners.subject IS NOT NULL",
            "NOT EXISTS (SELECT FROM key_uses WHERE key_uses.key_id = api_keys.id AND key_uses.last_used_at >= $12)",
            "EXISTS (SELECT FROM key_uses WHERE key_uses.key_id = api_keys.id AND key_uses.last_used_at >= $13)",
            $after,
            issuer,
            subject,
            conditions,
            $now
            $(, $argument)*
        ))
    }};
}

impl Store {
    pub(super) async fn count_keys(
        &self,
        filter: &KeyFilter,
        reach: &Reach,
        now: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let mut seat = self.to_read(reach).await?;
        let query = living!(query_scalar!(r#"SELECT count(*) AS "count!" "# "", filter, now));
        let count: i64 = query.fetch_one(&mut *seat.connection).await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    pub(super) async fn living_keys(
        &self,
        filter: &KeyFilter,
        most: u32,
        reach: &Reach,
        now: OffsetDateTime,
    ) -> Result<Vec<KeyId>, StoreError> {
        let mut seat = self.to_read(reach).await?;
        let query = living!(query_scalar!("SELECT id" "ORDER BY id DESC LIMIT $17", filter, now, i64::from(most)));
        let ids: Vec<Uuid> = query.fetch_all(&mut *seat.connection).await?;
        Ok(ids.into_iter().map(KeyId::from).collect())
    }

    /// Announces it even if nothing changes, as [`change_key`](Store::change_key) does.
    pub(super) async fn revoke_key(
        &self,
        revocation: &KeyRevocation,
        by: ChangeContext<'_>,
    ) -> Result<Result<Revoked, Refusal>, StoreError> {
        let KeyRevocation { id, ref preconditions, is_by_holder, at, .. } = *revocation;
        let mut seat = match by.reach {
            Reach::Own(owner) if is_by_holder => self.to_revoke_held(owner).await?,
            reach => self.to_change(reach, by.author).await?,
        };
        // Usually that is all: one round trip to the database.
        if *preconditions == Preconditions::default()
            && let Some(version) = revoke_unrevoked(&mut seat.connection, revocation, by).await?
        {
            seat.connection.finish().await?;
            return Ok(Ok(Revoked { id, version, at }));
        }
        seat.connection.begin().await?;
        let Some(key) = standing(&mut seat.connection, id, by.reach).await? else {
            return Ok(Err(Refusal::NotFound));
        };
        if let Err(refusal) = preconditions.demand(key.version) {
            return Ok(Err(refusal));
        }
        let revoked = if let Some(at) = key.revoked_at {
            announce(&mut seat.connection, &[id.as_uuid()], by.mark).await?;
            Revoked { id, version: key.version, at }
        } else {
            let version = revoke_unrevoked(&mut seat.connection, revocation, by).await?;
            let version = version.ok_or_else(|| {
                let why = "its row stays as it is when it is updated: look for a trigger, a rule or row security";
                StoreError::Failed(format!("api_keys {id}: {why}"))
            })?;
            Revoked { id, version, at }
        };
        seat.connection.finish().await?;
        Ok(Ok(revoked))
    }

    pub(super) async fn revoke_keys(
        &self,
        filter: &KeyFilter,
        among: Option<&[KeyId]>,
        most: u32,
        reason: Option<&ChangeReason>,
        at: OffsetDateTime,
        by: ChangeContext<'_>,
    ) -> Result<u32, StoreError> {
        let mut seat = self.to_change(by.reach, by.author).await?;
        seat.connection.begin().await?;
        let transaction = &mut *seat.connection;
        let among: Option<Vec<Uuid>> = among.map(|ids| ids.iter().map(|id| id.as_uuid()).collect());
        if let Some(owner) = &filter.owner {
            // A separate statement, so that the next one sees the successor of every key that was being rotated.
            lock_owner(transaction, owner).await?;
        }
        let revoked = living!(query!(
            "UPDATE api_keys SET revoked_at = $4, revoked_reason = $17, updated_at = $4 WHERE id IN (SELECT id "
            "AND ($19::uuid[] IS NULL OR id = ANY($19)) ORDER BY id DESC LIMIT $18 FOR NO KEY UPDATE OF api_keys)
             RETURNING id, issuer, subject",
            filter,
            at,
            reason.map(ChangeReason::as_str),
            i64::from(most),
            among as _,
        ));
        let rows = revoked.fetch_all(&mut *transaction).await?;
        let event = event(reason, Map::from_iter([("together".to_owned(), Value::Bool(true))]));
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let mut by_owner: HashMap<Owner, Vec<Uuid>> = HashMap::new();
        for row in rows {
            let owner = Owner { issuer: row.issuer.into(), subject: row.subject.into() };
            by_owner.entry(owner).or_default().push(row.id);
        }
        for (owner, ids) in &by_owner {
            audit::write(transaction, at, ids, owner, by.author, &event).await?;
        }
        // As each change does, though the trigger has: somebody may have switched that off.
        announce(transaction, &ids, by.mark).await?;
        seat.connection.finish().await?;
        Ok(u32::try_from(ids.len()).unwrap_or(u32::MAX))
    }
}

/// Revokes a key that is not revoked, and returns its new version: all in one statement, which is also the whole
/// transaction unless one has begun. Its time limit can't end its commit, because the server lifts it before it reads
/// the end of the message, which commits.
///
/// The records are announced here and not only by the trigger, which comes after the mark.
async fn revoke_unrevoked(
    connection: &mut PgConnection,
    revocation: &KeyRevocation,
    by: ChangeContext<'_>,
) -> Result<Option<NonZeroI64>, sqlx::Error> {
    let KeyRevocation { id, reason, at, .. } = revocation;
    let (issuer, subject) = owner_parts(by.reach);
    let query = insert_events!(
        "WITH revoked AS (
             UPDATE api_keys SET revoked_at = $1, revoked_reason = $10, updated_at = $1
             WHERE id = $11 AND (issuer = $12 OR $12 IS NULL) AND (subject = $13 OR $13 IS NULL) AND revoked_at IS NULL
             RETURNING id, issuer, subject, version
         ), written AS ("
        "(SELECT $14::uuid AS id, id AS key_id, issuer, subject FROM revoked) AS event"
        r#")
         SELECT version AS "version!", CASE WHEN $15::text IS NOT NULL THEN tell_replicas($15, $16) END AS mark
         FROM revoked, announce_key_change(ARRAY[revoked.id])"#,
        at,
        by.author,
        &event(reason.as_ref(), Map::new()),
        reason.as_ref().map(ChangeReason::as_str),
        id.as_uuid(),
        issuer,
        subject,
        audit::event_id(*at),
        by.mark.map(Mark::as_str),
        by.mark.is_some_and(Mark::is_for_earlier_versions),
    );
    Ok(query.fetch_optional(connection).await?.map(|row| version_of(row.version)))
}

/// How a key stands.
#[derive(Clone, Copy)]
struct Standing {
    version: NonZeroI64,
    revoked_at: Option<OffsetDateTime>,
}

/// Reads how the key stands, and locks its row until the transaction ends.
async fn standing(connection: &mut PgConnection, id: KeyId, reach: &Reach) -> Result<Option<Standing>, sqlx::Error> {
    let (issuer, subject) = owner_parts(reach);
    let query = sqlx::query!(
        "SELECT version, revoked_at FROM api_keys
         WHERE id = $1 AND (issuer = $2 OR $2 IS NULL) AND (subject = $3 OR $3 IS NULL)
         FOR NO KEY UPDATE",
        id.as_uuid(),
        issuer,
        subject,
    );
    let row = query.fetch_optional(connection).await?;
    Ok(row.map(|row| Standing { version: version_of(row.version), revoked_at: row.revoked_at }))
}

/// The event that keys were revoked.
fn event(reason: Option<&ChangeReason>, mut details: Map<String, Value>) -> Event {
    details.extend(reason.map(|reason| ("reason".to_owned(), reason.as_str().into())));
    Event { action: Action::KeyRevoked, details }
}
