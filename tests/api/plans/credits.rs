//! The credits that come with a plan, and go with it.

use serde_json::{Value, json};
use test_support::{
    actors::{Person, claims, now},
    asking::{KEYS, MadeKey, Reply, replica, replica_with, three_replicas},
    database::execute,
    replica::Replica,
};

use super::{ALICE, PLANS, assign, plan, puts};

fn of_alice(what: &str) -> String {
    format!("/v1/admin/owners/{ALICE}/{what}")
}

/// Alice's credits.
async fn credits(replica: &Replica) -> Value {
    Person::administrator().gets(replica, &of_alice("limits")).await.is(200)["credits"].clone()
}

/// How many of 10 requests at each replica are granted.
async fn granted(replicas: &[Replica], key: &MadeKey) -> usize {
    let mut granted = 0;
    for _ in 0..10 {
        for replica in replicas {
            granted += usize::from(key.status(replica).await == 200);
        }
    }
    granted
}

fn giving(amount: u64, max: Value, refill: Value) -> Value {
    json!({ "credits": { "amount": amount, "max": max, "refill": refill } })
}

fn daily(amount: u64) -> Value {
    json!({ "amount": amount, "interval": "daily" })
}

#[tokio::test]
async fn a_plans_credits_come_with_it_to_every_replica_and_go_with_it() {
    let (_database, replicas) = three_replicas(&[]).await;
    let alice = Person::named("alice");
    let key = alice.creates(&replicas[0], json!({})).await;
    key.is_everywhere(&replicas, 200).await;
    let shown = plan(&replicas[0], "free", giving(8, json!(10), daily(5))).await;
    assert_eq!(shown["credits"], json!({ "amount": 8, "max": 10, "refill": daily(5) }));
    assert_eq!(assign(&replicas[1], json!("free")).await["changed"], true);
    let given = credits(&replicas[2]).await;
    assert_eq!((&given["remaining"], &given["max"], &given["refill"]), (&json!(8), &json!(10), &daily(5)));
    assert_eq!((&given["fromPlan"], &given["setBy"]), (&json!(true), &json!("administrator")));
    let own = alice.gets(&replicas[0], "/v1/plan").await.is(200);
    assert_eq!((&own["plan"]["credits"]["amount"], &own["credits"]), (&json!(8), &given));
    assert_eq!(granted(&replicas, &key).await, 8, "all that there is, and no more");
    let own = alice.gets(&replicas[0], "/v1/plan").await.is(200)["credits"].clone();
    assert_eq!((&own["remaining"], &own["granted"]), (&json!(0), &json!(8)));
    let by_administrator = Person::administrator().gets(&replicas[0], &of_alice("plan")).await.is(200);
    assert_eq!(by_administrator["credits"], own);
    // Who is put on it again has them already.
    assert_eq!(assign(&replicas[0], json!("free")).await["changed"], false);
    assert_eq!(granted(&replicas, &key).await, 0);
    plan(&replicas[0], "pro", giving(20, json!(null), json!(null))).await;
    assign(&replicas[0], json!("pro")).await;
    assert_eq!(granted(&replicas, &key).await, 20, "those of the other plan");
    assign(&replicas[2], json!(null)).await;
    assert_eq!(credits(&replicas[0]).await, Value::Null);
    assert_eq!(granted(&replicas, &key).await, 30);
    let events = alice.gets(&replicas[0], "/v1/audit?action=owner.plan_changed").await.is(200)["events"].clone();
    let told: Vec<_> = (0..3).map(|at| &events[at]["details"]["changes"]["credits"]["to"]["remaining"]).collect();
    assert_eq!(told, [&Value::Null, &json!(20), &json!(8)], "{events}");
    assert_eq!(events[0]["details"]["changes"]["credits"]["to"], Value::Null);
}

#[tokio::test]
async fn a_plans_new_refill_is_that_of_everybody_who_has_its_credits() {
    let (replica, root) = (replica().await, Person::administrator());
    plan(&replica, "free", giving(100, json!(200), daily(5))).await;
    assign(&replica, json!("free")).await;
    let begun = credits(&replica).await["nextRefillAt"].clone();
    // As if two days had gone by.
    let earlier = "UPDATE credits SET next_refill = next_refill - interval '2 days'";
    execute(replica.database().url(), earlier).await.expect("an earlier refill");
    let monthly = json!({ "amount": 7, "interval": "monthly", "day": 31 });
    plan(&replica, "free", giving(1, json!(300), monthly.clone())).await;
    let changed = credits(&replica).await;
    assert_eq!(changed["remaining"], 110, "what was due is added, and a new amount is for those who come later");
    assert_eq!((&changed["max"], &changed["refill"], &changed["fromPlan"]), (&json!(300), &monthly, &json!(true)));
    assert!(changed["nextRefillAt"].as_str() >= begun.as_str(), "{changed}");
    // Of the two changes of the plan, only one says anything about credits.
    plan(&replica, "free", json!({ "maxKeys": 3, "credits": { "amount": 1, "max": 300, "refill": monthly } })).await;
    assert_eq!(credits(&replica).await, changed);
    // A plan without credits takes none away, and refills none.
    plan(&replica, "free", json!({})).await;
    let rest = credits(&replica).await;
    assert_eq!((&rest["remaining"], &rest["refill"], &rest["max"]), (&json!(110), &Value::Null, &Value::Null));
    assert_eq!(rest["nextRefillAt"], Value::Null);
    let events = root.gets(&replica, "/v1/admin/audit?action=plan.changed").await.is(200)["events"].clone();
    let change = &events[2]["details"]["changes"]["credits"];
    assert_eq!((&change["from"]["amount"], &change["to"]["amount"]), (&json!(100), &json!(1)), "{events}");
    assert_eq!(events[1]["details"]["changes"]["credits"], Value::Null);
}

#[tokio::test]
async fn credits_that_administrators_have_set_are_the_owners_own_and_stay() {
    let (replica, root) = (replica().await, Person::administrator());
    plan(&replica, "free", giving(8, json!(null), daily(5))).await;
    let own = json!({ "limits": [], "credits": { "remaining": 50 } });
    puts(&root, &replica, &of_alice("limits"), own.clone()).await.is(200);
    assign(&replica, json!("free")).await;
    let kept = credits(&replica).await;
    assert_eq!((&kept["remaining"], &kept["refill"], &kept["fromPlan"]), (&json!(50), &Value::Null, &json!(false)));
    plan(&replica, "free", giving(8, json!(9), daily(6))).await;
    assign(&replica, json!(null)).await;
    assert_eq!(credits(&replica).await, kept);
    // What administrators take away, the plan gives again only to whom they put on it again.
    assign(&replica, json!("free")).await;
    puts(&root, &replica, &of_alice("limits"), json!({ "limits": [], "credits": null })).await.is(200);
    assert_eq!(credits(&replica).await, Value::Null);
    assert_eq!(assign(&replica, json!("free")).await["changed"], true);
    assert_eq!(credits(&replica).await["fromPlan"], true);
    // Adding leaves them the plan's, and setting makes them the owner's.
    let add = json!({ "operation": "add", "amount": 4 });
    root.posts(&replica, &of_alice("credits"), add).await.is(200);
    let added = credits(&replica).await;
    assert_eq!((&added["remaining"], &added["fromPlan"]), (&json!(12), &json!(true)));
    puts(&root, &replica, &of_alice("limits"), own).await.is(200);
    assert_eq!(credits(&replica).await["fromPlan"], false);
    assign(&replica, json!(null)).await;
    assert_eq!(credits(&replica).await["remaining"], 50);
}

#[tokio::test]
async fn the_plan_that_a_token_claims_gives_its_credits_once() {
    let replica = replica_with(&[("KEYWARD__JWT__PLAN_CLAIM", "app.plan")]).await;
    plan(&replica, "free", giving(3, json!(null), json!(null))).await;
    let key = Person::named("alice").creates(&replica, json!({})).await;
    for (issued_at, expected) in [(now() - 10, 3), (now() - 5, 0)] {
        let mut claims = claims("alice");
        claims["app"] = json!({ "plan": "free" });
        claims["iat"] = json!(issued_at);
        Person::with_claims(&claims).gets(&replica, KEYS).await.is(200);
        assert_eq!(credits(&replica).await["fromPlan"], true);
        assert_eq!(granted(std::slice::from_ref(&replica), &key).await, expected, "a newer token gives no more");
    }
}

/// The plan's credits of somebody who has left it, as if they had left it so many days ago.
async fn left_days_ago(replica: &Replica, plan: &str, days: u32) {
    let earlier = format!(
        "UPDATE owner_limits SET left_of_plans =
             jsonb_set(left_of_plans, '{{{plan},nextRefill}}', to_jsonb(now() - interval '{days} days'))"
    );
    execute(replica.database().url(), &earlier).await.expect("an earlier refill");
}

#[tokio::test]
async fn whoever_goes_back_and_forth_between_plans_gets_no_more_of_each_than_it_gives() {
    let replica = replica_with(&[("KEYWARD__JWT__PLAN_CLAIM", "app.plan")]).await;
    plan(&replica, "free", giving(8, json!(null), json!(null))).await;
    plan(&replica, "pro", giving(15, json!(null), json!(null))).await;
    let key = Person::named("alice").creates(&replica, json!({})).await;
    let granted = async || granted(std::slice::from_ref(&replica), &key).await;
    // Ten requests on each.
    for (at, name, expected) in
        [(0, "free", 8), (1, "pro", 10), (2, "free", 0), (3, "pro", 5), (4, "free", 0), (5, "pro", 0)]
    {
        let mut claims = claims("alice");
        claims["app"] = json!({ "plan": name });
        claims["iat"] = json!(now() - 60 + at);
        Person::with_claims(&claims).gets(&replica, KEYS).await.is(200);
        assert_eq!(granted().await, expected, "{name} at {at}");
        assert_eq!(credits(&replica).await["fromPlan"], true);
    }
    // Nor do administrators give them again by mistake.
    for name in [json!(null), json!("free"), json!("pro"), json!("free")] {
        assign(&replica, name).await;
    }
    assert_eq!(granted().await, 0);
    assert_eq!(credits(&replica).await["remaining"], 0);
}

#[tokio::test]
async fn whoever_comes_back_to_a_plan_finds_what_was_left_and_the_refill_of_the_time_in_which_they_come() {
    let (replica, root) = (replica().await, Person::administrator());
    plan(&replica, "free", giving(8, json!(10), daily(5))).await;
    let comes_back = async || {
        assign(&replica, json!("free")).await;
        credits(&replica).await["remaining"].clone()
    };
    assert_eq!(comes_back().await, 8);
    assign(&replica, json!(null)).await;
    assert_eq!(comes_back().await, 8, "it is the same day");
    root.posts(&replica, &of_alice("credits"), json!({ "operation": "add", "amount": 12 })).await.is(200);
    assign(&replica, json!(null)).await;
    left_days_ago(&replica, "free", 3).await;
    assert_eq!(comes_back().await, 20, "which is beyond the maximum of a refill");
    puts(&root, &replica, &of_alice("limits"), json!({ "limits": [], "credits": null })).await.is(200);
    assert_eq!(comes_back().await, 8, "what administrators take away, they give again");
    // Without the days that they were not on it.
    plan(&replica, "free", giving(8, json!(30), daily(5))).await;
    assign(&replica, json!(null)).await;
    left_days_ago(&replica, "free", 3).await;
    assert_eq!(comes_back().await, 13);
    assert!(credits(&replica).await["nextRefillAt"].is_string());
    // A plan that was made anew has never given them anything.
    assign(&replica, json!(null)).await;
    let request = root.request(&replica, reqwest::Method::DELETE, &format!("{PLANS}/free"));
    assert_eq!(Reply::to(request).await.status, 204);
    plan(&replica, "free", giving(8, json!(10), daily(5))).await;
    assert_eq!(comes_back().await, 8);
}

#[tokio::test]
async fn a_plans_credits_are_checked() {
    let (replica, root) = (replica().await, Person::administrator());
    for (credits, place, code) in [
        (json!(5), "/credits", "wrong_type"),
        (json!({}), "/credits/amount", "required"),
        (json!({ "amount": -1 }), "/credits/amount", "invalid"),
        (json!({ "amount": 1, "max": 0 }), "/credits/max", "invalid"),
        (
            json!({ "amount": 1, "refill": { "amount": 1, "interval": "weekly" } }),
            "/credits/refill/interval",
            "invalid",
        ),
        (json!({ "amount": 1, "remaining": 1 }), "/credits/remaining", "unknown_field"),
    ] {
        let reply = puts(&root, &replica, &format!("{PLANS}/pro"), json!({ "credits": credits })).await;
        assert_eq!(reply.wrong_fields()[0], test_support::asking::pairs(&[(place, code)])[0], "{credits}");
    }
}
