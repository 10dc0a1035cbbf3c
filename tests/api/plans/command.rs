//! `keyward plans` and `keyward owners plan`: what the API does with plans, on the database directly.

use serde_json::json as value;
use test_support::{actors::Person, asking::replica, shown};

use super::{ALICE, PLANS, limit};
use crate::commands::{json, keyward};

#[tokio::test]
async fn plans_are_set_shown_listed_assigned_and_deleted_as_by_the_api() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let plans = async |arguments: &[&str]| keyward(replica.database(), &[&["plans"], arguments].concat()).await;
    let owners = async |arguments: &[&str]| keyward(replica.database(), &[&["owners"], arguments].concat()).await;
    let set = ["set", "pro", "--limit", "month=1000/month", "--max-keys", "2", "--max-lifetime", "90d"];
    let set = [&set[..], &["--credits", "100,refill=50/monthly,day=15,max=200"]].concat();
    let caps = ["--scope", "b", "--scope", "a", "--environment", "test", "--description", "who pays", "--json"];
    let made = json(&plans(&[&set[..], &caps[..]].concat()).await.succeeded());
    let by_the_api = root.gets(&replica, &format!("{PLANS}/pro")).await.is(200);
    shown::same_json(&made, &by_the_api, "");
    assert_eq!((&made["maxLifetime"], &made["scopes"]), (&value!(7_776_000), &value!(["a", "b"])));
    let refill = value!({ "amount": 50, "interval": "monthly", "day": 15 });
    assert_eq!(made["credits"], value!({ "amount": 100, "max": 200, "refill": refill }));
    assert_eq!(made["limits"], value!([super::shown(&limit("month", 1000, "month"))]));
    assert_eq!(json(&plans(&["show", "pro", "--json"]).await.succeeded()), made);
    let told = plans(&["show", "pro"]).await.succeeded();
    for fact in [
        "name         pro\n",
        "limits       month=1000/month\n",
        "lifetime     90d\n",
        "credits      100, 50 more monthly, up to 200\n",
        "environments test\n",
    ] {
        assert!(told.contains(fact), "{told}");
    }
    plans(&["set", "bare", "--no-scopes"]).await.succeeded();
    let table = plans(&["list"]).await.succeeded();
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "KEYS", "LIFETIME", "SCOPES", "ENVIRONMENTS", "LIMITS"]);
    assert_eq!(lines[1], ["bare", "any", "any", "none", "any", "-"]);
    assert_eq!(lines[2], ["pro", "2", "90d", "a", "b", "test", "month=1000/month"]);
    let listed = json(&plans(&["list", "--json"]).await.succeeded());
    shown::same_json(&listed, &root.gets(&replica, PLANS).await.is(200)["plans"], "");

    let assigned = json(&owners(&["plan", ALICE, "--set", "pro", "--json"]).await.succeeded());
    let by_the_api = root.gets(&replica, &format!("/v1/admin/owners/{ALICE}/plan")).await.is(200);
    shown::same_json(&assigned, &by_the_api, "");
    assert_eq!((&assigned["plan"], &assigned["assignedBy"]), (&value!("pro"), &value!("administrator")));
    assert!(owners(&["list", "--plan", "pro"]).await.succeeded().contains("alice"));
    assert!(!owners(&["list", "--plan", "bare"]).await.succeeded().contains("alice"));
    let refused = keyward(replica.database(), &["keys", "create", "--owner", ALICE, "--scope", "c"]).await.failed();
    for part in ["the plan pro gives no key the scope c", "the plan pro has no keys for live"] {
        assert!(refused.contains(part), "{refused}");
    }
    let at = ["--scope", "a", "--environment", "test", "--expires-in"];
    let create = [&["keys", "create", "--owner", ALICE], &at[..]].concat();
    let refused = keyward(replica.database(), &[&create[..], &["91d"]].concat()).await.failed();
    assert!(refused.contains("the plan pro allows 90d at most"), "{refused}");
    for _ in 0..2 {
        keyward(replica.database(), &[&create[..], &["90d"]].concat()).await.succeeded();
    }
    let refused = keyward(replica.database(), &[&create[..], &["90d"]].concat()).await.failed();
    assert!(refused.contains("the owner has 2 keys, the most that the plan pro allows"), "{refused}");
    let refused = plans(&["delete", "pro"]).await.failed();
    assert!(refused.contains("the plan pro has 1 owner"), "{refused}");
    let off = owners(&["plan", "--subject", "alice", "--none"]).await.succeeded();
    assert!(off.contains("plan         -\n"), "{off}");
    alice.creates(&replica, value!({ "scopes": ["c"] })).await;
    plans(&["delete", "pro"]).await.succeeded();

    for (arguments, part) in [
        (&["plans", "show", "pro"][..], "there is no plan pro"),
        (&["plans", "delete", "pro"], "there is no plan pro"),
        (&["owners", "plan", ALICE, "--set", "pro"], "there is no plan pro"),
    ] {
        let message = keyward(replica.database(), arguments).await.failed();
        assert!(message.contains(part) && message.contains("keyward plans list"), "{message}");
    }
    for misuse in [
        &["plans", "set", "a b"][..],
        &["plans", "set", ".."],
        &["plans", "set", "pro", "--max-keys", "0"],
        &["plans", "set", "pro", "--credits", "refill=5/daily"],
        &["plans", "set", "pro", "--max-lifetime", "1500ms"],
        &["plans", "set", "pro", "--scope", "a b"],
        &["plans", "set", "pro", "--scope", "a", "--no-scopes"],
        &["owners", "plan", ALICE, "--set", "pro", "--none"],
    ] {
        assert_eq!(keyward(replica.database(), misuse).await.code, Some(2), "{misuse:?}");
    }
}
