//! Counts how often an owner changes keys: the table `owner_changes`.

use sqlx::{PgConnection, types::Json};

use crate::{
    domain::{
        audit::Author,
        ledger::{Event, Refusal},
        owner::Owner,
        owner_changes::OwnerChanges,
    },
    store::{ledger::audit, rows::ActorColumns},
};

/// A change counts once more for each of these that its event fills. What owners usually change, and a good deal more,
/// leaves an event of less.
const BYTES: i32 = 4_096;

/// Counts a change by this owner, unless they have reached the limit before. The count is locked until the transaction
/// ends, so it is exact whoever else changes keys of theirs, and a transaction that is rolled back has counted nothing.
/// It is locked after the key's row, and nobody who holds it waits for another key. The hour is the database's, so that
/// no replica's clock matters.
pub(super) async fn count(
    connection: &mut PgConnection,
    owner: &Owner,
    most: u32,
    author: &Author,
    event: &Event,
) -> Result<Option<Refusal>, sqlx::Error> {
    let actor = ActorColumns::of(&author.actor);
    // An event counts as it is before compression, because its author chooses how well it compresses. Whoever has waited
    // for the row since the hour before counts for the row's hour. A later one than that was left by a wrong clock, and
    // counts for nothing. What is refused writes no row: who asks again and again must not fill the table's pages.
    let query = sqlx::query!(
        "INSERT INTO owner_changes AS counted (issuer, subject, hour, changes)
         VALUES ($1, $2, floor(extract(epoch FROM now()) / 3600)::integer,
                 ARRAY[1 + (pg_column_size($6::jsonb)
                            + octet_length(concat($1::text, $2::text, $7::text, $8::text))) / $5::integer])
         ON CONFLICT (issuer, subject) DO UPDATE
         SET hour = CASE WHEN counted.hour > excluded.hour + 1 THEN excluded.hour
                         ELSE greatest(counted.hour, excluded.hour) END,
             changes = CASE
                 WHEN counted.hour > excluded.hour + 1 THEN excluded.changes
                 WHEN excluded.hour > counted.hour
                 THEN (excluded.changes || array_fill(0, ARRAY[least(excluded.hour - counted.hour, $3::integer) - 1])
                       || counted.changes)[1:$3::integer]
                 ELSE ARRAY[counted.changes[1] + excluded.changes[1]] || counted.changes[2:] END
         WHERE counted.hour > excluded.hour + 1
            OR (SELECT coalesce(sum(number), 0)
                FROM unnest(counted.changes[1:$3::integer - greatest(excluded.hour - counted.hour, 0)]) AS number)
               < $4::bigint",
        &*owner.issuer,
        &*owner.subject,
        OwnerChanges::HOURS,
        i64::from(most),
        BYTES,
        Json(&*audit::details(author, event)) as _,
        actor.issuer,
        actor.subject,
    );
    if query.execute(&mut *connection).await?.rows_affected() == 0 {
        let query = sqlx::query!(
            r#"SELECT hour, changes, now() AS "now!" FROM owner_changes WHERE issuer = $1 AND subject = $2"#,
            &*owner.issuer,
            &*owner.subject,
        );
        let row = query.fetch_one(connection).await?;
        let retry_after = OwnerChanges { hour: row.hour, changes: row.changes }.wait(most, row.now);
        return Ok(Some(Refusal::TooManyChanges { retry_after }));
    }
    // Rows that count nothing any more are deleted a few at a time, at least as fast as others are added.
    let query = sqlx::query!(
        "DELETE FROM owner_changes WHERE ctid IN
             (SELECT ctid FROM owner_changes WHERE hour <= floor(extract(epoch FROM now()) / 3600)::integer - $1::integer
              ORDER BY hour LIMIT 2 FOR UPDATE SKIP LOCKED)",
        OwnerChanges::HOURS,
    );
    query.execute(connection).await.map(|_| None)
}
