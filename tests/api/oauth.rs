//! Introspection (RFC 7662), revocation (RFC 7009) and the metadata of both (RFC 8414).

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use test_support::{
    actors::{Person, claims, stranger},
    asking::{MadeKey, Reply, replica_with, shared_replica},
    replica::Replica,
};

const INTROSPECT: &str = "/v1/introspect";
const REVOKE: &str = "/v1/revoke";
const FORM: &str = "application/x-www-form-urlencoded";

fn service() -> Person {
    Person::with_scopes("service", "keyward:verify")
}

fn form(request: RequestBuilder, body: &str) -> RequestBuilder {
    request.header("content-type", FORM).body(body.to_owned())
}

async fn asks(replica: &Replica, path: &str, body: &str) -> Reply {
    Reply::to(form(service().request(replica, Method::POST, path), body)).await
}

/// Seconds since 1970.
fn seconds(instant: &Value) -> i64 {
    let instant = instant.as_str().expect("an instant");
    time::OffsetDateTime::parse(instant, &time::format_description::well_known::Rfc3339)
        .expect("an instant")
        .unix_timestamp()
}

async fn introspects(replica: &Replica, token: &str) -> Value {
    asks(replica, INTROSPECT, &format!("token={token}&token_type_hint=access_token")).await.is(200)
}

#[tokio::test]
async fn a_good_key_is_active_and_says_what_it_is_good_for_rfc_7662_section_2_2() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let new_key = json!({ "scopes": ["read", "write"], "expiresAt": "2030-01-01T00:00:00Z", "environment": "test" });
    let key = alice.creates(&replica, new_key).await;
    let answer = asks(&replica, INTROSPECT, &format!("token={}", key.holder.key)).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let expected = json!({
        "active": true, "scope": "read write", "sub": "alice", "jti": key.id, "exp": 1_893_456_000, "environment": "test",
        "token_type": "Bearer", "iat": seconds(&key.body["createdAt"]),
    });
    answer.is_json(200, &expected);
}

#[tokio::test]
async fn a_good_jwt_is_active_too() {
    let replica = shared_replica().await;
    let answer = introspects(&replica, &Person::with_scopes("alice", "read").token).await;
    assert_eq!((&answer["active"], &answer["sub"], &answer["scope"]), (&json!(true), &json!("alice"), &json!("read")));
    assert_eq!(answer["token_type"], "Bearer");
    assert!(answer["exp"].is_i64(), "{answer}");
    assert_eq!(answer.get("iat"), None, "this one does not say");
    let mut says = claims("alice");
    says["iat"] = json!(test_support::actors::now() - 7);
    assert_eq!(introspects(&replica, &Person::with_claims(&says).token).await["iat"], says["iat"]);
}

/// `client_secret_post` (RFC 6749 §2.3.1).
#[tokio::test]
async fn the_caller_may_authenticate_within_the_form() {
    let replica = shared_replica().await;
    let verifier = service().creates(&replica, json!({ "scopes": ["keyward:verify"] })).await.holder.key;
    let asked = Person::named("alice").creates(&replica, json!({})).await.holder.key;
    let posts = async |path: &str, body: String| Reply::to(form(stranger(&replica, Method::POST, path), &body)).await;
    let good = posts(INTROSPECT, format!("token={asked}&client_id=orders&client_secret={verifier}")).await;
    assert_eq!(good.is(200)["active"], true);
    assert_eq!(posts(INTROSPECT, format!("token={asked}&client_secret={verifier}")).await.is(200)["active"], true);
    let powerless = posts(INTROSPECT, format!("token={asked}&client_id=x&client_secret={asked}")).await;
    assert_eq!(powerless.is(403)["error"], "insufficient_scope");
    for bad in ["x", "a.b.c", &verifier[1..]] {
        let refused = posts(INTROSPECT, format!("token={asked}&client_id=orders&client_secret={bad}")).await;
        assert_eq!(refused.is(401)["error"], "invalid_client");
    }
    for empty in ["client_id=orders", "client_id=orders&client_secret="] {
        let nobody = posts(INTROSPECT, format!("token={asked}&{empty}")).await;
        assert_eq!(nobody.is(401)["error"], "invalid_client");
    }
    let twice = posts(INTROSPECT, format!("token={asked}&client_secret={verifier}&client_secret={verifier}")).await;
    assert_eq!(twice.is(400)["error"], "invalid_request");
    // Who may ask learns what is wrong with the question.
    assert_eq!(posts(INTROSPECT, format!("client_secret={verifier}")).await.is(400)["error"], "invalid_request");
    // One way of authenticating, and not two (RFC 6749 §2.3).
    let request = service().request(&replica, Method::POST, INTROSPECT);
    let both = Reply::to(form(request, &format!("token={asked}&client_secret={verifier}"))).await;
    assert_eq!(both.is(400)["error"], "invalid_request");
    assert_eq!(posts(REVOKE, format!("token={asked}&client_id=orders&client_secret={verifier}")).await.status, 200);
    assert_eq!(introspects(&replica, &asked).await, json!({ "active": false }));
}

/// Whoever reads no more than `sub` must not take an organisation for a person.
#[tokio::test]
async fn an_organisation_is_told_as_a_tenant_and_not_as_a_subject() {
    let replica = replica_with(&[("KEYWARD__JWT__TENANT_CLAIM", "org")]).await;
    let member = |subject: &str, scope: &str| {
        let mut claims = claims(subject);
        (claims["org"], claims["scope"]) = (json!("acme"), json!(scope));
        Person::with_claims(&claims)
    };
    let alice = member("alice", "");
    let key = alice.creates(&replica, json!({})).await.holder.key;
    for (token, subject) in [(&alice.token, json!("alice")), (&key, Value::Null)] {
        let request = member("service", "keyward:verify").request(&replica, Method::POST, INTROSPECT);
        let answer = Reply::to(form(request, &format!("token={token}"))).await.is(200);
        assert_eq!((&answer["active"], &answer["sub"], &answer["tenant"]), (&json!(true), &subject, &json!("acme")));
    }
}

/// The issuer's word counts whoever brings it.
#[tokio::test]
async fn the_token_of_a_disabled_owner_is_inactive_and_ends_the_owners_keys() {
    let replica = replica_with(&[("KEYWARD__JWT__DISABLED_CLAIM", "suspended")]).await;
    let key = Person::named("alice").creates(&replica, json!({})).await;
    assert_eq!(key.status(&replica).await, 200);
    let mut suspended = claims("alice");
    suspended["suspended"] = json!(true);
    let token = Person::with_claims(&suspended).token;
    assert_eq!(introspects(&replica, &token).await, json!({ "active": false }));
    assert_eq!(key.status(&replica).await, 401);
}

#[tokio::test]
async fn whatever_is_not_good_is_inactive_and_nothing_else_is_told() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let good = alice.creates(&replica, json!({})).await;
    let revoked = alice.creates(&replica, json!({})).await;
    alice.deletes(&replica, &revoked.path()).await.is(200);
    let disabled = alice.creates(&replica, json!({ "enabled": false })).await;
    let elsewhere = alice.creates(&replica, json!({ "allowedIps": ["192.0.2.0/24"] })).await;
    let (rest, last) = good.holder.key.split_at(good.holder.key.len() - 1);
    let forged = format!("{rest}{}", if last == "x" { "y" } else { "x" });
    let expired = Person::with_claims(&json!({ "sub": "alice", "exp": 1 })).token;
    let bad = [&revoked.holder.key, &disabled.holder.key, &elsewhere.holder.key, &forged, &expired];
    for token in bad.into_iter().map(String::as_str).chain(["x", "a.b.c", "%00", "%F0%9F%94%91"]) {
        assert_eq!(introspects(&replica, token).await, json!({ "active": false }), "{token}");
    }
    let from_there = format!("token={}&client_address=192.0.2.7", elsewhere.holder.key);
    assert_eq!(asks(&replica, INTROSPECT, &from_there).await.is(200)["active"], true);
}

#[tokio::test]
async fn the_caller_authenticates_and_may_do_so_as_oauths_clients_do() {
    let replica = shared_replica().await;
    let verifier = service().creates(&replica, json!({ "scopes": ["keyward:verify"] })).await;
    let powerless = service().creates(&replica, json!({})).await;
    let body = format!("token={}", powerless.holder.key);
    let basic = async |key: &MadeKey| {
        let request = stranger(&replica, Method::POST, INTROSPECT).basic_auth(&key.id, Some(&key.holder.key));
        Reply::to(form(request, &body)).await
    };
    assert_eq!(basic(&verifier).await.is(200)["active"], true);
    let refused = basic(&powerless).await;
    assert_eq!(refused.is(403)["error"], "insufficient_scope");
    assert!(refused.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Basic ")));
    let by_key = stranger(&replica, Method::POST, INTROSPECT).header("x-api-key", &verifier.holder.key);
    assert_eq!(Reply::to(form(by_key, &body)).await.is(200)["active"], true);
    let nobody = Reply::to(form(stranger(&replica, Method::POST, INTROSPECT), &body)).await;
    assert_eq!(nobody.is(401)["error"], "invalid_client");
    for wrong in ["Basic", "Basic !", "Basic YQ=="] {
        let request = stranger(&replica, Method::POST, INTROSPECT).header("authorization", wrong);
        let status = Reply::to(form(request, &body)).await.status;
        assert!(matches!(status, 400 | 401), "{wrong}: {status}");
    }
    let both = stranger(&replica, Method::POST, INTROSPECT).basic_auth("x", Some(&verifier.holder.key));
    let both = Reply::to(form(both.header("x-api-key", &verifier.holder.key), &body)).await;
    assert_eq!(both.is(400)["error"], "invalid_request");
}

#[tokio::test]
async fn only_a_form_by_post_is_a_request_rfc_7662_section_2_1() {
    let replica = shared_replica().await;
    let get = service().request(&replica, Method::GET, &format!("{INTROSPECT}?token=x"));
    let refused = Reply::to(get).await;
    assert_eq!((refused.status, refused.header("allow")), (405, Some("POST")));
    let json_body = service().request(&replica, Method::POST, INTROSPECT).json(&json!({ "token": "x" }));
    assert_eq!(Reply::to(json_body).await.is(400)["error"], "invalid_request");
    for body in ["", "token=", "token=a&token=b", "token=%FF%00", "client_address=x&token=a", "client_address=&token=a"]
    {
        let status = asks(&replica, INTROSPECT, body).await.status;
        // What is no UTF-8 becomes another text, which is no token either.
        assert_eq!(status, if body == "token=%FF%00" { 200 } else { 400 }, "{body}");
    }
    let in_query = form(service().request(&replica, Method::POST, &format!("{INTROSPECT}?token=x")), "a=b");
    assert_eq!(Reply::to(in_query).await.is(400)["error"], "invalid_request");
}

#[tokio::test]
async fn a_key_that_is_revoked_by_its_text_is_refused_when_the_answer_comes_rfc_7009() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    let key = alice.creates(&replica, json!({})).await;
    assert_eq!(key.status(&replica).await, 200);
    for _ in 0..2 {
        let answer = asks(&replica, REVOKE, &format!("token={}", key.holder.key)).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
        assert_eq!(key.status(&replica).await, 401);
    }
    assert_eq!(asks(&replica, REVOKE, "token=whatever").await.status, 200);
    let jwt = asks(&replica, REVOKE, &format!("token={}", alice.token)).await;
    assert_eq!(jwt.is(400)["error"], "unsupported_token_type");
    let events = alice.gets(&replica, "/v1/audit").await.is(200);
    assert_eq!(events["events"][0]["action"], "key.revoked");
    assert_eq!(events["events"][0]["actor"]["subject"], "service");
}

#[tokio::test]
async fn the_metadata_name_both_endpoints_rfc_8414() {
    let path = "/.well-known/oauth-authorization-server";
    let named = replica_with(&[("KEYWARD__SERVER__PUBLIC_URL", "https://keys.example.com/")]).await;
    let metadata = Reply::to(stranger(&named, Method::GET, path)).await.is(200);
    assert_eq!(metadata["issuer"], "https://keys.example.com");
    assert_eq!(metadata["introspection_endpoint"], "https://keys.example.com/v1/introspect");
    assert_eq!(metadata["revocation_endpoint"], "https://keys.example.com/v1/revoke");
    let unnamed = shared_replica().await;
    let metadata = Reply::to(stranger(&unnamed, Method::GET, path)).await.is(200);
    assert_eq!(metadata["issuer"], format!("http://{}", unnamed.address()));
}
