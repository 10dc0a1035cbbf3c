//! `Idempotency-Key`: a retry makes no second key.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    actors::{Person, claims},
    asking::{ALL_KEYS, KEYS, MadeKey, Reply, pairs, replica, replica_with, three_replicas},
    replica::Replica,
};

async fn creates_once(person: &Person, replica: &Replica, key: &str, body: &Value) -> Reply {
    Reply::to(person.request(replica, Method::POST, KEYS).header("idempotency-key", key).json(body)).await
}

async fn count(person: &Person, replica: &Replica) -> usize {
    person.gets(replica, KEYS).await.is(200)["keys"].as_array().expect("a list").len()
}

#[tokio::test]
async fn a_retry_gives_the_same_key_without_its_secret() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let order = json!({ "name": "one" });
    let made = MadeKey::of(creates_once(&alice, &replica, "a", &order).await.is(201));
    let again = creates_once(&alice, &replica, "a", &order).await;
    assert_eq!(again.header("cache-control"), Some("no-store"));
    let again = again.is(200);
    assert_eq!((&again["id"], &again["apiKey"]), (&json!(made.id), &Value::Null));
    assert!(again["notice"].as_str().is_some_and(|notice| notice.contains("can't be shown again")), "{again}");
    assert_eq!(made.status(&replica).await, 200);
    // Also after the key has ended, and whatever the policy has become.
    alice.deletes(&replica, &made.path()).await.is(200);
    let named = Replica::start_on(replica.database().url(), &[("KEYWARD__KEYS__MAX_LIFETIME", "1h")]).await;
    assert_eq!(creates_once(&alice, &named, "a", &order).await.is(200)["state"], "revoked");
    creates_once(&alice, &replica, "b", &order).await.is(201);
    assert_eq!(count(&alice, &replica).await, 2);
}

#[tokio::test]
async fn the_same_key_with_another_request_is_a_mistake() {
    let (replica, root) = (replica().await, Person::administrator());
    creates_once(&root, &replica, "a", &json!({ "name": "one" })).await.is(201);
    creates_once(&root, &replica, "a", &json!({ "name": "two" })).await.is_problem(422, "idempotency_key_reused");
    let order = json!({ "owner": { "subject": "bob" } });
    let request = root.request(&replica, Method::POST, ALL_KEYS).header("idempotency-key", "a").json(&order);
    Reply::to(request).await.is_problem(422, "idempotency_key_reused");
    assert_eq!(root.gets(&replica, ALL_KEYS).await.is(200)["keys"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn of_retries_at_once_one_makes_the_key() {
    let (_database, replicas) = three_replicas(&[]).await;
    let alice = Person::named("alice");
    let order = json!({});
    let asks = (0..9).map(|number| creates_once(&alice, &replicas[number % 3], "a", &order));
    let answers = futures_util::future::join_all(asks).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).map(|answer| answer.is(201)).collect();
    assert_eq!(made.len(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        let known = answer.is(200);
        assert_eq!((&known["id"], &known["apiKey"]), (&made[0]["id"], &Value::Null));
    }
    assert_eq!(count(&alice, &replicas[0]).await, 1);
}

#[tokio::test]
async fn two_people_may_choose_the_same_text() {
    let replica = replica().await;
    for name in ["alice", "bob"] {
        creates_once(&Person::named(name), &replica, "a", &json!({})).await.is(201);
    }
}

/// Somebody may be a member of two organisations.
#[tokio::test]
async fn one_person_makes_a_key_for_each_organisation_and_sees_no_key_of_the_other() {
    let replica = replica_with(&[("KEYWARD__JWT__TENANT_CLAIM", "org")]).await;
    let of = |organisation: &str| {
        let mut claims = claims("alice");
        claims["org"] = json!(organisation);
        Person::with_claims(&claims)
    };
    creates_once(&of("one"), &replica, "a", &json!({})).await.is(201);
    let answer = creates_once(&of("two"), &replica, "a", &json!({})).await;
    answer.is_problem(422, "idempotency_key_reused");
    creates_once(&of("two"), &replica, "b", &json!({})).await.is(201);
}

#[tokio::test]
async fn what_is_no_idempotency_key_is_refused() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    for bad in ["", "é", &"x".repeat(256)] {
        let answer = creates_once(&alice, &replica, bad, &json!({})).await;
        assert_eq!(answer.wrong_parameters(), pairs(&[("Idempotency-Key", "invalid")]), "{bad}");
    }
    let twice =
        alice.request(&replica, Method::POST, KEYS).header("idempotency-key", "a").header("idempotency-key", "a");
    assert_eq!(Reply::to(twice).await.wrong_parameters(), pairs(&[("Idempotency-Key", "invalid")]));
    assert_eq!(count(&alice, &replica).await, 0);
    creates_once(&alice, &replica, &"x".repeat(255), &json!({})).await.is(201);
}

#[tokio::test]
async fn a_request_that_was_refused_is_not_remembered() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    creates_once(&alice, &replica, "a", &json!({ "name": "" })).await.is_problem(422, "invalid_fields");
    creates_once(&alice, &replica, "a", &json!({ "name": "x" })).await.is(201);
}
