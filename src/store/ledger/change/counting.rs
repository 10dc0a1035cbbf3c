//! Counts how often an owner changes keys: the table `owner_changes`.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::domain::{ledger::Refusal, owner::Owner, owner_changes::OwnerChanges};

/// Counts a change by this owner, unless it is one too many. The count is locked until the transaction ends, so it is
/// exact whoever else changes keys of theirs, and a transaction that is rolled back has counted nothing. It is locked
/// after the key's row, and nobody who holds it waits for another key.
pub(super) async fn count(
    connection: &mut PgConnection,
    owner: &Owner,
    most: u32,
    at: OffsetDateTime,
) -> Result<Option<Refusal>, sqlx::Error> {
    let hour = OwnerChanges::hour_of(at);
    // To a replica whose clock is behind, the latest hour is that of the others. What is refused writes no row: who asks
    // again and again must not fill the table's pages.
    let query = sqlx::query!(
        "INSERT INTO owner_changes AS counted (issuer, subject, hour, changes) VALUES ($1, $2, $3, ARRAY[1])
         ON CONFLICT (issuer, subject) DO UPDATE
         SET hour = greatest(counted.hour, excluded.hour),
             changes = CASE WHEN excluded.hour > counted.hour
                 THEN (ARRAY[1] || array_fill(0, ARRAY[least(excluded.hour - counted.hour, $4::integer) - 1])
                       || counted.changes)[1:$4::integer]
                 ELSE ARRAY[counted.changes[1] + 1] || counted.changes[2:] END
         WHERE (SELECT coalesce(sum(number), 0)
                FROM unnest(counted.changes[1:$4::integer - greatest(excluded.hour - counted.hour, 0)]) AS number)
               < $5::bigint",
        &*owner.issuer,
        &*owner.subject,
        hour,
        OwnerChanges::HOURS,
        i64::from(most),
    );
    if query.execute(&mut *connection).await?.rows_affected() == 0 {
        let query = sqlx::query_as!(
            OwnerChanges,
            "SELECT hour, changes FROM owner_changes WHERE issuer = $1 AND subject = $2",
            &*owner.issuer,
            &*owner.subject,
        );
        let retry_after = query.fetch_one(connection).await?.wait(most, at);
        return Ok(Some(Refusal::TooManyChanges { retry_after }));
    }
    // Rows that count nothing any more are deleted a few at a time, at least as fast as others are added.
    let query = sqlx::query!(
        "DELETE FROM owner_changes WHERE ctid IN
             (SELECT ctid FROM owner_changes WHERE hour <= $1 ORDER BY hour LIMIT 2 FOR UPDATE SKIP LOCKED)",
        hour - OwnerChanges::HOURS,
    );
    query.execute(connection).await.map(|_| None)
}
