//! Which host a request is for (RFC 9112 §3.2).

use test_support::{
    actors::PROTECTED,
    asking::replica_with,
    program::Folder,
    wire::{Connection, with_header},
};

use crate::scene::Scene;

const METADATA: &str = "/.well-known/oauth-authorization-server";

fn get(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1\r\n{lines}\r\n")
}

#[tokio::test]
async fn a_host_that_is_none_is_a_bad_request() {
    let scene = Scene::set().await;
    let long = "a".repeat(300);
    for host in [
        "",
        " ",
        "bad host",
        "a/b",
        "u@h",
        "u:p@h",
        "h:port",
        "h:80:80",
        ":80",
        ":",
        "h:65536",
        "h:-1",
        "h: 80",
        "[::1",
        "::1",
        "[::1]x",
        "[::1%25lo]",
        "[x]",
        "a, b",
        "a,b",
        "a;b",
        "http://a",
        "a?b",
        "a#b",
        "a\\b",
        "a\tb",
        "\"a\"",
        "*",
        ".",
        "a..b",
        "%61",
        "käse.example",
        "<a>",
        &long,
    ] {
        for target in ["/healthz", PROTECTED, "http://a.example/healthz"] {
            scene.refuses_and_closes(400, get(target, &format!("Host: {host}\r\n"))).await;
        }
    }
    scene.refuses_and_closes(400, b"GET /healthz HTTP/1.1\r\nHost: \xff\r\n\r\n").await;
    scene.refuses_and_closes(400, "GET /healthz HTTP/1.0\r\nHost: bad host\r\n\r\n").await;
}

#[tokio::test]
async fn a_host_must_be_there_once() {
    let scene = Scene::set().await;
    for lines in
        ["", "Host: a\r\nHost: b\r\n", "Host: a\r\nHost: a\r\n", "Host: a\r\nx: y\r\nHOST: a\r\n", "Host : a\r\n"]
    {
        for target in ["/healthz", "http://a.example/healthz"] {
            scene.refuses_and_closes(400, get(target, lines)).await;
        }
    }
    assert_eq!(scene.answer("GET /healthz HTTP/1.0\r\n\r\n").await.status, 200);
}

#[tokio::test]
async fn a_name_or_an_address_with_a_port_or_without_is_a_host() {
    let scene = Scene::set().await;
    for host in [
        "a",
        "A.Example",
        "a.example.",
        "a_b",
        "xn--kse-qla.example",
        "localhost:3000",
        "a:",
        "192.0.2.1:80",
        "[::1]",
        "[2001:db8::1]:443",
    ] {
        assert_eq!(scene.answer(get("/healthz", &format!("Host: {host}\r\n"))).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn the_refusal_says_what_is_wrong() {
    let scene = Scene::set().await;
    let answer = scene.refuses(400, get("/healthz", "Host: a b\r\n")).await;
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(answer.body.contains(r#""code":"invalid_host""#), "{answer:?}");
    let answer = scene.refuses(400, get("/api/protected-resource", "Host: a b\r\n")).await;
    assert_eq!(answer.body, r#"{"message":"The host is missing, repeated or not valid"}"#);
}

async fn issuer(address: &str, request: String) -> String {
    let mut connection = Connection::to(address).await;
    connection.send(request).await;
    let answer = connection.answer().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let metadata: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    metadata["issuer"].as_str().expect("an issuer").to_owned()
}

#[tokio::test]
async fn the_metadata_name_the_host_of_the_target_before_that_of_the_header_and_no_other() {
    let trusting = ("KEYWARD__SERVER__TRUSTED_PROXIES", "127.0.0.1");
    let forwarded = "X-Forwarded-Host: evil.example\r\nForwarded: host=evil.example;proto=https\r\nX-Forwarded-Proto: https\r\nX-Original-Host: evil.example\r\n";
    for env in [&[][..], &[trusting]] {
        let replica = replica_with(env).await;
        let address = replica.address();
        let by_header = get(METADATA, &format!("{forwarded}Host: keys.example:81\r\n"));
        assert_eq!(issuer(address, by_header).await, "http://keys.example:81");
        let by_target =
            get(&format!("http://target.example:82{METADATA}"), &format!("Host: keys.example\r\n{forwarded}"));
        assert_eq!(issuer(address, by_target).await, "http://target.example:82");
    }
    let named = replica_with(&[trusting, ("KEYWARD__SERVER__PUBLIC_URL", "https://known.example")]).await;
    let by_target = get(&format!("http://target.example{METADATA}"), &format!("Host: keys.example\r\n{forwarded}"));
    assert_eq!(issuer(named.address(), by_target).await, "https://known.example");
}

/// HTTP/1.0 has no host that would have to be named, and then there is nothing to tell.
#[tokio::test]
async fn without_a_host_there_are_no_metadata() {
    let scene = Scene::set().await;
    let answer = scene.refuses(400, format!("GET {METADATA} HTTP/1.0\r\n\r\n")).await;
    assert!(answer.body.contains(r#""code":"invalid_host""#), "{answer:?}");
}

/// Envoy's way to ask: host and path are its client's.
#[tokio::test]
async fn a_policy_goes_by_the_host_of_the_target() {
    let folder = Folder::new();
    let policy = folder.file("policy.toml", "[[rules]]\nhosts = [\"open.example\"]\nanonymous = true\n");
    let env = [("KEYWARD__SERVER__TRUSTED_PROXIES", "127.0.0.1"), ("KEYWARD__AUTHORIZE__POLICY_FILE", policy.as_str())];
    let replica = replica_with(&env).await;
    let status = async |target: &str, host: &str| {
        let mut connection = Connection::open(&replica).await;
        connection.send(with_host(target, host)).await;
        connection.answer().await.status
    };
    assert_eq!(status("/v1/authorize/a", "open.example").await, 200);
    assert_eq!(status("http://open.example/v1/authorize/a", "closed.example").await, 200);
    assert_eq!(status("http://closed.example/v1/authorize/a", "open.example").await, 403);
}

fn with_host(target: &str, host: &str) -> Vec<u8> {
    let request = with_header("GET", target, "x", "y");
    String::from_utf8(request).expect("text").replace("Host: keyward", &format!("Host: {host}")).into_bytes()
}
