//! Counts keys, looking at a limited number of them.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    super::conditions::{Conditions, with_conditions},
    LOOKED_AT,
    candidates::{self, Candidates, MOST, Place},
};
use crate::domain::{
    listing::{KeyCount, KeyFilter},
    ports::StoreError,
};

/// How many keys of all owners the filter names.
pub(in crate::store::ledger) async fn count(
    connection: &mut PgConnection,
    filter: &KeyFilter,
    now: OffsetDateTime,
) -> Result<KeyCount, StoreError> {
    let place = Place { after: Uuid::max(), descending: true, now };
    let Candidates { ids, last } = match candidates::of(connection, filter, place).await? {
        Some(candidates) => candidates,
        None => oldest(connection).await?,
    };
    let conditions = Conditions::of(filter);
    let query = with_conditions!(sqlx::query_scalar!(
        [] r#"SELECT count(*) AS "count!"
              FROM (SELECT FROM api_keys LEFT JOIN key_uses ON key_id = id WHERE id = ANY($1)"#,
        "EXISTS (SELECT FROM disabled_owners AS disabled
                 WHERE disabled.issuer = api_keys.issuer AND disabled.subject = api_keys.subject)",
        "(key_uses.last_used_at IS NULL OR key_uses.last_used_at < $12)",
        "key_uses.last_used_at >= $13",
        "LIMIT $2) AS counted",
        &ids,
        MOST,
        conditions,
        now
    ));
    let count = query.fetch_one(connection).await?;
    Ok(KeyCount { number: u64::try_from(count).unwrap_or_default(), complete: last.is_none() && count < MOST })
}

/// The oldest keys, which are more likely to need attention than the newest.
async fn oldest(connection: &mut PgConnection) -> Result<Candidates, sqlx::Error> {
    let query = sqlx::query_scalar!("SELECT id FROM api_keys ORDER BY id LIMIT $1", LOOKED_AT);
    let ids = query.fetch_all(connection).await?;
    let last = ids.last().copied().filter(|_| i64::try_from(ids.len()).is_ok_and(|count| count == LOOKED_AT));
    Ok(Candidates { ids, last })
}
