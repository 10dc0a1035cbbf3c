//! Requests by route and status.

use reqwest::Method;
use serde_json::json;
use test_support::{
    actors::{PROTECTED, Person, stranger},
    asking::{KEYS, replica},
    wire::{Connection, head},
};

use super::{Scrape, grows};

const REQUESTS: &str = "keyward_http_requests_total";
const DURATION: &str = "keyward_http_request_duration_seconds_count";

#[tokio::test]
async fn a_request_counts_under_the_pattern_of_its_route_with_its_status_and_its_duration() {
    let replica = replica().await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({})).await;
    let before = Scrape::of(&replica).await;
    alice.gets(&replica, &key.path()).await.is(200);
    alice.gets(&replica, &format!("{KEYS}/0000000000000000000001")).await.is(404);
    assert_eq!(key.status(&replica).await, 200);
    let by_head = stranger(&replica, Method::HEAD, PROTECTED).send().await.expect("an answer");
    assert_eq!(by_head.status(), 403);
    for path in ["/v1/authorize", "/v1/authorize/orders/7", "/v1/authorize/orders/8"] {
        let asked = stranger(&replica, Method::POST, path).header("x-api-key", &key.holder.key);
        assert_eq!(asked.send().await.expect("an answer").status(), 200, "{path}");
    }
    for (method, route, status, by) in [
        ("GET", "/v1/keys/{id}", "200", 1.0),
        ("GET", "/v1/keys/{id}", "404", 1.0),
        ("GET", PROTECTED, "200", 1.0),
        ("GET", PROTECTED, "403", 1.0),
        ("any", "/v1/authorize", "200", 1.0),
        ("any", "/v1/authorize/{original}", "200", 2.0),
    ] {
        grows(&replica, &before, REQUESTS, &[("method", method), ("route", route), ("status", status)], by).await;
    }
    grows(&replica, &before, DURATION, &[("route", "/v1/keys/{id}"), ("method", "GET")], 2.0).await;
    let scrape = Scrape::of(&replica).await;
    // An increase from nothing is none for Prometheus.
    for status in ["500", "503"] {
        let failures = [("method", "GET"), ("route", "/v1/keys/{id}"), ("status", status)];
        assert_eq!(scrape.get(REQUESTS, &failures), Some(0.0), "{status}");
    }
    let sum = scrape.sum("keyward_http_request_duration_seconds_sum", &[("route", "/v1/keys/{id}")]);
    assert!(sum > 0.0 && sum < 30.0, "{sum}");
}

#[tokio::test]
async fn what_no_route_serves_counts_together() {
    let replica = replica().await;
    let before = Scrape::of(&replica).await;
    let none = |status| [("method", "none"), ("route", "none"), ("status", status)];
    for (method, path) in
        [(Method::GET, "/unknown"), (Method::PUT, KEYS), (Method::from_bytes(b"BREW").expect("a method"), "/coffee")]
    {
        stranger(&replica, method, path).send().await.expect("an answer");
    }
    let mut connection = Connection::open(&replica).await;
    connection.send("no request at all\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 400);
    let mut connection = Connection::open(&replica).await;
    connection.send(format!("{}x-filler: {}\r\n\r\n", head("GET", "/healthz"), "a".repeat(20_000))).await;
    assert_eq!(connection.answer().await.status, 431);
    for status in ["404", "405", "501", "400", "431"] {
        grows(&replica, &before, REQUESTS, &none(status), 1.0).await;
    }
}
