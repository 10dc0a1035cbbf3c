//! Every route that takes an id is tried by two owners (OWASP API1:2023), and those of administrators by everybody
//! else.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use keyward::api::{
    endpoint::{Access, Endpoint},
    routes::ENDPOINTS,
};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{Person, stranger},
    asking::{ALL_KEYS, KEYS, Reply, pairs, replica, replica_with, shared_replica},
    eventually,
    replica::Replica,
};
use tokio::task::JoinSet;

/// A key's id by its form, that no key has; and texts that are none.
const MISSING: &str = "0353DYWCFgHVkSVlY4tgVm";
const NO_IDS: [&str; 8] = ["1", "zzzzzzzzzzzzzzzzzzzzzz", "null", "%00", "%ff", "..%2f..", "self%20", "é"];

/// Method, path and body of every route that takes a key's id.
fn routes_with_id(access: Access) -> Vec<(Method, &'static str, Value)> {
    let with_id = ENDPOINTS.iter().filter(|endpoint| endpoint.access == access && endpoint.path.contains("keys/{id}"));
    let body = |endpoint: &Endpoint| match (endpoint.method.as_str(), endpoint.path) {
        ("PATCH", _) => json!({ "name": "x" }),
        ("DELETE", _) => json!({ "reason": "x" }),
        (_, path) if path.ends_with("rotate") => json!({ "gracePeriod": 5 }),
        (_, path) if path.ends_with("credits") => json!({ "operation": "add", "amount": 1 }),
        _ => json!({}),
    };
    let route = |method: &actix_web::http::Method| method.as_str().parse().expect("a method");
    let routes: Vec<_> = with_id.map(|it| (route(&it.method), it.path, body(it))).collect();
    assert_eq!(routes.len(), 8);
    routes
}

async fn ask(person: &Person, replica: &Replica, route: &(Method, &str, Value), id: &str) -> Reply {
    let (method, path, body) = route;
    let request = person.request(replica, method.clone(), &path.replace("{id}", id));
    Reply::to(if *method == Method::GET { request } else { request.json(body) }).await
}

/// All that an answer tells, but for what differs from answer to answer, and the path that was sent.
fn told(reply: &Reply) -> (u16, Value, Vec<(String, String)>) {
    const OWN: [&str; 3] = ["date", "x-request-id", "content-length"];
    let headers = reply.headers.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    let text = |value: &reqwest::header::HeaderValue| value.to_str().expect("text").to_owned();
    let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
    headers.sort();
    let mut body: Value = serde_json::from_str(&reply.text).expect("JSON");
    body.as_object_mut().expect("an object").retain(|name, _| name != "instance" && name != "requestId");
    (reply.status, body, headers)
}

#[tokio::test]
async fn anothers_key_is_in_no_way_told_from_a_missing_one_and_stays_as_it_is() {
    let (replica, alice, mallory) =
        (shared_replica().await, Person::of_this_test("alice"), Person::of_this_test("mallory"));
    let made = alice.creates(&replica, json!({ "name": "hers" })).await;
    let before = alice.gets(&replica, &made.path()).await;
    for route in routes_with_id(Access::Token) {
        let anothers = ask(&mallory, &replica, &route, &made.id).await;
        anothers.is_problem(404, "not_found");
        for id in [MISSING].iter().chain(&NO_IDS) {
            assert_eq!(told(&ask(&mallory, &replica, &route, id).await), told(&anothers), "{route:?} {id}");
        }
    }
    // Also where something else is wrong with the request.
    for (if_match, body) in [("\"1\"", "{}"), ("?", "{}"), ("\"1\"", "{"), ("\"1\"", r#"{"id":1}"#)] {
        let patch = async |id: &str| {
            let request = mallory.request(&replica, Method::PATCH, &format!("{KEYS}/{id}"));
            let request = request.header("if-match", if_match).header("content-type", "application/json");
            told(&Reply::to(request.body(body)).await)
        };
        assert_eq!(patch(&made.id).await, patch(MISSING).await);
    }
    let after = alice.gets(&replica, &made.path()).await;
    assert_eq!((told(&after), made.status(&replica).await), (told(&before), 200));
    assert_eq!(mallory.gets(&replica, KEYS).await.is(200)["keys"], json!([]));
    assert_eq!(mallory.gets(&replica, &format!("/v1/audit?keyId={}", made.id)).await.is(200)["events"], json!([]));
}

#[tokio::test]
async fn the_same_subject_of_another_issuer_is_another_owner() {
    let replica = shared_replica().await;
    let of = |issuer: &str| {
        let mut claims = test_support::actors::claims("alice");
        claims["iss"] = json!(issuer);
        Person::with_claims(&claims)
    };
    let (one, two) = (of("https://one.example"), of("https://two.example"));
    let made = one.creates(&replica, json!({})).await;
    one.gets(&replica, &made.path()).await.is(200);
    two.gets(&replica, &made.path()).await.is_problem(404, "not_found");
    two.deletes(&replica, &made.path()).await.is_problem(404, "not_found");
    assert_eq!(made.status(&replica).await, 200);
}

#[tokio::test]
async fn an_owner_cannot_make_a_key_for_another() {
    let (replica, mallory) = (shared_replica().await, Person::of_this_test("mallory"));
    let answer = mallory.posts(&replica, KEYS, json!({ "owner": { "subject": "alice" } })).await;
    assert_eq!(answer.wrong_fields(), pairs(&[("/owner", "unknown_field")]));
    for path in ["/v1/keys?owner=AGFsaWNl", "/v1/audit?owner=AGFsaWNl"] {
        assert_eq!(mallory.gets(&replica, path).await.wrong_parameters(), pairs(&[("owner", "unknown_parameter")]));
    }
}

#[tokio::test]
async fn an_administrator_reaches_the_keys_of_all() {
    let (replica, alice, root) = (shared_replica().await, Person::of_this_test("alice"), Person::administrator());
    for route in routes_with_id(Access::Administrator) {
        let made = alice.creates(&replica, json!({ "credits": { "remaining": 1 } })).await;
        let answer = ask(&root, &replica, &route, &made.id).await;
        assert!(matches!(answer.status, 200 | 201), "{route:?}: {}", answer.text);
        for id in [MISSING].iter().chain(&NO_IDS) {
            ask(&root, &replica, &route, id).await.is_problem(404, "not_found");
        }
        // By the routes for owners, an administrator is an owner like any other.
        root.gets(&replica, &made.path()).await.is_problem(404, "not_found");
    }
    let new_key = json!({ "owner": { "issuer": "https://one.example", "subject": "bob" }, "name": "for bob" });
    let answer = root.posts(&replica, ALL_KEYS, new_key).await;
    let made = answer.is(201);
    assert_eq!(answer.header("location"), Some(format!("{ALL_KEYS}/{}", made["id"].as_str().expect("id")).as_str()));
    let owner = made["owner"]["id"].as_str().expect("an id");
    let list = root.gets(&replica, &format!("{ALL_KEYS}?owner={owner}")).await.is(200);
    assert_eq!((list["keys"].as_array().map(Vec::len), &list["keys"][0]["id"]), (Some(1), &made["id"]));
    assert!(root.gets(&replica, ALL_KEYS).await.is(200)["keys"].as_array().is_some_and(|keys| keys.len() >= 7));
    for bad in [json!({}), json!({ "owner": null })] {
        assert_eq!(root.posts(&replica, ALL_KEYS, bad).await.wrong_fields(), pairs(&[("/owner", "required")]));
    }
    let bad = json!({ "owner": { "issuer": 1, "subject": "", "extra": 1 }, "name": "" });
    assert_eq!(
        root.posts(&replica, ALL_KEYS, bad).await.wrong_fields(),
        pairs(&[
            ("/name", "invalid"),
            ("/owner/extra", "unknown_field"),
            ("/owner/issuer", "wrong_type"),
            ("/owner/subject", "invalid"),
        ])
    );
}

#[tokio::test]
async fn without_its_scope_nobody_is_an_administrator_and_a_key_never_is() {
    let replica = replica().await;
    let (root, alice) =
        (Person::administrator(), Person::with_scopes("alice", "keyward:verify admin keyward:administrator"));
    let key = alice.creates(&replica, json!({ "scopes": ["keyward:verify"] })).await.holder.key;
    let bearer = Person { token: key.clone() };
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.access == Access::Administrator) {
        let method: Method = endpoint.method.as_str().parse().expect("a method");
        let path = endpoint.path.replace("{id}", "AGFsaWNl");
        let answer = Reply::to(alice.request(&replica, method.clone(), &path)).await;
        answer.is_problem(403, "insufficient_scope");
        let challenge = r#"Bearer realm="keyward", error="insufficient_scope", scope="keyward:admin""#;
        assert_eq!(answer.header("www-authenticate"), Some(challenge));
        let with_key = stranger(&replica, method.clone(), &path).header("x-api-key", &key);
        Reply::to(with_key).await.is_problem(401, "missing_credential");
        Reply::to(bearer.request(&replica, method, &path)).await.is_problem(401, "invalid_token");
    }
    assert_eq!(root.gets(&replica, "/v1/admin/audit").await.is(200)["events"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_owner_who_makes_keys_all_the_time_keeps_nobody_else_from_making_one() {
    // One hash at a time. A few fit into the wait, and a few hundred don't.
    let replica = replica_with(&[
        ("KEYWARD__KEYS__MAX_PER_OWNER", "1"),
        ("KEYWARD__HASHING__CONCURRENCY", "1"),
        ("KEYWARD__HASHING__MAX_WAIT", "8s"),
    ])
    .await;
    let mallory = Person::named("mallory");
    mallory.creates(&replica, json!({})).await;
    let refused = Arc::new(AtomicUsize::new(0));
    let mut flood = JoinSet::new();
    for _ in 0..400 {
        let again = mallory.request(&replica, Method::POST, KEYS).json(&json!({}));
        let refused = Arc::clone(&refused);
        flood.spawn(async move {
            loop {
                let answer = again.try_clone().expect("no stream").send().await.expect("an answer");
                assert!([409, 429].contains(&answer.status().as_u16()), "{answer:?}");
                refused.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    eventually("she was told so for a while", async || refused.load(Ordering::Relaxed) > 400).await;
    for subject in ["alice", "bob", "carol", "dan", "erin", "frank"] {
        Person::named(subject).posts(&replica, KEYS, json!({})).await.is(201);
    }
    assert!(flood.try_join_next().is_none(), "one of them has ended");
}
