//! What the middleware asks for, and how it refuses.

use test_support::{
    actors::{Person, stranger},
    asking::Reply,
};

use crate::app::{key_with, replica_and_app};

const UNKNOWN: &str = "keyward_live_0000000000000000000000000000000000000000000000000000000000000000000000000000";

#[tokio::test]
async fn a_key_that_the_replica_made_is_accepted_and_says_whose_it_is() {
    let (replica, app) = replica_and_app().await;
    let key = key_with(&replica, &[]).await;
    for _ in 0..2 {
        let answer = app.answers_key("/any", &key).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "alice"));
    }
    assert_eq!(app.answers_key("/unnamed", &key).await.status, 200);
}

/// A problem without what a replica's answers tell of the request besides.
fn what_is_wrong(reply: &Reply) -> serde_json::Value {
    let mut problem: serde_json::Value = serde_json::from_str(&reply.text).expect("JSON");
    let members = problem.as_object_mut().expect("a problem");
    assert!(members["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{}", reply.text);
    members.retain(|name, _| !["detail", "instance", "requestId"].contains(&name.as_str()));
    problem
}

#[tokio::test]
async fn who_has_no_good_key_is_answered_as_the_replica_answers() {
    let (replica, app) = replica_and_app().await;
    let ends = |path| stranger(&replica, reqwest::Method::DELETE, path);
    let (theirs, ours) = (Reply::to(ends("/v1/keys/self")).await, app.answers("/keys").await);
    ours.is_problem(401, "missing_credential");
    assert_eq!(ours.header("www-authenticate"), Some(r#"ApiKey realm="keyward""#));
    assert_eq!(what_is_wrong(&ours), what_is_wrong(&theirs));

    let theirs = Reply::to(ends("/v1/keys/self").header("x-api-key", UNKNOWN)).await;
    let ours = Reply::to(app.request("/keys").header("x-api-key", UNKNOWN)).await;
    ours.is_problem(401, "invalid_token");
    assert_eq!(ours.header("www-authenticate"), Some(r#"ApiKey realm="keyward", error="invalid_token""#));
    assert_eq!(what_is_wrong(&ours), what_is_wrong(&theirs));
}

#[tokio::test]
async fn a_token_is_accepted_where_tokens_are_and_a_key_where_keys_are() {
    let (replica, app) = replica_and_app().await;
    let (alice, key) = (Person::named("alice"), key_with(&replica, &[]).await);
    for (path, token, by_key) in [("/any", 200, 200), ("/keys", 401, 200), ("/tokens", 200, 401)] {
        assert_eq!(app.answers_token(path, &alice).await.status, token, "{path} with a token");
        assert_eq!(app.answers_key(path, &key).await.status, by_key, "{path} with a key");
    }
    let both = app.request("/any").bearer_auth(&alice.token).header("x-api-key", &key.holder.key);
    Reply::to(both).await.is_problem(400, "invalid_request");
    // An application may have another use for the header.
    let basic = app.request("/keys").basic_auth("somebody", Some("else")).header("x-api-key", &key.holder.key);
    assert_eq!(Reply::to(basic).await.status, 200);
}

#[tokio::test]
async fn a_key_is_taken_as_a_bearer_token_wherever_keys_are_and_other_bearers_are_left_alone() {
    let (replica, app) = replica_and_app().await;
    let key = key_with(&replica, &[]).await;
    let bearer = |path, text: &str| Reply::to(app.request(path).bearer_auth(text));
    for (path, status) in [("/any", 200), ("/keys", 200), ("/optional", 200), ("/tokens", 401)] {
        for _ in 0..2 {
            assert_eq!(bearer(path, &key.holder.key).await.status, status, "{path}");
        }
    }
    let refused = bearer("/keys", UNKNOWN).await;
    refused.is_problem(401, "invalid_token");
    assert!(refused.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer ")));
    // Where keys alone are taken, the header may serve another purpose.
    bearer("/keys", "opaque").await.is_problem(401, "missing_credential");
    let beside = app.request("/keys").bearer_auth("opaque").header("x-api-key", &key.holder.key);
    assert_eq!(Reply::to(beside).await.status, 200);
}

#[tokio::test]
async fn who_lacks_the_scope_is_told_which_one() {
    let (replica, app) = replica_and_app().await;
    let lacking = app.answers_key("/orders", &key_with(&replica, &["orders:write"]).await).await;
    lacking.is_problem(403, "insufficient_scope");
    let challenge = r#"ApiKey realm="keyward", error="insufficient_scope", scope="orders:read""#;
    assert_eq!(lacking.header("www-authenticate"), Some(challenge));
    assert_eq!(app.answers_key("/orders", &key_with(&replica, &["orders:read"]).await).await.status, 200);

    let token = Person::with_scopes("alice", "orders:read");
    assert_eq!(app.answers_token("/orders", &token).await.status, 200);
    let lacking = app.answers_token("/orders", &Person::named("alice")).await;
    lacking.is_problem(403, "insufficient_scope");
    assert!(lacking.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer ")));
}

#[tokio::test]
async fn of_two_scopes_and_of_two_middlewares_both_are_asked_for() {
    let (replica, app) = replica_and_app().await;
    let reads = key_with(&replica, &["orders:read"]).await;
    let writes = key_with(&replica, &["orders:write"]).await;
    let both = key_with(&replica, &["orders:read", "orders:write"]).await;
    for (path, of_reader, of_writer) in [("/both", 403, 403), ("/nested/inner", 403, 403), ("/nested", 200, 403)] {
        assert_eq!(app.answers_key(path, &reads).await.status, of_reader, "{path}");
        assert_eq!(app.answers_key(path, &writes).await.status, of_writer, "{path}");
        assert_eq!(app.answers_key(path, &both).await.status, 200, "{path}");
    }
    // The inner one has the last word on who it is, and sees no credential of the kind that it takes.
    assert_eq!(app.answers_key("/nested/optional", &reads).await.text, "nobody");
}

#[tokio::test]
async fn two_nested_middlewares_use_a_limit_once() {
    let (replica, app) = replica_and_app().await;
    let asked = serde_json::json!({
        "limits": [{ "name": "all", "limit": 3, "window": "month" }], "scopes": ["orders:read", "orders:write"],
    });
    let key = Person::named("alice").creates(&replica, asked).await;
    for left in [2, 1, 0] {
        let answer = app.answers_key("/nested/inner", &key).await;
        let told = answer.header("ratelimit").expect("what is left");
        assert!(answer.status == 200 && told.starts_with(&format!(r#""all";r={left};t="#)), "{told}");
    }
    assert_eq!(app.answers_key("/nested/inner", &key).await.status, 429);
}

#[tokio::test]
async fn where_it_is_optional_no_credential_is_enough_and_a_bad_one_is_not() {
    let (replica, app) = replica_and_app().await;
    let key = key_with(&replica, &[]).await;
    assert_eq!(app.answers("/optional").await.text, "nobody");
    assert_eq!(app.answers_key("/optional", &key).await.text, "alice");
    let bad = Reply::to(app.request("/optional").header("x-api-key", UNKNOWN)).await;
    bad.is_problem(401, "invalid_token");
    assert_eq!(app.answers("/optional/orders").await.text, "nobody");
    app.answers_key("/optional/orders", &key).await.is_problem(403, "insufficient_scope");
}

#[tokio::test]
async fn what_is_not_protected_is_open() {
    let (_replica, app) = replica_and_app().await;
    assert_eq!(app.answers("/open").await.text, "open");
}

#[tokio::test]
async fn a_limited_key_is_told_what_is_left_and_refused_as_the_replica_refuses_it() {
    let (replica, app) = replica_and_app().await;
    let limits = serde_json::json!([{ "name": "all", "limit": 3, "window": "month" }]);
    let key = Person::named("alice").creates(&replica, serde_json::json!({ "limits": limits })).await;
    for (path, left) in [("/keys", 2), ("/keys", 1), ("/any", 0)] {
        let answer = app.answers_key(path, &key).await;
        assert_eq!((answer.status, answer.header("ratelimit-policy")), (200, Some(r#""all";q=3"#)));
        let told = answer.header("ratelimit").expect("what is left");
        assert!(told.starts_with(&format!(r#""all";r={left};t="#)), "{told}");
    }
    let theirs =
        Reply::to(stranger(&replica, reqwest::Method::GET, "/v1/keys/self").header("x-api-key", &key.holder.key));
    let (theirs, ours) = (theirs.await, app.answers_key("/keys", &key).await);
    assert_eq!(ours.is(429)["code"], "quota_exceeded");
    assert_eq!(what_is_wrong(&ours), what_is_wrong(&theirs));
    assert_eq!(what_is_wrong(&ours)["violated-policies"], serde_json::json!(["all"]));
    for header in ["ratelimit-policy", "retry-after", "ratelimit"] {
        assert!(ours.header(header).is_some(), "{header}");
    }
}
