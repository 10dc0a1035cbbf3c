//! Plans: how they are set, shown and audited, who is on them, and what they cap.

mod assignments;
mod caps;
mod claims;
mod command;
mod credits;
mod everywhere;

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{Reply, pairs, replica},
    replica::Replica,
};

const PLANS: &str = "/v1/admin/plans";
const ALICE: &str = "AGFsaWNl";

async fn puts(person: &Person, replica: &Replica, path: &str, body: Value) -> Reply {
    Reply::to(person.request(replica, Method::PUT, path).json(&body)).await
}

/// An administrator makes or replaces a plan.
async fn plan(replica: &Replica, name: &str, body: Value) -> Value {
    let reply = puts(&Person::administrator(), replica, &format!("{PLANS}/{name}"), body).await;
    let status = if reply.status == 201 { 201 } else { 200 };
    reply.is(status)
}

/// An administrator puts Alice on a plan, or on none.
async fn assign(replica: &Replica, name: Value) -> Value {
    let path = format!("/v1/admin/owners/{ALICE}/plan");
    puts(&Person::administrator(), replica, &path, json!({ "plan": name })).await.is(200)
}

fn limit(name: &str, limit: u64, window: &str) -> Value {
    json!({ "name": name, "limit": limit, "window": window })
}

fn shown(limit: &Value) -> Value {
    let mut shown = json!({ "cost": 1, "onOutage": "refuse", "setBy": "administrator" });
    shown.as_object_mut().expect("an object").extend(limit.as_object().expect("an object").clone());
    shown
}

#[tokio::test]
async fn plans_are_made_shown_listed_replaced_and_deleted_under_preconditions_and_audited() {
    let (replica, root) = (replica().await, Person::administrator());
    let pro = format!("{PLANS}/pro");
    root.gets(&replica, &pro).await.is_problem(404, "not_found");
    let body = json!({
        "description": "for customers who pay", "limits": [limit("month", 1000, "month")], "maxKeys": 5,
        "maxLifetime": 86400.0, "scopes": ["b", "a"], "environments": ["test", "live"],
    });
    let conditional = |header: &str, tag: &str| root.request(&replica, Method::PUT, &pro).header(header, tag);
    Reply::to(conditional("if-match", "*").json(&body)).await.is_problem(412, "version_mismatch");
    let made = Reply::to(conditional("if-none-match", "*").json(&body)).await;
    let first = made.is(201);
    Reply::to(conditional("if-none-match", "*").json(&body)).await.is_problem(412, "precondition_failed");
    let plan = root.gets(&replica, &pro).await;
    let expected = json!({
        "name": "pro", "description": "for customers who pay", "limits": [shown(&limit("month", 1000, "month"))],
        "maxKeys": 5, "maxLifetime": 86400, "scopes": ["a", "b"], "environments": ["live", "test"],
        "credits": null, "updatedAt": first["updatedAt"],
    });
    assert_eq!(plan.is(200), expected);
    assert_eq!((&first["changed"], &first["replicasConfirmed"]), (&json!(true), &json!(1)));
    let tag = plan.header("etag").expect("a tag").to_owned();
    assert_eq!(made.header("etag"), Some(&*tag));
    let known = root.request(&replica, Method::GET, &pro).header("if-none-match", &tag);
    assert_eq!(Reply::to(known).await.status, 304);
    let same = puts(&root, &replica, &pro, body.clone()).await;
    assert_eq!((same.is(200)["changed"].clone(), same.header("etag")), (json!(false), Some(&*tag)));

    let bare = Reply::to(conditional("if-match", &tag).json(&json!({ "maxKeys": 6 }))).await.is(200);
    let nothing = (&bare["description"], &bare["limits"], &bare["maxLifetime"], &bare["scopes"], &bare["environments"]);
    assert_eq!(nothing, (&json!(null), &json!([]), &json!(null), &json!(null), &json!(null)), "what is absent is gone");
    Reply::to(conditional("if-match", &tag).json(&body)).await.is_problem(412, "version_mismatch");

    super::plans::plan(&replica, "free", json!({ "maxKeys": 1 })).await;
    let names = |page: &Value| -> Vec<String> {
        let plans = page["plans"].as_array().expect("a list").iter();
        plans.map(|plan| plan["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names(&root.gets(&replica, PLANS).await.is(200)), ["free", "pro"]);
    let page = root.gets(&replica, &format!("{PLANS}?limit=1")).await.is(200);
    let next = page["nextCursor"].as_str().expect("a cursor");
    let rest = root.gets(&replica, &format!("{PLANS}?limit=1&cursor={next}")).await.is(200);
    assert_eq!(
        (names(&page), names(&rest), &rest["nextCursor"]),
        (vec!["free".into()], vec!["pro".into()], &json!(null))
    );
    let wrong = root.gets(&replica, &format!("{PLANS}?colour=red")).await;
    assert_eq!(wrong.wrong_parameters(), pairs(&[("colour", "unknown_parameter")]));

    let stale = root.request(&replica, Method::DELETE, &pro).header("if-match", &tag);
    Reply::to(stale).await.is_problem(412, "version_mismatch");
    assert_eq!(root.deletes(&replica, &pro).await.status, 204);
    root.deletes(&replica, &pro).await.is_problem(404, "not_found");
    root.gets(&replica, &pro).await.is_problem(404, "not_found");
    // Made again, it is another one, of which nobody knows the version.
    let again = puts(&root, &replica, &pro, body).await;
    assert_eq!(again.status, 201);
    assert_ne!(again.header("etag"), Some(&*tag));

    let events = root.gets(&replica, "/v1/admin/audit?action=plan.created,plan.changed,plan.deleted").await.is(200);
    let told: Vec<_> = events["events"].as_array().expect("a list").iter().rev().collect();
    let actions: Vec<_> =
        told.iter().map(|event| (event["action"].as_str(), event["details"]["plan"].as_str())).collect();
    let expected = [
        ("plan.created", "pro"),
        ("plan.changed", "pro"),
        ("plan.created", "free"),
        ("plan.deleted", "pro"),
        ("plan.created", "pro"),
    ];
    assert_eq!(actions, expected.map(|(action, name)| (Some(action), Some(name))));
    assert_eq!(told[1]["details"]["changes"]["maxKeys"], json!({ "from": 5, "to": 6 }));
    assert_eq!(told[1]["details"]["changes"]["maxLifetime"], json!({ "from": 86400, "to": null }));
    assert_eq!(told[1]["owner"], json!(null), "it is nobody's");
}

#[tokio::test]
async fn every_fault_of_a_plan_is_named_by_its_place() {
    let (replica, root) = (replica().await, Person::administrator());
    for (body, place, code) in [
        (json!({ "maxKeys": 0 }), "/maxKeys", "invalid"),
        (json!({ "maxKeys": 1_000_001 }), "/maxKeys", "invalid"),
        (json!({ "maxKeys": "5" }), "/maxKeys", "invalid"),
        (json!({ "maxLifetime": 0 }), "/maxLifetime", "invalid"),
        (json!({ "maxLifetime": 1.5 }), "/maxLifetime", "invalid"),
        (json!({ "maxLifetime": "1d" }), "/maxLifetime", "invalid"),
        (json!({ "scopes": "a" }), "/scopes", "wrong_type"),
        (json!({ "scopes": ["a", "b c"] }), "/scopes/1", "invalid"),
        (json!({ "environments": [] }), "/environments", "invalid"),
        (json!({ "environments": ["live", "staging"] }), "/environments/1", "invalid"),
        (json!({ "description": "" }), "/description", "invalid"),
        (json!({ "limits": [{}] }), "/limits/0/limit", "required"),
        (
            json!({ "limits": [{ "name": "a", "limit": 1, "window": "1m", "setBy": "owner" }] }),
            "/limits/0/setBy",
            "invalid",
        ),
        (json!({ "name": "free" }), "/name", "immutable"),
        (json!({ "title": "pro" }), "/title", "unknown_field"),
    ] {
        let faults = puts(&root, &replica, &format!("{PLANS}/pro"), body.clone()).await.wrong_fields();
        assert_eq!(faults[0], pairs(&[(place, code)])[0], "{body}");
    }
    root.gets(&replica, &format!("{PLANS}/pro")).await.is_problem(404, "not_found");
    // A URL can't name `.` and `..`, and dots alone are no name.
    for name in ["a b", "%C3%A9", &"x".repeat(51), "a%22", "..."] {
        let reply = puts(&root, &replica, &format!("{PLANS}/{name}"), json!({})).await;
        assert_eq!(reply.wrong_parameters(), pairs(&[("name", "invalid")]), "{name}");
        assert!(reply.text.contains("1 to 50 letters, digits, dots, hyphens or underscores"), "{}", reply.text);
        root.gets(&replica, &format!("{PLANS}/{name}")).await.is_problem(404, "not_found");
        root.deletes(&replica, &format!("{PLANS}/{name}")).await.is_problem(404, "not_found");
    }
    for name in ["a.b_c-1", &"x".repeat(50)] {
        assert_eq!(puts(&root, &replica, &format!("{PLANS}/{name}"), json!({})).await.status, 201);
    }
    let names = (0..10).map(|at| limit(&format!("l{at}"), 1, "1s"));
    assert_eq!(
        puts(&root, &replica, &format!("{PLANS}/ten"), json!({ "limits": names.collect::<Vec<_>>() })).await.status,
        201
    );
}

#[tokio::test]
async fn owners_neither_read_nor_change_plans_nor_who_is_on_them() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    plan(&replica, "pro", json!({})).await;
    let of_alice = format!("/v1/admin/owners/{ALICE}/plan");
    for path in [PLANS, &format!("{PLANS}/pro"), &of_alice] {
        alice.gets(&replica, path).await.is_problem(403, "insufficient_scope");
    }
    puts(&alice, &replica, &format!("{PLANS}/pro"), json!({})).await.is_problem(403, "insufficient_scope");
    puts(&alice, &replica, &of_alice, json!({ "plan": "pro" })).await.is_problem(403, "insufficient_scope");
    alice.deletes(&replica, &format!("{PLANS}/pro")).await.is_problem(403, "insufficient_scope");
    assert_eq!(alice.gets(&replica, "/v1/plan").await.is(200), json!({ "plan": null, "limits": [], "credits": null }));
}

#[tokio::test]
async fn there_are_at_most_a_thousand_plans() {
    let (replica, root) = (replica().await, Person::administrator());
    let many =
        "INSERT INTO plans (name, updated_at) SELECT 'p' || number, now() FROM generate_series(1, 999) AS number";
    test_support::database::execute(replica.database().url(), many).await.expect("plans");
    assert_eq!(puts(&root, &replica, &format!("{PLANS}/last"), json!({})).await.status, 201);
    puts(&root, &replica, &format!("{PLANS}/more"), json!({})).await.is_problem(409, "too_many_plans");
    assert_eq!(puts(&root, &replica, &format!("{PLANS}/last"), json!({ "maxKeys": 1 })).await.status, 200);
}
