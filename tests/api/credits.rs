//! Credits on keys and on owners: how they are set, shown, topped up and audited, who may change whose, and what is
//! answered.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{KeyHolder, PROTECTED, Person, stranger},
    asking::{KEYS, MadeKey, Reply, VERIFY, pairs, replica, shared_replica, three_replicas},
    program::run_beside,
    replica::{Replica, command},
    unique,
};

fn service() -> Person {
    Person::with_scopes("service", "keyward:verify")
}

async fn uses(replica: &Replica, key: &KeyHolder) -> Reply {
    Reply::to(stranger(replica, Method::GET, PROTECTED).header("x-api-key", &key.key)).await
}

async fn tops_up(person: &Person, replica: &Replica, path: &str, body: Value) -> Reply {
    person.posts(replica, &format!("{path}/credits"), body).await
}

/// Sends a request to top up with an `Idempotency-Key`.
async fn once(person: &Person, replica: &Replica, path: &str, key: &str, body: &Value) -> Reply {
    let request = person.request(replica, Method::POST, &format!("{path}/credits"));
    Reply::to(request.header("idempotency-key", key).json(body)).await
}

#[tokio::test]
async fn the_credits_of_a_key_are_set_shown_changed_and_removed() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    let asked = json!({ "remaining": 100, "max": 500, "refill": { "amount": 50, "interval": "monthly", "day": 31 } });
    let key = alice.creates(&replica, json!({ "credits": asked })).await;
    let credits = key.body["credits"].clone();
    assert_eq!((&credits["remaining"], &credits["unsettled"], &credits["max"]), (&json!(100), &json!(0), &json!(500)));
    assert_eq!((&credits["refill"], &credits["setBy"]), (&asked["refill"], &json!("owner")));
    assert!(credits["nextRefillAt"].as_str().expect("a time").contains("T00:00:00"), "{credits}");
    assert_eq!(alice.gets(&replica, &key.path()).await.is(200)["credits"], credits);
    assert_eq!(alice.gets(&replica, KEYS).await.is(200)["keys"][0]["credits"], credits);
    // Without a balance, the balance stays.
    let daily = json!({ "credits": { "refill": { "amount": 5, "interval": "daily" }, "max": null } });
    let changed = alice.patches(&replica, &key.path(), daily).await.is(200)["credits"].clone();
    assert_eq!((&changed["remaining"], &changed["max"]), (&json!(100), &Value::Null));
    assert_eq!(changed["refill"], json!({ "amount": 5, "interval": "daily" }));
    let event = &alice.gets(&replica, "/v1/audit?limit=1").await.is(200)["events"][0];
    assert_eq!((&event["action"], &event["details"]["changed"]), (&json!("key.updated"), &json!(["credits"])));
    let same = alice.patches(&replica, &key.path(), json!({ "credits": { "max": null } })).await;
    assert_eq!(same.header("etag"), Some("\"2\""), "nothing changes");
    let rotated = alice.posts(&replica, &format!("{}/rotate", key.path()), json!({})).await.is(201);
    assert_eq!(rotated["credits"]["remaining"], 100, "the successor has the same balance");
    let removed = alice.patches(&replica, &key.path(), json!({ "credits": null })).await.is(200);
    assert_eq!(removed["credits"], Value::Null);
    let successor = alice.gets(&replica, &MadeKey::of(rotated).path()).await.is(200);
    assert_eq!(successor["credits"], Value::Null, "both have spent one balance");
    assert_eq!(alice.creates(&replica, json!({ "credits": null })).await.body["credits"], Value::Null);
}

#[tokio::test]
async fn every_fault_of_credits_is_named_by_its_place() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    let refill = |refill: Value| json!({ "remaining": 1, "refill": refill });
    let wrong = [
        (json!(1), "", "wrong_type"),
        (json!({}), "/remaining", "required"),
        (json!({ "remaining": -1 }), "/remaining", "invalid"),
        (json!({ "remaining": 1_000_000_000_001_u64 }), "/remaining", "invalid"),
        (json!({ "remaining": 1, "max": 0 }), "/max", "invalid"),
        (json!({ "remaining": 1, "unsettled": 0 }), "/unsettled", "unknown_field"),
        (json!({ "remaining": 1, "setBy": "x" }), "/setBy", "invalid"),
        (refill(json!({ "amount": 0, "interval": "daily" })), "/refill/amount", "invalid"),
        (refill(json!({ "amount": 1, "interval": "weekly" })), "/refill/interval", "invalid"),
        (refill(json!({ "amount": 1, "interval": "daily", "day": 1 })), "/refill/day", "invalid"),
        (refill(json!({ "amount": 1, "interval": "monthly", "day": 32 })), "/refill/day", "invalid"),
        (refill(json!({ "interval": "daily" })), "/refill/amount", "required"),
    ];
    for (credits, place, code) in wrong {
        let reply = alice.posts(&replica, KEYS, json!({ "credits": credits })).await;
        assert_eq!(reply.wrong_fields(), pairs(&[(&format!("/credits{place}"), code)]), "{credits}");
    }
    let sound = json!({ "name": "a", "limit": 1, "window": "1m" });
    let limits = json!({ "limits": [sound, { "name": "credits", "limit": 1, "window": "1m" }] });
    assert_eq!(alice.posts(&replica, KEYS, limits).await.wrong_fields(), pairs(&[("/limits/1/name", "invalid")]));
    let key = alice.creates(&replica, json!({})).await;
    let reply = alice.patches(&replica, &key.path(), json!({ "credits": { "max": 5 } })).await;
    assert_eq!(reply.wrong_fields(), pairs(&[("/credits/remaining", "required")]));
    let add = json!({ "operation": "add", "amount": 5 });
    let reply = tops_up(&alice, &replica, &key.path(), add).await;
    assert_eq!(reply.wrong_fields(), pairs(&[("/operation", "no_credits")]));
    // The same is said of an owner's.
    assert!(reply.text.contains("PATCH of the key") && reply.text.contains("PUT of the owner"), "{}", reply.text);
    for (body, place, code) in [
        (json!({ "operation": "add", "amount": 0 }), "/amount", "invalid"),
        (json!({ "operation": "take", "amount": 1 }), "/operation", "invalid"),
        (json!({ "amount": 1 }), "/operation", "required"),
        (json!({ "operation": "set" }), "/amount", "required"),
    ] {
        let reply = tops_up(&alice, &replica, &key.path(), body).await;
        assert_eq!(reply.wrong_fields(), pairs(&[(place, code)]));
    }
}

#[tokio::test]
async fn what_an_administrator_has_given_its_owner_cant_change() {
    let (replica, alice, administrator) =
        (shared_replica().await, Person::of_this_test("alice"), Person::administrator());
    let key = alice.creates(&replica, json!({ "credits": { "remaining": 5 } })).await;
    let given =
        administrator.patches(&replica, &key.admin_path(), json!({ "credits": { "remaining": 10 } })).await.is(200);
    assert_eq!(given["credits"]["setBy"], "administrator");
    let refused = pairs(&[("/credits", "set_by_administrator")]);
    for change in [json!(null), json!({ "remaining": 1_000 }), json!({ "max": 7 }), json!({ "setBy": "owner" })] {
        let reply = alice.patches(&replica, &key.path(), json!({ "credits": change })).await;
        assert_eq!(reply.wrong_fields(), refused, "{change}");
    }
    for operation in ["add", "set"] {
        let reply = tops_up(&alice, &replica, &key.path(), json!({ "operation": operation, "amount": 1 })).await;
        assert_eq!(reply.wrong_fields(), refused, "{operation}");
    }
    let own =
        administrator.patches(&replica, &key.admin_path(), json!({ "credits": { "setBy": "owner" } })).await.is(200);
    assert_eq!((&own["credits"]["setBy"], &own["credits"]["remaining"]), (&json!("owner"), &json!(10)));
    tops_up(&alice, &replica, &key.path(), json!({ "operation": "add", "amount": 1 })).await.is(200);
    assert_eq!(
        Person::of_this_test("bob")
            .posts(&replica, &format!("{}/credits", key.path()), json!({ "operation": "set", "amount": 9 }))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_top_up_is_done_once_audited_and_known_to_every_replica() {
    let (_database, replicas) = three_replicas(&[]).await;
    let (alice, administrator) = (Person::named("alice"), Person::administrator());
    let key = alice.creates(&replicas[0], json!({})).await;
    administrator.patches(&replicas[0], &key.admin_path(), json!({ "credits": { "remaining": 1 } })).await.is(200);
    let holder = &key.holder;
    assert_eq!(uses(&replicas[1], holder).await.status, 200);
    for replica in &replicas {
        assert_eq!(uses(replica, holder).await.status, 429);
    }
    let body = json!({ "operation": "add", "amount": 10, "reason": "invoice 4711" });
    let first = once(&administrator, &replicas[0], &key.admin_path(), "4711", &body).await.is(200);
    assert_eq!(first["credits"]["remaining"], 10);
    assert_eq!(uses(&replicas[2], holder).await.status, 200, "it knows of the top-up");
    once(&administrator, &replicas[1], &key.admin_path(), "4711", &body).await.is(200);
    let shown = alice.gets(&replicas[0], &key.path()).await.is(200)["credits"].clone();
    assert_eq!(shown["remaining"], 9, "the second request has added nothing: {shown}");
    let other = json!({ "operation": "add", "amount": 11 });
    once(&administrator, &replicas[0], &key.admin_path(), "4711", &other)
        .await
        .is_problem(422, "idempotency_key_reused");
    let event = &administrator.gets(&replicas[0], "/v1/admin/audit?limit=1").await.is(200)["events"][0];
    assert_eq!(
        (&event["action"], &event["details"]["reason"]),
        (&json!("key.credits_changed"), &json!("invoice 4711"))
    );
    assert_eq!(event["details"]["changes"]["credits"]["added"], 10);
    let set = tops_up(&administrator, &replicas[2], &key.admin_path(), json!({ "operation": "set", "amount": 0 }))
        .await
        .is(200);
    assert_eq!(set["credits"]["remaining"], 0);
    for replica in &replicas {
        assert_eq!(uses(replica, holder).await.status, 429, "what it had in hand is void");
    }
}

#[tokio::test]
async fn spent_up_credits_are_answered_429_without_a_time_unless_a_refill_will_come() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let key = alice.creates(&replica, json!({ "credits": { "remaining": 2 } })).await;
    let holder = &key.holder;
    let granted = uses(&replica, holder).await;
    assert_eq!((granted.status, granted.header("ratelimit")), (200, Some("\"credits\";r=1")));
    assert_eq!(granted.header("ratelimit-policy"), None);
    assert_eq!(uses(&replica, holder).await.status, 200);
    let refused = Reply::to(stranger(&replica, Method::GET, "/v1/authorize").header("x-api-key", &holder.key)).await;
    let problem = refused.is(429);
    assert_eq!((&problem["code"], &problem["violated-policies"]), (&json!("quota_exceeded"), &json!(["credits"])));
    let detail =
        "The credits are exhausted, and no refill will make enough: top them up, or make a request that costs less.";
    assert_eq!(problem["detail"], detail);
    assert_eq!((refused.header("retry-after"), refused.header("ratelimit")), (None, Some("\"credits\";r=0")));
    replica.prints("credits_exhausted").await;
    let verified = service().posts(&replica, VERIFY, json!({ "key": holder.key })).await.is(200);
    assert_eq!((&verified["code"], &verified["credits"]), (&json!("credits_exhausted"), &json!({ "remaining": 0 })));
    assert_eq!(verified.get("retryAfter"), None);
    let refill = json!({ "credits": { "refill": { "amount": 5, "interval": "daily" } } });
    alice.patches(&replica, &key.path(), refill).await.is(200);
    let refused = Reply::to(stranger(&replica, Method::GET, "/v1/authorize").header("x-api-key", &holder.key)).await;
    let seconds: u64 = refused.header("retry-after").expect("a refill will come").parse().expect("a number");
    assert!((1..=86_400).contains(&seconds), "{seconds}");
    let verified = service().posts(&replica, VERIFY, json!({ "key": holder.key })).await.is(200);
    assert!(verified["retryAfter"].as_u64().is_some_and(|seconds| seconds <= 86_400), "{verified}");
}

#[tokio::test]
async fn the_time_that_is_named_is_that_at_which_there_will_be_enough() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    let refill = json!({ "amount": 2, "interval": "daily" });
    let key = alice.creates(&replica, json!({ "credits": { "remaining": 1, "max": 5, "refill": refill } })).await;
    let asks = async |cost: u64| {
        let request = stranger(&replica, Method::GET, &format!("/v1/authorize?cost={cost}"));
        Reply::to(request.header("x-api-key", &key.holder.key)).await
    };
    // So many refills are missing.
    for (cost, refills) in [(2, 1), (3, 1), (4, 2), (5, 2)] {
        let refused = asks(cost).await;
        let problem = refused.is(429);
        let seconds: u64 = refused.header("retry-after").expect("a time").parse().expect("a number");
        assert!(((refills - 1) * 86_400..=refills * 86_400).contains(&seconds), "{cost}: {seconds}");
        let detail = format!("The credits are exhausted. They are refilled in {seconds} seconds.");
        assert_eq!(problem["detail"], detail, "{cost}");
        let question = json!({ "key": key.holder.key, "cost": cost });
        let verified = service().posts(&replica, VERIFY, question).await.is(200);
        assert!(verified["retryAfter"].as_u64().is_some_and(|later| seconds.abs_diff(later) <= 5), "{verified}");
    }
    // Refills stop at the maximum.
    let refused = asks(6).await;
    let detail = refused.is(429)["detail"].clone();
    assert!(detail.as_str().expect("a text").ends_with("top them up, or make a request that costs less."), "{detail}");
    assert_eq!(refused.header("retry-after"), None);
    let library = stranger(&replica, Method::GET, PROTECTED).header("x-api-key", &key.holder.key);
    assert_eq!(Reply::to(library).await.status, 200, "and nothing was spent");
}

#[tokio::test]
async fn a_verification_spends_its_cost_and_a_look_spends_nothing() {
    let replica = shared_replica().await;
    let limits = json!([{ "name": "hour", "limit": 100, "window": "1h" }]);
    let key = Person::of_this_test("alice")
        .creates(&replica, json!({ "credits": { "remaining": 10 }, "limits": limits }))
        .await;
    let verifies = async |body: Value| {
        let mut question = body;
        question["key"] = json!(key.holder.key);
        service().posts(&replica, VERIFY, question).await.is(200)
    };
    for (body, code, left) in [
        (json!({ "cost": 0 }), "valid", 10),
        (json!({ "cost": 4 }), "valid", 6),
        (json!({ "cost": 7 }), "credits_exhausted", 6),
        (json!({}), "valid", 5),
        (json!({ "cost": 5 }), "valid", 0),
        (json!({ "cost": 0 }), "valid", 0),
        (json!({}), "credits_exhausted", 0),
    ] {
        let verification = verifies(body.clone()).await;
        assert_eq!(
            (&verification["code"], &verification["credits"]["remaining"]),
            (&json!(code), &json!(left)),
            "{body}"
        );
    }
    // What was refused for want of credits was not charged on the limit either.
    let hour = verifies(json!({ "cost": 0 })).await["limits"][0]["remaining"].clone();
    assert_eq!(hour, 90);
}

#[tokio::test]
async fn the_credits_of_an_owner_are_spent_by_all_of_their_keys() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    let administrator = Person::with_scopes(&format!("root-{}", unique()), "keyward:admin");
    let (one, other) = (alice.creates(&replica, json!({})).await, alice.creates(&replica, json!({})).await);
    let owner = format!("/v1/admin/owners/{}", one.body["owner"]["id"].as_str().expect("an id"));
    let limits = format!("{owner}/limits");
    let put = json!({ "limits": [], "credits": { "remaining": 3 } });
    let reply = Reply::to(administrator.request(&replica, Method::PUT, &limits).json(&put)).await;
    assert_eq!((&reply.is(200)["credits"]["remaining"], &reply.is(200)["changed"]), (&json!(3), &json!(true)));
    let holders = [&one.holder, &other.holder];
    let mut statuses = Vec::new();
    for turn in 0..4 {
        statuses.push(uses(&replica, holders[turn % 2]).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
    let refused = uses(&replica, holders[0]).await;
    assert_eq!(refused.header("ratelimit"), Some("\"credits\";r=0;pk=:b3duZXI=:"));
    let body = json!({ "operation": "add", "amount": 2 });
    once(&administrator, &replica, &owner, "a", &body).await.is(200);
    once(&administrator, &replica, &owner, "a", &body).await.is(200);
    assert_eq!(uses(&replica, holders[1]).await.status, 200);
    let shown = administrator.gets(&replica, &limits).await.is(200)["credits"].clone();
    let left = shown["remaining"].as_u64().expect("a number") + shown["unsettled"].as_u64().expect("a number");
    assert!((1..=2).contains(&left), "{shown}");
    // Limits alone leave the credits; null removes them.
    let kept =
        Reply::to(administrator.request(&replica, Method::PUT, &limits).json(&json!({ "limits": [] }))).await.is(200);
    assert!(kept["credits"].is_object(), "{kept}");
    let none = json!({ "limits": [], "credits": null });
    let removed = Reply::to(administrator.request(&replica, Method::PUT, &limits).json(&none)).await.is(200);
    assert_eq!(removed["credits"], Value::Null);
    for holder in holders {
        assert_eq!(uses(&replica, holder).await.status, 200);
    }
    tops_up(&administrator, &replica, &owner, body).await.is(422);
}

#[tokio::test]
async fn the_command_line_sets_shows_and_tops_up_credits() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    let key = alice.creates(&replica, json!({})).await;
    let run = async |arguments: &[&str]| {
        let mut program = command();
        program.env("DATABASE_URL", replica.database().url()).args(arguments);
        run_beside(program).await
    };
    run(&["keys", "update", &key.id, "--credits", "100,refill=10/daily,max=200"]).await.succeeded();
    let credits = alice.gets(&replica, &key.path()).await.is(200)["credits"].clone();
    assert_eq!(
        (&credits["remaining"], &credits["max"], &credits["setBy"]),
        (&json!(100), &json!(200), &json!("administrator"))
    );
    let told = run(&["keys", "credits", &key.id, "--add", "11", "--reason", "thanks"]).await.succeeded();
    assert!(told.contains("111 left, 10 more daily"), "{told}");
    // Once, however often the command is repeated.
    for _ in 0..2 {
        let told = run(&["keys", "credits", &key.id, "--add", "5", "--idempotency-key", "invoice 7"]).await.succeeded();
        assert!(told.contains("116 left"), "{told}");
    }
    for other in [&["keys", "credits", &key.id, "--add", "6"][..], &["owners", "credits", &alice.owner(), "--add", "5"]]
    {
        let refused = run(&[other, &["--idempotency-key", "invoice 7"]].concat()).await.failed();
        assert!(refused.contains("the idempotency key came with another command before"), "{refused}");
    }
    let wrong = run(&["keys", "credits", &key.id, "--add", "5", "--idempotency-key", ""]).await;
    assert!(wrong.stderr.contains("1 to 255 printable ASCII characters"), "{wrong:?}");
    run(&["keys", "credits", &key.id, "--set", "7"]).await.succeeded();
    assert_eq!(alice.gets(&replica, &key.path()).await.is(200)["credits"]["remaining"], 7);
    run(&["keys", "update", &key.id, "--clear", "credits"]).await.succeeded();
    assert_eq!(alice.gets(&replica, &key.path()).await.is(200)["credits"], Value::Null);
    for (which, command) in
        [(["keys", &*key.id], "keyward keys update"), (["owners", "AGFsaWNl"], "keyward owners limits")]
    {
        let refused = run(&[which[0], "credits", which[1], "--add", "5"]).await.failed();
        assert!(refused.contains("no credits to add to") && refused.contains(command), "{refused}");
        assert!(!refused.contains("PATCH"), "{refused}");
    }
    let owner = key.body["owner"]["id"].as_str().expect("an id").to_owned();
    run(&["owners", "limits", &owner, "--credits", "5"]).await.succeeded();
    for _ in 0..2 {
        let told = run(&["owners", "credits", &owner, "--add", "5", "--idempotency-key", "8"]).await.succeeded();
        assert!(told.contains("credits: 10 left"), "{told}");
    }
}
