//! An owner, an administrator or whoever holds a key has more requests at once than one may have: that is theirs, no
//! outage, and nobody else's trouble.

use reqwest::Method;
use serde_json::json;
use sqlx::{Postgres, Transaction};
use test_support::{
    actors::{Person, claims, stranger},
    asking::{KEYS, Reply, replica_with, three_replicas},
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

/// Waits until so many do.
async fn wait_there(replica: &Replica, most: i64) {
    let pool = replica.database().superuser_pool().await;
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("others wait for locks", async || {
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool).await.expect("a number") >= most
    })
    .await;
}

/// Whoever holds a key revokes it with nothing else.
async fn revokes_itself(replica: &Replica, key: &str) -> Reply {
    Reply::to(stranger(replica, Method::DELETE, "/v1/keys/self").header("x-api-key", key)).await
}

/// A client that revokes a key which it was shown.
async fn revokes_for_another(replica: &Replica, client: &Person, key: &str) -> Reply {
    let request = client.request(replica, Method::POST, "/v1/revoke");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    Reply::to(request.body(format!("token={key}"))).await
}

#[tokio::test]
async fn who_asks_for_more_at_once_than_an_owner_may_is_told_to_come_back_and_no_outage_is_counted() {
    let (replica, alice, bob) = (replica_with(&ENV).await, Person::named("alice"), Person::named("bob"));
    let (key, found) = (alice.creates(&replica, json!({})).await, alice.creates(&replica, json!({})).await);
    let shop = Person::with_scopes("shop", "keyward:verify");
    let lock = locked_audit(&replica).await;
    let (slow, revoking) = (alice.gets(&replica, "/v1/audit"), revokes_itself(&replica, &found.holder.key));
    let others = async {
        wait_there(&replica, 2).await;
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
        let revoked = revokes_for_another(&replica, &shop, &found.holder.key).await;
        assert_eq!(revoked.is(429)["error"], "temporarily_unavailable");
        // Nobody else notices, and the keys go on.
        bob.gets(&replica, KEYS).await.is(200);
        assert_eq!(key.status(&replica).await, 200);
        lock.rollback().await.expect("an end");
    };
    let (slow, revoking, ()) = tokio::join!(slow, revoking, others);
    slow.is(200);
    revoking.is(200);
    alice.deletes(&replica, &key.path()).await.is(200);
    let line = replica.prints("database.owner_connections allows").await;
    assert!(line.contains("WARN") && line.contains("answering 429") && line.contains("AGFsaWNl"), "{line}");
    let (scrape, output) = (Scrape::of(&replica).await, replica.output());
    assert!(!output.contains("ERROR") && !output.contains("answering 503"), "{output}");
    assert_eq!(scrape.sum("keyward_http_requests_total", &[("status", "503")]), 0.0);
    assert_eq!(scrape.sum("keyward_http_requests_total", &[("status", "429")]), 5.0);
    assert_eq!(scrape.sum("keyward_database_statement_failures_total", &[]), 0.0);
}

#[tokio::test]
async fn whoever_holds_a_revoked_key_keeps_nobody_waiting_however_often_they_revoke_it() {
    let (replica, alice) = (replica_with(&ENV).await, Person::named("alice"));
    let (key, found) = (alice.creates(&replica, json!({})).await, alice.creates(&replica, json!({})).await);
    let shop = Person::with_scopes("shop", "keyward:verify");
    let first = revokes_itself(&replica, &found.holder.key).await.is(200);
    // While the owner has no turn left, and with another one's credential.
    let lock = locked_audit(&replica).await;
    let slow = alice.gets(&replica, "/v1/audit");
    let others = async {
        wait_there(&replica, 1).await;
        for _ in 0..20 {
            let again = revokes_itself(&replica, &found.holder.key).await.is(200);
            assert_eq!(again["revokedAt"], first["revokedAt"]);
            assert_eq!(revokes_for_another(&replica, &shop, &found.holder.key).await.status, 200);
        }
        lock.rollback().await.expect("an end");
    };
    let (slow, ()) = tokio::join!(slow, others);
    slow.is(200);
    let stale = stranger(&replica, Method::DELETE, "/v1/keys/self").header("x-api-key", &found.holder.key);
    Reply::to(stale.header("if-match", "\"99\"")).await.is_problem(412, "version_mismatch");
    alice.deletes(&replica, &key.path()).await.is(200);
    // That one, and the other one once: every replica has confirmed it.
    let told = || replica.output().matches("did revoke a key").count();
    eventually("both are told", async || told() >= 2).await;
    assert_eq!(told(), 2, "{}", replica.output());
}

/// Another replica does not know what was confirmed there, and announces it again.
#[tokio::test]
async fn a_revoked_key_is_announced_again_by_a_replica_that_has_not_seen_it_confirmed() {
    let (_database, replicas) = three_replicas(&[]).await;
    let found = Person::named("alice").creates(&replicas[0], json!({})).await;
    for replica in &replicas {
        let answer = revokes_itself(replica, &found.holder.key).await.is(200);
        assert_eq!(answer["replicasConfirmed"], 3, "{answer}");
        replica.prints("did revoke a key").await;
    }
}

#[tokio::test]
async fn an_administrator_who_does_too_much_at_once_leaves_room_for_another_who_stops_somebody() {
    let replica = replica_with(&[ENV[0], ENV[1], ENV[2], ("KEYWARD__DATABASE__POOL_SIZE", "2")]).await;
    let [eve, root] = ["eve", "root"].map(|name| Person::with_scopes(name, "keyward:admin"));
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({})).await;
    let pool = replica.database().superuser_pool().await;

    // Reads.
    let lock = locked_audit(&replica).await;
    let slow = eve.gets(&replica, "/v1/admin/audit");
    let others = async {
        wait_there(&replica, 1).await;
        eve.gets(&replica, "/v1/admin/audit").await.is_problem(429, "too_many_requests");
        alice.gets(&replica, KEYS).await.is(200);
        lock.rollback().await.expect("an end");
    };
    tokio::join!(slow, others).0.is(200);

    // Changes.
    let mut lock = pool.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM api_keys FOR UPDATE").execute(&mut *lock).await.expect("a lock");
    let disable = format!("{}/disable", key.admin_path());
    let slow = eve.posts(&replica, &disable, json!({}));
    let others = async {
        wait_there(&replica, 1).await;
        eve.posts(&replica, &disable, json!({})).await.is_problem(429, "too_many_requests");
        root.posts(&replica, "/v1/admin/owners/AGV2ZQ/disable", json!({})).await.is(200);
        lock.rollback().await.expect("an end");
    };
    tokio::join!(slow, others).0.is(200);

    // Requests for which eve has no rights any more.
    let mut lock = pool.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE disabled_owners IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.expect("a lock");
    let slow = eve.posts(&replica, "/v1/admin/owners/AGV2ZQ/enable", json!({}));
    let others = async {
        wait_there(&replica, 1).await;
        let again = eve.posts(&replica, "/v1/admin/owners/AGV2ZQ/enable", json!({})).await;
        again.is_problem(429, "too_many_requests");
        lock.rollback().await.expect("an end");
    };
    tokio::join!(slow, others).0.is_problem(403, "not_allowed");
    let line = replica.prints("one administrator use as many connections as they may").await;
    assert!(line.contains("WARN") && line.contains("AGV2ZQ"), "{line}");
    assert!(!replica.output().contains("answering 503"), "{}", replica.output());
}

#[tokio::test]
async fn an_administrator_keeps_no_colleague_of_the_same_organisation_waiting() {
    let replica = replica_with(&[ENV[0], ENV[1], ENV[2], ("KEYWARD__JWT__TENANT_CLAIM", "org")]).await;
    let of_acme = |name: &str| {
        let mut claims = claims(name);
        claims["org"] = json!("acme");
        claims["scope"] = json!("keyward:admin");
        Person::with_claims(&claims)
    };
    let [eve, root] = ["eve", "root"].map(of_acme);
    let lock = locked_audit(&replica).await;
    let slow = eve.gets(&replica, "/v1/admin/audit");
    let others = async {
        wait_there(&replica, 1).await;
        eve.gets(&replica, "/v1/admin/keys").await.is_problem(429, "too_many_requests");
        root.gets(&replica, "/v1/admin/keys").await.is(200);
        lock.rollback().await.expect("an end");
    };
    tokio::join!(slow, others).0.is(200);
}

#[tokio::test]
async fn whoever_holds_many_keys_of_one_owner_keeps_no_holder_of_anothers_waiting() {
    let replica = replica_with(&ENV).await;
    let (alice, bob) = (Person::named("alice"), Person::named("bob"));
    let [one, other] = [alice.creates(&replica, json!({})).await, alice.creates(&replica, json!({})).await];
    let of_bob = bob.creates(&replica, json!({})).await;
    let mut lock = replica.database().superuser_pool().await.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM api_keys WHERE subject = 'alice' FOR UPDATE").execute(&mut *lock).await.expect("a lock");
    let slow = revokes_itself(&replica, &one.holder.key);
    let others = async {
        wait_there(&replica, 1).await;
        revokes_itself(&replica, &other.holder.key).await.is_problem(429, "too_many_requests");
        revokes_itself(&replica, &of_bob.holder.key).await.is(200);
        lock.rollback().await.expect("an end");
    };
    tokio::join!(slow, others).0.is(200);
}
