//! Plans by the claim of a token.

use serde_json::{Value, json};
use test_support::{
    actors::{Person, claims, now},
    asking::{KEYS, Reply, replica_with, three_replicas},
    replica::Replica,
};

use super::{ALICE, PLANS, assign, limit, plan, puts};

const BY_CLAIM: (&str, &str) = ("KEYWARD__JWT__PLAN_CLAIM", "app.plan");

/// Alice with a token that was issued at this second, and claims this plan.
fn alice(plan: Value, issued_at: Option<u64>) -> Person {
    let mut claims = claims("alice");
    claims["app"] = json!({ "plan": plan });
    if let Some(second) = issued_at {
        claims["iat"] = json!(second);
    }
    Person::with_claims(&claims)
}

/// The name of the caller's plan.
async fn own_plan(person: &Person, replica: &Replica) -> Value {
    person.gets(replica, "/v1/plan").await.is(200)["plan"]["name"].clone()
}

async fn assigned(replica: &Replica) -> (Value, Value) {
    let shown = Person::administrator().gets(replica, &format!("/v1/admin/owners/{ALICE}/plan")).await.is(200);
    (shown["plan"].clone(), shown["assignedBy"].clone())
}

#[tokio::test]
async fn an_owner_gets_the_plan_that_their_token_claims_wherever_it_is_used() {
    let (_database, replicas) = three_replicas(&[BY_CLAIM]).await;
    plan(&replicas[0], "free", json!({ "limits": [limit("month", 3, "month")] })).await;
    plan(&replicas[0], "pro", json!({ "limits": [limit("month", 6, "month")] })).await;
    let (free, pro) = (alice(json!("free"), Some(now() - 10)), alice(json!("pro"), Some(now() - 5)));
    let plain = Person::named("alice");
    let key = plain.creates(&replicas[0], json!({})).await;
    key.is_everywhere(&replicas, 200).await;
    assert_eq!(assigned(&replicas[0]).await, (json!(null), json!(null)));
    // Any use will do, and when it is answered, every replica goes by it.
    free.gets(&replicas[1], KEYS).await.is(200);
    assert_eq!(assigned(&replicas[2]).await, (json!("free"), json!("claim")));
    let mut granted = 0;
    for replica in replicas.iter().chain(&replicas) {
        granted += u32::from(key.status(replica).await == 200);
    }
    assert_eq!(granted, 3);
    assert_eq!(own_plan(&pro, &replicas[2]).await, "pro");
    // A token without the claim takes nothing away, and none that is older brings anything back.
    for (person, replica) in [(&plain, 0), (&free, 1), (&free, 2), (&pro, 0)] {
        assert_eq!(own_plan(person, &replicas[replica]).await, "pro");
    }
    let made = alice(json!("free"), Some(now())).posts(&replicas[0], KEYS, json!({})).await;
    assert_eq!(made.status, 201);
    assert_eq!(assigned(&replicas[1]).await, (json!("free"), json!("claim")));
    for replica in &replicas {
        assert_eq!(own_plan(&pro, replica).await, "free", "the token from before is still valid");
    }
    let events = plain.gets(&replicas[0], "/v1/audit?action=owner.plan_changed").await.is(200);
    let events = events["events"].as_array().expect("a list").clone();
    assert_eq!(events.len(), 3);
    assert_eq!((&events[0]["actor"]["subject"], &events[0]["actor"]["kind"]), (&json!("alice"), &json!("token")));
}

#[tokio::test]
async fn a_newer_token_of_the_same_plan_is_remembered_so_that_none_in_between_counts() {
    let replica = replica_with(&[BY_CLAIM]).await;
    for name in ["free", "pro"] {
        plan(&replica, name, json!({})).await;
    }
    let at = |ago: u64| Some(now() - ago);
    assert_eq!(own_plan(&alice(json!("free"), at(30)), &replica).await, "free");
    assert_eq!(own_plan(&alice(json!("free"), at(10)), &replica).await, "free");
    assert_eq!(own_plan(&alice(json!("pro"), at(20)), &replica).await, "free");
    // Who says not when it was issued counts as the oldest.
    assert_eq!(own_plan(&alice(json!("pro"), None), &replica).await, "free");
    assert_eq!(own_plan(&alice(json!("pro"), at(5)), &replica).await, "pro");
}

#[tokio::test]
async fn what_an_administrator_has_assigned_no_token_changes() {
    let replica = replica_with(&[BY_CLAIM]).await;
    for name in ["free", "pro"] {
        plan(&replica, name, json!({})).await;
    }
    let claiming = |name: &str| alice(json!(name), Some(now()));
    assert_eq!(own_plan(&claiming("free"), &replica).await, "free");
    assign(&replica, json!("pro")).await;
    for name in ["free", "gold", "no name"] {
        let person = alice(json!(name), Some(now() + 1));
        assert_eq!(own_plan(&person, &replica).await, "pro", "{name}");
        assert_eq!(person.posts(&replica, KEYS, json!({})).await.status, 201, "{name}");
    }
    assert_eq!(assigned(&replica).await, (json!("pro"), json!("administrator")));
    // Off the plan, the next token that is new here has its way again.
    assign(&replica, json!(null)).await;
    assert_eq!(own_plan(&alice(json!("free"), Some(now() + 2)), &replica).await, "free");
    // An administrator can confirm a claim, which no token changes then.
    assert_eq!(assign(&replica, json!("free")).await["changed"], true);
    assert_eq!(assigned(&replica).await, (json!("free"), json!("administrator")));
}

#[tokio::test]
async fn with_a_claim_of_no_plan_there_is_nothing_is_added_and_the_operator_is_told() {
    let replica = replica_with(&[BY_CLAIM]).await;
    let plain = Person::named("alice");
    let key = plain.creates(&replica, json!({ "scopes": ["a", "b"], "expiresIn": 3600 })).await;
    let off = plain.creates(&replica, json!({ "enabled": false })).await;
    for claim in [json!("gold"), json!("no name"), json!(""), json!(7), json!(["pro"])] {
        let lost = alice(claim.clone(), Some(now()));
        let rotate = format!("{}/rotate", key.path());
        let enable = format!("{}/enable", off.path());
        for reply in [
            lost.posts(&replica, KEYS, json!({})).await,
            lost.posts(&replica, &rotate, json!({})).await,
            Reply::to(lost.request(&replica, reqwest::Method::POST, &enable)).await,
            lost.patches(&replica, &key.path(), json!({ "expiresIn": 7200 })).await,
            lost.patches(&replica, &key.path(), json!({ "scopes": ["a", "b", "c"] })).await,
            lost.patches(&replica, &off.path(), json!({ "enabled": true })).await,
        ] {
            reply.is_problem(503, "unknown_plan");
            assert_eq!(reply.header("retry-after"), Some("30"), "{claim}");
        }
        assert_eq!(lost.asks_for_a_key(&replica).await.status(), 503, "{claim}");
        // What takes nothing more goes on, and so do the keys.
        lost.gets(&replica, KEYS).await.is(200);
        lost.patches(&replica, &key.path(), json!({ "name": "x" })).await.is(200);
        assert_eq!(key.status(&replica).await, 200);
    }
    let narrowed = alice(json!("gold"), Some(now())).patches(&replica, &key.path(), json!({ "scopes": ["a"] })).await;
    narrowed.is(200);
    alice(json!("gold"), Some(now())).deletes(&replica, &off.path()).await.is(200);
    let line = replica.prints("a token names a plan that does not exist").await;
    let line: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&line["plan"], &line["owner"], &line["level"]), (&json!("gold"), &json!(ALICE), &json!("ERROR")));
    plain.creates(&replica, json!({})).await;
    // Once it is there, it is found without a start.
    plan(&replica, "gold", json!({ "maxKeys": 50 })).await;
    let found = alice(json!("gold"), Some(now()));
    test_support::eventually("the plan is found", async || found.posts(&replica, KEYS, json!({})).await.status == 201)
        .await;
    assert_eq!(assigned(&replica).await, (json!("gold"), json!("claim")));
}

#[tokio::test]
async fn a_claim_that_is_no_text_is_told_as_that_and_not_as_a_plan_without_a_name() {
    let replica = replica_with(&[BY_CLAIM]).await;
    let reply = alice(json!(5), Some(now())).posts(&replica, KEYS, json!({})).await;
    reply.is_problem(503, "unknown_plan");
    assert!(reply.text.contains("The claim of a plan in the token is no text"), "{}", reply.text);
    let line = replica.prints("the claim of a plan in a token is no text").await;
    let line: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&line["plan"], &line["owner"]), (&Value::Null, &json!(ALICE)));
}

#[tokio::test]
async fn whoever_is_taken_off_a_plan_gets_none_back_by_an_older_token() {
    let replica = replica_with(&[BY_CLAIM]).await;
    for name in ["free", "pro"] {
        plan(&replica, name, json!({})).await;
    }
    let at = |ago: u64| Some(now() - ago);
    let newest = alice(json!("free"), at(100));
    assert_eq!(own_plan(&newest, &replica).await, "free");
    // At once, and after another plan that an administrator has assigned, and after limits that came and went.
    for detour in [false, true] {
        if detour {
            assign(&replica, json!("pro")).await;
            let limits = format!("/v1/admin/owners/{ALICE}/limits");
            for of_owner in [json!([limit("month", 3, "month")]), json!([])] {
                puts(&Person::administrator(), &replica, &limits, json!({ "limits": of_owner })).await.is(200);
            }
        }
        assign(&replica, json!(null)).await;
        let older = alice(json!("pro"), at(300 - u64::from(detour)));
        assert_eq!(own_plan(&older, &replica).await, Value::Null, "{detour}");
        assert_eq!(assigned(&replica).await, (Value::Null, Value::Null), "{detour}");
    }
    assert_eq!(own_plan(&alice(json!("pro"), at(5)), &replica).await, "pro");
    assert_eq!(own_plan(&newest, &replica).await, "pro");
}

#[tokio::test]
async fn without_the_setting_a_claim_means_nothing() {
    let replica = replica_with(&[]).await;
    plan(&replica, "free", json!({ "maxKeys": 1 })).await;
    let person = alice(json!("free"), Some(now()));
    for _ in 0..2 {
        person.creates(&replica, json!({})).await;
    }
    assert_eq!(own_plan(&person, &replica).await, json!(null));
    let root = Person::administrator();
    puts(&root, &replica, &format!("{PLANS}/free"), json!({ "maxKeys": 2 })).await.is(200);
}
