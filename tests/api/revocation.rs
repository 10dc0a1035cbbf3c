//! Revocation: true everywhere when it returns.

use std::collections::HashSet;

use reqwest::{Method, Response};
use serde_json::Value;
use test_support::{
    actors::{KeyHolder, Person, stranger},
    asking::{replica, shared_replica, three_replicas},
    replica::{Replica, command},
};

async fn revoked_by(person: &Person, key: &KeyHolder, replica: &Replica) -> Response {
    let path = format!("/v1/keys/{}", key.id());
    stranger(replica, Method::DELETE, &path).bearer_auth(&person.token).send().await.expect("an answer")
}

#[tokio::test]
async fn when_a_revoke_returns_no_replica_accepts_the_key() {
    let (_database, [one, two, three]) = three_replicas(&[]).await;
    let alice = Person::named("alice");
    for _ in 0..10 {
        let key = alice.makes_a_key(&one).await;
        for replica in [&one, &two, &three] {
            assert_eq!(key.asks_for_the_resource(replica).await.status(), 200);
        }
        assert_eq!(revoked_by(&alice, &key, &two).await.status(), 200);
        for replica in [&one, &two, &three] {
            assert_eq!(key.asks_for_the_resource(replica).await.status(), 401);
        }
    }
}

#[tokio::test]
async fn the_answer_says_how_many_replicas_confirmed_and_how_long_it_took() {
    let replica = shared_replica().await;
    let alice = Person::of_this_test("alice");
    let key = alice.makes_a_key(&replica).await;
    let answer = revoked_by(&alice, &key, &replica).await;
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body["id"], key.id());
    assert!(body["revokedAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{body}");
    assert_eq!(body["replicasConfirmed"], 1);
    assert_eq!(body["replicasExpired"], 0);
    assert!(body["tookMs"].is_f64(), "{body}");
}

#[tokio::test]
async fn a_change_costs_no_connection() {
    let replica = replica().await;
    let alice = Person::named("alice");
    let pool = replica.database().superuser_pool().await;
    let connections = async || -> HashSet<i32> {
        let query =
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'keyward/%'";
        sqlx::query_scalar(query).fetch_all(&pool).await.expect("pids").into_iter().collect()
    };
    // One change at a time needs one.
    alice.makes_a_key(&replica).await;
    let before = connections().await;
    for _ in 0..20 {
        let key = alice.makes_a_key(&replica).await;
        assert_eq!(revoked_by(&alice, &key, &replica).await.status(), 200);
    }
    let after = connections().await;
    assert!(before.is_subset(&after), "of {before:?}, {after:?} are left");
}

#[tokio::test]
async fn a_second_revoke_says_the_same_and_the_first_time_stays() {
    let replica = shared_replica().await;
    let alice = Person::of_this_test("alice");
    let key = alice.makes_a_key(&replica).await;
    let first: Value = revoked_by(&alice, &key, &replica).await.json().await.expect("JSON");
    let second: Value = revoked_by(&alice, &key, &replica).await.json().await.expect("JSON");
    assert_eq!(first["revokedAt"], second["revokedAt"]);
}

#[tokio::test]
async fn anothers_key_and_a_missing_one_look_the_same_and_stay_as_they_are() {
    let replica = shared_replica().await;
    let key = Person::of_this_test("alice").makes_a_key(&replica).await;
    let mallory = Person::of_this_test("mallory");
    let missing = KeyHolder::of(key.key.replacen(key.id(), "0000000000000000000001", 1));
    let nonsense = KeyHolder::of(key.key.replacen(key.id(), "zzzzzzzzzzzzzzzzzzzzzz", 1));
    let mut bodies = Vec::new();
    for key in [&key, &missing, &nonsense] {
        let answer = revoked_by(&mallory, key, &replica).await;
        assert_eq!(answer.status(), 404);
        let mut body: Value = answer.json().await.expect("JSON");
        // What the client has sent itself, and what is another with each answer.
        body.as_object_mut().expect("an object").retain(|name, _| name != "instance" && name != "requestId");
        bodies.push(body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!(key.asks_for_the_resource(&replica).await.status(), 200);
}

#[tokio::test]
async fn the_token_for_a_revoke_needs_its_scheme() {
    let replica = shared_replica().await;
    let alice = Person::of_this_test("alice");
    let key = alice.makes_a_key(&replica).await;
    let request = stranger(&replica, Method::DELETE, &format!("/v1/keys/{}", key.id()));
    let answer = request.header("authorization", &alice.token).send().await.expect("an answer");
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["www-authenticate"], r#"Bearer realm="keyward""#);
}

#[tokio::test]
async fn a_revoke_by_the_command_line_counts_once_it_returns() {
    let replica = replica().await;
    let key = Person::named("alice").makes_a_key(&replica).await;
    assert_eq!(key.asks_for_the_resource(&replica).await.status(), 200);
    let mut revoke = command();
    revoke.args(["keys", "revoke", key.id(), "--reason", "leaked"]).env("DATABASE_URL", replica.database().url());
    let output = tokio::task::spawn_blocking(move || revoke.output().expect("keyward runs")).await.expect("an end");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(key.asks_for_the_resource(&replica).await.status(), 401);
    let rows = replica.database().superuser_pool().await;
    let reason: String =
        sqlx::query_scalar("SELECT revoked_reason FROM api_keys").fetch_one(&rows).await.expect("a row");
    assert_eq!(reason, "leaked");
}

#[tokio::test]
async fn revoking_a_key_that_does_not_exist_on_the_command_line_is_an_error() {
    let replica = shared_replica().await;
    let mut revoke = command();
    revoke.args(["keys", "revoke", "0000000000000000000001"]).env("DATABASE_URL", replica.database().url());
    let output = tokio::task::spawn_blocking(move || revoke.output().expect("keyward runs")).await.expect("an end");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no key 0000000000000000000001"));
}
