//! An owner has more requests at once than one may have: that is theirs, and no outage.

use reqwest::Method;
use serde_json::json;
use sqlx::{Postgres, Transaction};
use test_support::{
    actors::Person,
    asking::{KEYS, Reply, replica_with},
    eventually,
    replica::Replica,
};

use crate::metrics::Scrape;

/// One request at a time, and nobody waits for long.
const ENV: [(&str, &str); 3] = [
    ("KEYWARD__DATABASE__OWNER_CONNECTIONS", "1"),
    ("KEYWARD__DATABASE__ACQUIRE_TIMEOUT", "100ms"),
    ("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "20s"),
];

/// Until it is rolled back, whoever reads the audit waits.
async fn locked_audit(replica: &Replica) -> Transaction<'static, Postgres> {
    let mut lock = replica.database().superuser_pool().await.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.expect("a lock");
    lock
}

/// Waits until somebody does.
async fn somebody_waits(replica: &Replica) {
    let pool = replica.database().superuser_pool().await;
    let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'audit_events'::regclass AND NOT granted";
    eventually("somebody waits for the audit", async || {
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool).await.expect("a number") > 0
    })
    .await;
}

#[tokio::test]
async fn who_asks_for_more_at_once_than_an_owner_may_is_told_to_come_back_and_no_outage_is_counted() {
    let (replica, alice, bob) = (replica_with(&ENV).await, Person::named("alice"), Person::named("bob"));
    let key = alice.creates(&replica, json!({})).await;
    let shop = Person::with_scopes("shop", "keyward:verify");
    let lock = locked_audit(&replica).await;
    let slow = alice.gets(&replica, "/v1/audit");
    let others = async {
        somebody_waits(&replica).await;
        for answer in [
            alice.gets(&replica, KEYS).await,
            alice.posts(&replica, KEYS, json!({})).await,
            alice.deletes(&replica, &key.path()).await,
        ] {
            answer.is_problem(429, "too_many_requests");
            assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
            assert!(answer.header("ratelimit").is_none(), "{answer:?}");
        }
        // In the words of the compatibility routes and of OAuth.
        let made = alice.posts(&replica, "/api/create-api-key", json!({})).await;
        made.is_json(429, &json!({ "message": "Too many requests at once" }));
        let request = shop.request(&replica, Method::POST, "/v1/revoke");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let revoked = Reply::to(request.body(format!("token={}", key.holder.key))).await;
        assert_eq!(revoked.is(429)["error"], "temporarily_unavailable");
        // Nobody else notices, and the keys go on.
        bob.gets(&replica, KEYS).await.is(200);
        assert_eq!(key.status(&replica).await, 200);
        lock.rollback().await.expect("an end");
    };
    let (slow, ()) = tokio::join!(slow, others);
    slow.is(200);
    alice.deletes(&replica, &key.path()).await.is(200);
    let line = replica.prints("database.owner_connections allows").await;
    assert!(line.contains("WARN") && line.contains("answering 429") && line.contains("AGFsaWNl"), "{line}");
    let (scrape, output) = (Scrape::of(&replica).await, replica.output());
    assert!(!output.contains("ERROR") && !output.contains("answering 503"), "{output}");
    assert_eq!(scrape.sum("keyward_http_requests_total", &[("status", "503")]), 0.0);
    assert_eq!(scrape.sum("keyward_http_requests_total", &[("status", "429")]), 5.0);
    assert_eq!(scrape.sum("keyward_database_statement_failures_total", &[]), 0.0);
}
