//! Very many keys, and very long events, quickly.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::TestDatabase;

/// What costs time with each row, how it is taken away, and how it is made again.
const COSTLY: &str = "SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
                      FROM pg_index WHERE indrelid = 'api_keys'::regclass AND NOT indisunique
                      UNION ALL
                      SELECT format('ALTER TABLE api_keys DROP CONSTRAINT %I', conname),
                             format('ALTER TABLE api_keys ADD CONSTRAINT %I %s NOT VALID', conname,
                                    replace(pg_get_constraintdef(oid), ' NOT VALID', ''))
                      FROM pg_constraint WHERE conrelid = 'api_keys'::regclass AND contype = 'c'";

/// Runs statements that make very many keys, which must be copies of some that were made in the usual way. They run
/// without the triggers, without the constraints, which hold for copies, and with indexes that are made afterwards, as
/// a restore makes them: that takes a fraction of the time. Then the table is as autovacuum would leave it.
pub async fn fill_with_keys(url: &str, statements: &str) {
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    let costly: Vec<(String, String)> = sqlx::query_as(COSTLY).fetch_all(&mut connection).await.expect("definitions");
    let (taken_away, made_again): (Vec<_>, Vec<_>) = costly.into_iter().unzip();
    let all = format!(
        "BEGIN; SET LOCAL session_replication_role = replica; {}; {statements}; {}; COMMIT",
        taken_away.join("; "),
        made_again.join("; ")
    );
    for run in [all.as_str(), "VACUUM ANALYZE api_keys"] {
        sqlx::raw_sql(AssertSqlSafe(run)).execute(&mut connection).await.expect("very many keys");
    }
    connection.close().await.expect("an end");
}

/// Events before all others, as those of changes of as much metadata as there may be, of nothing but the smallest
/// objects. There is an event already, whose owner and actor they have.
pub async fn long_events(database: &TestDatabase, count: i32) {
    let copy = "INSERT INTO audit_events (id, at, action, key_id, issuer, subject, actor_kind, actor_issuer,
                                          actor_subject, actor_key_id, address, request_id, details)
                SELECT overlay(id::text PLACING lpad(to_hex(number), 8, '0') FROM 1 FOR 8)::uuid, at, 'key.updated',
                       key_id, issuer, subject, actor_kind, actor_issuer, actor_subject, actor_key_id, address,
                       request_id, jsonb_build_object('changed', '[\"metadata\"]'::jsonb, 'changes',
                       jsonb_build_object('metadata', jsonb_build_object('from', metadata, 'to', metadata)))
                FROM (SELECT * FROM audit_events ORDER BY id DESC LIMIT 1) AS newest, generate_series(1, $1) AS number,
                     (SELECT jsonb_build_object('a', jsonb_agg('{\"\":1}'::jsonb)) AS metadata
                      FROM generate_series(1, 580)) AS long";
    let rows = database.superuser_pool().await;
    sqlx::query(copy).bind(count).execute(&rows).await.expect("copied");
}
