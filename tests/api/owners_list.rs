//! `/v1/admin/owners`: who has keys, how they stand, and who is disabled, since when, why and by whom.

use serde_json::{Value, json};
use test_support::{
    actors::{Person, claims},
    asking::{ALL_KEYS, KEYS, pairs, replica},
    replica::Replica,
};

const OWNERS: &str = "/v1/admin/owners";
const ALICE: &str = "AGFsaWNl";

fn subjects(page: &Value) -> Vec<&str> {
    let owners = page["owners"].as_array().expect("a list");
    owners.iter().map(|one| one["owner"]["subject"].as_str().expect("a text")).collect()
}

async fn make(replica: &Replica, names: &[&str]) {
    for name in names {
        Person::named(name).creates(replica, json!({})).await;
    }
}

async fn switch(replica: &Replica, owner: &str, action: &str, body: Value) {
    Person::administrator().posts(replica, &format!("{OWNERS}/{owner}/{action}"), body).await.is(200);
}

#[tokio::test]
async fn an_owner_is_shown_with_state_reason_who_and_when_and_the_numbers_of_keys() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    root.gets(&replica, &format!("{OWNERS}/{ALICE}")).await.is_problem(404, "not_found");
    root.gets(&replica, &format!("{OWNERS}/x")).await.is_problem(404, "not_found");
    alice.creates(&replica, json!({})).await;
    alice.creates(&replica, json!({ "enabled": false })).await;
    let gone = alice.creates(&replica, json!({ "expiresIn": 1 })).await;
    let revoked = alice.creates(&replica, json!({})).await;
    alice.deletes(&replica, &revoked.path()).await.is(200);
    gone.holder.is_refused(&replica).await;
    let show = async || root.gets(&replica, &format!("{OWNERS}/{ALICE}")).await.is(200);
    let active = json!({
        "owner": { "id": ALICE, "issuer": "", "subject": "alice" }, "state": "active",
        "disabledAt": null, "disabledReason": null, "disabledBy": null, "plan": null,
        "keys": { "active": 1, "disabled": 1, "expired": 1, "revoked": 1, "complete": true },
    });
    assert_eq!(show().await, active);

    switch(&replica, ALICE, "disable", json!({ "reason": "unpaid" })).await;
    let disabled = show().await;
    let by_root = json!({ "kind": "token", "issuer": "", "subject": "root", "keyId": null });
    assert_eq!((&disabled["state"], &disabled["disabledReason"]), (&json!("disabled"), &json!("unpaid")));
    assert_eq!(disabled["disabledBy"], by_root);
    let event = &root.gets(&replica, "/v1/admin/audit?limit=1").await.is(200)["events"][0];
    assert_eq!((&event["action"], &event["at"]), (&json!("owner.disabled"), &disabled["disabledAt"]));
    let counts = json!({ "active": 0, "disabled": 3, "expired": 0, "revoked": 1, "complete": true });
    assert_eq!(disabled["keys"], counts);
    // To disable once more changes nothing of it.
    switch(&replica, ALICE, "disable", json!({ "reason": "another" })).await;
    assert_eq!(show().await, disabled);
    switch(&replica, ALICE, "enable", json!({})).await;
    assert_eq!(show().await, active);
    // Who has no key is known as long as they are disabled.
    switch(&replica, "AGJvYg", "disable", json!({})).await;
    assert_eq!(root.gets(&replica, &format!("{OWNERS}/AGJvYg")).await.is(200)["state"], "disabled");
    switch(&replica, "AGJvYg", "enable", json!({})).await;
    root.gets(&replica, &format!("{OWNERS}/AGJvYg")).await.is_problem(404, "not_found");
}

#[tokio::test]
async fn owners_are_listed_in_pages_searched_and_told_apart_by_state() {
    let (replica, root) = (replica().await, Person::administrator());
    make(&replica, &["carol", "alice", "alice", "bob", "Alistair", "per%cent"]).await;
    switch(&replica, "AGJvYg", "disable", json!({})).await;
    switch(&replica, "AG5vYm9keQ", "disable", json!({})).await; // nobody, who has no key
    let list = async |query: &str| root.gets(&replica, &format!("{OWNERS}?{query}")).await.is(200);
    for (query, expected) in [
        ("", vec!["Alistair", "alice", "bob", "carol", "nobody", "per%cent"]),
        ("search=ali", vec!["Alistair", "alice"]),
        ("search=%25", vec!["per%cent"]),
        ("search=zed", vec![]),
        ("state=disabled", vec!["bob", "nobody"]),
        ("state=disabled&search=BOB", vec!["bob"]),
        ("state=active&search=o", vec!["carol"]),
        ("subject=alice", vec!["alice"]),
        ("owner=AGFsaWNl&state=active", vec!["alice"]),
        ("owner=AGFsaWNl&state=disabled", vec![]),
        ("subject=zed", vec![]),
    ] {
        assert_eq!(subjects(&list(query).await), expected, "{query}");
        let (mut walked, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = list(&format!("limit=1&{query}{cursor}")).await;
            walked.extend(subjects(&page).into_iter().map(str::to_owned));
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(walked, expected, "{query} page by page");
    }
    assert_eq!(list("subject=alice").await["owners"][0]["keys"]["active"], 2);
    for (query, name) in [("state=gone", "state"), ("search=", "search"), ("cursor=x", "cursor"), ("owner=x", "owner")]
    {
        let answer = root.gets(&replica, &format!("{OWNERS}?{query}")).await;
        assert_eq!(answer.wrong_parameters(), pairs(&[(name, "invalid")]), "{query}");
    }
    Person::named("alice").gets(&replica, OWNERS).await.is_problem(403, "insufficient_scope");
}

#[tokio::test]
async fn wherever_a_query_takes_an_owners_id_it_takes_issuer_and_subject() {
    let (replica, root) = (replica().await, Person::administrator());
    make(&replica, &["alice", "bob"]).await;
    for (path, list) in [(ALL_KEYS, "keys"), ("/v1/admin/audit", "events"), (OWNERS, "owners")] {
        let found = async |query: &str| root.gets(&replica, &format!("{path}?{query}")).await.is(200)[list].clone();
        let by_id = found("owner=AGFsaWNl").await;
        assert_eq!(by_id.as_array().map(Vec::len), Some(1), "{path}");
        assert_eq!((found("subject=alice").await, found("issuer=&subject=alice").await), (by_id.clone(), by_id));
        assert_eq!(found("issuer=https://x.example&subject=alice").await, json!([]));
        for (query, wrong) in [
            ("owner=AGFsaWNl&subject=alice", ("owner", "conflict")),
            ("issuer=x", ("subject", "required")),
            ("subject=", ("subject", "invalid")),
        ] {
            let answer = root.gets(&replica, &format!("{path}?{query}")).await;
            assert_eq!(answer.wrong_parameters(), pairs(&[wrong]), "{path}?{query}");
        }
    }
    let own = Person::named("alice").gets(&replica, &format!("{KEYS}?subject=bob")).await;
    assert_eq!(own.wrong_parameters(), pairs(&[("subject", "unknown_parameter")]));
}

#[tokio::test]
async fn a_disabled_owner_gets_no_key_and_learns_why() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let (on, off) =
        (alice.creates(&replica, json!({})).await, alice.creates(&replica, json!({ "enabled": false })).await);
    switch(&replica, ALICE, "disable", json!({ "reason": "unpaid" })).await;
    let of_alice = json!({ "owner": { "subject": "alice" } });
    let admin_path = |id: &str| format!("{ALL_KEYS}/{id}");
    for answer in [
        alice.posts(&replica, KEYS, json!({})).await,
        root.posts(&replica, ALL_KEYS, of_alice.clone()).await,
        alice.posts(&replica, &format!("{}/rotate", on.path()), json!({})).await,
        root.posts(&replica, &format!("{}/rotate", admin_path(&on.id)), json!({ "gracePeriod": 60 })).await,
        alice.posts(&replica, &format!("{}/enable", off.path()), json!({})).await,
        root.posts(&replica, &format!("{}/enable", admin_path(&off.id)), json!({})).await,
        root.posts(&replica, &format!("{}/enable", admin_path(&on.id)), json!({})).await,
        alice.patches(&replica, &off.path(), json!({ "enabled": true })).await,
    ] {
        answer.is_problem(403, "owner_disabled");
        assert!(!answer.text.contains("unpaid"), "the reason is for administrators");
    }
    let by_the_guide = alice.asks_for_a_key(&replica).await;
    assert_eq!(by_the_guide.status(), 403);
    assert!(by_the_guide.json::<Value>().await.expect("JSON")["message"].is_string());
    // What narrows goes on.
    alice.patches(&replica, &on.path(), json!({ "name": "x", "enabled": false })).await.is(200);
    alice.deletes(&replica, &on.path()).await.is(200);
    assert_eq!(alice.gets(&replica, KEYS).await.is(200)["keys"].as_array().map(Vec::len), Some(2));

    switch(&replica, ALICE, "enable", json!({})).await;
    alice.creates(&replica, json!({})).await;
    let enabled = alice.posts(&replica, &format!("{}/enable", off.path()), json!({})).await.is(200);
    assert_eq!(enabled["state"], "active");
}

#[tokio::test]
async fn a_token_that_disables_its_owner_is_told_as_who_did_it() {
    let replica = test_support::asking::replica_with(&[("KEYWARD__JWT__DISABLED_CLAIM", "suspended")]).await;
    make(&replica, &["alice"]).await;
    let mut suspended = claims("alice");
    suspended["suspended"] = json!(true);
    Person::with_claims(&suspended).gets(&replica, KEYS).await.is_problem(401, "invalid_token");
    let shown = Person::administrator().gets(&replica, &format!("{OWNERS}/{ALICE}")).await.is(200);
    assert_eq!((&shown["state"], &shown["disabledBy"]["subject"]), (&json!("disabled"), &json!("alice")));
}
