//! How often keys are used: what replicas count and write, what the database adds up, and what is reported of it.

mod api;
mod command;
mod replicas;
mod store;
mod tags;
mod wire;

use serde_json::Value;
use sqlx::PgPool;
use test_support::{actors::Person, asking::MadeKey, replica::Replica};

/// Uses are written soon.
const OFTEN: (&str, &str) = ("KEYWARD__LAST_USED__WRITE_EVERY", "1s");
/// Uses are written when the replica stops.
const SELDOM: (&str, &str) = ("KEYWARD__LAST_USED__WRITE_EVERY", "1h");

/// The report about one key, for its owner.
async fn usage_of(replica: &Replica, owner: &Person, key: &MadeKey, query: &str) -> Value {
    owner.gets(replica, &format!("{}/usage{query}", key.path())).await.is(200)
}

/// All uses that are written, by hour and by day.
async fn written(rows: &PgPool, condition: &str) -> (i64, i64) {
    let sum = |table: &str| format!("SELECT coalesce(sum(count), 0)::bigint FROM {table} WHERE {condition}");
    let sum =
        async |table: &str| sqlx::query_scalar(sqlx::AssertSqlSafe(sum(table))).fetch_one(rows).await.expect("a sum");
    (sum("usage_hours").await, sum("usage_days").await)
}

/// Of single keys, and not of all together.
const OF_KEYS: &str = "key > 0";
const OF_ALL: &str = "key = 0";

/// Stops a replica gracefully.
async fn stop(replica: &mut Replica) {
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, Some(0), "{}", replica.last_output());
}
