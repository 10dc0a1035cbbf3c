//! What a problem says: the same members on every route, and a `type` that leads to a page.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{Person, stranger},
    asking::{ALL_KEYS, KEYS, Reply, VERIFY, shared_replica},
    shared_replica::SharedReplica,
    wire::{Connection, head},
};

const PAGE: &str = include_str!("../../docs/problems.md");

/// The codes and the first status of each, as the page lists them.
fn documented() -> Vec<(&'static str, &'static str)> {
    let cells = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let rows = cells.filter(|(_, rest)| rest.starts_with(['4', '5']));
    let rows: Vec<_> = rows.map(|(code, rest)| (code, &rest[..3])).collect();
    assert!(rows.len() > 30, "the codes were not found");
    rows
}

/// That a problem has everything that each has, about this path.
#[track_caller]
fn is_whole(answer: &Reply, path: &str) -> Value {
    let problem = answer.is(answer.status);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}: {problem}");
    assert_eq!(problem["status"], answer.status, "{path}: {problem}");
    assert_eq!(problem["instance"], path, "{problem}");
    assert_eq!(problem["requestId"].as_str(), answer.header("x-request-id"), "{path}: {problem}");
    let code = problem["code"].as_str().expect("a code");
    assert_eq!(problem["type"], format!("/problems/{code}"));
    let detail = problem["detail"].as_str().unwrap_or_else(|| panic!("no detail: {problem}"));
    assert!(detail.ends_with('.') && detail.contains(' ') && !detail.contains(['`', '[']), "{path}: {detail}");
    assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
    problem
}

#[tokio::test]
async fn every_problem_has_a_detail_the_path_and_the_request_id_whichever_route_tells_it() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let root = Person::administrator();
    let key = alice.creates(&replica, json!({})).await;
    let service = Person::with_scopes("shop", "keyward:verify");
    let (own, all) = (key.path(), key.admin_path());
    let rotate = format!("{own}/rotate");
    let get = |path: &str| alice.request(&replica, Method::GET, path);
    let post = |path: &str| alice.request(&replica, Method::POST, path);
    let json_text = |path: &str, body: &'static str| post(path).header("content-type", "application/json").body(body);
    for (code, path, request) in [
        ("missing_credential", KEYS, stranger(&replica, Method::GET, KEYS)),
        ("missing_credential", "/v1/keys/self", stranger(&replica, Method::DELETE, "/v1/keys/self")),
        ("missing_credential", "/v1/authorize", stranger(&replica, Method::GET, "/v1/authorize")),
        ("missing_credential", "/v1/authorize/a/b", stranger(&replica, Method::GET, "/v1/authorize/a/b?c=d")),
        ("invalid_token", VERIFY, stranger(&replica, Method::POST, VERIFY).header("x-api-key", "nonsense")),
        ("invalid_token", KEYS, stranger(&replica, Method::GET, KEYS).bearer_auth("nonsense")),
        ("invalid_request", KEYS, get(KEYS).bearer_auth("another")),
        ("insufficient_scope", ALL_KEYS, get(ALL_KEYS)),
        ("invalid_json", KEYS, json_text(KEYS, "{")),
        ("not_an_object", KEYS, json_text(KEYS, "[]")),
        ("invalid_fields", KEYS, json_text(KEYS, "{\"a\":1}")),
        ("invalid_fields", KEYS, json_text(KEYS, "{\"a\":1,\"b\":1}")),
        ("invalid_parameters", KEYS, get("/v1/keys?colour=red")),
        ("invalid_parameters", KEYS, get("/v1/keys?limit=0&colour=red")),
        ("invalid_parameters", "/v1/authorize", get("/v1/authorize?scope=")),
        ("unsupported_media_type", KEYS, post(KEYS).body("{}")),
        ("unsupported_content_encoding", KEYS, json_text(KEYS, "{}").header("content-encoding", "gzip")),
        ("body_too_large", KEYS, post(KEYS).json(&"x".repeat(70_000))),
        ("not_found", "/v1/unknown", get("/v1/unknown?a=b")),
        ("not_found", "/.//v1/keys", get("//v1/keys")),
        ("not_found", "/v1/keys/%7Bid%7D", get("/v1/keys/%7Bid%7D")),
        ("not_found", "/problems/unknown", get("/problems/unknown")),
        ("not_found", "/docs/unknown", get("/docs/unknown")),
        ("method_not_allowed", "/healthz", post("/healthz")),
        ("method_not_allowed", KEYS, alice.request(&replica, Method::PUT, KEYS)),
        ("unknown_method", KEYS, alice.request(&replica, Method::from_bytes(b"BREW").expect("a method"), KEYS)),
        ("version_mismatch", own.as_str(), get(&own).header("if-match", "\"7\"")),
        ("precondition_failed", rotate.as_str(), post(&rotate).header("if-none-match", "*")),
        ("unexpected_body", own.as_str(), get(&own).json(&json!({}))),
        ("not_found", all.as_str(), root.request(&replica, Method::GET, &all.replace("/0", "/1"))),
    ] {
        let request = request.header("x-request-id", "from-the-balancer");
        let path = if code == "not_found" && path == all { &all.replace("/0", "/1") } else { path };
        let answer = Reply::to(request).await;
        assert_eq!(is_whole(&answer, path)["code"], code, "{path}");
        assert_eq!(answer.header("x-request-id"), Some("from-the-balancer"));
    }
    is_whole(&service.posts(&replica, VERIFY, json!({})).await, VERIFY);
    alice.deletes(&replica, &own).await.is(200);
    is_whole(&alice.posts(&replica, &rotate, json!({})).await, &rotate);
}

/// What the server refuses before the application sees it has the same members, as far as there is a path.
#[tokio::test]
async fn a_request_that_is_no_good_gets_a_problem_with_the_same_members() {
    let replica = shared_replica().await;
    for (request, path) in [
        (format!("{}x: {}\r\n\r\n", head("GET", "/v1/keys?a=b"), "a".repeat(20_000)), json!("/v1/keys")),
        ("GET /v1/keys HTTP/1.1\r\nx-request-id: mine\r\nno colon\r\n\r\n".to_owned(), json!("/v1/keys")),
        (format!("GET {} HTTP/1.1\r\n\r\n", "/a".repeat(2000)), Value::Null),
        ("GET /<script> HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Value::Null),
        ("nonsense\r\n\r\n".to_owned(), Value::Null),
    ] {
        let mut connection = Connection::open(&replica).await;
        connection.send(&request).await;
        let answer = connection.answer().await;
        let problem: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(problem["instance"], path, "{problem}");
        assert_eq!(problem["requestId"].as_str(), answer.header("x-request-id"), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{problem}");
        assert!(!answer.body.contains("script"), "{problem}");
    }
}

#[tokio::test]
async fn the_detail_says_what_is_wrong_this_time() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let detail = async |request: reqwest::RequestBuilder| {
        let answer = Reply::to(request).await;
        answer.is(answer.status)["detail"].as_str().expect("a detail").to_owned()
    };
    let posts = |body: &str| {
        let request = alice.request(&replica, Method::POST, KEYS);
        request.header("content-type", "application/json").body(body.to_owned())
    };
    for (request, wanted) in [
        (posts("{\"name\":}"), "line 1, column 9"),
        (posts("{\n\"name\": x}"), "line 2, column 9"),
        (posts("{\"name\":\"a\",\"name\":\"b\"}"), "twice"),
        (posts("[]"), "an array, not an object"),
        (posts("{\"name\":1}"), "/name"),
        (posts("{\"name\":1,\"b\":1}"), "2 fields"),
        (alice.request(&replica, Method::PATCH, "/v1/keys/0123456789012345678901"), "missing"),
        (alice.request(&replica, Method::GET, "/v1/keys?colour=red"), "colour"),
        (alice.request(&replica, Method::PUT, KEYS), "POST, GET, HEAD"),
        (alice.request(&replica, Method::GET, ALL_KEYS), "keyward:admin"),
    ] {
        let told = detail(request).await;
        assert!(told.contains(wanted), "{told} and not {wanted}");
    }
}

#[tokio::test]
async fn the_type_of_every_problem_leads_to_its_page() {
    let replica = shared_replica().await;
    for (code, status) in documented() {
        let path = format!("/problems/{code}");
        let page = Reply::to(stranger(&replica, Method::GET, &path).header("accept", "text/html, */*;q=0.1")).await;
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")), "{code}");
        assert!(page.text.contains(&format!("<h1>{code}</h1>")) && page.text.contains(status), "{}", page.text);
        assert!(!page.text.contains("<script") && !page.text.contains("http"), "{}", page.text);
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'") && page.header("vary") == Some("Accept"), "{policy}");

        let answer = Reply::to(stranger(&replica, Method::GET, &path).header("accept", "application/json")).await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let told = answer.is(200);
        // Numbers, as the member `status` of a problem is (RFC 9457 section 3.1.2).
        let statuses: Vec<u16> = serde_json::from_value(told["statuses"].clone()).expect("numbers");
        assert_eq!((&told["code"], statuses[0].to_string().as_str()), (&json!(code), status));
        assert!(statuses.iter().all(|status| (400..600).contains(status)), "{told}");
        for member in ["meaning", "remedy"] {
            assert!(told[member].as_str().is_some_and(|text| text.ends_with('.')), "{told}");
        }
        // Who has neither said is a person more often than not.
        let plain = Reply::to(stranger(&replica, Method::GET, &path)).await;
        assert_eq!(plain.header("content-type"), Some("text/html; charset=utf-8"));
    }
    let list = Reply::to(stranger(&replica, Method::GET, "/problems")).await;
    let told =
        Reply::to(stranger(&replica, Method::GET, "/problems").header("accept", "application/json")).await.is(200);
    assert_eq!(told["problems"].as_array().map(Vec::len), Some(documented().len()));
    assert!(documented().iter().all(|(code, _)| list.text.contains(&format!("href=\"problems/{code}\""))));
    let tag = list.header("etag").expect("a tag").to_owned();
    assert_eq!(Reply::to(stranger(&replica, Method::GET, "/problems").header("if-none-match", tag)).await.status, 304);
    Reply::to(stranger(&replica, Method::GET, "/problems/unknown")).await.is_problem(404, "not_found");
}

#[tokio::test]
async fn the_routes_of_compatibility_and_of_oauth_keep_their_own_bodies() {
    let replica = SharedReplica::get().await;
    let answer = Reply::to(stranger(&replica, Method::POST, "/api/create-api-key?a=b")).await;
    assert_eq!((answer.status, answer.text.as_str()), (403, r#"{"message":"No token provided"}"#));
    let answer = Reply::to(stranger(&replica, Method::POST, "/v1/introspect")).await;
    let body = answer.is(401);
    assert_eq!(body.as_object().map(|members| members.len()), Some(2), "{body}");
}
