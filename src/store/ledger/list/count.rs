//! Counts keys, looking at a limited number of them.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    super::conditions::{Conditions, with_conditions},
    begin,
    candidates::{Index, ending, with_index},
    end,
};
use crate::domain::{
    listing::{KeyCount, KeyFilter},
    ports::StoreError,
};

/// The maximum number that is counted.
const MOST: i64 = 10_000;

/// A query for the number of keys that a filter names among those that `$among` selects.
macro_rules! counted {
    ([$uses:ident] $among:literal $(+ $more:literal)*, $one:expr, $two:expr, $conditions:expr, $now:expr $(, $argument:expr)*) => {
        with_conditions!(sqlx::query_scalar!(
            [] r#"SELECT count(*) AS "count!" FROM (SELECT FROM "# + $among $(+ $more)*,
            "EXISTS (SELECT FROM disabled_owners AS disabled
                     WHERE disabled.issuer = api_keys.issuer AND disabled.subject = api_keys.subject)",
            [$uses],
            "LIMIT $17) AS counted",
            $one,
            $two,
            $conditions,
            $now,
            MOST
            $(, $argument)*
        ))
    };
}

/// How many keys of all owners the filter names, at a cost that does not grow with their number: up to ten thousand of
/// those that the first page of a list examines that begins with the newest (`descending`) or the oldest.
pub(in crate::store) async fn count(
    connection: &mut PgConnection,
    filter: &KeyFilter,
    descending: bool,
    now: OffsetDateTime,
) -> Result<KeyCount, StoreError> {
    let conditions = Conditions::of(filter);
    if let Some(ids) = ending(connection, filter, now).await? {
        let query = counted!([each] "api_keys WHERE id = ANY($1) AND $2::boolean", &ids, true, conditions, now);
        return Ok(of(query.fetch_one(connection).await?, true));
    }
    let index = Index::of(filter);
    let begin = begin(descending);
    let last = index.last(connection, begin, descending).await?;
    let end = last.unwrap_or(end(descending));
    macro_rules! by_index {
        ([$uses:ident] $condition:literal, $range:literal) => {
            counted!(
                [$uses] "(SELECT * FROM api_keys WHERE " + $condition + " AND " + $range + " LIMIT $18) AS api_keys WHERE true",
                begin,
                end,
                conditions,
                now,
                index.examined()
            )
            .fetch_one(connection)
            .await?
        };
    }
    let count = if descending {
        with_index!(index, by_index!("id < $1 AND id >= $2 ORDER BY id DESC"))
    } else {
        with_index!(index, by_index!("id > $1 AND id <= $2 ORDER BY id"))
    };
    Ok(of(count, last.is_none()))
}

fn of(count: i64, all_were_examined: bool) -> KeyCount {
    KeyCount { number: u64::try_from(count).unwrap_or_default(), complete: all_were_examined && count < MOST }
}
