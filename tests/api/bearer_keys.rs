//! A key as a bearer token (RFC 6750 §2.1): wherever a key is taken, except on the guide's routes, which are exact for
//! ever.

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use test_support::{
    actors::{KeyHolder, PROTECTED, Person, stranger},
    asking::{MadeKey, Reply, VERIFY, shared_replica},
    replica::Replica,
};

const FORM: &str = "application/x-www-form-urlencoded";
const SELF: &str = "/v1/keys/self";

fn with_bearer(replica: &Replica, method: Method, path: &str, text: &str) -> RequestBuilder {
    stranger(replica, method, path).bearer_auth(text)
}

async fn verifier(replica: &Replica) -> MadeKey {
    Person::with_scopes("service", "keyward:verify").creates(replica, json!({ "scopes": ["keyward:verify"] })).await
}

#[tokio::test]
async fn services_ask_with_a_key_as_a_bearer_token() {
    let replica = shared_replica().await;
    let (verifier, key) = (verifier(&replica).await, Person::of_this_test("alice").creates(&replica, json!({})).await);
    let text = &verifier.holder.key;
    let asked = with_bearer(&replica, Method::POST, VERIFY, text).json(&json!({ "key": key.holder.key }));
    assert_eq!(Reply::to(asked).await.is(200)["valid"], true);
    let form = |path| {
        let request = with_bearer(&replica, Method::POST, path, text).header("content-type", FORM);
        Reply::to(request.body(format!("token={}", key.holder.key)))
    };
    assert_eq!(form("/v1/introspect").await.is(200)["active"], true);
    assert_eq!(form("/v1/revoke").await.status, 200);
    assert_eq!(key.status(&replica).await, 401);
    let authorized = with_bearer(&replica, Method::GET, "/v1/authorize", text);
    assert_eq!(Reply::to(authorized).await.status, 200);
}

#[tokio::test]
async fn whoever_has_found_a_key_can_end_it_as_a_bearer_token() {
    let replica = shared_replica().await;
    let key = Person::of_this_test("alice").creates(&replica, json!({})).await;
    let ended = with_bearer(&replica, Method::DELETE, SELF, &key.holder.key);
    assert_eq!(Reply::to(ended).await.is(200)["id"], key.id);
    assert_eq!(key.status(&replica).await, 401);
}

/// A JWT has points between its parts, and a key has none.
#[tokio::test]
async fn a_bad_bearer_is_refused_with_a_bearer_challenge_whichever_kind_it_looks_like() {
    let replica = shared_replica().await;
    let verifier = verifier(&replica).await;
    let (rest, last) = verifier.holder.key.split_at(verifier.holder.key.len() - 1);
    let forged = format!("{rest}{}", if last == "x" { "y" } else { "x" });
    let powerless = Person::of_this_test("alice").creates(&replica, json!({})).await.holder.key;
    for (method, path) in [(Method::POST, VERIFY), (Method::DELETE, SELF)] {
        for bad in [forged.as_str(), "x"] {
            let answer = Reply::to(with_bearer(&replica, method.clone(), path, bad)).await;
            answer.is_problem(401, "invalid_token");
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(
                challenge.starts_with("Bearer ") && challenge.contains("invalid_token"),
                "{path} {bad} {challenge}"
            );
        }
        let nothing = Reply::to(stranger(&replica, method, path)).await;
        nothing.is_problem(401, "missing_credential");
    }
    Reply::to(with_bearer(&replica, Method::POST, VERIFY, "a.b.c")).await.is_problem(401, "invalid_token");
    Reply::to(with_bearer(&replica, Method::DELETE, SELF, "a.b.c")).await.is_problem(401, "missing_credential");
    let refused = Reply::to(with_bearer(&replica, Method::POST, VERIFY, &powerless)).await;
    refused.is_problem(403, "insufficient_scope");
    assert!(refused.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer ")));
}

#[tokio::test]
async fn two_credentials_are_still_one_too_many_and_tokens_alone_do_what_only_tokens_may() {
    let replica = shared_replica().await;
    let key = verifier(&replica).await.holder.key;
    let both = with_bearer(&replica, Method::POST, VERIFY, &key).header("x-api-key", &key);
    Reply::to(both.json(&json!({ "key": key }))).await.is_problem(400, "invalid_request");
    for path in ["/v1/keys", "/v1/audit", "/v1/admin/keys"] {
        Reply::to(with_bearer(&replica, Method::GET, path, &key)).await.is_problem(401, "invalid_token");
    }
}

#[tokio::test]
async fn the_guides_routes_take_what_the_guide_takes() {
    let replica = shared_replica().await;
    let key = Person::of_this_test("alice").makes_a_key(&replica).await;
    let as_bearer = Reply::to(with_bearer(&replica, Method::GET, PROTECTED, &key.key)).await;
    as_bearer.is_json(403, &json!({ "message": "No API key provided" }));
    let beside = with_bearer(&replica, Method::GET, PROTECTED, "anything").header("x-api-key", &key.key);
    assert_eq!(Reply::to(beside).await.status, 200);
    let made = with_bearer(&replica, Method::POST, "/api/create-api-key", &key.key);
    Reply::to(made).await.is_json(401, &json!({ "message": "Failed to authenticate token" }));
    assert_eq!(KeyHolder::of(key.key).asks_for_the_resource(&replica).await.status(), 200);
}
