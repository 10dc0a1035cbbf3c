//! Lists of keys.
//!
//! - `candidates`: where the keys of a filter are looked for
//! - `count`: how many keys there are

mod candidates;
mod count;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use self::candidates::{Index, with_index};
pub(in crate::store) use self::count::count;
use super::{
    super::rows::ManagedRow,
    conditions::{Conditions, with_conditions},
    managed_rows,
};
use crate::domain::{
    key_record::{KeyState, ManagedKey},
    listing::{KeyFilter, KeyOrder, KeySort, Listed, Page, Place},
    owner::Owner,
    ports::StoreError,
};

/// The maximum number of living keys that are collected to find an owner's active ones. With more, all keys of the
/// owner are scanned.
const LIVING_MAX: i64 = 10_000;
/// The number of an owner's newest keys that can be sorted by anything except creation.
const SORTED_MAX: i64 = 10_000;

/// A page of keys.
pub(super) async fn keys(
    connection: &mut PgConnection,
    filter: &KeyFilter,
    order: KeyOrder,
    page: &Page,
    now: OffsetDateTime,
) -> Result<Listed<ManagedKey>, StoreError> {
    let find = Find { filter: &Conditions::of(filter), descending: order.descending, page, now };
    let (rows, looked_at) = match &filter.owner {
        None => {
            let index = Index::of(filter);
            if let Some(ids) = candidates::ending(connection, filter, now).await? {
                (of_these(connection, &find, &ids).await?, None)
            } else if filter.tag.is_some() && index == Index::Primary {
                // Metadata has an index of its own.
                (with_tag(connection, &find).await?, None)
            } else {
                // Everything is found at once without a condition.
                let last = match filter.narrows() {
                    true => index.last(connection, find.after(), find.descending).await?,
                    false => None,
                };
                (along(connection, index, &find, last).await?, last)
            }
        }
        Some(owner) if order.sort == KeySort::CreatedAt => (of_owner(connection, owner, filter, &find).await?, None),
        Some(owner) => (of_owner_sorted(connection, owner, order.sort, &find).await?, None),
    };
    listed(rows, order, page, looked_at)
}

/// The id before which or after which all keys of a list come.
fn begin(descending: bool) -> Uuid {
    if descending { Uuid::max() } else { Uuid::nil() }
}

/// The id at which a list ends.
fn end(descending: bool) -> Uuid {
    begin(!descending)
}

fn listed(
    rows: Vec<ManagedRow>,
    order: KeyOrder,
    page: &Page,
    looked_at: Option<Uuid>,
) -> Result<Listed<ManagedKey>, StoreError> {
    let keys = rows.into_iter().map(ManagedKey::try_from).collect::<Result<Vec<_>, _>>()?;
    let place = |key: &ManagedKey| Place { id: key.record.id.as_uuid(), value: order.sort.value_of(key) };
    Ok(Listed::of(keys, page.limit, looked_at.map(Place::from), place))
}

/// The arguments of the statements.
struct Find<'a> {
    filter: &'a Conditions<'a>,
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
        self.page.after.as_ref().map_or(begin(self.descending), |place| place.id)
    }
}

/// A `query_as!` for the [`ManagedRow`]s that a filter names, with the limit in `$17`. The statements differ in how
/// they handle the owner and find keys; a single statement for all cases could not be planned well for any.
macro_rules! listed {
    (of_owner $before:literal $after:literal, $owner:expr, $find:expr $(, $argument:expr)* $(,)?) => {
        listed!(
            @ [of_owner] $before,
            "EXISTS (SELECT FROM disabled_owners AS disabled WHERE disabled.issuer = $1 AND disabled.subject = $2)",
            $after, &*$owner.issuer, &*$owner.subject, $find $(, $argument)*
        )
    };
    // A subquery instead of the join: a generic plan expects a single key, and would scan all disabled owners for each
    // key that is filtered out.
    (of_all $before:literal $after:literal, $first:expr, $last:expr, $find:expr $(,)?) => {
        listed!(
            @ [] $before,
            "EXISTS (SELECT FROM disabled_owners AS disabled
                     WHERE disabled.issuer = api_keys.issuer AND disabled.subject = api_keys.subject)",
            $after, $first, $last, $find
        )
    };
    (
        @ [$($of_owner:ident)?] $before:literal, $owner_disabled:literal, $after:literal,
        $one:expr, $two:expr, $find:expr $(, $argument:expr)*
    ) => {
        with_conditions!(managed_rows!(
            [$($of_owner)?] $before,
            $owner_disabled,
            "(key_uses.last_used_at IS NULL OR key_uses.last_used_at < $12)",
            "key_uses.last_used_at >= $13",
            $after,
            $one,
            $two,
            $find.filter,
            $find.now,
            $find.limit()
            $(, $argument)*
        ))
    };
}

/// Those that the filter names among the entries of an index up to the last one, in order. What is shown of a key is
/// read for those of the page only: the planner, which takes hardly any key to meet the conditions, would read it for
/// all, and then sort. So the entries are a query of their own, with a limit that it can't look into.
async fn along(
    connection: &mut PgConnection,
    index: Index,
    find: &Find<'_>,
    last: Option<Uuid>,
) -> Result<Vec<ManagedRow>, sqlx::Error> {
    let last = last.unwrap_or(end(find.descending));
    macro_rules! page {
        ([$uses:ident] $condition:literal, $range:literal, $order:literal) => {
            with_conditions!(managed_rows!(
                [] "WHERE api_keys.id = ANY (ARRAY(
                        SELECT id FROM (SELECT * FROM api_keys WHERE " + $condition + " AND " + $range + " LIMIT $18) AS api_keys
                        WHERE true",
                "EXISTS (SELECT FROM disabled_owners AS disabled
                         WHERE disabled.issuer = api_keys.issuer AND disabled.subject = api_keys.subject)",
                [$uses],
                $order,
                find.after(),
                last,
                find.filter,
                find.now,
                find.limit(),
                index.examined(),
            ))
            .fetch_all(connection)
            .await
        };
    }
    if find.descending {
        with_index!(
            index,
            page!("id < $1 AND id >= $2 ORDER BY id DESC", "ORDER BY id DESC LIMIT $17)) ORDER BY api_keys.id DESC")
        )
    } else {
        with_index!(index, page!("id > $1 AND id <= $2 ORDER BY id", "ORDER BY id LIMIT $17)) ORDER BY api_keys.id"))
    }
}

/// Those with the filter's tag that the filter names.
async fn with_tag(connection: &mut PgConnection, find: &Find<'_>) -> Result<Vec<ManagedRow>, sqlx::Error> {
    if find.descending {
        let query = listed!(
            of_all "WHERE api_keys.id < $1 AND api_keys.id >= $2" "ORDER BY api_keys.id DESC LIMIT $17",
            find.after(),
            end(find.descending),
            find,
        );
        query.fetch_all(connection).await
    } else {
        let query = listed!(
            of_all "WHERE api_keys.id > $1 AND api_keys.id <= $2" "ORDER BY api_keys.id LIMIT $17",
            find.after(),
            end(find.descending),
            find,
        );
        query.fetch_all(connection).await
    }
}

/// Those of these keys that the filter names.
async fn of_these(
    connection: &mut PgConnection,
    find: &Find<'_>,
    ids: &[Uuid],
) -> Result<Vec<ManagedRow>, sqlx::Error> {
    if find.descending {
        let query = listed!(
            of_all "WHERE api_keys.id = ANY($1) AND api_keys.id < $2" "ORDER BY api_keys.id DESC LIMIT $17",
            ids,
            find.after(),
            find,
        );
        query.fetch_all(connection).await
    } else {
        let query = listed!(
            of_all "WHERE api_keys.id = ANY($1) AND api_keys.id > $2" "ORDER BY api_keys.id LIMIT $17",
            ids,
            find.after(),
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
            of_owner "WHERE api_keys.issuer = $1 AND api_keys.subject = $2 AND api_keys.id > $18"
            "ORDER BY api_keys.id LIMIT $17",
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
            of_owner "WHERE api_keys.issuer = $1 AND api_keys.subject = $2 AND api_keys.id = ANY($19)
               AND api_keys.id < $18 AND revoked_at IS NULL"
            "ORDER BY api_keys.id DESC LIMIT $17",
            owner,
            find,
            find.after(),
            &living,
        );
        return query.fetch_all(connection).await;
    }
    let query = listed!(
        of_owner "WHERE api_keys.issuer = $1 AND api_keys.subject = $2 AND api_keys.id < $18"
        "ORDER BY api_keys.id DESC LIMIT $17",
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
             SELECT CASE $18::text
                 WHEN 'name' THEN coalesce(name, '')
                 WHEN 'expiresAt' THEN coalesce(to_char(expires_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS'), 'never')
                 ELSE coalesce(to_char(key_uses.last_used_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS'), '')
             END COLLATE \"C\" AS value) AS sorted
         WHERE api_keys.issuer = $1 AND api_keys.subject = $2
           AND api_keys.id >= coalesce((SELECT id FROM api_keys AS newest WHERE issuer = $1 AND subject = $2
                                        ORDER BY id DESC OFFSET $22 LIMIT 1), '00000000-0000-0000-0000-000000000000')
           AND ($19::uuid IS NULL OR CASE WHEN $21::boolean
                THEN (sorted.value, api_keys.id) < ($20::text COLLATE \"C\", $19)
                ELSE (sorted.value, api_keys.id) > ($20::text COLLATE \"C\", $19) END)"
        "ORDER BY CASE WHEN $21 THEN sorted.value END DESC, CASE WHEN $21 THEN api_keys.id END DESC, sorted.value,
                  api_keys.id
         LIMIT $17",
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
