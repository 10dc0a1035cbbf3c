//! What a gateway is told of a client who may do what it asks for.

use reqwest::Method;
use serde_json::json;
use test_support::{
    actors::{Person, claims, stranger},
    asking::{Reply, replica_with, shared_replica},
    eventually,
    replica::Replica,
};

use super::{AUTHORIZE, Grant, Guarded, TRUSTED, asks_at, identity, question, with};

#[tokio::test]
async fn a_key_is_granted_with_who_it_is() {
    let replica = shared_replica().await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({ "scopes": ["orders:write", "orders:read"] })).await;
    let owner = key.body["owner"]["id"].as_str().expect("an id").to_owned();
    // First from the database, then from memory.
    for _ in 0..2 {
        let reply = asks_at(&replica, &key, AUTHORIZE).await;
        reply.is_grant();
        let expected =
            ["alice", owner.as_str(), key.id.as_str(), "orders:read orders:write", "api_key", "live"].map(Some);
        assert_eq!(identity(&reply), expected);
    }
    let test = alice.creates(&replica, json!({ "environment": "test" })).await;
    let reply = asks_at(&replica, &test, AUTHORIZE).await;
    reply.is_grant();
    assert_eq!(identity(&reply), ["alice", &owner, &test.id, "", "api_key", "test"].map(Some));
}

#[tokio::test]
async fn a_token_is_granted_with_who_it_is_and_the_rest_is_empty() {
    let replica = shared_replica().await;
    let alice = Person::with_scopes("alice", "orders:read");
    let reply = Reply::to(question(&replica).bearer_auth(&alice.token)).await;
    reply.is_grant();
    assert_eq!(identity(&reply), ["alice", "AGFsaWNl", "", "orders:read", "token", ""].map(Some));
}

#[tokio::test]
async fn either_header_takes_either_kind_of_credential() {
    let replica = shared_replica().await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({})).await;
    for credential in [&key.holder.key, &alice.token] {
        for (name, value) in [
            ("x-api-key", credential.clone()),
            ("authorization", format!("Bearer {credential}")),
            ("authorization", format!("bearer   {credential}")),
        ] {
            Reply::to(question(&replica).header(name, value)).await.is_grant();
        }
    }
}

#[tokio::test]
async fn the_headers_with_credentials_are_a_matter_of_configuration() {
    let headers = ("KEYWARD__AUTHORIZE__CREDENTIAL_HEADERS", "X-Shop-Key,authorization");
    let replica = replica_with(&[headers]).await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({})).await;
    Reply::to(question(&replica).header("x-shop-key", &key.holder.key)).await.is_grant();
    Reply::to(question(&replica).bearer_auth(&alice.token)).await.is_grant();
    // It belongs to the API behind.
    Reply::to(question(&replica).header("x-api-key", &key.holder.key)).await.is_problem(401, "missing_credential");
    let both = question(&replica).header("x-api-key", "something else").bearer_auth(&key.holder.key);
    Reply::to(both).await.is_grant();
}

#[tokio::test]
async fn any_method_is_the_clients_and_its_body_does_not_matter() {
    let replica = shared_replica().await;
    let key = Person::named("alice").creates(&replica, json!({})).await;
    for method in
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH", "BREW", "get"]
    {
        for path in [AUTHORIZE, "/v1/authorize/orders/7"] {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            Reply::to(stranger(&replica, method.clone(), path).header("x-api-key", &key.holder.key)).await.is_grant();
            let refused = Reply::to(stranger(&replica, method, path)).await;
            assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer realm=\"keyward\"")));
        }
    }
    let body = question(&replica).header("x-api-key", &key.holder.key).body("not even JSON");
    Reply::to(body).await.is_grant();
    let large = question(&replica).header("x-api-key", &key.holder.key).body("x".repeat(100_000));
    Reply::to(large).await.is_problem(413, "body_too_large");
}

#[tokio::test]
async fn a_subject_of_any_characters_is_one_header_that_can_be_decoded() {
    let replica = shared_replica().await;
    for (subject, header) in [
        ("auth0|5f7c", "auth0|5f7c"),
        ("Zoë", "Zo%C3%AB"),
        ("a b", "a%20b"),
        ("100%", "100%25"),
        ("a\r\nX-Auth-Scopes: admin", "a%0D%0AX-Auth-Scopes:%20admin"),
        ("a\u{7f}\u{85}\u{2028}", "a%7F%C2%85%E2%80%A8"),
        ("日本", "%E6%97%A5%E6%9C%AC"),
        (" ", "%20"),
        ("🦀\t", "%F0%9F%A6%80%09"),
    ] {
        let person = Person::with_claims(&claims(subject));
        let key = person.creates(&replica, json!({})).await;
        for credential in [&person.token, &key.holder.key] {
            let reply = Reply::to(question(&replica).bearer_auth(credential)).await;
            reply.is_grant();
            assert_eq!(reply.header("x-auth-subject"), Some(header), "{subject:?}");
            assert_eq!(reply.header("x-auth-owner"), key.body["owner"]["id"].as_str(), "{subject:?}");
        }
    }
}

/// A member of acme, as a token says it.
fn member(subject: &str) -> Person {
    let mut claims = claims(subject);
    claims["org"] = json!("acme");
    Person::with_claims(&claims)
}

const TENANTS: (&str, &str) = ("KEYWARD__JWT__TENANT_CLAIM", "org");

#[tokio::test]
async fn an_organisation_is_never_told_as_a_person() {
    let replica = replica_with(&[TENANTS]).await;
    // One of them has the organisation's name.
    for name in ["alice", "acme"] {
        let person = member(name);
        let key = person.creates(&replica, json!({})).await;
        let owner = key.body["owner"]["id"].as_str();
        for (credential, subject) in [(&person.token, name), (&key.holder.key, "")] {
            // First from the database, then from memory.
            for _ in 0..2 {
                let reply = Reply::to(question(&replica).bearer_auth(credential)).await;
                reply.is_grant();
                assert_eq!(reply.header("x-auth-subject"), Some(subject));
                assert_eq!((reply.header("x-auth-tenant"), reply.header("x-auth-owner")), (Some("acme"), owner));
            }
        }
    }
    let mut odd = claims("alice");
    odd["org"] = json!("Zoë & co\r\n");
    let key = Person::with_claims(&odd).creates(&replica, json!({})).await;
    let reply = Reply::to(question(&replica).bearer_auth(&key.holder.key)).await;
    assert_eq!(reply.header("x-auth-tenant"), Some("Zo%C3%AB%20&%20co%0D%0A"));
}

#[tokio::test]
async fn without_organisations_none_is_told() {
    let replica = shared_replica().await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({})).await;
    for credential in [&alice.token, &key.holder.key] {
        let reply = Reply::to(question(&replica).bearer_auth(credential)).await;
        reply.is_grant();
        assert_eq!((reply.header("x-auth-subject"), reply.header("x-auth-tenant")), (Some("alice"), Some("")));
    }
}

#[tokio::test]
async fn where_anybody_may_nobody_is_of_an_organisation() {
    let guarded = Guarded::with("[[rules]]\nanonymous = true\n", &[TENANTS]).await;
    let reply = Reply::to(question(&guarded.replica)).await;
    reply.is_grant();
    assert_eq!((reply.header("x-auth-subject"), reply.header("x-auth-tenant")), (Some(""), Some("")));
}

/// An issuer that isn't configured any more may have had organisations or not.
#[tokio::test]
async fn whose_key_it_is_that_nobody_can_tell_is_not_told() {
    let before = replica_with(&[("KEYWARD__JWT__ISSUER", "https://before.example")]).await;
    let mut claims = claims("alice");
    claims["iss"] = json!("https://before.example");
    let key = Person::with_claims(&claims).creates(&before, json!({})).await;
    let url = before.database().url();
    let now = Replica::start_on(url, &[("KEYWARD__JWT__ISSUER", "https://now.example"), TENANTS]).await;
    let reply = Reply::to(question(&now).bearer_auth(&key.holder.key)).await;
    reply.is_grant();
    assert_eq!((reply.header("x-auth-subject"), reply.header("x-auth-tenant")), (Some(""), Some("")));
    assert_eq!(reply.header("x-auth-owner"), key.body["owner"]["id"].as_str());
    // Where there are no organisations at all, it belongs to a person.
    let plain = Replica::start_on(url, &[("KEYWARD__JWT__ISSUER", "https://now.example")]).await;
    let reply = Reply::to(question(&plain).bearer_auth(&key.holder.key)).await;
    assert_eq!((reply.header("x-auth-subject"), reply.header("x-auth-tenant")), (Some("alice"), Some("")));
}

#[tokio::test]
async fn a_use_is_noted_with_the_clients_address() {
    let often = ("KEYWARD__LAST_USED__WRITE_EVERY", "1s");
    let replica = replica_with(&[often, TRUSTED]).await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({ "allowedIps": ["192.0.2.0/24"] })).await;
    let ask = |address| {
        let headers = [("x-api-key", key.holder.key.as_str()), ("x-forwarded-for", address)];
        Reply::to(with(question(&replica), &headers))
    };
    ask("198.51.100.1").await.is_problem(401, "invalid_token");
    ask("198.51.100.1, 192.0.2.7").await.is_grant();
    eventually("the use is written", async || {
        alice.gets(&replica, &key.path()).await.is(200)["lastUsedFrom"] == "192.0.2.7"
    })
    .await;
}
