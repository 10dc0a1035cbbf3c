//! What answers say where one text used to stand for several causes.

use reqwest::Method;
use serde_json::{Value, json};

use test_support::{
    actors::{Person, stranger},
    asking::{ALL_KEYS, KEYS, Reply, pairs, replica_with, shared_replica},
};

fn detail(reply: &Reply) -> String {
    let problem: Value = serde_json::from_str(&reply.text).expect("JSON");
    problem["detail"].as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn what_is_not_found_is_named() {
    let (replica, root) = (shared_replica().await, Person::administrator());
    for (path, told) in [
        ("/v1/nothing", "route"),
        ("/v1/keys/0123456789012345678901", "key"),
        ("/v1/keys/x", "key"),
        (&format!("/v1/admin/owners/{}", Person::of_this_test("nobody").owner()), "owner"),
        ("/problems/x", "problem"),
    ] {
        let answer = root.gets(&replica, path).await;
        answer.is_problem(404, "not_found");
        assert!(detail(&answer).contains(&format!("no such {told}")), "{path}: {}", detail(&answer));
    }
    // Another owner's key looks the same as none.
    let key = Person::of_this_test("alice").creates(&replica, json!({})).await;
    let (other, none) = (root.gets(&replica, &key.path()).await, root.gets(&replica, &format!("{KEYS}/x")).await);
    assert_eq!(detail(&other), detail(&none));
}

#[tokio::test]
async fn json_that_is_none_is_explained() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    for (body, told) in [("{\"name\":}", "expected value"), ("{\"a\":1}x", "trailing"), ("{\"a\":1", "EOF")] {
        let request = alice.request(&replica, Method::POST, KEYS).header("content-type", "application/json").body(body);
        let answer = Reply::to(request).await;
        answer.is_problem(400, "invalid_json");
        assert!(detail(&answer).contains(told) && detail(&answer).contains("line 1"), "{}", detail(&answer));
    }
}

#[tokio::test]
async fn the_limit_that_is_reached_is_named() {
    let replica = replica_with(&[("KEYWARD__KEYS__MAX_PER_OWNER", "1")]).await;
    let alice = Person::named("alice");
    alice.creates(&replica, json!({})).await;
    let answer = alice.posts(&replica, KEYS, json!({})).await;
    answer.is_problem(409, "too_many_keys");
    assert!(detail(&answer).contains("keys.max_per_owner") && detail(&answer).contains(" 1 "), "{}", detail(&answer));
}

#[tokio::test]
async fn a_plus_in_a_query_is_hinted_at_and_bytes_that_are_no_text_are_refused() {
    let (replica, root) = (shared_replica().await, Person::administrator());
    for (path, parameter) in [(ALL_KEYS, "createdSince"), ("/v1/admin/audit", "from")] {
        let answer = root.gets(&replica, &format!("{path}?{parameter}=2030-01-31T12:00:00+02:00")).await;
        assert_eq!(answer.wrong_parameters(), pairs(&[(parameter, "invalid")]));
        assert!(answer.text.contains("%2B"), "{}", answer.text);
        let well = root.gets(&replica, &format!("{path}?{parameter}=2020-01-31T12:00:00%2B02:00")).await;
        assert_eq!(well.status, 200, "{}", well.text);
        let plain = root.gets(&replica, &format!("{path}?{parameter}=yesterday")).await;
        assert!(plain.status == 400 && !plain.text.contains("%2B"), "{}", plain.text);
    }
    for query in ["search=%FF", "search=a%C3", "name=%80", "search=%ED%A0%80"] {
        let answer = root.gets(&replica, &format!("{ALL_KEYS}?{query}")).await;
        let name = query.split('=').next().expect("a name");
        assert_eq!(answer.wrong_parameters(), pairs(&[(name, "invalid")]), "{query}");
    }
    assert_eq!(root.gets(&replica, &format!("{ALL_KEYS}?search=%EF%BF%BD")).await.status, 200);
}

#[tokio::test]
async fn texts_of_blanks_alone_are_refused() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    for blank in [" ", "\u{a0}", "\u{3000}\u{2003}", "\u{feff}"] {
        let answer = alice.posts(&replica, KEYS, json!({ "name": blank, "description": blank })).await;
        assert_eq!(answer.wrong_fields(), pairs(&[("/description", "invalid"), ("/name", "invalid")]), "{blank:?}");
    }
    alice.creates(&replica, json!({ "name": " a " })).await;
}

#[tokio::test]
async fn a_method_in_small_letters_is_told_that_methods_are_in_capitals() {
    let replica = shared_replica().await;
    let method = Method::from_bytes(b"get").expect("a method");
    let answer = Reply::to(stranger(&replica, method, KEYS)).await;
    answer.is_problem(501, "unknown_method");
    assert!(detail(&answer).contains("in capitals"), "{}", detail(&answer));
}

#[tokio::test]
async fn a_reason_for_disabling_a_key_is_kept_in_the_audit() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    let key = alice.creates(&replica, json!({})).await;
    alice.posts(&replica, &format!("{}/disable", key.path()), json!({ "reason": "on holiday" })).await.is(200);
    let events = alice.gets(&replica, "/v1/audit?limit=1").await.is(200);
    let event = &events["events"][0];
    assert_eq!(
        (&event["action"], &event["details"]["reason"]),
        (&json!("key.disabled"), &json!("on holiday")),
        "{event}"
    );
    let wrong = alice.posts(&replica, &format!("{}/disable", key.path()), json!({ "reason": 1, "x": 1 })).await;
    assert_eq!(wrong.wrong_fields(), pairs(&[("/reason", "wrong_type"), ("/x", "unknown_field")]));
}

#[tokio::test]
async fn an_owner_who_is_disabled_already_stays_so_for_the_first_reason_and_the_answer_says_so() {
    let (replica, root) = (shared_replica().await, Person::administrator());
    let alice = Person::of_this_test("alice").owner();
    let path = |what: &str| format!("/v1/admin/owners/{alice}/{what}");
    let first = root.posts(&replica, &path("disable"), json!({ "reason": "first" })).await.is(200);
    assert_eq!((&first["changed"], &first["disabledReason"]), (&json!(true), &json!("first")), "{first}");
    let again = root.posts(&replica, &path("disable"), json!({ "reason": "second" })).await.is(200);
    assert_eq!((&again["changed"], &again["disabledReason"]), (&json!(false), &json!("first")), "{again}");
    let enabled = root.posts(&replica, &path("enable"), json!({})).await.is(200);
    assert_eq!((&enabled["changed"], &enabled["disabledReason"]), (&json!(true), &Value::Null), "{enabled}");
    assert_eq!(root.posts(&replica, &path("enable"), json!({})).await.is(200)["changed"], false);
}

#[tokio::test]
async fn an_owner_in_a_body_is_an_id_or_issuer_and_subject() {
    let (replica, root) = (shared_replica().await, Person::administrator());
    let alice = Person::of_this_test("alice");
    let (id, alice) = (alice.owner(), alice.subject());
    for owner in [
        json!(id),
        json!({ "subject": alice }),
        json!({ "issuer": "", "subject": alice }),
        json!({ "id": id }),
        json!({ "id": id, "issuer": "", "subject": alice }),
    ] {
        let made = root.posts(&replica, ALL_KEYS, json!({ "owner": owner })).await.is(201);
        assert_eq!(made["owner"]["id"], id, "{made}");
        let revoked = root.posts(&replica, "/v1/admin/keys/revoke", json!({ "owner": owner })).await.is(200);
        assert_eq!(revoked["revoked"], 1, "{owner}");
    }
    for (owner, wrong) in [
        (json!("alice"), ("/owner", "invalid")),
        (json!(1), ("/owner", "wrong_type")),
        (json!({}), ("/owner/subject", "required")),
        (json!({ "id": "AGFsaWNl", "subject": "bob" }), ("/owner/id", "conflict")),
        (json!({ "id": "alice", "subject": "alice" }), ("/owner/id", "invalid")),
        (json!({ "id": null, "subject": "alice" }), ("/owner/id", "wrong_type")),
        (json!({ "id": "AGFsaWNl", "issuer": "" }), ("/owner/subject", "required")),
    ] {
        for path in [ALL_KEYS, "/v1/admin/keys/revoke"] {
            let answer = root.posts(&replica, path, json!({ "owner": owner })).await;
            assert_eq!(answer.wrong_fields(), pairs(&[wrong]), "{path} {owner}");
        }
    }
}
