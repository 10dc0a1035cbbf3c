//! Where the keys of a filter are looked for: along the index that has the fewest others.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{key_record::KeyState, listing::KeyFilter};

/// The number of entries of an index that one query examines.
const OF_AN_INDEX: i64 = 10_000;
/// The same along the primary key, where most keys are what most filters look for.
const OF_ALL: i64 = 12_000;
/// The maximum number of keys that end soon. They are not in the order of a list, so each is fetched by its id.
const ENDING: i64 = 5_000;

/// An index by id. All but the primary key have few of very many keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Index {
    Leaked,
    WithoutEnd,
    WithoutLimits,
    Primary,
}

/// Expands `$then` with the condition of an index, in the words of the migration that makes it, and how to learn
/// whether a key was used: `each` asks for one key, `all` for all between `$1` and `$2` at once, of which the index has
/// most.
macro_rules! with_index {
    ($index:expr, $then:ident!($($arguments:tt)*)) => {
        match $index {
            Index::Leaked => $then!([each] "revoked_reason ILIKE '%leak%'", $($arguments)*),
            Index::WithoutEnd => $then!([each] "expires_at IS NULL AND revoked_at IS NULL", $($arguments)*),
            Index::WithoutLimits => {
                $then!([each] "limits = '[]' AND credits_holder IS NULL AND revoked_at IS NULL", $($arguments)*)
            }
            Index::Primary => $then!([all] "true", $($arguments)*),
        }
    };
}
pub(super) use with_index;

impl Index {
    /// The one for a filter.
    pub(super) fn of(filter: &KeyFilter) -> Self {
        let is_living = !filter.states.is_empty() && !filter.states.contains(&KeyState::Revoked);
        if filter.leaked == Some(true) {
            Self::Leaked
        } else if filter.never_expires && is_living {
            Self::WithoutEnd
        } else if filter.limited == Some(false) && is_living {
            Self::WithoutLimits
        } else {
            Self::Primary
        }
    }

    /// The number of its entries that one query examines.
    pub(super) fn examined(self) -> i64 {
        if self == Self::Primary { OF_ALL } else { OF_AN_INDEX }
    }

    /// The last entry that a query examines which begins after this one; `None` if there are fewer.
    pub(super) async fn last(
        self,
        connection: &mut PgConnection,
        after: Uuid,
        descending: bool,
    ) -> Result<Option<Uuid>, sqlx::Error> {
        macro_rules! last {
            ([$uses:ident] $condition:literal, $order:literal) => {
                sqlx::query_scalar!(
                    "SELECT id FROM api_keys WHERE " + $condition + " AND id " + $order + " OFFSET $2 LIMIT 1",
                    after,
                    self.examined() - 1,
                )
                .fetch_optional(connection)
                .await
            };
        }
        if descending {
            with_index!(self, last!("< $1 ORDER BY id DESC"))
        } else {
            with_index!(self, last!("> $1 ORDER BY id"))
        }
    }
}

/// The keys that end before the time of the filter; `None` if it has none, or there are too many. Their index is by
/// their end.
pub(super) async fn ending(
    connection: &mut PgConnection,
    filter: &KeyFilter,
    now: OffsetDateTime,
) -> Result<Option<Vec<Uuid>>, sqlx::Error> {
    let Some(before) = filter.expiring_before else { return Ok(None) };
    // No key has ended before the first one was made.
    let from = if filter.states == [KeyState::Active] { now } else { OffsetDateTime::UNIX_EPOCH };
    let query = sqlx::query_scalar!(
        "SELECT id FROM api_keys
         WHERE LEAST(revoked_at, expires_at) >= $1 AND LEAST(revoked_at, expires_at) < $2 LIMIT $3",
        from,
        before,
        ENDING + 1,
    );
    let ids = query.fetch_all(connection).await?;
    Ok(i64::try_from(ids.len()).is_ok_and(|count| count <= ENDING).then_some(ids))
}
