//! The guide's table, row by row.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use sqlx::Row;
use test_support::{
    actors::{CREATE, KeyHolder, Person, claims, now, sign, stranger},
    replica::{JWT_SECRET, Replica},
    shared_replica::SharedReplica,
};

/// The guide's answers have exactly this body.
async fn assert_answer(answer: Response, status: u16, message: &str) {
    assert_eq!(answer.status(), status);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.text().await.expect("a body"), format!(r#"{{"message":"{message}"}}"#));
}

#[tokio::test]
async fn a_token_makes_a_key_that_opens_the_protected_resource() {
    let replica = SharedReplica::get().await;
    let answer = Person::named("alice").asks_for_a_key(&replica).await;
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let body: Value = answer.json().await.expect("JSON");
    let key = KeyHolder::of(body["apiKey"].as_str().expect("a string"));
    let answer = key.asks_for_the_resource(&replica).await;
    assert_answer(answer, 200, "Access granted to protected resource").await;
}

#[tokio::test]
async fn a_bare_token_and_any_case_of_bearer_make_a_key() {
    let replica = SharedReplica::get().await;
    let token = Person::named("alice").token;
    for value in [token.clone(), format!("bearer {token}"), format!("BEARER {token}")] {
        let request = stranger(&replica, Method::POST, CREATE).header("authorization", value);
        assert_eq!(request.send().await.expect("an answer").status(), 201);
    }
}

#[tokio::test]
async fn any_body_or_none_makes_a_key() {
    let replica = SharedReplica::get().await;
    let token = Person::named("alice").token;
    let request = || stranger(&replica, Method::POST, CREATE).bearer_auth(&token);
    for request in [
        request(),
        request().json(&json!({ "name": "anything" })),
        request().body("{ no JSON").header("content-type", "text/plain"),
        request().body("").header("content-type", "application/json"),
        request().body(vec![0xff; 1000]),
    ] {
        assert_eq!(request.send().await.expect("an answer").status(), 201);
    }
}

#[tokio::test]
async fn no_token_is_403_no_token_provided() {
    let replica = SharedReplica::get().await;
    let answer = stranger(&replica, Method::POST, CREATE).send().await.expect("an answer");
    assert_answer(answer, 403, "No token provided").await;
}

#[tokio::test]
async fn a_bad_token_is_401_with_a_challenge() {
    let replica = SharedReplica::get().await;
    let good = Person::named("alice").token;
    let expired = Person::with_claims(&json!({ "sub": "alice", "exp": now() - 3600 })).token;
    let (signed, signature) = good.rsplit_once('.').expect("three segments");
    let other_signature: String = signature.chars().rev().collect();
    let foreign = sign(&jsonwebtoken::Header::default(), &claims("alice"), &JWT_SECRET.replace('0', "1"));
    for token in [expired, format!("{signed}.{other_signature}"), foreign, "nonsense".to_owned()] {
        let answer = Person { token }.asks_for_a_key(&replica).await;
        assert_eq!(answer.headers()["www-authenticate"], r#"Bearer realm="keyward", error="invalid_token""#);
        assert_answer(answer, 401, "Failed to authenticate token").await;
    }
}

#[tokio::test]
async fn no_key_is_403_no_api_key_provided() {
    let replica = SharedReplica::get().await;
    let answer = stranger(&replica, Method::GET, test_support::actors::PROTECTED).send().await.expect("an answer");
    assert_answer(answer, 403, "No API key provided").await;
}

#[tokio::test]
async fn a_key_that_ended_is_401_invalid_api_key() {
    let replica = Replica::start().await;
    let rows = replica.database().superuser_pool().await;
    for change in [
        "UPDATE api_keys SET revoked_at = now(), revoked_reason = 'left'",
        "UPDATE api_keys SET enabled = false",
        "UPDATE api_keys SET expires_at = now()",
        "DELETE FROM api_keys",
    ] {
        let holder = Person::named("alice").makes_a_key(&replica).await;
        assert_eq!(holder.asks_for_the_resource(&replica).await.status(), 200);
        sqlx::query(change).execute(&rows).await.expect("the row changes");
        let answer = holder.is_refused(&replica).await;
        assert_eq!(answer.headers()["www-authenticate"], r#"ApiKey realm="keyward", error="invalid_token""#);
        assert_answer(answer, 401, "Invalid API key").await;
    }
}

#[tokio::test]
async fn of_the_secret_only_an_argon2id_hash_is_stored() {
    let replica = Replica::start().await;
    let holder = Person::named("alice").makes_a_key(&replica).await;
    let rows = replica.database().superuser_pool().await;
    let row = sqlx::query("SELECT secret_hash, api_keys::text AS everything FROM api_keys");
    let row = row.fetch_one(&rows).await.expect("one row");
    let hash: String = row.get("secret_hash");
    assert!(hash.starts_with("$argon2id$v=19$m=1024,t=1,p=1$"));
    let everything: String = row.get("everything");
    let secret = &holder.key["keyward_live_".len() + 22..][..43];
    assert!(!everything.contains(secret) && !everything.contains(&holder.key));
}

#[tokio::test]
async fn the_database_refuses_a_hash_that_is_not_argon2id() {
    let replica = Replica::start().await;
    Person::named("alice").makes_a_key(&replica).await;
    let rows = replica.database().superuser_pool().await;
    for hash in ["plain", "$argon2i$v=19$m=1024,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$x", "$2b$10$abcdefghijklmnopqrstuv"] {
        let changed = sqlx::query("UPDATE api_keys SET secret_hash = $1").bind(hash).execute(&rows).await;
        let error = changed.expect_err("a refusal");
        let constraint = error.as_database_error().and_then(|error| error.constraint().map(str::to_owned));
        assert_eq!(constraint.as_deref(), Some("api_keys_secret_hash_is_argon2id"), "{hash}");
    }
}
