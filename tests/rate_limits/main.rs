//! Limits and credits on keys and on owners, with a real Postgres: what its function counts, and what replicas answer
//! and admit, also while the database is out of reach, or another server takes its place.

mod answers;
mod credits;
mod credits_sql;
mod faults;
mod overload;
mod sql;

use sqlx::PgPool;
use test_support::{
    actors::{KeyHolder, PROTECTED, stranger},
    asking::Reply,
    replica::Replica,
};

/// Sets the limits of a key that nobody has used yet.
async fn limit_key(rows: &PgPool, key: &KeyHolder, limits: &str) {
    let id: keyward::domain::api_key::KeyId = key.id().parse().expect("an id");
    let update = "UPDATE api_keys SET limits = $2::text::jsonb WHERE id = $1";
    let updated = sqlx::query(update).bind(id.as_uuid()).bind(limits).execute(rows).await.expect("an update");
    assert_eq!(updated.rows_affected(), 1);
}

/// Sets the limits of the owner of a key.
async fn limit_owner(rows: &PgPool, key: &KeyHolder, limits: &str) {
    let id: keyward::domain::api_key::KeyId = key.id().parse().expect("an id");
    let insert = "INSERT INTO owner_limits (issuer, subject, limits)
                  SELECT issuer, subject, $2::text::jsonb FROM api_keys WHERE id = $1
                  ON CONFLICT (issuer, subject) DO UPDATE SET limits = excluded.limits";
    let inserted = sqlx::query(insert).bind(id.as_uuid()).bind(limits).execute(rows).await.expect("an insert");
    assert_eq!(inserted.rows_affected(), 1);
}

/// A limit as the database has it.
fn limit(name: &str, amount: u64, window: &str) -> String {
    format!(r#"[{{"name": "{name}", "limit": {amount}, "window": "{window}"}}]"#)
}

async fn uses(replica: &Replica, key: &KeyHolder) -> Reply {
    Reply::to(stranger(replica, reqwest::Method::GET, PROTECTED).header("x-api-key", &key.key)).await
}
