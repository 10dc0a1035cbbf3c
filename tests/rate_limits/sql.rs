//! What the database counts, compared with what the model of it does.

use futures_util::future::join_all;
use keyward::{
    config::Database,
    domain::{
        limits::{Holder, LimitName, Span, Window},
        ports::limits::{LimitStore, SliceGrant, SliceRequest},
    },
    store::Store,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sqlx::PgPool;
use test_support::{PATIENCE, TestDatabase, database, limit_table::LimitTable};
use time::OffsetDateTime;

pub(crate) async fn store(database: &TestDatabase) -> std::sync::Arc<Store> {
    let settings = Database { acquire_timeout: PATIENCE, ..Database::at(database.url().to_owned().into()) };
    Store::open(&settings).await.expect("a store")
}

fn request(holder: u128, period: i32, amount: u64, least: u64, need: u64, want: u64) -> SliceRequest {
    let name = LimitName::parse("limit").expect("a name");
    SliceRequest { holder: Holder::from_u128(holder), name, period, amount, least, need, want }
}

/// The rest of a slice can be compared if both were decided at the same time.
fn same(database: &SliceGrant, model: &SliceGrant) -> bool {
    let SliceGrant { granted, left, ends, .. } = *database;
    (granted, left, ends) == (model.granted, model.left, model.ends)
}

#[tokio::test]
async fn the_database_counts_as_the_model_does() {
    let database = database().await;
    let store = store(&database).await;
    let mut table = LimitTable::default();
    let mut random = StdRng::seed_from_u64(18);
    for _ in 0..300 {
        let requests: Vec<_> = (0..random.random_range(1..6))
            .map(|_| {
                let amount = [1, 10, 1000][random.random_range(0..3)];
                let least = random.random_range(1..4);
                let need = least * random.random_range(1..4);
                let want = need.max(random.random_range(1..100));
                let period = [0, 1, 7, 86_400][random.random_range(0..4)];
                request(random.random_range(0..3), period, amount, least, need, want)
            })
            .collect();
        let grants = store.take_slices(&requests).await.expect("grants");
        // The function takes them in the order of their rows.
        let mut order: Vec<usize> = (0..requests.len()).collect();
        order.sort_by_key(|at| (requests[*at].holder, requests[*at].period));
        for at in order {
            let model = table.take(&requests[at], grants[at].at);
            assert!(same(&grants[at], &model), "{:?}: {:?}, and the model: {model:?}", requests[at], grants[at]);
        }
    }
}

#[tokio::test]
async fn the_database_finds_the_same_windows() {
    let database = database().await;
    let rows = database.superuser_pool().await;
    let mut random = StdRng::seed_from_u64(18);
    let windows = [Window::Month, Window::Day, Window::Seconds(1), Window::Seconds(7), Window::Seconds(31 * 86_400)];
    for _ in 0..500 {
        let window = windows[random.random_range(0..windows.len())];
        let second = random.random_range(0..4_000_000_000_i64);
        let (begins, ends): (OffsetDateTime, OffsetDateTime) = sqlx::query_as(
            "SELECT begins, limit_window_ends($1, begins) FROM limit_window_begins($1, to_timestamp($2) + interval '0.9 s') AS begins",
        )
        .bind(window.period())
        .bind(second as f64)
        .fetch_one(&rows)
        .await
        .expect("a window");
        let span = Span { begins: begins.unix_timestamp(), ends: ends.unix_timestamp() };
        assert_eq!(span, window.span_at(second), "{window} at {second}");
        assert_eq!(begins.nanosecond() + ends.nanosecond(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simultaneous_takers_get_all_of_it_and_no_more_and_never_deadlock() {
    let database = database().await;
    let store = store(&database).await;
    let takers = (0..8_u64).map(|taker| {
        let store = std::sync::Arc::clone(&store);
        tokio::spawn(async move {
            let mut granted = [0_u64; 5];
            for round in 0..40 {
                let mut requests: Vec<_> = (0..5).map(|holder| request(holder, 0, 500, 1, 1, 5)).collect();
                requests.rotate_left(((taker + round) % 5) as usize);
                if taker % 2 == 0 {
                    requests.reverse();
                }
                let grants = store.take_slices(&requests).await.expect("grants");
                for (request, grant) in requests.iter().zip(&grants) {
                    granted[request.holder.as_u128() as usize] += grant.granted;
                }
            }
            granted
        })
    });
    let mut all = [0; 5];
    for granted in join_all(takers).await {
        for (sum, granted) in all.iter_mut().zip(granted.expect("no panic")) {
            *sum += granted;
        }
    }
    assert_eq!(all, [500; 5]);
}

async fn sole_counter(rows: &PgPool, change: &str) {
    let changed = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("UPDATE limit_counts SET {change}"))).execute(rows).await;
    assert_eq!(changed.expect("a change").rows_affected(), 1);
}

#[tokio::test]
async fn a_clock_that_was_set_back_is_waited_for_unless_it_was_set_back_far() {
    let database = database().await;
    let (store, rows) = (store(&database).await, database.superuser_pool().await);
    let take = async || store.take_slices(&[request(1, 60, 10, 1, 1, 1)]).await.expect("a grant")[0];
    assert_eq!((take().await.granted, take().await.left), (1, 8));
    // As if the clock had been some minutes ahead until now.
    sole_counter(&rows, "window_begins = date_trunc('minute', now()) + interval '3 minutes'").await;
    let grant = take().await;
    assert_eq!((grant.granted, grant.left), (0, 0), "this window was counted before, and its count is gone");
    assert!(grant.at < grant.ends);
    sole_counter(&rows, "window_begins = date_trunc('minute', now()) + interval '1 hour'").await;
    assert_eq!((take().await.granted, take().await.left), (1, 8), "nobody waits for an hour");
}

#[tokio::test]
async fn counters_of_old_windows_are_deleted_a_few_at_a_time_and_others_stay() {
    let database = database().await;
    let (store, rows) = (store(&database).await, database.superuser_pool().await);
    let requests: Vec<_> = (1..=25).map(|holder| request(holder, 60, 10, 1, 1, 1)).collect();
    store.take_slices(&requests).await.expect("grants");
    sqlx::query("UPDATE limit_counts SET window_ends = now() - interval '2 hours' WHERE holder::text < '00000000-0000-0000-0000-000000000015'")
        .execute(&rows)
        .await
        .expect("a change");
    let (mut after, mut deleted, mut turns) = (Holder::from_u128(0), 0, 0);
    loop {
        let (last, count) = store.forget_counters(after, 10).await.expect("done");
        (deleted, turns) = (deleted + count, turns + 1);
        match last {
            Some(last) => after = last,
            None => break,
        }
    }
    assert_eq!((deleted, turns), (20, 3));
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM limit_counts").fetch_one(&rows).await.expect("a number");
    assert_eq!(left, 5);
}
