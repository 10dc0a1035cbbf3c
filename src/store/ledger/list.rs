//! Lists of keys, and keys that are revoked by list.

use serde_json::{Map, Value, json};
use sqlx::{Connection, PgConnection, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{super::rows::ManagedRow, BEGIN, Store, announce, audit, lock_owner, managed_rows};
use crate::domain::{
    audit::Action,
    key_record::KeyState,
    ledger::{Event, KeyFilter, Page, Together},
    ports::StoreError,
    principal::Owner,
    text::ChangeReason,
};

/// Living keys that are looked at to find an owner's active ones. Whoever has more is read along all of their keys.
const LIVING_MAX: i64 = 10_000;

/// Statements that differ in the owner alone, and in the way to their keys: one statement for all would be planned for none.
pub(super) async fn keys(
    connection: &mut PgConnection,
    filter: &KeyFilter,
    page: Page,
    now: OffsetDateTime,
) -> Result<Vec<ManagedRow>, StoreError> {
    let Parameters { state, environment, name, tag, expiring_before, created_since } = Parameters::of(filter);
    let before = page.before.unwrap_or(Uuid::max());
    let limit = i64::from(page.limit);
    let Some(owner) = &filter.owner else {
        // Not by the join: a plan for any parameters expects one key, and would go through all disabled
        // owners for each that is left out.
        let query = managed_rows!(
            "WHERE api_keys.id < $1
               AND ($3::text IS NULL OR $3 = CASE
                    WHEN revoked_at IS NOT NULL THEN 'revoked'
                    WHEN NOT enabled OR EXISTS (SELECT FROM disabled_owners AS disabled
                                                WHERE disabled.issuer = api_keys.issuer
                                                  AND disabled.subject = api_keys.subject)
                        THEN 'disabled'
                    WHEN expires_at <= $4 THEN 'expired'
                    ELSE 'active' END)
               AND ($5::text IS NULL OR environment = $5)
               AND ($6::text IS NULL OR name = $6)
               AND ($7::jsonb IS NULL OR (metadata @> $7 AND metadata <> '{}'))
               AND ($8::timestamptz IS NULL OR expires_at < $8)
               AND ($9::timestamptz IS NULL OR created_at >= $9)
             ORDER BY api_keys.id DESC LIMIT $2",
            before,
            limit,
            state,
            now,
            environment,
            name,
            tag as _,
            expiring_before,
            created_since,
        );
        return Ok(query.fetch_all(connection).await?);
    };
    let living = match filter.state {
        Some(KeyState::Active) => living(connection, owner, now).await?,
        _ => None,
    };
    if let Some(living) = living {
        let query = managed_rows!(
            of_owner
            "WHERE api_keys.issuer = $1 AND api_keys.subject = $2 AND api_keys.id = ANY($3) AND api_keys.id < $4
               AND revoked_at IS NULL AND enabled AND (expires_at IS NULL OR expires_at > $6)
               AND NOT EXISTS (SELECT FROM disabled_owners AS disabled
                               WHERE disabled.issuer = $1 AND disabled.subject = $2)
               AND ($7::text IS NULL OR environment = $7)
               AND ($8::text IS NULL OR name = $8)
               AND ($9::jsonb IS NULL OR metadata @> $9)
               AND ($10::timestamptz IS NULL OR expires_at < $10)
               AND ($11::timestamptz IS NULL OR created_at >= $11)
             ORDER BY api_keys.id DESC LIMIT $5",
            &*owner.issuer,
            &*owner.subject,
            &living,
            before,
            limit,
            now,
            environment,
            name,
            tag as _,
            expiring_before,
            created_since,
        );
        return Ok(query.fetch_all(connection).await?);
    }
    let query = managed_rows!(
        of_owner
        "WHERE api_keys.issuer = $1 AND api_keys.subject = $2 AND api_keys.id < $3
           AND ($5::text IS NULL OR $5 = CASE
                WHEN revoked_at IS NOT NULL THEN 'revoked'
                WHEN NOT enabled OR EXISTS (SELECT FROM disabled_owners AS disabled
                                            WHERE disabled.issuer = $1 AND disabled.subject = $2)
                    THEN 'disabled'
                WHEN expires_at <= $6 THEN 'expired'
                ELSE 'active' END)
           AND ($7::text IS NULL OR environment = $7)
           AND ($8::text IS NULL OR name = $8)
           AND ($9::jsonb IS NULL OR metadata @> $9)
           AND ($10::timestamptz IS NULL OR expires_at < $10)
           AND ($11::timestamptz IS NULL OR created_at >= $11)
         ORDER BY api_keys.id DESC LIMIT $4",
        &*owner.issuer,
        &*owner.subject,
        before,
        limit,
        state,
        now,
        environment,
        name,
        tag as _,
        expiring_before,
        created_since,
    );
    Ok(query.fetch_all(connection).await?)
}

/// The owner's keys that are neither revoked nor expired, unless they are very many. Those that are would be found among
/// all keys just as well; but a few among very many that have ended would not.
async fn living(
    connection: &mut PgConnection,
    owner: &Owner,
    now: OffsetDateTime,
) -> Result<Option<Vec<Uuid>>, sqlx::Error> {
    let query = sqlx::query_scalar!(
        "SELECT id FROM api_keys
         WHERE issuer = $1 AND subject = $2 AND revoked_at IS NULL AND coalesce(expires_at, 'infinity') > $3
         LIMIT $4",
        &*owner.issuer,
        &*owner.subject,
        now,
        LIVING_MAX + 1,
    );
    let living = query.fetch_all(connection).await?;
    Ok(i64::try_from(living.len()).is_ok_and(|count| count <= LIVING_MAX).then_some(living))
}

impl Store {
    pub(super) async fn revoke_keys(
        &self,
        filter: &KeyFilter,
        most: u32,
        reason: Option<&ChangeReason>,
        at: OffsetDateTime,
        by: Together<'_>,
    ) -> Result<u32, StoreError> {
        let Parameters { state, environment, name, tag, expiring_before, created_since } = Parameters::of(filter);
        let (issuer, subject) = filter.owner.as_ref().map(|owner| (&*owner.issuer, &*owner.subject)).unzip();
        let mut seat = self.to_change(by.reach).await?;
        let mut transaction = seat.connection.begin_with(BEGIN).await?;
        if let Some(owner) = &filter.owner {
            // In a statement of its own: what the next one sees then has the successor of every key that was being rotated.
            lock_owner(&mut transaction, owner).await?;
        }
        let rows = sqlx::query!(
            "UPDATE api_keys SET revoked_at = $1, revoked_reason = $2, updated_at = $1
             WHERE id IN (
                 SELECT id FROM api_keys LEFT JOIN disabled_owners USING (issuer, subject)
                 WHERE revoked_at IS NULL
                   AND ($3::text IS NULL OR issuer = $3) AND ($4::text IS NULL OR subject = $4)
                   AND ($5::text IS NULL OR $5 = CASE
                        WHEN NOT enabled OR disabled_owners.subject IS NOT NULL THEN 'disabled'
                        WHEN expires_at <= $1 THEN 'expired'
                        ELSE 'active' END)
                   AND ($6::text IS NULL OR environment = $6)
                   AND ($7::text IS NULL OR name = $7)
                   AND ($8::jsonb IS NULL OR (metadata @> $8 AND metadata <> '{}'))
                   AND ($9::timestamptz IS NULL OR expires_at < $9)
                   AND ($10::timestamptz IS NULL OR created_at >= $10)
                 ORDER BY id DESC LIMIT $11
                 FOR NO KEY UPDATE OF api_keys)
             RETURNING id, issuer, subject",
            at,
            reason.map(ChangeReason::as_str),
            issuer,
            subject,
            state,
            environment,
            name,
            tag as _,
            expiring_before,
            created_since,
            i64::from(most),
        );
        let rows = rows.fetch_all(&mut *transaction).await?;
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

/// A filter as the statements take it: NULL where it does not matter.
struct Parameters<'a> {
    state: Option<&'a str>,
    environment: Option<&'a str>,
    name: Option<&'a str>,
    tag: Option<Json<Value>>,
    expiring_before: Option<OffsetDateTime>,
    created_since: Option<OffsetDateTime>,
}

impl<'a> Parameters<'a> {
    fn of(filter: &'a KeyFilter) -> Self {
        Self {
            state: filter.state.map(|state| state.as_str()),
            environment: filter.environment.map(|environment| environment.as_str()),
            name: filter.name.as_ref().map(|name| name.as_str()),
            tag: filter.tag.as_ref().map(|(name, text)| Json(json!({ name: text }))),
            expiring_before: filter.expiring_before,
            created_since: filter.created_since,
        }
    }
}
