//! What answers tell of limits: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11), read by a
//! parser of structured fields (RFC 9651) that is not ours.

use std::collections::BTreeMap;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sfv::{BareItem, List, ListEntry, Parser};
use test_support::{
    actors::{Person, stranger},
    asking::{MadeKey, Reply, VERIFY, shared_replica},
    replica::Replica,
    shared_replica::SharedReplica,
    unique,
};

const RESOURCE: &str = "/api/protected-resource";

/// A limit in a header: its name, its numbers, and whether all keys of the owner share it.
type Told = (String, BTreeMap<String, i64>, bool);

fn told(reply: &Reply, header: &str) -> Vec<Told> {
    let text = reply.header(header).unwrap_or_else(|| panic!("no {header} with {}: {}", reply.status, reply.text));
    let list: List = Parser::new(text).parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    let read = |entry: ListEntry| {
        let ListEntry::Item(item) = entry else { panic!("{text}") };
        let BareItem::String(name) = item.bare_item else { panic!("{text}") };
        let (mut numbers, mut shared) = (BTreeMap::new(), false);
        for (key, value) in item.params {
            match value {
                BareItem::Integer(number) => _ = numbers.insert(key.as_str().to_owned(), i64::from(number)),
                BareItem::ByteSequence(bytes) => shared = key.as_str() == "pk" && bytes == b"owner",
                other => panic!("{text}: {other:?}"),
            }
        }
        (name.as_str().to_owned(), numbers, shared)
    };
    list.into_iter().map(read).collect()
}

/// A reply with what is left of the only limit, whose window is `within` seconds long.
fn left_of_one(reply: &Reply, within: i64) -> i64 {
    let [(name, numbers, _)] = &told(reply, "ratelimit")[..] else { panic!("not one") };
    assert_eq!(name, "all");
    assert!((1..=within).contains(&numbers["t"]), "{numbers:?}");
    numbers["r"]
}

/// A key with this limit in a window that does not end while a test runs.
async fn limited(replica: &Replica, limit: u64, scopes: &[&str]) -> MadeKey {
    let limits = json!([{ "name": "all", "limit": limit, "window": "month" }]);
    let person = Person::with_scopes(&format!("alice-{}", unique()), "keyward:verify");
    person.creates(replica, json!({ "scopes": scopes, "limits": limits })).await
}

fn with(key: &MadeKey, replica: &Replica, method: Method, path: &str) -> RequestBuilder {
    stranger(replica, method, path).header("x-api-key", &key.holder.key)
}

/// A replica that sends the older headers as well.
async fn older_headers(form: &str) -> SharedReplica {
    SharedReplica::get_with(&[("KEYWARD__LIMITS__LEGACY_HEADERS", form)]).await
}

const MONTH: i64 = 31 * 86_400;

#[tokio::test]
async fn every_answer_to_a_limited_key_tells_what_is_left_until_it_is_refused() {
    let replica = shared_replica().await;
    let key = limited(&replica, 5, &["keyward:verify"]).await;
    let asks = async |method: Method, path: &str, body: Option<Value>| {
        let request = with(&key, &replica, method, path);
        Reply::to(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    };
    let other = limited(&replica, 1, &[]).await;
    let question = json!({ "key": other.holder.key });
    let granted = [
        asks(Method::GET, RESOURCE, None).await,
        asks(Method::GET, "/v1/authorize", None).await,
        asks(Method::GET, "/v1/keys/self", None).await,
        asks(Method::POST, VERIFY, Some(question)).await,
        // It was charged before the body was read.
        asks(Method::POST, VERIFY, Some(json!({ "key": 1 }))).await,
    ];
    let statuses: Vec<u16> = granted.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 422]);
    for (at, reply) in granted.iter().enumerate() {
        assert_eq!(left_of_one(reply, MONTH), 4 - i64::try_from(at).expect("small"));
        assert_eq!(reply.header("ratelimit-policy"), Some(r#""all";q=5"#), "months differ in length");
        assert_eq!(reply.header("retry-after"), None);
    }
    for path in ["/v1/authorize", "/v1/keys/self", VERIFY] {
        let method = if path == VERIFY { Method::POST } else { Method::GET };
        let refused = asks(method, path, None).await;
        let problem = refused.is(429);
        assert_eq!(problem["code"], "quota_exceeded");
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
        assert_eq!(problem["violated-policies"], json!(["all"]));
        assert_eq!(left_of_one(&refused, MONTH), 0);
        let [(_, numbers, _)] = &told(&refused, "ratelimit")[..] else { panic!("not one") };
        let retry_after: i64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
        assert!((numbers["t"] - retry_after).abs() <= 1, "{numbers:?} {retry_after}");
    }
    let refused = asks(Method::GET, RESOURCE, None).await;
    assert_eq!((refused.status, refused.text.as_str()), (429, r#"{"message":"Quota exceeded"}"#));
    assert_eq!(left_of_one(&refused, MONTH), 0);
    assert!(refused.header("retry-after").is_some());
}

#[tokio::test]
async fn all_limits_of_the_key_and_of_its_owner_are_told_and_those_that_are_violated() {
    let (replica, alice, root) = (shared_replica().await, Person::of_this_test("alice"), Person::administrator());
    let of_key = json!([
        { "name": "hour", "limit": 1000, "window": "1h", "cost": 100 },
        { "name": "all", "limit": 2, "window": "31d" },
    ]);
    let key = alice.creates(&replica, json!({ "limits": of_key })).await;
    let of_owner = json!({ "limits": [{ "name": "all", "limit": 7, "window": "day" }] });
    let path = format!("/v1/admin/owners/{}/limits", alice.owner());
    Reply::to(root.request(&replica, Method::PUT, &path).json(&of_owner)).await.is(200);
    let first = Reply::to(with(&key, &replica, Method::GET, RESOURCE)).await;
    let numbers = |pairs: &[(&str, i64)]| pairs.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect();
    let expected: Vec<Told> = vec![
        ("hour".to_owned(), numbers(&[("q", 1000), ("w", 3600)]), false),
        ("all".to_owned(), numbers(&[("q", 2), ("w", MONTH)]), false),
        ("all".to_owned(), numbers(&[("q", 7), ("w", 86_400)]), true),
    ];
    assert_eq!(told(&first, "ratelimit-policy"), expected);
    let left = |reply: &Reply| -> Vec<(String, i64, bool)> {
        told(reply, "ratelimit").into_iter().map(|(name, numbers, shared)| (name, numbers["r"], shared)).collect()
    };
    let names = |hour, own, shared| {
        vec![("hour".to_owned(), hour, false), ("all".to_owned(), own, false), ("all".to_owned(), shared, true)]
    };
    assert_eq!(left(&first), names(900, 1, 6));
    Reply::to(with(&key, &replica, Method::GET, RESOURCE)).await.is(200);
    let refused = Reply::to(with(&key, &replica, Method::GET, "/v1/authorize")).await;
    assert_eq!(refused.is(429)["violated-policies"], json!(["all"]));
    assert_eq!(left(&refused), names(800, 0, 5), "a refusal is free");
}

#[tokio::test]
async fn without_limits_nothing_is_told() {
    let (replica, alice) = (older_headers("seconds").await, Person::of_this_test("alice"));
    let key = alice.creates(&replica, json!({})).await;
    for path in [RESOURCE, "/v1/authorize", "/v1/keys/self"] {
        let reply = Reply::to(with(&key, &replica, Method::GET, path)).await;
        assert_eq!(reply.status, 200);
        for header in ["ratelimit", "ratelimit-policy", "x-ratelimit-limit", "x-ratelimit-remaining"] {
            assert_eq!(reply.header(header), None, "{path}");
        }
    }
}

#[tokio::test]
async fn the_older_headers_are_sent_if_they_are_asked_for_and_tell_of_the_tightest_limit() {
    let limits = json!([
        { "name": "wide", "limit": 1000, "window": "month" },
        { "name": "tight", "limit": 30, "window": "31d", "cost": 10 },
    ]);
    for (setting, from) in [("seconds", 0), ("epoch", i64::try_from(test_support::actors::now()).expect("a time"))] {
        let replica = older_headers(setting).await;
        let key = Person::of_this_test("alice").creates(&replica, json!({ "limits": limits })).await;
        let number = |reply: &Reply, header: &str| -> i64 {
            reply.header(header).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{header}"))
        };
        for (status, remaining) in [(200, 20), (200, 10), (200, 0), (429, 0)] {
            let reply = Reply::to(with(&key, &replica, Method::GET, RESOURCE)).await;
            assert_eq!(reply.status, status);
            assert_eq!((number(&reply, "x-ratelimit-limit"), number(&reply, "x-ratelimit-remaining")), (30, remaining));
            let reset = number(&reply, "x-ratelimit-reset");
            assert!((from + 1..=from + MONTH + 60).contains(&reset), "{setting}: {reset}");
            assert!(reply.header("ratelimit").is_some());
        }
    }
    let replica = shared_replica().await;
    let key = limited(&replica, 5, &[]).await;
    let reply = Reply::to(with(&key, &replica, Method::GET, RESOURCE)).await;
    assert_eq!(reply.header("x-ratelimit-limit"), None, "off by default");
}

#[tokio::test]
async fn the_older_headers_tell_of_credits_where_fewer_requests_are_left_of_those() {
    let (replica, alice) = (older_headers("seconds").await, Person::of_this_test("alice"));
    let older = async |key: &MadeKey| {
        let reply = Reply::to(with(key, &replica, Method::GET, RESOURCE)).await;
        let number = |what: &str| Some(reply.header(&format!("x-ratelimit-{what}"))?.parse::<u64>().expect("a number"));
        (number("limit"), number("remaining"), number("reset"))
    };
    let key = alice.creates(&replica, json!({ "credits": { "remaining": 2 } })).await;
    for left in [1, 0, 0] {
        assert_eq!(older(&key).await, (None, Some(left), None), "credits have no amount, and these no refill");
    }
    let refill = json!({ "amount": 1, "interval": "daily" });
    let limits = json!([{ "name": "all", "limit": 4, "window": "month" }]);
    let body = json!({ "limits": limits, "credits": { "remaining": 5, "refill": refill } });
    let key = alice.creates(&replica, body).await;
    assert_eq!(older(&key).await.0, Some(4), "three are left of the limit");
    alice.patches(&replica, &key.path(), json!({ "credits": { "remaining": 4 } })).await.is(200);
    let (limit, remaining, reset) = older(&key).await;
    assert_eq!((limit, remaining), (Some(4), Some(2)), "three are left of the credits");
    alice.patches(&replica, &key.path(), json!({ "credits": { "remaining": 1 } })).await.is(200);
    let (limit, remaining, refill) = older(&key).await;
    assert_eq!((limit, remaining), (None, Some(0)));
    assert!(refill.is_some_and(|seconds| (1..=86_400).contains(&seconds)) && reset.is_some(), "{refill:?}");
}

#[tokio::test]
async fn a_name_that_the_key_and_its_owner_have_is_named_once() {
    let (replica, alice, root) = (shared_replica().await, Person::of_this_test("alice"), Person::administrator());
    let limits = json!([{ "name": "all", "limit": 1, "window": "month" }]);
    let path = format!("/v1/admin/owners/{}/limits", alice.owner());
    Reply::to(root.request(&replica, Method::PUT, &path).json(&json!({ "limits": limits }))).await.is(200);
    let key = alice.creates(&replica, json!({ "limits": limits })).await;
    assert_eq!(key.status(&replica).await, 200);
    let refused = Reply::to(with(&key, &replica, Method::GET, "/v1/authorize")).await;
    assert_eq!(refused.is(429)["violated-policies"], json!(["all"]));
    assert_eq!(told(&refused, "ratelimit").len(), 2);
}
