//! The pools of connections, the operations on the database, and what is sampled of it.

use futures_util::future::join_all;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use test_support::{
    actors::Person,
    asking::{KEYS, replica_with},
    eventually,
};

use super::{Scrape, becomes, grows};

const STATEMENTS: &str = "keyward_database_statement_duration_seconds_count";

#[tokio::test]
async fn an_operation_counts_under_its_name_and_a_failed_one_as_a_failure() {
    let replica = replica_with(&[]).await;
    let alice = Person::named("alice");
    let before = Scrape::of(&replica).await;
    let made = alice.creates(&replica, json!({})).await;
    alice.gets(&replica, &made.path()).await.is(200);
    alice.deletes(&replica, &made.path()).await.is(200);
    for statement in ["insert_key", "show_key", "change_key"] {
        grows(&replica, &before, STATEMENTS, &[("statement", statement)], 1.0).await;
    }
    let table = "ALTER TABLE api_keys RENAME TO moved";
    sqlx::raw_sql(table).execute(&replica.database().superuser_pool().await).await.expect("a renamed table");
    alice.gets(&replica, &made.path()).await.is(503);
    let failures = "keyward_database_statement_failures_total";
    grows(&replica, &before, failures, &[("statement", "show_key")], 1.0).await;
}

#[tokio::test]
async fn connections_in_use_waits_and_timeouts_are_counted_by_pool() {
    let replica =
        replica_with(&[("KEYWARD__DATABASE__POOL_SIZE", "2"), ("KEYWARD__DATABASE__OWNER_CONNECTIONS", "2")]).await;
    let scrape = Scrape::of(&replica).await;
    assert_eq!(scrape.get("keyward_database_connections_limit", &[("pool", "requests")]), Some(2.0));
    becomes(&replica, "keyward_database_connections", &[("pool", "heartbeats")], |open| open == 1.0).await;
    let before = Scrape::of(&replica).await;
    let people: Vec<_> = (0..6).map(|number| Person::named(&format!("person-{number}"))).collect();
    let mut lock = PgConnection::connect(replica.database().url()).await.expect("a connection");
    sqlx::raw_sql("BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE").execute(&mut lock).await.expect("a lock");
    let stuck = async {
        eventually("some get no connection", async || {
            let answers = join_all(people.iter().map(|person| person.gets(&replica, KEYS))).await;
            assert!(answers.iter().all(|answer| answer.status == 503));
            let now = Scrape::of(&replica).await;
            let timeouts = "keyward_database_connection_timeouts_total";
            now.sum(timeouts, &[("pool", "requests")]) > before.sum(timeouts, &[("pool", "requests")])
        })
        .await;
    };
    let used = becomes(&replica, "keyward_database_connections", &[("pool", "requests"), ("state", "used")], |used| {
        used == 2.0
    });
    tokio::join!(stuck, used);
    // More connections would not help where the database is slow.
    replica.prints("all are in use, because the database answers slowly or not at all, or because 2 are too few").await;
    sqlx::raw_sql("ROLLBACK").execute(&mut lock).await.expect("an end");
    eventually("they are answered again", async || people[0].gets(&replica, KEYS).await.status == 200).await;
    let now = Scrape::of(&replica).await;
    let (waits, longest) =
        ("keyward_database_connection_wait_seconds_count", "keyward_database_connection_wait_seconds_sum");
    let requests = [("pool", "requests")];
    assert!(now.sum(waits, &requests) > before.sum(waits, &requests));
    assert!(now.sum(longest, &requests) >= 0.5, "nobody has waited");
    becomes(&replica, "keyward_database_connections", &[("pool", "requests"), ("state", "used")], |used| used == 0.0)
        .await;
}

#[tokio::test]
async fn keys_are_counted_by_state_at_the_interval() {
    let replica = replica_with(&[("KEYWARD__METRICS__SAMPLE_EVERY", "10s")]).await;
    let (alice, bob) = (Person::named("alice"), Person::named("bob"));
    for (person, count) in [(&alice, 5), (&bob, 2)] {
        for _ in 0..count {
            person.creates(&replica, json!({})).await;
        }
    }
    let [disabled, revoked, _] = [(); 3].map(|()| alice.creates(&replica, json!({})));
    let (disabled, revoked) = (disabled.await, revoked.await);
    alice.posts(&replica, &format!("{}/disable", disabled.path()), json!({})).await.is(200);
    alice.deletes(&replica, &revoked.path()).await.is(200);
    let pool = replica.database().superuser_pool().await;
    let expired = "UPDATE api_keys SET expires_at = now() - interval '1 day' WHERE id = (SELECT id FROM api_keys
                   WHERE subject = 'alice' AND enabled AND revoked_at IS NULL LIMIT 1)";
    sqlx::raw_sql(expired).execute(&pool).await.expect("an expired key");
    let owners = Person::administrator().gets(&replica, "/v1/admin/owners").await.is(200);
    let bob = owners["owners"].as_array().expect("owners").iter().find(|found| found["owner"]["subject"] == "bob");
    let id = bob.unwrap_or_else(|| panic!("no bob in {owners}"))["owner"]["id"].as_str().expect("an id").to_owned();
    Person::administrator().posts(&replica, &format!("/v1/admin/owners/{id}/disable"), json!({})).await.is(200);
    for (state, count) in [("active", 4.0), ("disabled", 3.0), ("expired", 1.0), ("revoked", 1.0)] {
        becomes(&replica, "keyward_keys", &[("state", state)], |keys| keys == count).await;
    }
    becomes(&replica, "keyward_notification_queue_usage_ratio", &[], |usage| (0.0..1.0).contains(&usage)).await;
    becomes(&replica, "keyward_sample_timestamp_seconds", &[], |at| at > 1.7e9).await;
}

#[tokio::test]
async fn keys_are_counted_that_expire_soon_and_are_in_use() {
    let replica = replica_with(&[("KEYWARD__METRICS__SAMPLE_EVERY", "10s")]).await;
    let alice = Person::named("alice");
    // The first expires soon and is used; the others expire later, are unused, revoked, used long ago, and disabled.
    for _ in 0..6 {
        alice.creates(&replica, json!({})).await;
    }
    let pool = replica.database().superuser_pool().await;
    let expire = "WITH made AS (SELECT id, row_number() OVER (ORDER BY id) AS number FROM api_keys),
             changed AS (UPDATE api_keys
                 SET expires_at = now() + CASE number WHEN 2 THEN interval '8 days' ELSE interval '6 days' END,
                     revoked_at = CASE number WHEN 4 THEN now() END, enabled = number <> 6
                 FROM made WHERE made.id = api_keys.id)
         INSERT INTO key_uses (key_id, last_used_at)
         SELECT id, now() - CASE number WHEN 5 THEN interval '8 days' ELSE interval '6 days' END
         FROM made WHERE number <> 3";
    sqlx::raw_sql(expire).execute(&pool).await.expect("changed");
    becomes(&replica, "keyward_keys_in_use_expiring", &[], |count| count == 1.0).await;
}

/// Some 12,000 keys on some 2,700 pages, of which a thousand are read.
#[tokio::test]
async fn in_a_large_table_the_numbers_of_keys_are_estimated_from_a_part_of_it() {
    const KEYS: f64 = 12_000.0;
    let replica = replica_with(&[("KEYWARD__METRICS__SAMPLE_EVERY", "10s")]).await;
    let alice = Person::named("alice");
    alice.creates(&replica, json!({})).await;
    let pool = replica.database().superuser_pool().await;
    let copy = "INSERT INTO api_keys (id, issuer, subject, environment, created_at, updated_at, secret_hash, metadata, revoked_at)
                SELECT gen_random_uuid(), issuer, subject, environment, created_at, updated_at, secret_hash,
                       jsonb_build_object('text', repeat('x', 1500)), CASE WHEN number % 3 = 0 THEN now() END
                FROM api_keys, generate_series(1, 12000) AS number";
    sqlx::raw_sql(copy).execute(&pool).await.expect("copied");
    let pages = "SELECT pg_relation_size('api_keys') / 8192";
    let pages: i64 = sqlx::query_scalar(pages).fetch_one(&pool).await.expect("a number");
    assert!(pages > 2048, "{pages} pages are no large table");
    for (state, expected) in [("active", KEYS * 2.0 / 3.0), ("revoked", KEYS / 3.0)] {
        let is_near = |keys: f64| (keys / expected - 1.0).abs() < 0.25;
        becomes(&replica, "keyward_keys", &[("state", state)], is_near).await;
    }
}

/// One for its work, one for heartbeats and one to listen on. The server tells how many it has ever had.
#[tokio::test]
async fn a_replica_starts_with_three_connections() {
    let replica = replica_with(&[]).await;
    let pool = replica.database().superuser_pool().await;
    let sessions = async || -> i64 {
        // Without ours.
        let query = "SELECT sessions - 1 FROM pg_stat_database WHERE datname = current_database()";
        sqlx::query_scalar(query).fetch_one(&pool).await.expect("a number")
    };
    eventually("its sessions are counted", async || sessions().await >= 3).await;
    // One more, if a sample of the metrics was due while the first was busy.
    let sessions = sessions().await;
    assert!(sessions <= 4, "{sessions}");
}

/// Each kind of housekeeping begins soon after the replica. On a connection of its own, each would cost the server a
/// process.
#[tokio::test]
async fn a_replica_that_starts_does_its_housekeeping_on_few_connections() {
    let replica = replica_with(&[]).await;
    for statement in ["keep_audit_months", "keep_usage_months", "remove_ended_keys", "forget_sessions", "sample"] {
        becomes(&replica, STATEMENTS, &[("statement", statement)], |done| done >= 1.0).await;
    }
    let open = Scrape::of(&replica).await.sum("keyward_database_connections", &[("pool", "requests")]);
    assert!(open <= 3.0, "{open}");
}
