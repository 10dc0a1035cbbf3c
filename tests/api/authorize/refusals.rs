//! Who is not let through, and what the gateway is told.

use reqwest::Method;
use serde_json::json;
use test_support::{
    PrivateCluster,
    actors::{Person, claims, now, stranger},
    asking::{Reply, SHORT_LEASE, pairs, shared_replica},
    replica::Replica,
};

use super::{AUTHORIZE, Grant, asks_at, question, with};

#[tokio::test]
async fn without_a_credential_it_is_401_with_a_challenge_and_no_error_rfc_6750() {
    let replica = shared_replica().await;
    for headers in [
        &[][..],
        &[("x-api-key", "")],
        &[("authorization", "")],
        &[("authorization", "Basic YWxpY2U6c2VjcmV0")],
        &[("authorization", "Digest username=alice")],
        &[("cookie", "session=1")],
    ] {
        let reply = Reply::to(with(question(&replica), headers)).await;
        reply.is_problem(401, "missing_credential");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"keyward\""), "{headers:?}");
    }
}

#[tokio::test]
async fn a_bad_credential_is_401_and_every_kind_of_bad_looks_alike() {
    let replica = shared_replica().await;
    let alice = Person::named("alice");
    let revoked = alice.creates(&replica, json!({})).await;
    let disabled = alice.creates(&replica, json!({ "enabled": false })).await;
    let bound = alice.creates(&replica, json!({ "allowedIps": ["192.0.2.1"] })).await;
    asks_at(&replica, &revoked, AUTHORIZE).await.is_grant();
    alice.deletes(&replica, &revoked.path()).await.is(200);
    let mut expired = claims("alice");
    expired["exp"] = json!(now() - 3600);
    let forged = format!("{}x", alice.token);
    let nearly = format!("{}0", &disabled.holder.key[..disabled.holder.key.len() - 1]);
    for bad in [
        &revoked.holder.key,
        &disabled.holder.key,
        &bound.holder.key,
        &Person::with_claims(&expired).token,
        &forged,
        &nearly,
        "anything",
        "a.b.c",
        "...",
        "keyward_live_",
    ] {
        for reply in [
            Reply::to(question(&replica).header("x-api-key", bad)).await,
            Reply::to(question(&replica).bearer_auth(bad)).await,
        ] {
            reply.is_problem(401, "invalid_token");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"keyward\", error=\"invalid_token\""));
            assert!(reply.text.contains("Invalid credential") && reply.header("x-auth-subject").is_none(), "{bad}");
        }
    }
}

#[tokio::test]
async fn two_credentials_are_400_whatever_they_are() {
    let replica = shared_replica().await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({})).await.holder.key;
    let (as_key, as_token) = (format!("Bearer {key}"), format!("Bearer {}", alice.token));
    for headers in [
        [("x-api-key", key.as_str()), ("x-api-key", &key)],
        [("x-api-key", &key), ("authorization", &as_key)],
        [("x-api-key", &key), ("authorization", &as_token)],
        [("authorization", &as_token), ("authorization", &as_token)],
        [("authorization", &as_token), ("authorization", "Basic YTpi")],
    ] {
        let reply = Reply::to(with(question(&replica), &headers)).await;
        reply.is_problem(400, "invalid_request");
    }
    // Another scheme is meant for the API behind, and hides nothing.
    Reply::to(with(question(&replica), &[("x-api-key", &key), ("authorization", "Basic YTpi")])).await.is_grant();
}

#[tokio::test]
async fn the_query_string_is_no_place_for_credentials() {
    let replica = shared_replica().await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({})).await.holder.key;
    for (name, credential) in
        [("access_token", &alice.token), ("api_key", &key), ("x-api-key", &key), ("authorization", &key), ("key", &key)]
    {
        for path in [AUTHORIZE, "/v1/authorize/orders"] {
            let question = stranger(&replica, Method::GET, &format!("{path}?{name}={credential}"));
            Reply::to(question).await.is_problem(401, "missing_credential");
        }
    }
}

#[tokio::test]
async fn the_scopes_of_the_address_are_all_demanded() {
    let replica = shared_replica().await;
    let alice = Person::with_scopes("alice", "orders:read orders:write");
    let key = alice.creates(&replica, json!({ "scopes": ["orders:read", "orders:write"] })).await.holder.key;
    for credential in [&key, &alice.token] {
        for (query, status) in [
            ("scope=orders:read", 200),
            ("scope=orders%3Aread", 200),
            ("scope=orders:read%20orders:write", 200),
            ("scope=orders:read+orders:write", 200),
            ("scope=orders:read&scope=orders:write", 200),
            // The client's own parameters, which some gateways hand on.
            ("page=2&scope=orders:read&page=3", 200),
            ("page=2", 200),
            ("scope=orders:delete", 403),
            ("scope=orders:read%20orders:delete", 403),
            ("scope=orders:read&scope=orders:delete", 403),
            ("scope=Orders:read", 403),
        ] {
            let path = format!("{AUTHORIZE}?{query}");
            let reply = Reply::to(stranger(&replica, Method::GET, &path).bearer_auth(credential)).await;
            assert_eq!(reply.status, status, "{query}: {}", reply.text);
            if status == 403 {
                reply.is_problem(403, "insufficient_scope");
            }
        }
    }
    let path = format!("{AUTHORIZE}?scope=a&scope=orders:read+b");
    let reply = Reply::to(stranger(&replica, Method::GET, &path).bearer_auth(&key)).await;
    let challenge = r#"Bearer realm="keyward", error="insufficient_scope", scope="a b orders:read""#;
    assert_eq!(reply.header("www-authenticate"), Some(challenge));
}

#[tokio::test]
async fn an_address_that_demands_nothing_although_it_means_to_is_400() {
    let replica = shared_replica().await;
    let key = Person::named("alice").creates(&replica, json!({})).await;
    for query in ["scope=", "scope", "scope=%20", "scope=a&scope=", "scope=a%22b", "scope=%C3%A9", "scope=a%0Ab%5C"] {
        let reply = asks_at(&replica, &key, &format!("{AUTHORIZE}?{query}")).await;
        assert_eq!(reply.wrong_parameters(), pairs(&[("scope", "invalid")]), "{query}");
    }
    // It tells nobody more than the credential does.
    let reply = Reply::to(stranger(&replica, Method::GET, &format!("{AUTHORIZE}?scope="))).await;
    reply.is_problem(401, "missing_credential");
}

#[tokio::test]
async fn behind_the_clients_path_stands_the_clients_query() {
    let replica = shared_replica().await;
    let key = Person::named("alice").creates(&replica, json!({})).await;
    asks_at(&replica, &key, "/v1/authorize/orders?scope=orders:delete").await.is_grant();
    // A slash alone may be one too many in the gateway's configuration.
    assert_eq!(asks_at(&replica, &key, "/v1/authorize/?scope=orders:delete").await.status, 403);
    assert_eq!(asks_at(&replica, &key, "/v1/authorize/?scope=").await.status, 400);
}

#[tokio::test]
async fn what_cannot_be_decided_is_503_and_what_can_is_decided() {
    let mut cluster = PrivateCluster::start().await;
    let replica = Replica::start_on(&cluster.url("postgres"), &[SHORT_LEASE]).await;
    let alice = Person::named("alice");
    let unknown = alice.creates(&replica, json!({})).await;
    cluster.kill9();
    let reply = asks_at(&replica, &unknown, AUTHORIZE).await;
    reply.is_problem(503, "unavailable");
    assert_eq!(reply.header("retry-after"), Some("1"));
    // A token that was never seen may have been ended.
    let stranger = Person::named("bob");
    Reply::to(question(&replica).bearer_auth(&stranger.token)).await.is_problem(503, "unavailable");
    // What is no credential at all needs no database.
    Reply::to(question(&replica).header("x-api-key", "forged")).await.is_problem(401, "invalid_token");
}
