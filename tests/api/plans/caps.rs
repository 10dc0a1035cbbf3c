//! What a plan caps: how many keys, for how long, with which scopes, and for which environments.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{ALL_KEYS, KEYS, MadeKey, Reply, pairs, replica, replica_with},
    replica::Replica,
};

use super::{assign, limit, plan};

/// Alice is on a plan like this.
async fn on_a_plan(body: Value) -> (Replica, Person) {
    let replica = replica().await;
    plan(&replica, "free", body).await;
    assign(&replica, json!("free")).await;
    (replica, Person::named("alice"))
}

async fn rotates(person: &Person, replica: &Replica, key: &MadeKey, body: Value) -> Reply {
    person.posts(replica, &format!("{}/rotate", key.path()), body).await
}

async fn enables(person: &Person, replica: &Replica, path: &str) -> Reply {
    Reply::to(person.request(replica, Method::POST, &format!("{path}/enable"))).await
}

/// A plan is named by whoever refuses for it.
#[track_caller]
fn is_refused(reply: &Reply, place: &str, code: &str) {
    assert_eq!(reply.wrong_fields(), pairs(&[(place, code)]));
    assert!(reply.text.contains("the plan free"), "{}", reply.text);
}

#[tokio::test]
async fn an_owner_has_no_more_keys_than_the_plan_allows_whoever_makes_them() {
    let (replica, alice) = on_a_plan(json!({ "maxKeys": 2 })).await;
    let root = Person::administrator();
    let first = alice.creates(&replica, json!({ "expiresIn": 3600 })).await;
    let second = alice.creates(&replica, json!({ "enabled": false })).await;
    for reply in [
        alice.posts(&replica, KEYS, json!({})).await,
        root.posts(&replica, ALL_KEYS, json!({ "owner": { "subject": "alice" } })).await,
    ] {
        reply.is_problem(409, "too_many_keys");
        assert!(reply.text.contains("The owner has 2 keys, and the plan free allows no more."), "{}", reply.text);
    }
    assert_eq!(alice.asks_for_a_key(&replica).await.status(), 409, "by the compatibility route");
    // A rotation may have both keys at once, as with the configured limit.
    rotates(&alice, &replica, &first, json!({})).await.is(201);
    alice.deletes(&replica, &first.path()).await.is(200);
    alice.deletes(&replica, &second.path()).await.is(200);
    let third = alice.creates(&replica, json!({ "expiresIn": 1 })).await;
    third.holder.is_refused(&replica).await;
    alice.creates(&replica, json!({})).await;
    // To revive a key makes one more.
    alice.patches(&replica, &third.path(), json!({ "expiresIn": 3600 })).await.is_problem(409, "too_many_keys");
    plan(&replica, "free", json!({ "maxKeys": 3 })).await;
    alice.patches(&replica, &third.path(), json!({ "expiresIn": 3600 })).await.is(200);
    Person::named("bob").creates(&replica, json!({})).await;
    assign(&replica, json!(null)).await;
    alice.creates(&replica, json!({})).await;
}

#[tokio::test]
async fn a_rotated_key_that_is_to_go_on_beside_its_successor_needs_room_as_a_new_one_does() {
    let (replica, alice) = on_a_plan(json!({ "maxKeys": 1 })).await;
    let root = Person::administrator();
    let old = alice.creates(&replica, json!({})).await;
    rotates(&alice, &replica, &old, json!({ "gracePeriod": 3600 })).await.is(201);
    for end in [json!({ "expiresAt": null }), json!({ "expiresIn": 7200 })] {
        for path in [old.path(), format!("/v1/admin{}", old.path().trim_start_matches("/v1"))] {
            let by = if path == old.path() { &alice } else { &root };
            let reply = by.patches(&replica, &path, end.clone()).await;
            reply.is_problem(409, "too_many_keys");
            assert!(reply.text.contains("The owner has 1 key, and the plan free allows no more."), "{}", reply.text);
        }
    }
    // It may end sooner, be renamed, and go on where there is room for both.
    alice.patches(&replica, &old.path(), json!({ "expiresIn": 1800, "name": "old" })).await.is(200);
    plan(&replica, "free", json!({ "maxKeys": 2 })).await;
    alice.patches(&replica, &old.path(), json!({ "expiresAt": null })).await.is(200);
    alice.posts(&replica, KEYS, json!({})).await.is_problem(409, "too_many_keys");
}

#[tokio::test]
async fn the_tighter_of_plan_and_configuration_holds_and_is_named() {
    let env = [("KEYWARD__KEYS__MAX_PER_OWNER", "1"), ("KEYWARD__KEYS__MAX_LIFETIME", "1h")];
    let (replica, alice) = (replica_with(&env).await, Person::named("alice"));
    plan(&replica, "free", json!({ "maxKeys": 5, "maxLifetime": 86400 })).await;
    assign(&replica, json!("free")).await;
    let too_long = alice.posts(&replica, KEYS, json!({ "expiresIn": 7200 })).await;
    assert_eq!(too_long.wrong_fields(), pairs(&[("/expiresIn", "lifetime_too_long")]));
    assert!(too_long.text.contains("at most 1h here"), "{}", too_long.text);
    alice.creates(&replica, json!({ "expiresIn": 60 })).await;
    let too_many = alice.posts(&replica, KEYS, json!({ "expiresIn": 60 })).await;
    too_many.is_problem(409, "too_many_keys");
    assert!(too_many.text.contains("keys.max_per_owner"), "{}", too_many.text);
    plan(&replica, "free", json!({ "maxKeys": 1, "maxLifetime": 60 })).await;
    let too_long = alice.posts(&replica, KEYS, json!({ "expiresIn": 120 })).await;
    is_refused(&too_long, "/expiresIn", "lifetime_too_long");
    assert!(too_long.text.contains("at most 1m on the plan free"), "{}", too_long.text);
    let too_many = alice.posts(&replica, KEYS, json!({ "expiresIn": 60 })).await;
    assert!(too_many.text.contains("the plan free allows no more"), "{}", too_many.text);
}

#[tokio::test]
async fn no_key_is_made_prolonged_or_rotated_beyond_the_longest_lifetime_of_the_plan() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let old = alice.creates(&replica, json!({ "enabled": false })).await;
    plan(&replica, "free", json!({ "maxLifetime": 3600 })).await;
    assign(&replica, json!("free")).await;
    let longer = json!({ "expiresIn": 3700 });
    let endless = json!({ "expiresAt": null });
    for (body, member) in [(&json!({}), "/expiresAt"), (&endless, "/expiresAt"), (&longer, "/expiresIn")] {
        is_refused(&alice.posts(&replica, KEYS, body.clone()).await, member, "lifetime_too_long");
    }
    let theirs = json!({ "owner": { "subject": "alice" }, "expiresIn": 3700 });
    let by_root = Person::administrator().posts(&replica, ALL_KEYS, theirs).await;
    is_refused(&by_root, "/expiresIn", "lifetime_too_long");
    let key = alice.creates(&replica, json!({ "expiresIn": 600 })).await;
    for (body, member) in [(&endless, "/expiresAt"), (&longer, "/expiresIn")] {
        is_refused(&alice.patches(&replica, &key.path(), body.clone()).await, member, "lifetime_too_long");
    }
    alice.patches(&replica, &key.path(), json!({ "expiresIn": 3000 })).await.is(200);
    is_refused(&rotates(&alice, &replica, &key, longer).await, "/expiresIn", "lifetime_too_long");
    // What a key has, it keeps: also one that is older than the plan.
    alice.patches(&replica, &old.path(), json!({ "name": "x" })).await.is(200);
    enables(&alice, &replica, &old.path()).await.is(200);
    // The successor, and a key that can't ask for an end, live for as long as may be.
    let successor = rotates(&alice, &replica, &old, json!({})).await.is(201);
    let compatible = alice.makes_a_key(&replica).await;
    let shown = alice.gets(&replica, &format!("{KEYS}/{}", compatible.id())).await.is(200);
    for key in [&successor, &shown] {
        let instant =
            |member: &str| keyward::domain::timestamp::parse(key[member].as_str().expect("a time")).expect("a time");
        assert_eq!((instant("expiresAt") - instant("createdAt")).whole_seconds(), 3600, "{key}");
    }
}

#[tokio::test]
async fn no_key_is_given_nor_widened_with_scopes_that_the_plan_does_not_have() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let old =
        alice.creates(&replica, json!({ "scopes": ["read", "write"], "enabled": false, "expiresIn": 3600 })).await;
    plan(&replica, "free", json!({ "scopes": ["read"] })).await;
    assign(&replica, json!("free")).await;
    let beyond = json!({ "scopes": ["read", "write"] });
    is_refused(&alice.posts(&replica, KEYS, beyond.clone()).await, "/scopes", "scope_not_in_plan");
    let key = alice.creates(&replica, json!({ "scopes": ["read"] })).await;
    is_refused(&alice.patches(&replica, &key.path(), beyond.clone()).await, "/scopes", "scope_not_in_plan");
    rotates(&alice, &replica, &key, json!({})).await.is(201);
    // What a key has, it keeps, but it gets no wider with it.
    alice.patches(&replica, &old.path(), json!({ "name": "x" })).await.is(200);
    alice.patches(&replica, &old.path(), json!({ "scopes": ["read", "write"] })).await.is(200);
    for wider in [json!({ "enabled": true }), json!({ "expiresIn": 7200 })] {
        is_refused(&alice.patches(&replica, &old.path(), wider).await, "/scopes", "scope_not_in_plan");
    }
    is_refused(&enables(&alice, &replica, &old.path()).await, "/scopes", "scope_not_in_plan");
    is_refused(&rotates(&alice, &replica, &old, json!({})).await, "/scopes", "scope_not_in_plan");
    alice.patches(&replica, &old.path(), json!({ "scopes": ["read"], "enabled": true })).await.is(200);
    rotates(&alice, &replica, &old, json!({})).await.is(201);
    plan(&replica, "free", json!({ "scopes": [] })).await;
    is_refused(&alice.posts(&replica, KEYS, json!({ "scopes": ["read"] })).await, "/scopes", "scope_not_in_plan");
    alice.creates(&replica, json!({})).await;
}

#[tokio::test]
async fn no_key_is_made_rotated_or_enabled_in_an_environment_that_the_plan_does_not_have() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let old = alice.creates(&replica, json!({ "environment": "live", "enabled": false })).await;
    plan(&replica, "free", json!({ "environments": ["test"] })).await;
    assign(&replica, json!("free")).await;
    for body in [json!({}), json!({ "environment": "live" })] {
        is_refused(&alice.posts(&replica, KEYS, body).await, "/environment", "environment_not_in_plan");
    }
    let refused = Reply::to(alice.request(&replica, Method::POST, "/api/create-api-key")).await;
    assert_eq!((refused.status, &*refused.text), (422, r#"{"message":"The plan free has no keys for live"}"#));
    alice.patches(&replica, &old.path(), json!({ "name": "x" })).await.is(200);
    is_refused(&enables(&alice, &replica, &old.path()).await, "/environment", "environment_not_in_plan");
    is_refused(&rotates(&alice, &replica, &old, json!({})).await, "/environment", "environment_not_in_plan");
    let key = alice.creates(&replica, json!({ "environment": "test" })).await;
    rotates(&alice, &replica, &key, json!({})).await.is(201);
}

/// A key that leaked has to be replaced, whatever the plan says now.
#[tokio::test]
async fn an_administrator_rotates_and_enables_keys_that_the_plan_would_not_give() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let old = alice.creates(&replica, json!({ "environment": "live", "scopes": ["write"], "enabled": false })).await;
    plan(&replica, "free", json!({ "environments": ["test"], "scopes": ["read"], "maxLifetime": 3600 })).await;
    assign(&replica, json!("free")).await;
    let path = format!("{ALL_KEYS}/{}", old.id);
    enables(&root, &replica, &path).await.is(200);
    let never = root.posts(&replica, &format!("{path}/rotate"), json!({ "expiresAt": null })).await;
    is_refused(&never, "/expiresAt", "lifetime_too_long");
    let rotated = root.posts(&replica, &format!("{path}/rotate"), json!({})).await.is(201);
    assert_eq!((&rotated["environment"], &rotated["scopes"]), (&json!("live"), &json!(["write"])));
}

#[tokio::test]
async fn every_cap_that_stands_in_the_way_is_told_at_once() {
    let caps = json!({ "maxLifetime": 60, "scopes": ["read"], "environments": ["test"] });
    let (replica, alice) = on_a_plan(caps).await;
    let all = alice.posts(&replica, KEYS, json!({ "scopes": ["a", "b"] })).await;
    let expected = [
        ("/environment", "environment_not_in_plan"),
        ("/expiresAt", "lifetime_too_long"),
        ("/scopes", "scope_not_in_plan"),
        ("/scopes", "scope_not_in_plan"),
    ];
    assert_eq!(all.wrong_fields(), pairs(&expected));
}

/// The limits on a key are those of its owner's choice, beside the plan's.
#[tokio::test]
async fn an_owner_can_loosen_nothing_of_the_plan_by_limits_on_keys() {
    let (replica, alice) = on_a_plan(json!({ "limits": [limit("month", 2, "month")] })).await;
    let wide = limit("month", 1_000_000, "month");
    let key = alice.creates(&replica, json!({ "limits": [wide] })).await;
    let statuses = [key.status(&replica).await, key.status(&replica).await, key.status(&replica).await];
    assert_eq!(statuses, [200, 200, 429]);
    let other = alice.creates(&replica, json!({})).await;
    assert_eq!(other.status(&replica).await, 429, "another key gives nothing more");
}
