//! What clients would like to be believed.

use serde_json::json;
use test_support::actors::Person;

use super::{KEY, WEB_SOCKET, assert_passed, bearer};
use crate::{
    gateway::{Gateway, Running},
    h2c::{Said, forges},
    scene::{Scene, api, request, sends},
    server::{Conduct, Server},
};

pub(crate) async fn what_only_keyward_may_say_never_comes_from_the_client<G: Gateway>() {
    const FORGED: &str = "forged";
    let scene = Scene::set::<G>().await;
    let key = scene.key(json!({})).await.holder.key;
    let token = bearer(&Person::named("bob").token);
    let mut forged = Vec::new();
    for name in ["Subject", "Tenant", "Owner", "Key-Id", "Scopes", "Method", "Environment"] {
        // Many servers take one for the other.
        for prefix in ["X-Auth-", "x-auth-", "X_Auth_", "X-Auth_", "X_Auth-", "X_AUTH_"] {
            forged.push((format!("{prefix}{name}"), FORGED));
            forged.push((format!("{prefix}{}", name.replace('-', "_")), FORGED));
        }
    }
    let forged: Vec<(&str, &str)> = forged.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    for (target, credential) in [("/", (KEY, key.as_str())), ("/", ("Authorization", &token)), ("/public/", ("a", "b"))]
    {
        assert_passed(&scene.gets(target, &[&[credential], forged.as_slice()].concat()).await);
        let got = scene.last();
        let claims =
            got.headers.iter().filter(|(name, value)| name.replace('_', "-").starts_with("x-auth-") && value == FORGED);
        assert_eq!(claims.collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "{target}");
    }
}

pub(crate) async fn the_credential_ends_at_the_gateway<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    let token = Person::with_scopes("bob", "orders:read").token;
    for target in ["/", "/orders/7", "/public/"] {
        for (name, value) in [(KEY, &key), ("Authorization", &bearer(&key)), ("Authorization", &bearer(&token))] {
            assert_passed(&scene.gets(target, &[(name, value)]).await);
            let got = scene.last();
            let holds_it = |text: &str| text.contains(&key) || text.contains(&token);
            assert!(!got.headers.iter().any(|(_, value)| holds_it(value)), "{got:?}");
        }
    }
}

pub(crate) async fn what_is_asked_for_is_told_by_the_gateway_and_not_by_the_client<G: Gateway>() {
    let keyward = Server::that(Conduct::Answers(200, vec![("X-Auth-Subject", "alice")], "")).await;
    let api = api().await;
    let gateway = Running::start::<G>(keyward.address(), api.address()).await;
    let forged = [
        ("X-Original-Method", "FORGED"),
        ("X-Original-URI", "/forged"),
        ("X-Original-Host", "forged"),
        ("X-Original-URL", "http://forged/forged"),
        ("X-Forwarded-Method", "FORGED"),
        ("X-Forwarded-Uri", "/forged"),
        ("X-Forwarded-Host", "forged"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("Forwarded", "for=192.0.2.1;host=forged"),
        ("Content-Length", "4"),
        (KEY, "a key"),
    ];
    assert_passed(&sends(&gateway, "POST", "/orders/7?a=b&scope=c", &forged, b"body").await);
    let question = keyward.requests().pop().expect("Keyward was asked");
    assert_eq!(question.header(KEY), Some("a key"));
    assert_eq!(question.body, b"");
    assert_eq!(question.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(question.header("forwarded"), None);
    assert_eq!(question.header("x-original-url"), None);
    let told = |names: [&str; 2]| names.into_iter().filter_map(|name| question.header(name)).collect::<Vec<_>>();
    let method = told(["x-original-method", "x-forwarded-method"]);
    let uri = told(["x-original-uri", "x-forwarded-uri"]);
    let host = told(["x-original-host", "x-forwarded-host"]);
    if G::POLICY.is_none() {
        assert_eq!(question.target, "/v1/authorize?scope=orders:read");
        assert_eq!((method, uri, host), (vec!["POST"], vec!["/orders/7?a=b&scope=c"], vec!["keyward"]), "{question:?}");
        // Where no scope is demanded, the client's query is not taken for ours.
        assert_passed(&sends(&gateway, "GET", "/elsewhere?scope=c", &[(KEY, "a key")], b"").await);
        assert_eq!(keyward.requests().pop().expect("Keyward was asked").target, "/v1/authorize");
    } else {
        assert_eq!((question.method.as_str(), question.header("host")), ("POST", Some("keyward")));
        assert_eq!(question.target, "/v1/authorize/orders/7?a=b&scope=c");
        assert_eq!([method, uri, host].concat(), [""; 0], "{question:?}");
    }
}

/// RFC 9112 §3.2.2: of two hosts, the one in the request line counts.
pub(crate) async fn the_host_that_is_checked_is_the_host_that_is_served<G: Gateway>() {
    let keyward = Server::that(Conduct::Answers(200, vec![("X-Auth-Subject", "alice")], "")).await;
    let api = api().await;
    let gateway = Running::start::<G>(keyward.address(), api.address()).await;
    let answer = sends(&gateway, "GET", "http://other.example/orders/7", &[(KEY, "a key")], b"").await;
    if answer.status == 400 {
        assert!(api.requests().iter().all(|request| request.target != "/orders/7"));
        return;
    }
    assert_passed(&answer);
    let question = keyward.requests().pop().expect("Keyward was asked");
    let name = if G::POLICY.is_none() { ["x-original-host", "x-forwarded-host"].as_slice() } else { &["host"] };
    let told: Vec<_> = name.iter().filter_map(|name| question.header(name)).collect();
    assert_eq!(told, ["other.example"], "{question:?}");
    let got = api.requests().pop().expect("the API was asked");
    assert_eq!((got.target.as_str(), got.header("host")), ("/orders/7", Some("other.example")));
}

/// A proxy takes off what `Connection` names (RFC 9110 §7.6.1), but the client has no say in what Keyward has added.
pub(crate) async fn who_it_is_cannot_be_taken_off_by_the_client<G: Gateway>() {
    const IDENTITY: [&str; 5] =
        ["x-auth-subject", "x-auth-owner", "x-auth-key-id", "x-auth-method", "x-auth-environment"];
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    let names = IDENTITY.join(", ");
    for (connection, web_socket) in [(names.clone(), &[][..]), (format!("Upgrade, {names}"), &WEB_SOCKET)] {
        let headers = [&[(KEY, key.as_str()), ("Connection", &connection)], web_socket].concat();
        let said = forges(&scene.gateway.address(), &request("GET", "/orders/7", &headers, b"")).await;
        assert_eq!(matches!(said, Said::Tunnel(_)), !web_socket.is_empty(), "{said:?}");
        let got = scene.last();
        for name in IDENTITY {
            assert!(got.header(name).is_some_and(|value| !value.is_empty()), "{name} is missing: {got:?}");
        }
        let named = got.header("connection").unwrap_or_default().to_ascii_lowercase();
        assert!(!named.contains("x-auth"), "whoever is next may take it off: {named}");
    }
}

pub(crate) async fn where_a_client_is_is_told_by_the_gateway_and_not_by_the_client<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let here = scene.key(json!({ "allowedIps": ["127.0.0.1"] })).await.holder.key;
    let elsewhere = scene.key(json!({ "allowedIps": ["192.0.2.1"] })).await.holder.key;
    for forged in [("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.1"), ("X-Real-IP", "192.0.2.1")] {
        assert_passed(&scene.gets("/", &[(KEY, &here), forged]).await);
        scene.refuses(401, "/", &[(KEY, &elsewhere), forged]).await;
    }
}
