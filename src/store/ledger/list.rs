//! Lists of keys.

use serde_json::{Value, json};
use sqlx::{PgConnection, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{super::rows::ManagedRow, managed_rows};
use crate::domain::{
    key_record::{KeyState, ManagedKey},
    listing::{KeyFilter, KeyOrder, KeySort, Listed, Page, Place},
    owner::Owner,
    ports::StoreError,
    scope::Scope,
    text::SearchText,
};

/// The maximum number of living keys that are collected to find an owner's active ones. With more, all keys of the
/// owner are scanned.
const LIVING_MAX: i64 = 10_000;
/// The number of an owner's newest keys that can be sorted by anything except creation.
const SORTED_MAX: i64 = 10_000;
/// The number of keys that a query over all owners examines for a filter. The page ends there, and the list continues
/// after it, so that no query reads a million rows in vain.
const LOOKED_AT: i64 = 20_000;

/// A page of keys.
pub(super) async fn keys(
    connection: &mut PgConnection,
    filter: &KeyFilter,
    order: KeyOrder,
    page: &Page,
    now: OffsetDateTime,
) -> Result<Listed<ManagedKey>, StoreError> {
    let find = Find { filter: &Parameters::of(filter), descending: order.descending, page, now };
    let (rows, looked_at) = match &filter.owner {
        None => {
            // Metadata has an index of its own.
            let reads_along = filter.narrows() && filter.tag.is_none();
            let last = if reads_along { last_to_look_at(connection, &find).await? } else { None };
            (of_all(connection, &find, last).await?, last.map(Place::from))
        }
        Some(owner) if order.sort == KeySort::CreatedAt => (of_owner(connection, owner, filter, &find).await?, None),
        Some(owner) => (of_owner_sorted(connection, owner, order.sort, &find).await?, None),
    };
    let keys = rows.into_iter().map(ManagedKey::try_from).collect::<Result<Vec<_>, _>>()?;
    let place = |key: &ManagedKey| Place { id: key.record.id.as_uuid(), value: order.sort.value_of(key) };
    Ok(Listed::of(keys, page.limit, looked_at, place))
}

/// The arguments of the statements.
struct Find<'a> {
    filter: &'a Parameters<'a>,
    descending: bool,
    page: &'a Page,
    now: OffsetDateTime,
}

impl Find<'_> {
    /// One row more than the page, which shows whether there is a next page.
    fn limit(&self) -> i64 {
        i64::from(self.page.limit) + 1
    }

    /// The id after which the page begins; the smallest or largest possible id for the first page.
    fn after(&self) -> Uuid {
        let first = if self.descending { Uuid::max() } else { Uuid::nil() };
        self.page.after.as_ref().map_or(first, |place| place.id)
    }
}

/// A `query_as!` for filtered [`ManagedRow`]s. The filter is in the parameters `$3` to `$12`, and the limit in `$13`.
/// The statements differ in how they handle the owner and find keys; a single statement for all cases could not be
/// planned well for any.
macro_rules! listed {
    (of_owner $before:literal $after:literal, $owner:expr, $find:expr $(, $argument:expr)* $(,)?) => {
        listed!(
            @ [of_owner] $before "WHERE disabled.issuer = $1 AND disabled.subject = $2" $after,
            &*$owner.issuer, &*$owner.subject, $find $(, $argument)*
        )
    };
    // A subquery instead of the join: a generic plan expects a single key, and would scan all disabled owners for each
    // key that is filtered out.
    (of_all $before:literal $after:literal, $first:expr, $last:expr, $find:expr $(,)?) => {
        listed!(
            @ [] $before "WHERE disabled.issuer = api_keys.issuer AND disabled.subject = api_keys.subject" $after,
            $first, $last, $find
        )
    };
    (
        @ [$($of_owner:ident)?] $before:literal $of_its_owner:literal $after:literal,
        $one:expr, $two:expr, $find:expr $(, $argument:expr)*
    ) => {
        managed_rows!(
            $($of_owner)? $before
            "
               AND ($3::text[] IS NULL OR CASE
                    WHEN revoked_at IS NOT NULL THEN 'revoked'
                    WHEN NOT enabled OR EXISTS (SELECT FROM disabled_owners AS disabled "
            $of_its_owner
            ") THEN 'disabled'
                    WHEN expires_at <= $4 THEN 'expired'
                    ELSE 'active' END = ANY($3))
               AND ($5::text IS NULL OR environment = $5)
               AND ($6::text IS NULL OR name = $6)
               AND ($7::text IS NULL OR name ILIKE $7 OR description ILIKE $7)
               AND ($8::jsonb IS NULL OR (metadata @> $8 AND metadata <> '{}'))
               AND ($9::text IS NULL OR $9 = ANY(scopes))
               AND ($10::timestamptz IS NULL OR expires_at < $10)
               AND ($11::timestamptz IS NULL OR created_at >= $11)
               AND ($12::timestamptz IS NULL
                    OR (created_at < $12 AND (key_uses.last_used_at IS NULL OR key_uses.last_used_at < $12)))
             "
            $after,
            $one,
            $two,
            $find.filter.states.as_deref() as _,
            $find.now,
            $find.filter.environment,
            $find.filter.name,
            $find.filter.search.as_deref(),
            $find.filter.tag.as_ref() as _,
            $find.filter.scope,
            $find.filter.expiring_before,
            $find.filter.created_since,
            $find.filter.unused_since,
            $find.limit(),
            $($argument),*
        )
    };
}

/// The last key that a query examines; `None` if there are fewer.
async fn last_to_look_at(connection: &mut PgConnection, find: &Find<'_>) -> Result<Option<Uuid>, sqlx::Error> {
    let (after, skipped) = (find.after(), LOOKED_AT - 1);
    if find.descending {
        let query = sqlx::query_scalar!(
            "SELECT id FROM api_keys WHERE id < $1 ORDER BY id DESC OFFSET $2 LIMIT 1",
            after,
            skipped,
        );
        query.fetch_optional(connection).await
    } else {
        let query =
            sqlx::query_scalar!("SELECT id FROM api_keys WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 1", after, skipped);
        query.fetch_optional(connection).await
    }
}

async fn of_all(
    connection: &mut PgConnection,
    find: &Find<'_>,
    last: Option<Uuid>,
) -> Result<Vec<ManagedRow>, sqlx::Error> {
    if find.descending {
        let query = listed!(
            of_all "WHERE api_keys.id < $1 AND api_keys.id >= $2" "ORDER BY api_keys.id DESC LIMIT $13",
            find.after(),
            last.unwrap_or(Uuid::nil()),
            find,
        );
        query.fetch_all(connection).await
    } else {
        let query = listed!(
            of_all "WHERE api_keys.id > $1 AND api_keys.id <= $2" "ORDER BY api_keys.id LIMIT $13",
            find.after(),
            last.unwrap_or(Uuid::max()),
            find,
        );
        query.fetch_all(connection).await
    }
}

/// An owner's keys, ordered by creation.
async fn of_owner(
    connection: &mut PgConnection,
    owner: &Owner,
    which: &KeyFilter,
    find: &Find<'_>,
) -> Result<Vec<ManagedRow>, sqlx::Error> {
    if !find.descending {
        let query = listed!(
            of_owner "WHERE api_keys.issuer = $1 AND api_keys.subject = $2 AND api_keys.id > $14"
            "ORDER BY api_keys.id LIMIT $13",
            owner,
            find,
            find.after(),
        );
        return query.fetch_all(connection).await;
    }
    let living = match which.states[..] {
        [KeyState::Active] => living(connection, owner, find.now).await?,
        _ => None,
    };
    if let Some(living) = living {
        let query = listed!(
            of_owner "WHERE api_keys.issuer = $1 AND api_keys.subject = $2 AND api_keys.id = ANY($15)
               AND api_keys.id < $14 AND revoked_at IS NULL"
            "ORDER BY api_keys.id DESC LIMIT $13",
            owner,
            find,
            find.after(),
            &living,
        );
        return query.fetch_all(connection).await;
    }
    let query = listed!(
        of_owner "WHERE api_keys.issuer = $1 AND api_keys.subject = $2 AND api_keys.id < $14"
        "ORDER BY api_keys.id DESC LIMIT $13",
        owner,
        find,
        find.after(),
    );
    query.fetch_all(connection).await
}

/// An owner's keys in an order other than creation. There is no index, because an owner has few keys.
/// [`KeySort::value_of`] produces the values that are compared here.
async fn of_owner_sorted(
    connection: &mut PgConnection,
    owner: &Owner,
    sort: KeySort,
    find: &Find<'_>,
) -> Result<Vec<ManagedRow>, sqlx::Error> {
    let after = find.page.after.as_ref();
    let query = listed!(
        of_owner
        "CROSS JOIN LATERAL (
             SELECT CASE $14::text
                 WHEN 'name' THEN coalesce(name, '')
                 WHEN 'expiresAt' THEN coalesce(to_char(expires_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS'), 'never')
                 ELSE coalesce(to_char(key_uses.last_used_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS'), '')
             END COLLATE \"C\" AS value) AS sorted
         WHERE api_keys.issuer = $1 AND api_keys.subject = $2
           AND api_keys.id >= coalesce((SELECT id FROM api_keys AS newest WHERE issuer = $1 AND subject = $2
                                        ORDER BY id DESC OFFSET $18 LIMIT 1), '00000000-0000-0000-0000-000000000000')
           AND ($15::uuid IS NULL OR CASE WHEN $17::boolean
                THEN (sorted.value, api_keys.id) < ($16::text COLLATE \"C\", $15)
                ELSE (sorted.value, api_keys.id) > ($16::text COLLATE \"C\", $15) END)"
        "ORDER BY CASE WHEN $17 THEN sorted.value END DESC, CASE WHEN $17 THEN api_keys.id END DESC, sorted.value,
                  api_keys.id
         LIMIT $13",
        owner,
        find,
        sort.as_str(),
        after.map(|place| place.id),
        after.map(|place| place.value.as_str()),
        find.descending,
        SORTED_MAX - 1,
    );
    query.fetch_all(connection).await
}

/// The ids of an owner's keys that are neither revoked nor expired, unless there are very many. If there are many,
/// scanning all keys finds them just as well; if there are a few among very many ended keys, it does not.
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

/// A filter as statement parameters: NULL for an absent condition.
pub(super) struct Parameters<'a> {
    pub(super) states: Option<Vec<&'static str>>,
    pub(super) environment: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) search: Option<String>,
    pub(super) tag: Option<Json<Value>>,
    pub(super) scope: Option<&'a str>,
    pub(super) expiring_before: Option<OffsetDateTime>,
    pub(super) created_since: Option<OffsetDateTime>,
    pub(super) unused_since: Option<OffsetDateTime>,
}

impl<'a> Parameters<'a> {
    pub(super) fn of(filter: &'a KeyFilter) -> Self {
        let states: Vec<&'static str> = filter.states.iter().map(|state| state.as_str()).collect();
        Self {
            states: (!states.is_empty()).then_some(states),
            environment: filter.environment.map(|environment| environment.as_str()),
            name: filter.name.as_ref().map(|name| name.as_str()),
            search: filter.search.as_ref().map(SearchText::like_pattern),
            tag: filter.tag.as_ref().map(|tag| Json(json!({ &tag.name: &tag.value }))),
            scope: filter.scope.as_ref().map(Scope::as_str),
            expiring_before: filter.expiring_before,
            created_since: filter.created_since,
            unused_since: filter.unused_since,
        }
    }
}
