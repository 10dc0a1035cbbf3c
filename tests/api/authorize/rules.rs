//! What the rules of a policy let through.

use serde_json::json;
use test_support::{actors::Person, asking::Reply};

use super::{Grant, Guarded, identity, question};

const SHOP: &str = r#"
[[rules]]
paths = ["/health"]
methods = ["GET"]
anonymous = true

[[rules]]
hosts = ["api.example.com"]
paths = ["/orders/**"]
methods = ["GET"]
scopes_any = ["orders:read", "orders:write"]
environment = "live"

[[rules]]
hosts = ["api.example.com"]
paths = ["/orders/**"]
scopes_all = ["orders:write", "orders:list"]

[[rules]]
hosts = ["*.sandbox.example.com"]
credentials = ["api_key"]
environment = "test"

[[rules]]
hosts = ["api.example.com"]
paths = ["/documents/*/download"]
credentials = ["token"]
"#;

#[tokio::test]
async fn the_first_rule_that_a_request_meets_decides() {
    let shop = Guarded::by(SHOP).await;
    let alice = Person::with_scopes("alice", "orders:read");
    let live = alice.creates(&shop.replica, json!({ "scopes": ["orders:write", "orders:list"] })).await.holder.key;
    let plain = alice.creates(&shop.replica, json!({})).await.holder.key;
    let test = alice.creates(&shop.replica, json!({ "environment": "test", "scopes": ["orders:read"] })).await;
    let (test, token) = (test.holder.key, alice.token);
    for (credential, method, host, uri, expected) in [
        (&live, "GET", "api.example.com", "/orders", 200),
        (&live, "HEAD", "API.example.com:443", "/orders/7/lines?x=1", 200),
        (&live, "DELETE", "api.example.com", "/orders/7", 200),
        (&token, "GET", "api.example.com", "/orders", 200),
        // A later rule would do, but the first one counts.
        (&plain, "GET", "api.example.com", "/orders", 403),
        (&token, "DELETE", "api.example.com", "/orders/7", 403),
        (&test, "GET", "api.example.com", "/orders", 403),
        (&test, "GET", "a.b.sandbox.example.com", "/anything", 200),
        (&live, "GET", "a.sandbox.example.com", "/anything", 403),
        (&token, "GET", "a.sandbox.example.com", "/anything", 403),
        (&token, "GET", "api.example.com", "/documents/7/download", 200),
        (&live, "GET", "api.example.com", "/documents/7/download", 403),
        // No rule is about these.
        (&live, "GET", "api.example.com", "/", 403),
        (&live, "GET", "api.example.com", "/documents/7", 403),
        (&live, "GET", "sandbox.example.com", "/", 403),
        (&live, "GET", "other.example.com", "/orders", 403),
        (&live, "POST", "api.example.com", "/health", 403),
    ] {
        let reply = shop.asks(Some(credential), method, host, uri).await;
        assert_eq!(reply.status, expected, "{method} {host}{uri} with {credential}: {}", reply.text);
    }
}

#[tokio::test]
async fn who_is_refused_is_told_whether_scopes_would_help() {
    let shop = Guarded::by(SHOP).await;
    let token = Person::with_scopes("alice", "orders:read").token;
    let reply = shop.asks(Some(&token), "DELETE", "api.example.com", "/orders/7").await;
    reply.is_problem(403, "insufficient_scope");
    let challenge = r#"Bearer realm="keyward", error="insufficient_scope", scope="orders:list orders:write""#;
    assert_eq!(reply.header("www-authenticate"), Some(challenge));
    let all = "The credential needs all of these scopes: orders:list orders:write.";
    assert!(reply.text.contains(all), "{}", reply.text);
    let reply = shop.asks(Some(&Person::named("alice").token), "GET", "api.example.com", "/orders").await;
    let one = "The credential needs one of these scopes: orders:read orders:write.";
    assert!(reply.text.contains(one), "{}", reply.text);
    for (host, uri) in [("api.example.com", "/nothing"), ("a.sandbox.example.com", "/")] {
        let reply = shop.asks(Some(&token), "GET", host, uri).await;
        reply.is_problem(403, "not_allowed");
        assert_eq!(reply.header("www-authenticate"), None);
    }
    for reason in ["policy_no_rule", "policy_other_kind", "insufficient_scope"] {
        shop.replica.prints(reason).await;
    }
}

#[tokio::test]
async fn where_no_rule_is_met_no_credential_is_even_looked_at() {
    let shop = Guarded::by(SHOP).await;
    for credential in [None, Some("a.b.c"), Some("anything")] {
        shop.asks(credential, "GET", "other.example.com", "/").await.is_problem(403, "not_allowed");
    }
    shop.asks(None, "GET", "api.example.com", "/orders").await.is_problem(401, "missing_credential");
}

#[tokio::test]
async fn where_anybody_may_a_bad_credential_is_refused_and_a_good_one_told_on() {
    let shop = Guarded::by(SHOP).await;
    let alice = Person::named("alice");
    let key = alice.creates(&shop.replica, json!({})).await;
    let health = async |credential| shop.asks(credential, "GET", "any.example", "/health").await;

    let nobody = health(None).await;
    nobody.is_grant();
    assert_eq!(identity(&nobody), ["", "", "", "", "anonymous", ""].map(Some));
    let known = health(Some(&key.holder.key)).await;
    known.is_grant();
    assert_eq!((known.header("x-auth-subject"), known.header("x-auth-method")), (Some("alice"), Some("api_key")));
    alice.deletes(&shop.replica, &key.path()).await.is(200);
    for bad in [&key.holder.key, "anything", "a.b.c"] {
        health(Some(bad)).await.is_problem(401, "invalid_token");
    }
    // Somebody else's credential, meant for the API behind.
    let told = [("x-forwarded-method", "GET"), ("x-forwarded-host", "a"), ("x-forwarded-uri", "/health")];
    let basic = super::with(question(&shop.replica), &told).header("authorization", "Basic YTpi");
    Reply::to(basic).await.is_grant();
}

#[tokio::test]
async fn the_address_demands_more_than_the_rule_and_never_less() {
    let shop = Guarded::by(SHOP).await;
    let alice = Person::with_scopes("alice", "orders:read extra");
    let ask = |scope: &str, uri: &str, token: Option<&str>| {
        let told = [("x-forwarded-method", "GET"), ("x-forwarded-host", "api.example.com"), ("x-forwarded-uri", uri)];
        let path = format!("{}?scope={scope}", super::AUTHORIZE);
        let question = test_support::actors::stranger(&shop.replica, reqwest::Method::GET, &path);
        let question = super::with(question, &told);
        Reply::to(token.into_iter().fold(question, reqwest::RequestBuilder::bearer_auth))
    };
    ask("extra", "/orders", Some(&alice.token)).await.is_grant();
    ask("more", "/orders", Some(&alice.token)).await.is_problem(403, "insufficient_scope");
    let other = Person::with_scopes("alice", "extra");
    ask("extra", "/orders", Some(&other.token)).await.is_problem(403, "insufficient_scope");
    // Nobody has no scopes.
    ask("extra", "/health", None).await.is_problem(401, "missing_credential");
    ask("extra", "/health", Some(&alice.token)).await.is_grant();
    ask("", "/health", None).await.is_problem(400, "invalid_parameters");
}

#[tokio::test]
async fn a_policy_that_looks_at_credentials_alone_needs_no_gateway_that_tells() {
    let policy = "[[rules]]\ncredentials = [\"api_key\"]\nscopes_all = [\"a\"]\n";
    let guarded = Guarded::with(policy, &[]).await;
    let alice = Person::with_scopes("alice", "a");
    let key = alice.creates(&guarded.replica, json!({ "scopes": ["a"] })).await.holder.key;
    guarded.asks(Some(&key), "whatever", "é", "//").await.is_grant();
    guarded.asks(Some(&alice.token), "GET", "a", "/").await.is_problem(403, "not_allowed");
}
