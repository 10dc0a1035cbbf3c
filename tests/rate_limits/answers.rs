//! What replicas answer when a limit is exhausted, at every entry point.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{KeyHolder, Person, stranger},
    asking::{KEYS, MadeKey, Reply, VERIFY, replica, three_replicas},
    eventually,
    replica::Replica,
};

use crate::{limit, limit_key, limit_owner, uses};

const AUTHORIZE: &str = "/v1/authorize";
const INTROSPECT: &str = "/v1/introspect";

async fn authorizes(replica: &Replica, key: &KeyHolder) -> Reply {
    Reply::to(stranger(replica, Method::GET, AUTHORIZE).header("x-api-key", &key.key)).await
}

fn verifier() -> Person {
    Person::with_scopes("service", "keyward:verify")
}

async fn verifies(replica: &Replica, key: &KeyHolder, scopes: &[&str]) -> Value {
    verifier().posts(replica, VERIFY, json!({ "key": key.key, "scopes": scopes })).await.is(200)
}

async fn introspects(replica: &Replica, key: &KeyHolder) -> Value {
    let request = stranger(replica, Method::POST, INTROSPECT).bearer_auth(verifier().token);
    let request =
        request.header("content-type", "application/x-www-form-urlencoded").body(format!("token={}", key.key));
    Reply::to(request).await.is(200)
}

#[tokio::test]
async fn an_exhausted_limit_is_answered_429_with_the_time_to_wait() {
    let replica = replica().await;
    let rows = replica.database().superuser_pool().await;
    let key = Person::named("alice").makes_a_key(&replica).await;
    limit_key(&rows, &key, &limit("hour", 2, "1h")).await;
    for _ in 0..2 {
        assert_eq!(uses(&replica, &key).await.status, 200);
    }
    let refused = uses(&replica, &key).await;
    refused.is_json(429, &json!({ "message": "Quota exceeded" }));
    let problem = authorizes(&replica, &key).await;
    let body = problem.is(429);
    assert_eq!(body["code"], "quota_exceeded");
    assert_eq!(body["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    for answer in [refused, problem] {
        let seconds: u32 = answer.header("retry-after").expect("a header").parse().expect("a number");
        assert!((1..=3600).contains(&seconds), "{seconds}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
}

#[tokio::test]
async fn a_verification_says_that_the_key_is_limited_and_an_introspection_spends_nothing() {
    let replica = replica().await;
    let rows = replica.database().superuser_pool().await;
    let key = Person::named("alice").makes_a_key(&replica).await;
    limit_key(&rows, &key, &limit("hour", 1, "1h")).await;
    for _ in 0..5 {
        assert_eq!(introspects(&replica, &key).await["active"], true);
        assert_eq!(verifies(&replica, &key, &["orders:read"]).await["code"], "insufficient_scope");
    }
    assert_eq!(verifies(&replica, &key, &[]).await["code"], "valid");
    let verified = verifies(&replica, &key, &[]).await;
    assert_eq!((&verified["valid"], &verified["code"]), (&json!(false), &json!("rate_limited")));
    assert_eq!(verified["keyId"], key.id());
    assert_eq!(introspects(&replica, &key).await["active"], true);
}

#[tokio::test]
async fn a_gateway_request_that_is_refused_for_another_reason_spends_nothing() {
    let replica = replica().await;
    let rows = replica.database().superuser_pool().await;
    let key = Person::named("alice").makes_a_key(&replica).await;
    limit_key(&rows, &key, &limit("hour", 1, "1h")).await;
    for (query, status) in [("?scope=orders:read", 403), ("?scope=", 400), ("?scope=orders:read", 403)] {
        let path = format!("{AUTHORIZE}{query}");
        let answer = Reply::to(stranger(&replica, Method::GET, &path).header("x-api-key", &key.key)).await;
        assert_eq!(answer.status, status, "{query}");
    }
    assert_eq!(authorizes(&replica, &key).await.status, 200);
    assert_eq!(authorizes(&replica, &key).await.status, 429);
}

#[tokio::test]
async fn all_keys_of_an_owner_share_the_owners_limit_on_all_replicas_and_a_change_of_it_is_announced() {
    let (database, [one, two, three]) = three_replicas(&[]).await;
    let rows = database.superuser_pool().await;
    let alice = Person::named("alice");
    let (key, other) = (alice.makes_a_key(&one).await, alice.makes_a_key(&one).await);
    let stranger = Person::named("bob").makes_a_key(&one).await;
    for replica in [&one, &two, &three] {
        assert_eq!(uses(replica, &key).await.status, 200);
    }
    limit_owner(&rows, &key, &limit("day", 3, "day")).await;
    eventually("the limit applies", async || uses(&one, &key).await.status == 429).await;
    for replica in [&one, &two, &three] {
        eventually("the limit applies", async || uses(replica, &other).await.status == 429).await;
        assert_eq!(uses(replica, &stranger).await.status, 200);
    }
    limit_owner(&rows, &key, "[]").await;
    for replica in [&one, &two, &three] {
        eventually("the limit is gone", async || uses(replica, &other).await.status == 200).await;
    }
}

#[tokio::test]
async fn a_changed_or_rotated_key_keeps_its_limits() {
    let replica = replica().await;
    let rows = replica.database().superuser_pool().await;
    let alice = Person::named("alice");
    let key = alice.makes_a_key(&replica).await;
    limit_key(&rows, &key, &limit("hour", 1, "1h")).await;
    let path = format!("{KEYS}/{}", key.id());
    alice.patches(&replica, &path, json!({ "name": "renamed" })).await.is(200);
    let rotated = alice.posts(&replica, &format!("{path}/rotate"), json!({})).await.is(201);
    let successor = MadeKey::of(rotated).holder;
    for key in [&key, &successor] {
        assert_eq!(uses(&replica, key).await.status, 200);
        assert_eq!(uses(&replica, key).await.status, 429);
    }
}
