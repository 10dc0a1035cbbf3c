//! Envoy Gateway and ingress-nginx, which need Kubernetes: what they ask, as their documents and sources have it, is
//! asked of a real Keyward.

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use test_support::{
    actors::{Person, stranger},
    asking::{MadeKey, Reply, SHORT_LEASE},
    program::Folder,
    replica::Replica,
};

use crate::scene::TRUSTED;

/// Where the client is. The gateway is on this machine.
const CLIENT: &str = "192.0.2.1";

/// How a gateway asks about `POST /orders/7?a=b` at api.example.com, for a client in [`CLIENT`].
type Question = fn(&Replica) -> RequestBuilder;

/// The client's method and path behind a prefix, its host, and a length of 0. The client's address comes behind what
/// the client itself says.
fn envoy_gateway(replica: &Replica) -> RequestBuilder {
    stranger(replica, Method::POST, "/v1/authorize/orders/7?a=b")
        .header("host", "api.example.com")
        .header("content-length", "0")
        .header("x-forwarded-for", format!("127.0.0.1,{CLIENT}"))
        .header("x-forwarded-proto", "https")
        .header("x-request-id", "b6e6a4d1-9e3c-4a53-8d3f-0c5b6d6b7a10")
        .header("x-envoy-internal", "true")
        .header("x-envoy-expected-rq-timeout-ms", "3000")
}

/// With `auth-method`, and with what the ConfigMap adds.
fn ingress_nginx(replica: &Replica) -> RequestBuilder {
    stranger(replica, Method::HEAD, "/v1/authorize?scope=orders:read")
        .header("host", "keyward.default.svc.cluster.local")
        .header("x-request-id", "70a5b7e1d1f44dc2b0d2d53b1c0d7a7e")
        .header("x-original-uri", "/orders/7?a=b")
        .header("x-original-url", "https://api.example.com/orders/7?a=b")
        .header("x-original-method", "POST")
        .header("x-original-host", "api.example.com")
        .header("x-scheme", "https")
        .header("x-sent-from", "nginx-ingress-controller")
        .header("x-real-ip", CLIENT)
        .header("x-forwarded-for", CLIENT)
        .header("x-auth-request-redirect", "/orders/7?a=b")
        .header("cookie", "a=b")
}

const ALL: [Question; 2] = [envoy_gateway, ingress_nginx];

async fn keyward() -> Replica {
    Replica::start_with(&[SHORT_LEASE, TRUSTED]).await
}

async fn reader(replica: &Replica) -> MadeKey {
    Person::named("alice").creates(replica, json!({ "scopes": ["orders:read"], "allowedIps": [CLIENT] })).await
}

#[tokio::test]
async fn who_holds_a_good_key_is_let_in_with_all_six_headers() {
    let replica = keyward().await;
    let key = reader(&replica).await;
    let secret = &key.holder.key;
    for question in ALL {
        for (name, value) in [("x-api-key", secret), ("authorization", &format!("Bearer {secret}"))] {
            let answer = Reply::to(question(&replica).header(name, value)).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.text, "");
            assert_eq!(answer.header("x-auth-subject"), Some("alice"));
            assert_eq!(answer.header("x-auth-owner"), key.body["owner"]["id"].as_str());
            assert_eq!(answer.header("x-auth-key-id"), Some(key.id.as_str()));
            assert_eq!(answer.header("x-auth-scopes"), Some("orders:read"));
            assert_eq!(answer.header("x-auth-method"), Some("api_key"));
            assert_eq!(answer.header("x-auth-environment"), Some("live"));
        }
        // What there is nothing to say about is said as well, so that it overwrites what the client claims.
        let token = Person::with_scopes("bob", "orders:read").token;
        let answer = Reply::to(question(&replica).bearer_auth(token)).await;
        assert_eq!((answer.status, answer.header("x-auth-key-id")), (200, Some("")), "{answer:?}");
    }
}

#[tokio::test]
async fn who_does_not_is_told_so_in_headers_that_the_gateway_passes_on() {
    let replica = keyward().await;
    let key = reader(&replica).await.holder.key;
    for question in ALL {
        let nobody = Reply::to(question(&replica)).await;
        assert_eq!(nobody.status, 401, "{nobody:?}");
        assert!(
            nobody.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer ")),
            "{nobody:?}"
        );
        assert_eq!(nobody.header("content-type"), Some("application/problem+json"));
        let forger = Reply::to(question(&replica).header("x-api-key", "nonsense")).await;
        assert_eq!(forger.status, 401, "{forger:?}");
        let undecided = Reply::to(question(&replica).header("x-api-key", &key).bearer_auth(&key)).await;
        assert_eq!(undecided.status, 400, "{undecided:?}");
        let twice = Reply::to(question(&replica).header("x-api-key", &key).header("x-api-key", &key)).await;
        assert_eq!(twice.status, 400, "{twice:?}");
    }
    // Envoy Gateway asks at an address of its client's, which demands no scope.
    let writer = Person::named("alice").creates(&replica, json!({ "scopes": ["orders:write"] })).await.holder.key;
    let answer = Reply::to(ingress_nginx(&replica).header("x-api-key", &writer)).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.header("www-authenticate").is_some_and(|challenge| challenge.contains("orders:read")));
}

#[tokio::test]
async fn the_client_is_where_the_gateway_says() {
    let replica = keyward().await;
    let elsewhere = Person::named("alice")
        .creates(&replica, json!({ "scopes": ["orders:read"], "allowedIps": ["127.0.0.1"] }))
        .await;
    for question in ALL {
        let answer = Reply::to(question(&replica).header("x-api-key", &elsewhere.holder.key)).await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
}

#[tokio::test]
async fn the_policy_decides_by_what_the_gateway_says_of_the_client() {
    let folder = Folder::new();
    let policy = r#"
        [[rules]]
        hosts = ["api.example.com"]
        paths = ["/orders/*"]
        methods = ["POST"]
        scopes_all = ["orders:write"]
    "#;
    let file = folder.file("policy.toml", policy);
    let replica = Replica::start_with(&[SHORT_LEASE, TRUSTED, ("KEYWARD__AUTHORIZE__POLICY_FILE", &file)]).await;
    let alice = Person::named("alice");
    let writer = alice.creates(&replica, json!({ "scopes": ["orders:read", "orders:write"] })).await.holder.key;
    let reader = alice.creates(&replica, json!({ "scopes": ["orders:read"] })).await.holder.key;
    for question in ALL {
        let status = async |key: &str| Reply::to(question(&replica).header("x-api-key", key)).await.status;
        assert_eq!((status(&writer).await, status(&reader).await), (200, 403));
    }
    // Another method is another question, and no rule has an answer to it.
    let answer = stranger(&replica, Method::DELETE, "/v1/authorize/orders/7").header("host", "api.example.com");
    assert_eq!(Reply::to(answer.header("x-api-key", &writer)).await.status, 403);
}
