//! Limits on keys and on owners: how they are set, shown and audited, and who may change whose.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{ALL_KEYS, KEYS, MadeKey, Reply, pairs, replica, shared_replica, three_replicas},
    program::run_beside,
    replica::{Replica, command},
};

fn minute(limit: u64) -> Value {
    json!({ "name": "minute", "limit": limit, "window": "1m" })
}

fn shown(limit: &Value, by: &str) -> Value {
    let mut shown = json!({ "cost": 1, "onOutage": "refuse", "setBy": by });
    shown.as_object_mut().expect("an object").extend(limit.as_object().expect("an object").clone());
    shown
}

async fn puts(person: &Person, replica: &Replica, path: &str, body: Value) -> Reply {
    Reply::to(person.request(replica, Method::PUT, path).json(&body)).await
}

#[tokio::test]
async fn the_limits_of_a_key_are_set_shown_replaced_and_removed() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    let all = json!({ "name": "a.b_c-1", "limit": 50_000, "window": "month", "cost": 5, "onOutage": "admit" });
    let key = alice.creates(&replica, json!({ "limits": [minute(10), all] })).await;
    let both = json!([shown(&minute(10), "owner"), shown(&all, "owner")]);
    assert_eq!(key.body["limits"], both);
    assert_eq!(alice.gets(&replica, &key.path()).await.is(200)["limits"], both);
    assert_eq!(alice.gets(&replica, KEYS).await.is(200)["keys"][0]["limits"], both);
    let renamed = alice.patches(&replica, &key.path(), json!({ "name": "x" })).await;
    assert_eq!(renamed.is(200)["limits"], both);
    let rotated = alice.posts(&replica, &format!("{}/rotate", key.path()), json!({})).await.is(201);
    assert_eq!(rotated["limits"], both, "the successor has the same limits");
    let key = MadeKey::of(rotated);
    // As it was shown, and with numbers as some clients write them.
    let same = alice.patches(&replica, &key.path(), json!({ "limits": both })).await;
    assert_eq!((same.is(200)["limits"].clone(), same.header("etag")), (both.clone(), Some("\"1\"")));
    let other = json!({ "limits": [{ "name": "hour", "limit": 60.0, "window": "60m", "cost": null }] });
    let hour = json!({ "name": "hour", "limit": 60, "window": "1h" });
    let changed = alice.patches(&replica, &key.path(), other).await;
    assert_eq!(changed.is(200)["limits"], json!([shown(&hour, "owner")]));
    let event = &alice.gets(&replica, "/v1/audit?limit=1").await.is(200)["events"][0];
    assert_eq!(event["details"]["changed"], json!(["limits"]));
    let change = json!({ "from": both, "to": [shown(&hour, "owner")] });
    assert_eq!(event["details"]["changes"]["limits"], change);
    let removed = alice.patches(&replica, &key.path(), json!({ "limits": null })).await.is(200);
    assert_eq!(removed["limits"], json!([]));
    assert_eq!(alice.creates(&replica, json!({ "limits": null })).await.body["limits"], json!([]));
}

#[tokio::test]
async fn every_fault_of_a_limit_is_named_by_its_place() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    let with = |member: &str, value: Value| {
        let mut limit = minute(10);
        limit[member] = value;
        limit
    };
    let wrong = [
        (json!(1), "", "wrong_type"),
        (json!({}), "/limit", "required"),
        (with("name", json!("")), "/name", "invalid"),
        (with("name", json!("x".repeat(51))), "/name", "invalid"),
        (with("name", json!("a b")), "/name", "invalid"),
        (with("name", json!("a\"b")), "/name", "invalid"),
        (with("name", json!("é")), "/name", "invalid"),
        (with("name", json!(1)), "/name", "wrong_type"),
        (with("limit", json!(0)), "/limit", "invalid"),
        (with("limit", json!(-1)), "/limit", "invalid"),
        (with("limit", json!(1.5)), "/limit", "invalid"),
        (with("limit", json!("10")), "/limit", "invalid"),
        (with("limit", json!(1_000_000_000_001_u64)), "/limit", "invalid"),
        (with("limit", json!(null)), "/limit", "required"),
        (with("window", json!("1w")), "/window", "invalid"),
        (with("window", json!("0s")), "/window", "invalid"),
        (with("window", json!("32d")), "/window", "invalid"),
        (with("window", json!("+1m")), "/window", "invalid"),
        (with("window", json!(60)), "/window", "wrong_type"),
        (with("cost", json!(0)), "/cost", "invalid"),
        (with("cost", json!(11)), "/cost", "invalid"),
        (with("onOutage", json!("guess")), "/onOutage", "invalid"),
        (with("setBy", json!("nobody")), "/setBy", "invalid"),
        (with("per", json!(1)), "/per", "unknown_field"),
    ];
    let sound = alice.creates(&replica, json!({})).await;
    for (limit, place, code) in wrong {
        let body = json!({ "limits": [{ "name": "sound", "limit": 1, "window": "1s" }, limit] });
        for reply in [
            alice.posts(&replica, KEYS, body.clone()).await,
            alice.patches(&replica, &sound.path(), body.clone()).await,
        ] {
            let faults = reply.wrong_fields();
            assert_eq!(faults[0], pairs(&[(&format!("/limits/1{place}"), code)])[0], "{limit} {faults:?}");
        }
    }
    let named = |name: String| json!({ "name": name, "limit": 1, "window": "1s" });
    let many = |count: usize| json!({ "limits": (0..count).map(|at| named(format!("l{at}"))).collect::<Vec<_>>() });
    assert_eq!(alice.creates(&replica, many(10)).await.body["limits"].as_array().map(Vec::len), Some(10));
    let reply = alice.posts(&replica, KEYS, many(11)).await;
    assert_eq!(reply.wrong_fields(), pairs(&[("/limits", "too_many")]));
    let reply = alice.posts(&replica, KEYS, json!({ "limits": [minute(1), minute(2)] })).await;
    assert_eq!(reply.wrong_fields(), pairs(&[("/limits/1/name", "conflict")]));
    assert_eq!(alice.gets(&replica, &sound.path()).await.header("etag"), Some("\"1\""));
}

#[tokio::test]
async fn what_an_administrator_has_limited_its_owner_neither_loosens_nor_removes() {
    let (replica, alice, root) = (shared_replica().await, Person::of_this_test("alice"), Person::administrator());
    let own = json!({ "name": "own", "limit": 5, "window": "1h" });
    let key = alice.creates(&replica, json!({ "limits": [own] })).await;
    let limited = root.patches(&replica, &key.admin_path(), json!({ "limits": [own, minute(10)] })).await.is(200);
    // What the administrator has sent back as it was is still the owner's.
    let both = json!([shown(&own, "owner"), shown(&minute(10), "administrator")]);
    assert_eq!(limited["limits"], both);

    let set_by = |by: &str| shown(&minute(10), by);
    let admitting = json!({ "name": "minute", "limit": 10, "window": "1m", "onOutage": "admit" });
    let longer = json!({ "name": "minute", "limit": 10, "window": "1s" });
    for loosened in [minute(11), minute(9), longer, admitting, set_by("owner")] {
        let reply = alice.patches(&replica, &key.path(), json!({ "limits": [loosened] })).await;
        assert_eq!(reply.wrong_fields(), pairs(&[("/limits/0", "set_by_administrator")]), "{loosened}");
    }
    let forged = json!({ "limits": [shown(&own, "administrator")] });
    for reply in
        [alice.patches(&replica, &key.path(), forged.clone()).await, alice.posts(&replica, KEYS, forged.clone()).await]
    {
        assert_eq!(reply.wrong_fields(), pairs(&[("/limits/0", "set_by_administrator")]));
    }
    // Everything else is the owner's to change, and what is not mentioned stays.
    for harmless in [json!(both), json!([own, minute(10)]), json!([own])] {
        let kept = alice.patches(&replica, &key.path(), json!({ "limits": harmless })).await.is(200);
        assert_eq!(kept["limits"], both, "{harmless}");
    }
    for none in [json!([]), json!(null)] {
        let kept = alice.patches(&replica, &key.path(), json!({ "limits": none })).await.is(200);
        assert_eq!(kept["limits"], json!([set_by("administrator")]));
    }
    let named = |at: u64| json!({ "name": format!("l{at}"), "limit": 1, "window": "1s" });
    let ten = json!({ "limits": (0..10).map(named).collect::<Vec<_>>() });
    let reply = alice.patches(&replica, &key.path(), ten).await;
    assert_eq!(reply.wrong_fields(), pairs(&[("/limits", "too_many")]));
    let rotated = alice.posts(&replica, &format!("{}/rotate", key.path()), json!({})).await.is(201);
    assert_eq!(rotated["limits"], json!([set_by("administrator")]), "a rotation is no way out");
    let key = MadeKey::of(rotated);

    let given = root.patches(&replica, &key.admin_path(), json!({ "limits": [set_by("owner")] })).await.is(200);
    assert_eq!(given["limits"], json!([set_by("owner")]), "an administrator can hand it over");
    alice.patches(&replica, &key.path(), json!({ "limits": [] })).await.is(200);
    let theirs = json!({ "owner": { "subject": alice.subject() }, "limits": [minute(10)] });
    let made = root.posts(&replica, ALL_KEYS, theirs).await.is(201);
    assert_eq!(made["limits"], json!([set_by("administrator")]));
}

#[tokio::test]
async fn limits_bind_on_every_replica_when_the_change_is_answered() {
    let (_database, replicas) = three_replicas(&[]).await;
    let (alice, root) = (Person::named("alice"), Person::administrator());
    let key = alice.creates(&replicas[0], json!({})).await;
    key.is_everywhere(&replicas, 200).await;
    let tight = json!({ "limits": [{ "name": "month", "limit": 1, "window": "month" }] });
    root.patches(&replicas[1], &key.admin_path(), tight.clone()).await.is(200);
    let mut granted = 0;
    for replica in &replicas {
        granted += u32::from(key.status(replica).await == 200);
    }
    assert_eq!(granted, 1);
    root.patches(&replicas[1], &key.admin_path(), json!({ "limits": [] })).await.is(200);
    key.is_everywhere(&replicas, 200).await;

    let owner = key.body["owner"]["id"].as_str().expect("an id");
    let path = format!("/v1/admin/owners/{owner}/limits");
    let other = alice.creates(&replicas[2], json!({})).await;
    other.is_everywhere(&replicas, 200).await;
    let limited = puts(&root, &replicas[1], &path, tight).await.is(200);
    assert_eq!((&limited["changed"], &limited["replicasConfirmed"]), (&json!(true), &json!(3)));
    let mut granted = 0;
    for replica in &replicas {
        for key in [&key, &other] {
            granted += u32::from(key.status(replica).await == 200);
        }
    }
    assert_eq!(granted, 1, "all keys of an owner share the owner's limits");
    puts(&root, &replicas[0], &path, json!({ "limits": [] })).await.is(200);
    other.is_everywhere(&replicas, 200).await;
}

#[tokio::test]
async fn the_limits_of_an_owner_are_replaced_under_preconditions_and_audited() {
    let (replica, alice, root) = (shared_replica().await, Person::of_this_test("alice"), Person::administrator());
    let path = &format!("/v1/admin/owners/{}/limits", alice.owner());
    let none = root.gets(&replica, path).await;
    let owner = json!({ "id": alice.owner(), "issuer": "", "subject": alice.subject() });
    assert_eq!(none.is(200), json!({ "owner": owner, "limits": [], "credits": null }));
    let first = none.header("etag").expect("a tag").to_owned();
    let body = json!({ "limits": [minute(10)] });
    let conditional = |header: &str, tag: &str| root.request(&replica, Method::PUT, path).header(header, tag);
    Reply::to(conditional("if-match", "\"1\"").json(&body)).await.is_problem(412, "version_mismatch");
    Reply::to(conditional("if-none-match", &first).json(&body)).await.is_problem(412, "precondition_failed");
    let changed = Reply::to(conditional("if-match", &first).json(&body)).await;
    assert_eq!(changed.is(200)["limits"], json!([shown(&minute(10), "administrator")]));
    assert_ne!(changed.header("etag"), Some(&*first));
    Reply::to(conditional("if-match", &first).json(&body)).await.is_problem(412, "version_mismatch");
    let now = root.gets(&replica, path).await;
    assert_eq!(now.header("etag"), changed.header("etag"));
    let known = root.request(&replica, Method::GET, path).header("if-none-match", now.header("etag").expect("a tag"));
    assert_eq!(Reply::to(known).await.status, 304);
    assert_eq!(puts(&root, &replica, path, body.clone()).await.is(200)["changed"], json!(false));

    let events = root.gets(&replica, &format!("/v1/admin/audit?owner={}", alice.owner())).await.is(200);
    let events = events["events"].as_array().expect("a list");
    assert_eq!(events.len(), 1, "what changes nothing is no event");
    assert_eq!(
        (&events[0]["action"], &events[0]["owner"]["subject"]),
        (&json!("owner.limits_changed"), &json!(alice.subject()))
    );
    let change = json!({ "limits": { "from": [], "to": [shown(&minute(10), "administrator")] } });
    assert_eq!(events[0]["details"]["changes"], change);

    for (body, place, code) in [
        (json!({}), "/limits", "required"),
        (json!({ "limits": null }), "/limits", "required"),
        (json!({ "limits": [{}] }), "/limits/0/limit", "required"),
        (json!({ "limits": [shown(&minute(1), "owner")] }), "/limits/0/setBy", "invalid"),
    ] {
        assert_eq!(
            puts(&root, &replica, path, body.clone()).await.wrong_fields()[0],
            pairs(&[(place, code)])[0],
            "{body}"
        );
    }
    puts(&root, &replica, "/v1/admin/owners/x/limits", body.clone()).await.is_problem(404, "not_found");
    puts(&alice, &replica, path, body).await.is_problem(403, "insufficient_scope");
    alice.gets(&replica, path).await.is_problem(403, "insufficient_scope");
}

#[tokio::test]
async fn the_command_line_limits_keys_and_tells_their_limits() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let keyward = async |args: &[&str]| {
        let mut program = command();
        program.env("DATABASE_URL", replica.database().url()).args(args);
        run_beside(program).await
    };
    let words = ["keys", "create", "--subject", "alice", "--json", "--limit", "minute=10/1m"];
    let made = keyward(&[&words[..], &["--limit", "day=50000/day,cost=5,outage=admit"]].concat()).await.succeeded();
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let day = json!({ "name": "day", "limit": 50_000, "window": "day", "cost": 5, "onOutage": "admit" });
    assert_eq!(made["limits"], json!([shown(&minute(10), "administrator"), shown(&day, "administrator")]));
    let id = made["id"].as_str().expect("an id");
    let shown_key = keyward(&["keys", "show", id]).await.succeeded();
    assert!(shown_key.contains("minute=10/1m day=50000/day,cost=5,outage=admit"), "{shown_key}");
    let updated = keyward(&["keys", "update", id, "--limit", "minute=20/1m", "--json"]).await.succeeded();
    let updated: Value = serde_json::from_str(&updated).expect("JSON");
    assert_eq!(updated["limits"], json!([shown(&minute(20), "administrator")]));
    let listed = keyward(&["keys", "list", "--json"]).await.succeeded();
    assert_eq!(serde_json::from_str::<Value>(&listed).expect("JSON")[0]["limits"], updated["limits"]);
    let cleared = keyward(&["keys", "update", id, "--clear", "limits", "--json"]).await.succeeded();
    assert_eq!(serde_json::from_str::<Value>(&cleared).expect("JSON")["limits"], json!([]));
    alice.gets(&replica, &format!("{KEYS}/{id}")).await.is(200);

    let owners = keyward(&["owners", "limits", "AGFsaWNl", "--limit", "month=9/month"]).await.succeeded();
    assert_eq!(owners.trim(), "month=9/month");
    let told = keyward(&["owners", "limits", "--subject", "alice", "--json"]).await.succeeded();
    let month = json!({ "name": "month", "limit": 9, "window": "month" });
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["limits"], json!([shown(&month, "administrator")]));
    assert_eq!(keyward(&["owners", "limits", "AGFsaWNl", "--clear"]).await.succeeded().trim(), "-");
}
