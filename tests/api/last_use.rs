//! When and from where a key was last used: told soon, and written off the path of a check.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_support::{
    actors::{PROTECTED, Person, stranger},
    asking::{MadeKey, Reply, SHORT_LEASE, VERIFY, replica_with},
    eventually,
    replica::Replica,
};

const OFTEN: (&str, &str) = ("KEYWARD__LAST_USED__WRITE_EVERY", "1s");
const SELDOM: (&str, &str) = ("KEYWARD__LAST_USED__WRITE_EVERY", "1h");
const TRUSTED: (&str, &str) = ("KEYWARD__SERVER__TRUSTED_PROXIES", "127.0.0.1");

async fn last_use(replica: &Replica, key: &MadeKey) -> (Value, Value) {
    let shown = Person::named("alice").gets(replica, &key.path()).await.is(200);
    (shown["lastUsedAt"].clone(), shown["lastUsedFrom"].clone())
}

#[tokio::test]
async fn a_use_appears_with_its_time_and_address_and_changes_no_version() {
    let (replica, alice) = (replica_with(&[OFTEN, TRUSTED]).await, Person::named("alice"));
    let (used, unused) = (alice.creates(&replica, json!({})).await, alice.creates(&replica, json!({})).await);
    let (verified, refused) =
        (alice.creates(&replica, json!({})).await, alice.creates(&replica, json!({ "enabled": false })).await);
    let request = stranger(&replica, Method::GET, PROTECTED).header("x-api-key", &used.holder.key);
    let answer = request.header("x-forwarded-for", "2001:db8::7").send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let service = Person::with_scopes("service", "keyward:verify");
    for (key, valid) in [(&verified, true), (&refused, false)] {
        let question = json!({ "key": key.holder.key, "clientAddress": "192.0.2.1" });
        assert_eq!(service.posts(&replica, VERIFY, question).await.is(200)["valid"], valid);
    }
    eventually("the uses are written", async || {
        last_use(&replica, &used).await.1 == "2001:db8::7" && last_use(&replica, &verified).await.1 == "192.0.2.1"
    })
    .await;
    let at = last_use(&replica, &used).await.0;
    assert!(at.as_str() > used.body["createdAt"].as_str(), "{at}");
    for key in [&unused, &refused] {
        assert_eq!(last_use(&replica, key).await, (Value::Null, Value::Null));
    }
    let shown = alice.gets(&replica, &used.path()).await;
    assert_eq!(shown.is(200)["updatedAt"], used.body["updatedAt"]);
    // What is shown is not what it was; the version is.
    assert_ne!(shown.header("etag"), Some("\"1\""));
    let patch = alice.request(&replica, Method::PATCH, &used.path()).header("if-match", "\"1\"");
    Reply::to(patch.json(&json!({ "name": "still the first version" }))).await.is(200);
}

#[tokio::test]
async fn a_key_that_was_rotated_out_tells_when_it_was_last_used() {
    let (replica, alice) = (replica_with(&[OFTEN]).await, Person::named("alice"));
    let old = alice.creates(&replica, json!({})).await;
    let rotation = format!("{}/rotate", old.path());
    let new = MadeKey::of(alice.posts(&replica, &rotation, json!({ "gracePeriod": 3600 })).await.is(201));
    assert_eq!(old.status(&replica).await, 200);
    eventually("the use is written", async || last_use(&replica, &old).await.1 == "127.0.0.1").await;
    assert_eq!(last_use(&replica, &new).await, (Value::Null, Value::Null));
    alice.deletes(&replica, &old.path()).await.is(200);
    assert!(last_use(&replica, &old).await.0.is_string());
}

#[tokio::test]
async fn a_graceful_stop_writes_what_is_pending() {
    let mut replica = replica_with(&[SELDOM]).await;
    let key = Person::named("alice").creates(&replica, json!({})).await;
    assert_eq!(key.status(&replica).await, 200);
    let rows = replica.database().superuser_pool().await;
    assert_eq!(uses(&rows).await, 0);
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, Some(0), "{}", replica.last_output());
    assert_eq!(uses(&rows).await, 1);
}

#[tokio::test]
async fn uses_that_cannot_be_written_have_a_line_at_the_begin_and_one_at_the_end() {
    let replica = replica_with(&[OFTEN]).await;
    let rows = replica.database().superuser_pool().await;
    let refusing = "CREATE FUNCTION refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$";
    sqlx::query(refusing).execute(&rows).await.expect("a function");
    let trigger = "CREATE TRIGGER refuses BEFORE INSERT ON key_uses EXECUTE FUNCTION refuses()";
    sqlx::query(trigger).execute(&rows).await.expect("a trigger");
    let key = Person::named("alice").creates(&replica, json!({})).await;
    assert_eq!(key.status(&replica).await, 200);
    replica.prints("could not write the uses of keys").await;
    sqlx::query("DROP TRIGGER refuses ON key_uses").execute(&rows).await.expect("no trigger");
    let over = replica.prints("the uses of keys are written again").await;
    assert!(serde_json::from_str::<Value>(&over).expect("JSON")["lasted_ms"].is_u64(), "{over}");
    assert_eq!(uses(&rows).await, 1);
}

async fn uses(rows: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM key_uses").fetch_one(rows).await.expect("a number")
}

/// Every row there is, with the transaction that wrote it.
async fn rows_and_writers(rows: &PgPool) -> Vec<String> {
    let all =
        "SELECT (xmin, ctid, api_keys)::text FROM api_keys UNION ALL SELECT (xmin, ctid, key_uses)::text FROM key_uses
               UNION ALL SELECT (xmin, ctid, audit_events)::text FROM audit_events ORDER BY 1";
    sqlx::query_scalar(all).fetch_all(rows).await.expect("rows")
}

#[tokio::test]
async fn a_check_writes_nothing() {
    let replica = replica_with(&[SELDOM]).await;
    let key = Person::named("alice").creates(&replica, json!({})).await;
    let rows = replica.database().superuser_pool().await;
    let before = rows_and_writers(&rows).await;
    assert_eq!(before.len(), 2);
    // Also on a replica that does not know the key: a query and a hash, and no write.
    let other = Replica::start_on(replica.database().url(), &[SHORT_LEASE, SELDOM]).await;
    for _ in 0..20 {
        key.is_everywhere(std::slice::from_ref(&replica), 200).await;
        key.is_everywhere(std::slice::from_ref(&other), 200).await;
    }
    assert_eq!(rows_and_writers(&rows).await, before);
}
