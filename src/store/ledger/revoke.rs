//! Revokes many keys at once.

use serde_json::{Map, Value};
use sqlx::Connection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{BEGIN, Store, announce, audit, list::Parameters, lock_owner};
use crate::domain::{
    audit::Action,
    ledger::{Event, Reach, Together},
    listing::KeyFilter,
    owner::Owner,
    ports::StoreError,
    text::ChangeReason,
};

/// A query about the keys that a filter names and that are not revoked. The filter stands in the parameters from `$2` to `$12`,
/// and `$1` is now.
macro_rules! living {
    ($query:ident!($before:literal $after:literal, $filter:expr, $at:expr $(, $argument:expr)* $(,)?)) => {{
        let filter: &KeyFilter = $filter;
        let parameters = Parameters::of(filter);
        let (issuer, subject) = filter.owner.as_ref().map(|owner| (&*owner.issuer, &*owner.subject)).unzip();
        sqlx::$query!(
            $before
            + "FROM api_keys LEFT JOIN disabled_owners USING (issuer, subject)
               WHERE revoked_at IS NULL
                 AND ($2::text IS NULL OR issuer = $2) AND ($3::text IS NULL OR subject = $3)
                 AND ($4::text[] IS NULL OR CASE
                      WHEN NOT enabled OR disabled_owners.subject IS NOT NULL THEN 'disabled'
                      WHEN expires_at <= $1 THEN 'expired'
                      ELSE 'active' END = ANY($4))
                 AND ($5::text IS NULL OR environment = $5)
                 AND ($6::text IS NULL OR name = $6)
                 AND ($7::text IS NULL OR name ILIKE $7 OR description ILIKE $7)
                 AND ($8::jsonb IS NULL OR (metadata @> $8 AND metadata <> '{}'))
                 AND ($9::text IS NULL OR $9 = ANY(scopes))
                 AND ($10::timestamptz IS NULL OR expires_at < $10)
                 AND ($11::timestamptz IS NULL OR created_at >= $11)
                 AND ($12::timestamptz IS NULL OR (created_at < $12 AND NOT EXISTS (
                      SELECT FROM key_uses WHERE key_uses.key_id = api_keys.id AND key_uses.last_used_at >= $12)))
              "
            + $after,
            $at,
            issuer,
            subject,
            parameters.states.as_deref() as _,
            parameters.environment,
            parameters.name,
            parameters.search.as_deref(),
            parameters.tag.as_ref() as _,
            parameters.scope,
            parameters.expiring_before,
            parameters.created_since,
            parameters.unused_since,
            $($argument),*
        )
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

    pub(super) async fn revoke_keys(
        &self,
        filter: &KeyFilter,
        most: u32,
        reason: Option<&ChangeReason>,
        at: OffsetDateTime,
        by: Together<'_>,
    ) -> Result<u32, StoreError> {
        let mut seat = self.to_change(by.reach).await?;
        let mut transaction = seat.connection.begin_with(BEGIN).await?;
        if let Some(owner) = &filter.owner {
            // A separate statement, so that the next one sees the successor of every key that was being rotated.
            lock_owner(&mut transaction, owner).await?;
        }
        let revoked = living!(query!(
            "UPDATE api_keys SET revoked_at = $1, revoked_reason = $13, updated_at = $1 WHERE id IN (SELECT id "
            "ORDER BY id DESC LIMIT $14 FOR NO KEY UPDATE OF api_keys) RETURNING id, issuer, subject",
            filter,
            at,
            reason.map(ChangeReason::as_str),
            i64::from(most),
        ));
        let rows = revoked.fetch_all(&mut *transaction).await?;
        let mut details = Map::from_iter([("together".to_owned(), Value::Bool(true))]);
        details.extend(reason.map(|reason| ("reason".to_owned(), reason.as_str().into())));
        let event = Event { action: Action::KeyRevoked, details };
        let mut of_owner: std::collections::HashMap<Owner, Vec<Uuid>> = std::collections::HashMap::new();
        for row in rows {
            let owner = Owner { issuer: row.issuer.into(), subject: row.subject.into() };
            of_owner.entry(owner).or_default().push(row.id);
        }
        for (owner, ids) in &of_owner {
            audit::write(&mut transaction, at, ids, owner, by.author, &event).await?;
        }
        let ids: Vec<Uuid> = of_owner.into_values().flatten().collect();
        announce(&mut transaction, &ids, by.mark).await?;
        transaction.commit().await?;
        Ok(u32::try_from(ids.len()).unwrap_or(u32::MAX))
    }
}
