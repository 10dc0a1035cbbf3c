//! The 515 strings of `naughty_strings.rs` in every text of Keyward's own API: no 5xx, and what is taken comes back.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{Person, claims},
    asking::{ALL_KEYS, KEYS, Reply, VERIFY, replica, shared_replica},
    replica::Replica,
};

use crate::naughty_strings::strings;

#[track_caller]
fn assert_no_failure(answer: &Reply, string: &str) {
    assert!(answer.status < 500, "{string:?} got {}: {}", answer.status, answer.text);
    if answer.status >= 400 {
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{string:?}: {}", answer.text);
    }
}

/// All of them on the fields of one key, which costs no hash; a new version must show what was written.
#[tokio::test]
async fn in_a_field_of_a_key_they_come_back_unchanged_or_are_refused() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let key = alice.creates(&replica, json!({})).await;
    let mut taken = 0;
    for string in strings() {
        let metadata = json!({ "value": string, "list": [{ string.as_str(): string }] });
        let answer = alice.patches(&replica, &key.path(), json!({ "name": string, "metadata": metadata })).await;
        assert_no_failure(&answer, &string);
        if answer.status == 200 {
            taken += 1;
            let shown = alice.gets(&replica, &key.path()).await.is(200);
            assert_eq!(
                (&shown["name"], &shown["metadata"]["list"]),
                (&json!(string), &json!([{ string.as_str(): string }]))
            );
            assert_eq!(shown["metadata"]["value"], string);
        }
    }
    assert!(taken > 400, "{taken}");
    assert_eq!(key.status(&replica).await, if is_active(&alice, &replica, &key.path()).await { 200 } else { 401 });
}

async fn is_active(person: &Person, replica: &Replica, path: &str) -> bool {
    person.gets(replica, path).await.is(200)["state"] == "active"
}

/// A key each costs a hash, so here only every tenth one.
#[tokio::test]
async fn in_an_order_they_come_back_unchanged_or_are_refused() {
    let (replica, root) = (shared_replica().await, Person::administrator());
    for string in strings().iter().step_by(10) {
        let new_key =
            json!({ "owner": { "issuer": string, "subject": string }, "name": string, "metadata": { "a": string } });
        let answer = root.posts(&replica, ALL_KEYS, new_key.clone()).await;
        assert_no_failure(&answer, string);
        if answer.status == 201 {
            let made = answer.is(201);
            let path = format!("{ALL_KEYS}?owner={}", made["owner"]["id"].as_str().expect("an id"));
            let shown = root.gets(&replica, &path).await.is(200)["keys"][0].clone();
            assert_eq!((&shown["id"], &shown["name"]), (&made["id"], &new_key["name"]));
            assert_eq!((&shown["owner"]["issuer"], &shown["owner"]["subject"]), (&json!(string), &json!(string)));
            assert_eq!(shown["metadata"], new_key["metadata"]);
        }
    }
}

#[tokio::test]
async fn in_a_parameter_a_path_or_a_header_they_break_nothing() {
    let (replica, root) = (shared_replica().await, Person::with_scopes("root", "keyward:admin keyward:verify"));
    for string in strings() {
        let encoded: String = string.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let all = [
            format!("{ALL_KEYS}?name={encoded}&tag={encoded}:{encoded}"),
            format!(
                "{ALL_KEYS}?state={encoded}&environment={encoded}&owner={encoded}&limit={encoded}&cursor={encoded}\
                 &{encoded}={encoded}&expiringBefore={encoded}&createdSince={encoded}"
            ),
            format!("/v1/admin/audit?keyId={encoded}&owner={encoded}"),
            format!("{KEYS}/{encoded}"),
        ];
        for path in all {
            assert_no_failure(&root.gets(&replica, &path).await, &string);
        }
        assert_no_failure(
            &root.posts(&replica, &format!("/v1/admin/owners/{encoded}/enable"), json!({})).await,
            &string,
        );
        let missing = format!("{KEYS}/0353DYWCFgHVkSVlY4tgVm");
        assert_no_failure(&root.deletes(&replica, &format!("{missing}?reason={encoded}")).await, &string);
        if let Ok(value) = reqwest::header::HeaderValue::from_bytes(string.as_bytes()) {
            let request = root.request(&replica, Method::PATCH, &missing).header("if-match", value).json(&json!({}));
            assert_no_failure(&Reply::to(request).await, &string);
        }
    }
}

#[tokio::test]
async fn in_a_field_that_takes_no_such_text_they_are_refused() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let key = alice.creates(&replica, json!({})).await;
    for some in strings().chunks(10) {
        let mut wrong: Value =
            some.iter().map(|string| (string.clone(), json!(string))).collect::<serde_json::Map<_, _>>().into();
        for name in ["scopes", "allowedIps", "environment", "enabled", "expiresAt"] {
            wrong[name] = json!(some);
        }
        alice.patches(&replica, &key.path(), wrong).await.is_problem(422, "invalid_fields");
        for string in some {
            let one = json!({ "environment": string, "expiresAt": string, "allowedIps": [string] });
            alice.posts(&replica, KEYS, one).await.is_problem(422, "invalid_fields");
        }
    }
    assert_eq!(key.status(&replica).await, 200);
}

#[tokio::test]
async fn in_a_question_a_filter_and_a_reason_they_break_nothing() {
    let (replica, root) = (replica().await, Person::with_scopes("root", "keyward:admin keyward:verify"));
    for some in strings().chunks(100) {
        let checks: Vec<_> = some.iter().map(|string| json!({ "key": string })).collect();
        let results = root.posts(&replica, VERIFY, json!({ "checks": checks })).await.is(200);
        let results = results["results"].as_array().expect("a list").clone();
        assert_eq!(results, vec![json!({ "valid": false, "code": "not_found" }); some.len()]);
        let wrong: Vec<_> =
            some.iter().map(|text| json!({ "key": text, "scopes": [text], "clientAddress": text })).collect();
        root.posts(&replica, VERIFY, json!({ "checks": wrong, "explain": some }))
            .await
            .is_problem(422, "invalid_fields");
    }
    for string in strings() {
        let filter = json!({ "name": string, "tag": format!("{string}:{string}"), "reason": string });
        assert_no_failure(&root.posts(&replica, "/v1/admin/keys/revoke", filter).await, &string);
    }
}

/// The texts of a token's claims stand in lists and in the audit.
#[tokio::test]
async fn as_an_owner_they_are_shown_as_they_are() {
    let replica = shared_replica().await;
    for some in strings().chunks(30) {
        let subject = some.concat();
        let subject = &subject[..subject.floor_char_boundary(1024)];
        let mut claims = claims(subject);
        claims["iss"] = json!(subject);
        let person = Person::with_claims(&claims);
        let made = person.creates(&replica, json!({})).await;
        let events: Value = person.gets(&replica, "/v1/audit").await.is(200);
        for owner in [&made.body["owner"], &events["events"][0]["owner"], &events["events"][0]["actor"]] {
            assert_eq!((&owner["issuer"], &owner["subject"]), (&json!(subject), &json!(subject)));
        }
    }
}
