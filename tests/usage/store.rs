//! What the database adds up, by itself.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use keyward::{
    config::Database,
    domain::{
        api_key::KeyId,
        key_record::LastUse,
        ledger::Reach,
        ports::usage::{HourlyUses, KeyUse, UsageBatch, UsageStore},
        usage::{Granularity, Period, UsageFilter, UsageQuery, UseOutcome},
    },
    store::Store,
};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};
use test_support::{PATIENCE, TestDatabase, actors::Person, asking::replica_with};
use time::{OffsetDateTime, macros::datetime};

use crate::{OF_ALL, OF_KEYS, SELDOM, written};

/// A store is a replica of its own.
pub(crate) async fn store(database: &TestDatabase) -> Arc<Store> {
    let settings = Database { acquire_timeout: PATIENCE, ..Database::at(database.url().to_owned().into()) };
    Store::open(&settings).await.expect("a store")
}

/// Granted uses in an hour.
pub(crate) fn uses(key: KeyId, hour: OffsetDateTime, count: u32) -> HourlyUses {
    HourlyUses { key, hour, outcome: UseOutcome::Granted, tag: String::new(), count }
}

/// A batch with these counts.
pub(crate) fn batch(number: i64, counts: Vec<HourlyUses>) -> UsageBatch {
    UsageBatch { number, last_uses: Vec::new(), counts }
}

/// Keys of alice that nobody has used. Copies, for a hash is dear.
async fn keys(rows: &PgPool, count: i32) -> Vec<KeyId> {
    let insert = "INSERT INTO api_keys (id, issuer, subject, environment, created_at, updated_at, secret_hash)
                  SELECT gen_random_uuid(), '', 'alice', 'live', now(), now(), '$argon2id$v=19$m=8,t=1,p=1$' || repeat('A', 22) || '$' || repeat('A', 43)
                  FROM generate_series(1, $1) RETURNING id";
    let mut transaction = rows.begin().await.expect("a transaction");
    sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *transaction).await.expect("no triggers");
    let ids: Vec<uuid::Uuid> = sqlx::query_scalar(insert).bind(count).fetch_all(&mut *transaction).await.expect("keys");
    transaction.commit().await.expect("keys");
    ids.into_iter().map(KeyId::from).collect()
}

#[tokio::test]
async fn a_batch_is_written_once_however_often_and_late_it_comes() {
    let database = test_support::database().await;
    let (store, rows) = (store(&database).await, database.superuser_pool().await);
    let keys = keys(&rows, 2).await;
    let (ten, eleven) = (datetime!(2026-11-23 10:00 UTC), datetime!(2026-11-23 11:00 UTC));
    let last = LastUse { at: eleven, from: None };
    let first = UsageBatch {
        last_uses: vec![KeyUse { key: keys[0], last }],
        // The same key and hour twice, as of two counters.
        ..batch(1, vec![uses(keys[0], ten, 3), uses(keys[0], ten, 4), uses(keys[1], eleven, 5)])
    };
    for _ in 0..3 {
        store.write_usage(&first).await.expect("written");
    }
    assert_eq!(written(&rows, OF_KEYS).await, (12, 12));
    store.write_usage(&batch(2, vec![uses(keys[0], eleven, 1)])).await.expect("written");
    // An attempt that was on its way for long.
    store.write_usage(&first).await.expect("ignored");
    assert_eq!(written(&rows, OF_KEYS).await, (13, 13));
    // At once, as if the first attempt were still under way.
    let third = batch(3, vec![uses(keys[1], ten, 7)]);
    join_all((0..8).map(|_| store.write_usage(&third))).await.into_iter().for_each(|done| done.expect("written"));
    assert_eq!(written(&rows, OF_KEYS).await, (20, 20));
    assert_eq!(written(&rows, OF_ALL).await, (20, 20));
}

#[tokio::test]
async fn replicas_that_write_the_same_keys_at_once_do_not_deadlock_and_days_are_the_sums_of_hours() {
    let database = test_support::database().await;
    let rows = database.superuser_pool().await;
    let keys = keys(&rows, 200).await;
    let stores = join_all((0..4).map(|_| store(&database))).await;
    let day = datetime!(2026-11-22 20:00 UTC);
    let writes = stores.iter().enumerate().map(async |(place, store)| {
        for number in 1..=5 {
            let hour = day + time::Duration::hours(number * 2);
            let mut counts: Vec<_> = keys.iter().map(|key| uses(*key, hour, 1)).collect();
            // Every replica has them in another order.
            counts.rotate_left(50 * place);
            let last = LastUse { at: hour, from: None };
            let last_uses = counts.iter().map(|one| KeyUse { key: one.key, last }).collect();
            store.write_usage(&UsageBatch { number, last_uses, counts }).await.expect("written");
        }
    });
    join_all(writes).await;
    assert_eq!(written(&rows, OF_KEYS).await, (4000, 4000));
    let differ = "SELECT count(*) FROM ((TABLE usage_days) EXCEPT
                      (SELECT key, (hour AT TIME ZONE 'UTC')::date, outcome, tag, sum(count)::bigint
                       FROM usage_hours GROUP BY 1, 2, 3, 4)) AS differing";
    let differ: i64 = sqlx::query_scalar(differ).fetch_one(&rows).await.expect("a count");
    assert_eq!(differ, 0);
    let days: i64 =
        sqlx::query_scalar("SELECT count(*) FROM usage_days WHERE key > 0").fetch_one(&rows).await.expect("a count");
    assert_eq!(days, 400);
}

/// In which pages of their tables the rows are.
async fn pages(rows: &PgPool) -> Vec<Vec<i32>> {
    let of = |table: &str, order: &str| {
        format!("SELECT array_agg((ctid::text::point)[0]::integer ORDER BY tableoid, {order}) FROM {table}")
    };
    let tables = [("key_uses", "key_id"), ("usage_hours", "key"), ("usage_days", "key")];
    let pages = tables.map(async |(table, order)| {
        sqlx::query_scalar(AssertSqlSafe(of(table, order))).fetch_one(rows).await.expect("the pages")
    });
    join_all(pages).await
}

#[tokio::test]
async fn what_is_added_to_many_rows_at_once_stays_in_their_pages() {
    let database = test_support::database().await;
    let (store, rows) = (store(&database).await, database.superuser_pool().await);
    let (keys, hour) = (keys(&rows, 500).await, datetime!(2026-11-23 10:00 UTC));
    let write = async |number: i64| {
        let last = LastUse { at: hour + time::Duration::minutes(number), from: None };
        let last_uses = keys.iter().map(|key| KeyUse { key: *key, last }).collect();
        let counts = keys.iter().map(|key| uses(*key, hour, 1)).collect();
        store.write_usage(&UsageBatch { number, last_uses, counts }).await.expect("written");
    };
    write(1).await;
    let before = pages(&rows).await;
    assert!(before.iter().all(|pages| pages.len() >= 500 && pages.iter().max() > Some(&2)), "several pages each");
    write(2).await;
    assert_eq!(pages(&rows).await, before);
    assert_eq!(written(&rows, OF_KEYS).await, (1000, 1000));
}

#[tokio::test]
async fn an_owner_keeps_the_uses_of_deleted_keys() {
    let database = test_support::database().await;
    let (store, rows) = (store(&database).await, database.superuser_pool().await);
    let (keys, hour) = (keys(&rows, 3).await, datetime!(2026-11-23 10:00 UTC));
    let counts = keys.iter().map(|key| uses(*key, hour, 2)).collect();
    store.write_usage(&batch(1, counts)).await.expect("written");
    sqlx::query("DELETE FROM api_keys WHERE id = $1").bind(keys[0].as_uuid()).execute(&rows).await.expect("deleted");
    // A use that was counted before, and one of a key that nobody ever knew.
    let unknown = KeyId::from(uuid::Uuid::nil());
    store.write_usage(&batch(2, vec![uses(keys[0], hour, 1), uses(unknown, hour, 9)])).await.expect("written");
    let period = Period::new(Some(hour), Some(hour), Granularity::Day, hour).expect("a day");
    let owner = keyward::domain::owner::Owner { issuer: "".into(), subject: "alice".into() };
    let filter = UsageFilter { owner: Some(owner), ..UsageFilter::default() };
    let usage = store.usage(&UsageQuery { period, filter, groups: None }, &Reach::Any).await;
    let usage = usage.expect("an answer").expect("a report");
    assert_eq!(usage.series.len(), 1);
    assert_eq!(usage.series[0].1.of(UseOutcome::Granted), 7);
    assert_eq!(written(&rows, OF_ALL).await, (7, 7));
}

async fn months(rows: &PgPool, table: &str) -> Vec<String> {
    let children = "SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
                    WHERE inhparent = $1::text::regclass ORDER BY relname";
    sqlx::query_scalar(children).bind(table).fetch_all(rows).await.expect("the tables")
}

#[tokio::test]
async fn months_that_are_too_old_are_dropped_and_numbers_of_keys_without_uses_are_forgotten() {
    let database = test_support::database().await;
    let (store, rows) = (store(&database).await, database.superuser_pool().await);
    let before = (months(&rows, "usage_hours").await, months(&rows, "usage_days").await);
    assert_eq!((before.0.len(), before.1.len()), (14, 14));
    for (table, first, last) in
        [("usage_hours", "2001-01-01 00:00+00", "2001-02-01 00:00+00"), ("usage_days", "2001-01-01", "2001-02-01")]
    {
        let month =
            format!("CREATE TABLE {table}_2001_01 PARTITION OF {table} FOR VALUES FROM ('{first}') TO ('{last}')");
        sqlx::query(AssertSqlSafe(month)).execute(&rows).await.expect("a month");
    }
    let keys = keys(&rows, 2).await;
    let (old, new) = (datetime!(2001-01-31 23:00 UTC), OffsetDateTime::now_utc());
    store.write_usage(&batch(1, vec![uses(keys[0], old, 2), uses(keys[1], new, 3)])).await.expect("written");
    sqlx::query("DELETE FROM api_keys").execute(&rows).await.expect("deleted");
    let numbers = async || {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM usage_keys").fetch_one(&rows).await.expect("a count")
    };

    assert_eq!(store.keep_usage_months(None, None).await.expect("kept"), Some(0));
    let year = Some(Duration::from_secs(365 * 86_400));
    assert_eq!(store.keep_usage_months(year, None).await.expect("kept"), Some(1));
    assert_eq!(written(&rows, OF_KEYS).await, (3, 5));
    assert_eq!(store.forget_usage_keys(0, 10).await.expect("looked"), Some(2));
    assert_eq!(numbers().await, 2, "days are kept");
    assert_eq!(store.keep_usage_months(year, year).await.expect("kept"), Some(1));
    assert_eq!(written(&rows, OF_KEYS).await, (3, 3));
    assert_eq!(store.forget_usage_keys(0, 10).await.expect("looked"), Some(2));
    assert_eq!(store.forget_usage_keys(2, 10).await.expect("looked"), None);
    assert_eq!(numbers().await, 1);
    assert_eq!((months(&rows, "usage_hours").await, months(&rows, "usage_days").await), before);
}

#[tokio::test]
async fn the_service_drops_old_months_by_itself() {
    let mut replica = replica_with(&[SELDOM]).await;
    Person::named("alice").creates(&replica, json!({})).await;
    let database = replica.take_database();
    let rows = database.superuser_pool().await;
    let month =
        "CREATE TABLE usage_hours_2001_01 PARTITION OF usage_hours FOR VALUES FROM ('2001-01-01') TO ('2001-02-01')";
    sqlx::query(month).execute(&rows).await.expect("a month");
    let replica = test_support::replica::Replica::start_on(database.url(), &[]).await;
    replica.prints("dropped old months of usage").await;
    assert_eq!(months(&rows, "usage_hours").await.len(), 14);
}
