//! Pages of other origins ask from a browser.

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use test_support::{
    actors::{CREATE, PROTECTED, Person, stranger},
    asking::{KEYS, Reply, shared_replica},
    program::run,
    replica::{Replica, command},
    shared_replica::SharedReplica,
};

const CONSOLE: &str = "https://console.example.com";
const LOCAL: &str = "http://localhost:5173";

async fn open() -> SharedReplica {
    SharedReplica::get_with(&[("KEYWARD__SERVER__CORS", "https://console.example.com,http://localhost:5173")]).await
}

fn preflight(replica: &Replica, path: &str, origin: &str) -> RequestBuilder {
    stranger(replica, Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type,idempotency-key")
}

fn words(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default().split(',').map(|word| word.trim().to_ascii_lowercase()).collect()
}

fn vary(reply: &Reply) -> String {
    let lines = reply.headers.get_all("vary").iter();
    lines.map(|line| line.to_str().expect("text")).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn a_preflight_is_answered_before_anybody_asks_for_a_credential() {
    let replica = open().await;
    for origin in [CONSOLE, LOCAL] {
        for path in [KEYS, "/v1/keys/0123456789012345678901", "/v1/admin/keys", CREATE, "/v1/keys/verify"] {
            let answer = Reply::to(preflight(&replica, path, origin)).await;
            assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            assert_eq!(answer.header("access-control-max-age"), Some("3600"));
            let methods = words(answer.header("access-control-allow-methods"));
            assert!(["get", "post", "patch", "delete"].iter().all(|name| methods.contains(&(*name).to_owned())));
            let headers = words(answer.header("access-control-allow-headers"));
            for name in ["authorization", "x-api-key", "content-type", "idempotency-key", "if-match", "if-none-match"] {
                assert!(headers.contains(&name.to_owned()), "{name} in {headers:?}");
            }
            assert!(vary(&answer).contains("Origin"), "{answer:?}");
            assert!(answer.header("x-request-id").is_some());
        }
    }
}

#[tokio::test]
async fn the_page_may_read_answers_and_errors_and_their_headers() {
    let (replica, alice) = (open().await, Person::named("alice"));
    let holder = alice.makes_a_key(&replica).await;
    for (status, request) in [
        (200, alice.request(&replica, Method::GET, KEYS)),
        (201, alice.request(&replica, Method::POST, KEYS)),
        (401, stranger(&replica, Method::GET, KEYS)),
        (404, stranger(&replica, Method::GET, "/unknown")),
        (405, alice.request(&replica, Method::PUT, KEYS)),
        (422, alice.request(&replica, Method::POST, KEYS).json(&json!({ "a": 1 }))),
        (413, alice.request(&replica, Method::POST, KEYS).json(&"x".repeat(70_000))),
        (415, alice.request(&replica, Method::POST, KEYS).header("content-encoding", "gzip").json(&json!({}))),
        (403, stranger(&replica, Method::POST, CREATE)),
        (200, stranger(&replica, Method::GET, PROTECTED).header("x-api-key", &holder.key)),
        (200, stranger(&replica, Method::GET, "/problems/not_found")),
    ] {
        let answer = Reply::to(request.header("origin", CONSOLE)).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.header("access-control-allow-origin"), Some(CONSOLE), "{status}");
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let exposed = words(answer.header("access-control-expose-headers"));
        for name in ["etag", "location", "retry-after", "x-request-id", "link", "ratelimit", "ratelimit-policy"] {
            assert!(exposed.contains(&name.to_owned()), "{name} in {exposed:?}");
        }
        assert!(vary(&answer).contains("Origin"), "{status}: {answer:?}");
    }
}

#[tokio::test]
async fn other_origins_get_no_permission_and_the_usual_answers() {
    let (replica, alice) = (open().await, Person::named("alice"));
    for origin in [
        "https://evil.example.com",
        "https://console.example.com.evil.example",
        "http://console.example.com",
        "https://console.example.com:8443",
        "https://CONSOLE.example.com",
        "https://console.example.com/",
        "null",
        "*",
        "",
    ] {
        let answer = Reply::to(preflight(&replica, KEYS, origin)).await;
        answer.is_problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("POST, GET, HEAD"), "{origin}");
        for request in
            [preflight(&replica, KEYS, origin), alice.request(&replica, Method::GET, KEYS).header("origin", origin)]
        {
            let answer = Reply::to(request).await;
            let permissions = answer.headers.keys().filter(|name| name.as_str().starts_with("access-control-"));
            assert_eq!(permissions.count(), 0, "{origin}: {answer:?}");
            assert!(vary(&answer).contains("Origin"), "{origin}: {answer:?}");
        }
    }
    let twice = preflight(&replica, KEYS, CONSOLE).header("origin", LOCAL);
    assert_eq!(Reply::to(twice).await.status, 405);
    // Who asks without an origin must not get from a cache what was meant for one, or the other way round.
    assert!(vary(&alice.gets(&replica, KEYS).await).contains("Origin"));
    // An OPTIONS that is no preflight is what it always was.
    let options = stranger(&replica, Method::OPTIONS, KEYS).header("origin", CONSOLE);
    assert_eq!(Reply::to(options).await.status, 405);
}

/// Some gateways ask with their client's method and headers, and let pass whatever is answered with 2xx.
#[tokio::test]
async fn a_clients_preflight_opens_no_gateway() {
    let replica = open().await;
    for path in ["/v1/authorize", "/v1/authorize/orders", "/v1/authorize?scope=a"] {
        let answer = Reply::to(preflight(&replica, path, CONSOLE)).await;
        assert_eq!(answer.status, 401, "{path}");
        let permissions = answer.headers.keys().filter(|name| name.as_str().starts_with("access-control-"));
        assert_eq!(permissions.count(), 0, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn without_the_setting_nothing_is_said_of_origins() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    let answer = Reply::to(preflight(&replica, KEYS, CONSOLE)).await;
    answer.is_problem(405, "method_not_allowed");
    let listed = Reply::to(alice.request(&replica, Method::GET, KEYS).header("origin", CONSOLE)).await;
    assert_eq!(listed.status, 200);
    for answer in [answer, listed] {
        let mut names = answer.headers.keys().map(|name| name.as_str());
        assert!(names.all(|name| !name.starts_with("access-control-") && name != "vary"), "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_no_origin_stops_the_start_and_says_why() {
    for (origin, why) in [
        ("*", "name each origin"),
        ("https://*.example.com", "name each origin"),
        ("null", "name each origin"),
        ("https://console.example.com/", "no browser sends it"),
        ("https://console.example.com:443", "no browser sends it"),
        ("https://Console.example.com", "small letters"),
        ("console.example.com", "no origin such as"),
    ] {
        let origins = format!("{CONSOLE},{origin}");
        let message = run(command().arg("config").env("KEYWARD__SERVER__CORS", origins)).failed();
        assert!(message.contains("server.cors") && message.contains(why), "{origin}: {message}");
    }
}
