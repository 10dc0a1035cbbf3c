//! Keys among which those of a filter are, found by an index: for conditions that few of very many keys may meet.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{key_record::KeyState, listing::KeyFilter};

/// The maximum number of candidates.
pub(super) const MOST: i64 = 10_000;

/// Candidates.
pub(super) struct Candidates {
    pub(super) ids: Vec<Uuid>,
    /// The last one, if there may be more after it.
    pub(super) last: Option<Uuid>,
}

/// Where to look for them.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Only those after this id.
    pub(super) after: Uuid,
    pub(super) descending: bool,
    pub(super) now: OffsetDateTime,
}

/// The ids with this condition, of which there is an index by id.
macro_rules! first {
    ($condition:literal, $connection:expr, $place:expr) => {
        if $place.descending {
            sqlx::query_scalar!(
                "SELECT id FROM api_keys WHERE " + $condition + " AND id < $1 ORDER BY id DESC LIMIT $2",
                $place.after,
                MOST,
            )
            .fetch_all($connection)
            .await?
        } else {
            sqlx::query_scalar!(
                "SELECT id FROM api_keys WHERE " + $condition + " AND id > $1 ORDER BY id LIMIT $2",
                $place.after,
                MOST,
            )
            .fetch_all($connection)
            .await?
        }
    };
}

/// The first candidates of a filter; `None` if no index finds any, or too many at once.
pub(super) async fn of(
    connection: &mut PgConnection,
    filter: &KeyFilter,
    place: Place,
) -> Result<Option<Candidates>, sqlx::Error> {
    let is_living = !filter.states.is_empty() && !filter.states.contains(&KeyState::Revoked);
    let ids = if filter.leaked == Some(true) {
        first!("revoked_reason ILIKE '%leak%'", connection, place)
    } else if let Some(before) = filter.expiring_before {
        return ending(connection, filter, before, place.now).await;
    } else if filter.never_expires && is_living {
        first!("expires_at IS NULL AND revoked_at IS NULL", connection, place)
    } else if filter.limited == Some(false) && is_living {
        first!("limits = '[]' AND credits_holder IS NULL AND revoked_at IS NULL", connection, place)
    } else {
        return Ok(None);
    };
    let last = ids.last().copied().filter(|_| i64::try_from(ids.len()).is_ok_and(|count| count == MOST));
    Ok(Some(Candidates { ids, last }))
}

/// Those that end before then, whose index is by their end.
async fn ending(
    connection: &mut PgConnection,
    filter: &KeyFilter,
    before: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<Option<Candidates>, sqlx::Error> {
    // No key has ended before the first one was made.
    let from = if filter.states == [KeyState::Active] { now } else { OffsetDateTime::UNIX_EPOCH };
    let query = sqlx::query_scalar!(
        "SELECT id FROM api_keys
         WHERE LEAST(revoked_at, expires_at) >= $1 AND LEAST(revoked_at, expires_at) < $2 LIMIT $3",
        from,
        before,
        MOST + 1,
    );
    let ids = query.fetch_all(connection).await?;
    let fits = i64::try_from(ids.len()).is_ok_and(|count| count <= MOST);
    Ok(fits.then_some(Candidates { ids, last: None }))
}
