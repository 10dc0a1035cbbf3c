//! Who is on a plan, and what follows from it for limits.

use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{VERIFY, pairs, replica},
    replica::Replica,
};

use super::{ALICE, PLANS, assign, limit, plan, puts, shown};

async fn of_alice(replica: &Replica) -> Value {
    Person::administrator().gets(replica, &format!("/v1/admin/owners/{ALICE}/plan")).await.is(200)
}

#[tokio::test]
async fn an_owner_is_put_on_a_plan_sees_it_and_is_taken_off_again() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let owner = json!({ "id": ALICE, "issuer": "", "subject": "alice" });
    let nothing = json!({ "owner": owner, "plan": null, "assignedBy": null, "limits": [], "credits": null });
    assert_eq!(of_alice(&replica).await, nothing);
    let minute = limit("minute", 10, "1m");
    plan(&replica, "pro", json!({ "limits": [minute], "maxKeys": 3 })).await;
    let assigned = assign(&replica, json!("pro")).await;
    assert_eq!((&assigned["plan"], &assigned["changed"]), (&json!("pro"), &json!(true)));
    assert_eq!(assign(&replica, json!("pro")).await["changed"], false);
    let (by, limits) = ("administrator", [shown(&minute)]);
    let on_pro = json!({ "owner": owner, "plan": "pro", "assignedBy": by, "limits": limits, "credits": null });
    assert_eq!(of_alice(&replica).await, on_pro);
    let own = alice.gets(&replica, "/v1/plan").await.is(200);
    assert_eq!((&own["plan"]["name"], &own["plan"]["maxKeys"]), (&json!("pro"), &json!(3)));
    assert_eq!(own["limits"], json!([shown(&minute)]));
    // Who has no key is known as long as they are on a plan.
    assert_eq!(root.gets(&replica, &format!("/v1/admin/owners/{ALICE}")).await.is(200)["plan"], "pro");

    let path = format!("/v1/admin/owners/{ALICE}/plan");
    for (body, code) in [
        (json!({}), "required"),
        (json!({ "plan": 1 }), "wrong_type"),
        (json!({ "plan": "" }), "invalid"),
        (json!({ "plan": ".." }), "invalid"),
    ] {
        let reply = puts(&root, &replica, &path, body.clone()).await;
        assert_eq!(reply.wrong_fields(), pairs(&[("/plan", code)]), "{body}");
    }
    let reply = puts(&root, &replica, &path, json!({ "plan": "gold" })).await;
    assert_eq!(reply.wrong_fields(), pairs(&[("/plan", "unknown_plan")]));
    puts(&root, &replica, "/v1/admin/owners/x/plan", json!({ "plan": "pro" })).await.is_problem(404, "not_found");

    let in_use = root.deletes(&replica, &format!("{PLANS}/pro")).await;
    in_use.is_problem(409, "plan_in_use");
    assert!(in_use.text.contains("1 owner is on the plan."), "{}", in_use.text);
    assert_eq!(assign(&replica, json!(null)).await["changed"], true);
    assert_eq!(of_alice(&replica).await, nothing);
    assert_eq!(root.deletes(&replica, &format!("{PLANS}/pro")).await.status, 204);
    root.gets(&replica, &format!("/v1/admin/owners/{ALICE}")).await.is_problem(404, "not_found");

    let events = root.gets(&replica, "/v1/admin/audit?action=owner.plan_changed").await.is(200);
    let changes: Vec<_> = events["events"].as_array().expect("a list").iter().rev().collect();
    assert_eq!(changes.len(), 2, "what changes nothing is no event");
    assert_eq!(changes[0]["details"]["changes"]["plan"], json!({ "from": null, "to": "pro" }));
    assert_eq!(changes[1]["details"]["changes"]["plan"], json!({ "from": "pro", "to": null }));
    assert_eq!(changes[0]["owner"]["subject"], "alice");
    // Owners see what was done about them.
    let own = alice.gets(&replica, "/v1/audit?action=owner.plan_changed").await.is(200);
    assert_eq!(own["events"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn owners_are_listed_with_their_plan_and_by_plan() {
    let (replica, root) = (replica().await, Person::administrator());
    for name in ["alice", "bob"] {
        Person::named(name).creates(&replica, json!({})).await;
    }
    for name in ["free", "pro"] {
        plan(&replica, name, json!({})).await;
    }
    assign(&replica, json!("pro")).await;
    puts(&root, &replica, "/v1/admin/owners/AGNhcm9s/plan", json!({ "plan": "free" })).await.is(200);
    let list = async |query: &str| -> Vec<(String, Value)> {
        let page = root.gets(&replica, &format!("/v1/admin/owners?{query}")).await.is(200);
        let owners = page["owners"].as_array().expect("a list").iter();
        owners.map(|one| (one["owner"]["subject"].as_str().expect("a text").to_owned(), one["plan"].clone())).collect()
    };
    let one = |name: &str, plan: Value| (name.to_owned(), plan);
    let all = [one("alice", json!("pro")), one("bob", json!(null)), one("carol", json!("free"))];
    assert_eq!(list("").await, all);
    assert_eq!(list("plan=pro").await, all[..1]);
    assert_eq!(list("plan=free").await, all[2..]);
    assert_eq!(list("plan=free&search=ali").await, []);
    assert_eq!(list("plan=pro&state=disabled").await, []);
    assert_eq!(list("plan=gold").await, []);
    assert_eq!(list(&format!("owner={ALICE}&plan=pro")).await, all[..1]);
    assert_eq!(list(&format!("owner={ALICE}&plan=free")).await, []);
    let wrong = root.gets(&replica, "/v1/admin/owners?plan=a%20b").await;
    assert_eq!(wrong.wrong_parameters(), pairs(&[("plan", "invalid")]));
    assign(&replica, json!("free")).await;
    let first = root.gets(&replica, "/v1/admin/owners?plan=free&limit=1").await.is(200);
    let cursor = first["nextCursor"].as_str().expect("a cursor");
    let rest = list(&format!("plan=free&limit=1&cursor={cursor}")).await;
    assert_eq!((&first["owners"][0]["owner"]["subject"], rest), (&json!("alice"), all[2..].to_vec()));
}

#[tokio::test]
async fn an_owners_limit_replaces_the_plans_of_the_same_name_and_all_others_bind() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let key = alice.creates(&replica, json!({ "limits": [limit("own", 100, "month")] })).await;
    plan(&replica, "pro", json!({ "limits": [limit("month", 2, "month"), limit("day", 1000, "month")] })).await;
    assign(&replica, json!("pro")).await;
    let limits = format!("/v1/admin/owners/{ALICE}/limits");
    let wider = json!({ "limits": [limit("month", 5, "month")] });
    puts(&root, &replica, &limits, wider).await.is(200);
    let own = alice.gets(&replica, "/v1/plan").await.is(200);
    assert_eq!(own["limits"], json!([shown(&limit("month", 5, "month")), shown(&limit("day", 1000, "month"))]));
    assert_eq!(own["plan"]["limits"][0]["limit"], 2, "the plan itself is as it was");

    let verifier = Person::with_scopes("service", "keyward:verify");
    let verify = async || verifier.posts(&replica, VERIFY, json!({ "key": key.holder.key })).await.is(200);
    let first = verify().await;
    let told: Vec<_> =
        first["limits"].as_array().expect("a list").iter().map(|one| (&one["name"], &one["of"])).collect();
    let (of_key, of_owner) = (json!("key"), json!("owner"));
    assert_eq!(told, [(&json!("own"), &of_key), (&json!("month"), &of_owner), (&json!("day"), &of_owner)]);
    for _ in 1..5 {
        assert_eq!(verify().await["valid"], true);
    }
    assert_eq!(verify().await["code"], "rate_limited");
    // Without the owner's own limit, the plan's of that name binds, which counts what was used.
    puts(&root, &replica, &limits, json!({ "limits": [] })).await.is(200);
    assert_eq!(verify().await["code"], "rate_limited");
    assign(&replica, json!(null)).await;
    assert_eq!(verify().await["valid"], true);
}

/// Ten of the key, ten of the owner, ten of the plan.
#[tokio::test]
async fn thirty_limits_bind_one_key_and_the_last_of_them_is_told() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let ten = |kind: &str, last: u64| -> Value {
        (0..10).map(|at| limit(&format!("{kind}{at}"), if at == 9 { last } else { 100 }, "month")).collect()
    };
    let key = alice.creates(&replica, json!({ "limits": ten("k", 100) })).await;
    plan(&replica, "pro", json!({ "limits": ten("p", 1) })).await;
    assign(&replica, json!("pro")).await;
    puts(&root, &replica, &format!("/v1/admin/owners/{ALICE}/limits"), json!({ "limits": ten("o", 100) }))
        .await
        .is(200);
    let granted = key.holder.asks_for_the_resource(&replica).await;
    assert_eq!(granted.status(), 200);
    let told = granted.headers()["ratelimit"].to_str().expect("text").to_owned();
    assert_eq!(told.matches(";r=").count(), 30, "{told}");
    assert!(told.contains(r#""p9";r=0;"#) && told.contains(r#""o9";r=99;"#), "{told}");
    assert_eq!(key.status(&replica).await, 429);
    let request = test_support::actors::stranger(&replica, reqwest::Method::GET, "/v1/keys/self");
    let refused = test_support::asking::Reply::to(request.header("x-api-key", &key.holder.key)).await;
    assert_eq!(refused.is(429)["violated-policies"], json!(["p9"]));
}
