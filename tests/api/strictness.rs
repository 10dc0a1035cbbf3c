//! One rule for what a route does not know: it is refused, and never lost.

use keyward::api::{
    endpoint::{Access, Endpoint},
    routes::ENDPOINTS,
};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use test_support::{
    actors::{Person, stranger},
    asking::{KEYS, MadeKey, Reply, pairs, replica, shared_replica},
    replica::Replica,
};

/// Routes where the rule holds: below `/v1`, but for gateways and OAuth.
fn strict() -> impl Iterator<Item = &'static Endpoint> {
    let is_exempt = |endpoint: &&Endpoint| {
        matches!(endpoint.access, Access::Public(_) | Access::Metrics | Access::Forwarded | Access::OAuthClient)
            || endpoint.path.starts_with("/api/")
    };
    ENDPOINTS.iter().filter(move |endpoint| !is_exempt(endpoint))
}

/// The plan that routes of plans are asked about.
const PLAN: &str = "pro";

/// Whether this route reads a body: a plan is deleted without a reason.
fn reads_a_body(endpoint: &Endpoint) -> bool {
    endpoint.method != "GET" && !(endpoint.method == "DELETE" && endpoint.path.contains("/plans/"))
}

/// A request to this route with a credential that it takes, about this key.
fn asks(replica: &Replica, endpoint: &Endpoint, key: &MadeKey, query: &str) -> RequestBuilder {
    let root = Person::with_scopes("root", "keyward:admin keyward:verify");
    let id = if endpoint.path.contains("/owners/") { "AHJvb3Q" } else { &key.id };
    let path = format!("{}{query}", endpoint.path.replace("{id}", id).replace("{name}", PLAN));
    let method: Method = endpoint.method.as_str().parse().expect("a method");
    match endpoint.access {
        Access::KeyHolder | Access::ApiKey | Access::OwnKey => {
            stranger(replica, method, &path).header("x-api-key", &key.holder.key)
        }
        _ => root.request(replica, method, &path),
    }
}

#[tokio::test]
async fn every_unknown_parameter_is_named_by_itself_on_every_route() {
    let (replica, root) = (shared_replica().await, Person::with_scopes("root", "keyward:admin keyward:verify"));
    let key = root.creates(&replica, json!({})).await;
    let mut count = 0;
    for endpoint in strict() {
        let request = asks(&replica, endpoint, &key, "?foo=1&bar=2&foo=3&%C3%A9=4&x%20y");
        let request = if reads_a_body(endpoint) { request.json(&json!({})) } else { request };
        let answer = Reply::to(request).await;
        let unknown = ["bar", "foo", "x y", "é"].map(|name| (name, "unknown_parameter"));
        assert_eq!(answer.status, 400, "{} {}: {}", endpoint.method, endpoint.path, answer.text);
        assert_eq!(answer.wrong_parameters(), pairs(&unknown), "{} {}", endpoint.method, endpoint.path);
        count += 1;
    }
    assert!(count > 20, "the routes were not found");
    assert_eq!(root.gets(&replica, &key.path()).await.is(200)["state"], "active");
    let long = format!("{KEYS}?{}=1", "x".repeat(1000));
    assert_eq!(root.gets(&replica, &long).await.wrong_parameters()[0].0.len(), 64);
}

#[tokio::test]
async fn a_body_is_refused_where_none_is_read() {
    let (replica, root) = (replica().await, Person::with_scopes("root", "keyward:admin keyward:verify"));
    let key = root.creates(&replica, json!({})).await;
    let plan = root.request(&replica, Method::PUT, &format!("/v1/admin/plans/{PLAN}")).json(&json!({}));
    Reply::to(plan).await.is(201);
    let mut count = 0;
    for endpoint in strict().filter(|endpoint| endpoint.method == "GET") {
        for body in [r#"{"reason":"leaked"}"#, "{}", "[]", "x"] {
            let request = asks(&replica, endpoint, &key, "").header("content-type", "application/json").body(body);
            Reply::to(request).await.is_problem(400, "unexpected_body");
        }
        // None is no body.
        let request = asks(&replica, endpoint, &key, "").header("content-length", "0");
        assert_eq!(Reply::to(request).await.status, 200, "{}", endpoint.path);
        count += 1;
    }
    assert!(count > 3, "the routes were not found");
}

/// In the query it gets into logs of proxies; in the body, some clients can't send it.
#[tokio::test]
async fn the_reason_of_a_revoke_is_kept_from_the_query_and_from_the_body_and_nothing_is_lost() {
    let (replica, root) = (shared_replica().await, Person::administrator());
    for endpoint in strict().filter(|endpoint| endpoint.method == "DELETE" && reads_a_body(endpoint)) {
        let key = root.creates(&replica, json!({})).await;
        let asks = async |query: &str, body: serde_json::Value| {
            Reply::to(asks(&replica, endpoint, &key, query).json(&body)).await
        };
        for (query, body, wrong) in [
            ("", json!({ "reson": "leaked" }), ("/reson", "unknown_field")),
            ("", json!({ "reason": 1 }), ("/reason", "wrong_type")),
            ("", json!({ "reason": "" }), ("/reason", "invalid")),
            ("?reason=one", json!({ "reason": "two" }), ("/reason", "conflict")),
        ] {
            assert_eq!(asks(query, body).await.wrong_fields(), pairs(&[wrong]), "{}", endpoint.path);
        }
        asks("", json!(["leaked"])).await.is_problem(400, "not_an_object");
        let undeclared = self::asks(&replica, endpoint, &key, "").body(r#"{"reason":"leaked"}"#);
        Reply::to(undeclared).await.is_problem(415, "unsupported_media_type");
        assert_eq!(root.gets(&replica, &key.path()).await.is(200)["state"], "active");
        asks("", json!({ "reason": "leaked" })).await.is(200);
        assert_eq!(root.gets(&replica, &key.path()).await.is(200)["revokedReason"], "leaked", "{}", endpoint.path);
    }
    let key = root.creates(&replica, json!({})).await;
    let request = root.request(&replica, Method::DELETE, &format!("{}?reason=old", key.path()));
    Reply::to(request.json(&json!({}))).await.is(200);
    assert_eq!(root.gets(&replica, &key.path()).await.is(200)["revokedReason"], "old");
}

#[tokio::test]
async fn who_has_nothing_to_say_may_send_an_empty_object_and_nothing_else() {
    let (replica, root) = (shared_replica().await, Person::administrator());
    let key = root.creates(&replica, json!({})).await;
    for (switch, unknown) in [("disable", &["/b"][..]), ("enable", &["/b", "/reason"])] {
        let unknown: Vec<_> = unknown.iter().map(|place| (*place, "unknown_field")).collect();
        let path = format!("{}/{switch}", key.path());
        let answer = root.posts(&replica, &path, json!({ "reason": "x", "b": null })).await;
        assert_eq!(answer.wrong_fields(), pairs(&unknown));
        root.posts(&replica, &path, json!({})).await.is(200);
        Reply::to(root.request(&replica, Method::POST, &path)).await.is(200);
    }
}

#[tokio::test]
async fn only_a_change_is_a_merge_patch() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let key = alice.creates(&replica, json!({})).await;
    let send = async |method: Method, path: &str| {
        let request = alice.request(&replica, method, path).body("{}");
        Reply::to(request.header("content-type", "application/merge-patch+json")).await
    };
    send(Method::PATCH, &key.path()).await.is(200);
    send(Method::POST, KEYS).await.is_problem(415, "unsupported_media_type");
    send(Method::POST, &format!("{}/rotate", key.path())).await.is_problem(415, "unsupported_media_type");
}

/// A stranger learns nothing of what a route takes.
#[tokio::test]
async fn who_has_no_credential_is_told_that_first() {
    let replica = shared_replica().await;
    for endpoint in strict() {
        let method: Method = endpoint.method.as_str().parse().expect("a method");
        let path = format!("{}?foo=1", endpoint.path);
        let answer = Reply::to(stranger(&replica, method, &path).body("x")).await;
        assert_eq!(answer.status, 401, "{} {}", endpoint.method, endpoint.path);
    }
}

/// Load balancers and browsers add parameters of their own, and gateways hand on what their clients send.
#[tokio::test]
async fn what_is_asked_by_others_machines_is_not_strict() {
    let replica = shared_replica().await;
    for path in ["/healthz?a=1", "/readyz?a=1", "/openapi.json?a=1", "/docs/?a=1", "/problems?a=1"] {
        assert_eq!(Reply::to(stranger(&replica, Method::GET, path).body("x")).await.status, 200, "{path}");
    }
    let holder = Person::named("alice").makes_a_key(&replica).await;
    let request = stranger(&replica, Method::GET, "/v1/authorize?a=1").header("x-api-key", &holder.key).body("x");
    assert_eq!(Reply::to(request).await.status, 200);
}
