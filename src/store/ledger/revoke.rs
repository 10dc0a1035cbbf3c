//! Revokes many keys at once, and counts those that would be revoked.

use std::collections::HashMap;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Store, announce, audit,
    conditions::{Conditions, with_conditions},
    lock_owner,
};
use crate::domain::{
    api_key::KeyId,
    audit::Action,
    ledger::{ChangeContext, Event, Reach},
    listing::KeyFilter,
    owner::Owner,
    ports::StoreError,
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
        let mut details = Map::from_iter([("together".to_owned(), Value::Bool(true))]);
        details.extend(reason.map(|reason| ("reason".to_owned(), reason.as_str().into())));
        let event = Event { action: Action::KeyRevoked, details };
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let mut by_owner: HashMap<Owner, Vec<Uuid>> = HashMap::new();
        for row in rows {
            let owner = Owner { issuer: row.issuer.into(), subject: row.subject.into() };
            by_owner.entry(owner).or_default().push(row.id);
        }
        for (owner, ids) in &by_owner {
            audit::write(transaction, at, ids, owner, by.author, &event).await?;
        }
        announce(transaction, &ids, by.mark).await?;
        seat.connection.finish().await?;
        Ok(u32::try_from(ids.len()).unwrap_or(u32::MAX))
    }
}
