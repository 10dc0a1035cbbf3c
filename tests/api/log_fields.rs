//! What the lines of the log say: whose request, in numbers with units, from the beginning of a trouble to its end.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    PrivateCluster,
    actors::{PROTECTED, Person, stranger},
    asking::{SHORT_LEASE, replica, replica_with},
    eventually,
    replica::Replica,
};

/// The lines that hold `message`.
fn lines(replica: &Replica, message: &str) -> Vec<Value> {
    let output = replica.output();
    let parsed = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed.filter(|line| line["message"].as_str().is_some_and(|text| text.contains(message))).collect()
}

async fn last(replica: &Replica, message: &str, count: usize) -> Value {
    eventually(message, async || lines(replica, message).len() >= count).await;
    lines(replica, message).pop().expect("a line")
}

#[tokio::test]
async fn every_refusal_names_the_key_if_it_is_ours_the_client_and_the_route() {
    let replica = replica_with(&[("KEYWARD__SERVER__TRUSTED_PROXIES", "127.0.0.1")]).await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({})).await;
    let text = key.holder.key.clone();
    let id = key.path().rsplit('/').next().expect("an id").to_owned();
    alice.deletes(&replica, &key.path()).await.is(200);
    let mut count = 0;
    for (method, path, name, value, route) in [
        (Method::GET, PROTECTED, "x-api-key", text.clone(), PROTECTED),
        (Method::GET, "/v1/authorize", "x-api-key", text.clone(), "/v1/authorize"),
        (Method::POST, "/v1/authorize/a/b", "authorization", format!("Bearer {text}"), "/v1/authorize/{original}"),
        (Method::POST, "/v1/keys/verify", "x-api-key", text.clone(), "/v1/keys/verify"),
    ] {
        let request = stranger(&replica, method, path).header(name, value).header("x-forwarded-for", "192.0.2.7");
        assert_eq!(request.send().await.expect("an answer").status(), 401, "{path}");
        count += 1;
        let line = last(&replica, "refused a request", count).await;
        assert_eq!(line["reason"], "key_revoked", "{line}");
        assert_eq!((&line["key_id"], &line["client"]), (&json!(id), &json!("192.0.2.7")), "{line}");
        assert_eq!(line["span"]["route"], route, "{line}");
    }
    // With a tag that isn't ours, the id is whatever a stranger has written.
    let forged = format!("{}{}", &text[..text.len() - 1], if text.ends_with('a') { 'b' } else { 'a' });
    let request = stranger(&replica, Method::GET, PROTECTED).header("x-api-key", forged);
    assert_eq!(request.send().await.expect("an answer").status(), 401);
    let line = last(&replica, "refused a request", count + 1).await;
    assert!(line["key_id"].is_null() && line["client"] == "127.0.0.1", "{line}");
}

#[tokio::test]
async fn spans_of_time_are_numbers_with_their_unit_and_nothing_is_written_as_the_program_has_it() {
    let replica = replica().await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({})).await;
    alice.patches(&replica, &key.path(), json!({ "name": "x" })).await.is(200);
    alice.posts(&replica, &format!("{}/rotate", key.path()), json!({})).await.is(201);
    let line = last(&replica, "rotated a key", 1).await;
    assert!(line["took_ms"].is_u64(), "{line}");
    eventually("a change", async || replica.output().contains("took_ms")).await;
    for line in replica.output().lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        for (name, value) in line.as_object().expect("an object") {
            let text = value.as_str().unwrap_or_default();
            assert!(!text.contains(" { ") && !text.starts_with("Some("), "{name}: {text}");
            let is_span = text.strip_suffix("ms").or(text.strip_suffix('s'));
            assert!(is_span.is_none_or(|number| number.parse::<f64>().is_err()), "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn the_start_is_one_line_with_what_matters() {
    let replica = replica().await;
    let started = lines(&replica, "Server running on port");
    assert_eq!(started.len(), 1);
    let line = &started[0];
    assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(line["address"], replica.address());
    assert_eq!(line["lease_ms"], 1000);
    for number in ["schema", "database_connections", "max_connections", "workers"] {
        assert!(line[number].as_u64().is_some_and(|number| number > 0), "{number}: {line}");
    }
    assert_eq!(line["replica"].as_str().map(str::len), Some(36), "{line}");
}

#[tokio::test]
async fn an_outage_has_a_beginning_and_an_end() {
    let mut cluster = PrivateCluster::start().await;
    let replica = Replica::start_on(&cluster.url("postgres"), &[SHORT_LEASE]).await;
    // Once it listens, a change is heard.
    let alice = Person::named("alice");
    for _ in 0..2 {
        let key = alice.creates(&replica, json!({})).await;
        alice.deletes(&replica, &key.path()).await.is(200);
    }
    cluster.stop().await;
    replica.prints("lost the LISTEN connection").await;
    cluster.restart().await;
    let line = last(&replica, "the LISTEN connection is restored", 1).await;
    assert!(line["lasted_ms"].is_u64(), "{line}");
    // As many lines as there are causes (it stops, it is away, it starts), and not one for each try.
    assert!(lines(&replica, "cannot listen for changes").len() <= 5, "{}", replica.last_output());
}

#[tokio::test]
async fn lines_about_changes_have_the_numbers_of_the_answer_and_say_what_they_are_about() {
    let (replica, root) = (replica().await, Person::administrator());
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({ "name": "a" })).await;
    let changed = alice.posts(&replica, &format!("{}/rotate", key.path()), json!({})).await;
    changed.is(201);
    let revoked = alice.deletes(&replica, &key.path()).await.is(200);
    let line = last(&replica, "did revoke a key", 1).await;
    assert_eq!(line["replicas_confirmed"], revoked["replicasConfirmed"], "{line}");
    let owner = root.posts(&replica, "/v1/admin/owners/AGFsaWNl/disable", json!({})).await.is(200);
    let tokens = json!({ "issuer": "", "subject": "alice" });
    let tokens = root.posts(&replica, "/v1/admin/tokens/revoke", tokens).await.is(200);
    let token = json!({ "issuer": "", "tokenId": "7" });
    let token = root.posts(&replica, "/v1/admin/tokens/revoke", token).await.is(200);
    let keys = json!({ "owner": "AGFsaWNl", "name": "a", "state": "active,disabled" });
    let keys = root.posts(&replica, "/v1/admin/keys/revoke", keys).await.is(200);
    for (message, count, answer, about) in [
        ("rotated a key", 1, &revoked, ("key_id", json!(key.id))),
        ("switched an owner", 1, &owner, ("owner", json!("AGFsaWNl"))),
        ("revoked tokens", 2, &token, ("token_id", json!("7"))),
        ("revoked keys", 1, &keys, ("filter", json!("owner=AGFsaWNl&state=active,disabled&name=a"))),
    ] {
        let line = last(&replica, message, count).await;
        assert_eq!(line["replicas_confirmed"], answer["replicasConfirmed"], "{line}");
        assert_eq!(line["replicas_expired"], answer["replicasExpired"], "{line}");
        assert!(line["took_ms"].is_u64(), "{line}");
        assert_eq!(line[about.0], about.1, "{line}");
    }
    assert_eq!(lines(&replica, "revoked tokens")[0]["subject"], "alice");
    assert_eq!(tokens["replicasConfirmed"], 1);
}

#[tokio::test]
async fn a_request_that_is_no_good_is_told_with_its_client_and_a_503_has_one_line() {
    let mut cluster = PrivateCluster::start().await;
    let replica = Replica::start_on(&cluster.url("postgres"), &[SHORT_LEASE]).await;
    let mut connection = test_support::wire::Connection::open(&replica).await;
    connection.send("no request\r\n\r\n").await;
    connection.answer().await;
    let line = last(&replica, "refused a request", 1).await;
    assert_eq!((&line["reason"], &line["client"]), (&json!("malformed_request"), &json!("127.0.0.1")), "{line}");
    cluster.stop().await;
    let answer = Person::named("alice").gets(&replica, "/v1/keys").await;
    assert_eq!(answer.status, 503);
    let id = answer.header("x-request-id").expect("an id").to_owned();
    replica.prints(&id).await;
    // Whatever else is printed for it is printed before the answer is sent.
    let told = replica.output().lines().filter(|line| line.contains(&id)).count();
    assert_eq!(told, 1, "{}", replica.last_output());
}

#[tokio::test]
async fn each_answer_has_a_line_where_that_is_wanted_and_none_otherwise() {
    let (logging, silent) = (replica_with(&[("KEYWARD__LOG__REQUESTS", "true")]).await, replica().await);
    for replica in [&logging, &silent] {
        let holder = Person::named("alice").makes_a_key(replica).await;
        assert_eq!(holder.asks_for_the_resource(replica).await.status(), 200);
        let nowhere = stranger(replica, Method::GET, "/nowhere/secret?x=secret");
        assert_eq!(nowhere.send().await.expect("an answer").status(), 404);
    }
    let nowhere = last(&logging, "answered a request", 3).await;
    let all = lines(&logging, "answered a request");
    let seen: Vec<_> =
        all.iter().map(|line| (&line["span"]["method"], &line["span"]["route"], &line["status"])).collect();
    let expected = [("POST", "/api/create-api-key", 201), ("GET", PROTECTED, 200), ("GET", "none", 404)];
    for (line, (method, route, status)) in expected.into_iter().enumerate() {
        // A probe of the readiness came before.
        let line = seen.len() - expected.len() + line;
        assert_eq!(seen[line], (&json!(method), &json!(route), &json!(status)));
    }
    assert!(nowhere["took_us"].is_u64() && nowhere["client"] == "127.0.0.1", "{nowhere}");
    assert!(nowhere["span"]["request_id"].is_string() && !nowhere.to_string().contains("secret"), "{nowhere}");
    assert!(lines(&silent, "answered").is_empty(), "{}", silent.last_output());
}
