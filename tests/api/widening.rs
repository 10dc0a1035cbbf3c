//! A key that carries a right on Keyward is widened only by who holds that right, and a key that an administrator has
//! switched off stays off until an administrator switches it on.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{ALL_KEYS, MadeKey, Reply, pairs, replica, replica_with, shared_replica, three_replicas},
    replica::Replica,
};

/// Alice with the right to verify keys, and without.
fn both() -> (Person, Person) {
    let poor = Person::of_this_test("alice");
    (Person::with_scopes(&poor.subject(), "keyward:verify"), poor)
}

async fn verifying_key(rich: &Person, replica: &Replica, more: Value) -> MadeKey {
    let mut new_key = json!({ "scopes": ["keyward:verify", "orders:read"], "expiresIn": 3600 });
    new_key.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    rich.creates(replica, new_key).await
}

#[tokio::test]
async fn without_the_right_itself_nobody_prolongs_unbinds_or_switches_on_a_key_that_carries_it() {
    let (replica, (rich, poor)) = (shared_replica().await, both());
    let bound = json!({ "allowedIps": ["192.0.2.0/24", "198.51.100.7"], "enabled": false });
    let key = verifying_key(&rich, &replica, bound).await;
    let not_held = pairs(&[("/scopes", "scope_not_held")]);
    for wider in [
        json!({ "expiresIn": 7200 }),
        json!({ "expiresAt": "2100-01-01T00:00:00Z" }),
        json!({ "expiresAt": null }),
        json!({ "allowedIps": [] }),
        json!({ "allowedIps": null }),
        json!({ "allowedIps": ["192.0.2.0/23"] }),
        json!({ "allowedIps": ["192.0.2.7", "2001:db8::/32"] }),
        json!({ "allowedIps": ["192.0.2.7", "::ffff:203.0.113.9"] }),
        json!({ "enabled": true }),
        json!({ "enabled": null }),
        json!({ "name": "innocent", "enabled": true }),
        json!({ "scopes": ["keyward:verify"], "expiresAt": null }),
    ] {
        let answer = poor.patches(&replica, &key.path(), wider.clone()).await;
        assert_eq!(answer.wrong_fields(), not_held, "{wider}");
        assert!(answer.text.contains("keyward:verify"), "{}", answer.text);
    }
    let enable = format!("{}/enable", key.path());
    assert_eq!(Reply::to(poor.request(&replica, Method::POST, &enable)).await.wrong_fields(), not_held);
    let unchanged = poor.gets(&replica, &key.path()).await;
    assert_eq!(unchanged.header("etag"), Some("\"1\""), "{}", unchanged.text);

    for narrower in [
        json!({ "name": "x", "metadata": { "a": 1 } }),
        json!({ "expiresIn": 600 }),
        json!({ "allowedIps": ["192.0.2.128/25", "::ffff:192.0.2.0/121", "198.51.100.7/32"] }),
        json!({ "allowedIps": ["192.0.2.200"] }),
        json!({ "enabled": false }),
    ] {
        poor.patches(&replica, &key.path(), narrower).await.is(200);
    }
    rich.patches(&replica, &key.path(), json!({ "expiresAt": null, "allowedIps": null })).await.is(200);
    Reply::to(rich.request(&replica, Method::POST, &enable)).await.is(200);
    // Once it is gone, there is nothing to hold.
    Reply::to(poor.request(&replica, Method::POST, &format!("{}/disable", key.path()))).await.is(200);
    let without = json!({ "scopes": ["orders:read"], "enabled": true, "allowedIps": null });
    poor.patches(&replica, &key.path(), without).await.is(200);
}

#[tokio::test]
async fn a_key_that_has_expired_comes_back_only_by_who_holds_its_rights() {
    let (replica, (rich, poor)) = (shared_replica().await, both());
    let key = verifying_key(&rich, &replica, json!({ "expiresIn": 1 })).await;
    key.holder.is_refused(&replica).await;
    let answer = poor.patches(&replica, &key.path(), json!({ "expiresIn": 60 })).await;
    assert_eq!(answer.wrong_fields(), pairs(&[("/scopes", "scope_not_held")]));
    rich.patches(&replica, &key.path(), json!({ "expiresIn": 60 })).await.is(200);
    assert_eq!(key.status(&replica).await, 200);
}

#[tokio::test]
async fn where_tokens_bear_scopes_every_scope_of_a_key_has_to_be_held_to_widen_it() {
    let replica = replica_with(&[("KEYWARD__JWT__SCOPE_BEARING", "true")]).await;
    let (rich, poor) = (Person::with_scopes("alice", "read write"), Person::with_scopes("alice", "read"));
    let key = rich.creates(&replica, json!({ "scopes": ["read", "write"], "expiresIn": 3600 })).await;
    for wider in [json!({ "expiresIn": 7200 }), json!({ "expiresAt": null })] {
        let answer = poor.patches(&replica, &key.path(), wider).await;
        assert_eq!(answer.wrong_fields(), pairs(&[("/scopes", "scope_not_held")]));
    }
    poor.patches(&replica, &key.path(), json!({ "scopes": ["read"], "expiresIn": 7200 })).await.is(200);
}

/// Every way in which an owner could switch a key on.
async fn nobody_but_an_administrator_switches_on(owner: &Person, replica: &Replica, key: &MadeKey) {
    let enable = Reply::to(owner.request(replica, Method::POST, &format!("{}/enable", key.path()))).await;
    enable.is_problem(403, "disabled_by_administrator");
    for patch in [json!({ "enabled": true }), json!({ "enabled": null }), json!({ "enabled": true, "name": "x" })] {
        owner.patches(replica, &key.path(), patch).await.is_problem(403, "disabled_by_administrator");
    }
    let shown = owner.gets(replica, &key.path()).await.is(200);
    assert_eq!((&shown["enabled"], &shown["disabledBy"]), (&json!(false), &json!("administrator")));
}

#[tokio::test]
async fn an_owner_does_not_switch_on_what_an_administrator_has_switched_off() {
    let (_database, replicas) = three_replicas(&[]).await;
    let (alice, root) = (Person::named("alice"), Person::administrator());
    let post = async |person: &Person, path: String| Reply::to(person.request(&replicas[0], Method::POST, &path)).await;
    for by_patch in [false, true] {
        let key = alice.creates(&replicas[0], json!({})).await;
        let admin_path = key.admin_path();
        if by_patch {
            root.patches(&replicas[0], &admin_path, json!({ "enabled": false })).await.is(200);
        } else {
            post(&root, format!("{admin_path}/disable")).await.is(200);
        }
        nobody_but_an_administrator_switches_on(&alice, &replicas[0], &key).await;
        // Nor does it help to switch it off once more, or to change something else of it.
        post(&alice, format!("{}/disable", key.path())).await.is(200);
        alice.patches(&replicas[0], &key.path(), json!({ "enabled": false, "name": "mine" })).await.is(200);
        nobody_but_an_administrator_switches_on(&alice, &replicas[0], &key).await;
        key.is_everywhere(&replicas, 401).await;
        // A successor inherits that.
        let rotated = alice.posts(&replicas[0], &format!("{}/rotate", key.path()), json!({})).await.is(201);
        let successor = MadeKey::of(rotated);
        nobody_but_an_administrator_switches_on(&alice, &replicas[0], &successor).await;
        let enabled = post(&root, format!("{}/enable", successor.admin_path())).await.is(200);
        assert_eq!((&enabled["enabled"], &enabled["disabledBy"]), (&json!(true), &Value::Null));
        successor.is_everywhere(&replicas, 200).await;
        // Now it is the owner's again.
        for (action, by) in [("disable", json!("owner")), ("enable", Value::Null)] {
            assert_eq!(post(&alice, format!("{}/{action}", successor.path())).await.is(200)["disabledBy"], by);
        }
    }
}

#[tokio::test]
async fn an_administrator_who_switches_off_what_its_owner_has_switched_off_has_the_last_word() {
    let (replica, alice, root) = (shared_replica().await, Person::of_this_test("alice"), Person::administrator());
    let key = alice.creates(&replica, json!({ "enabled": false })).await;
    assert_eq!(key.body["disabledBy"], "owner");
    let disable = format!("{}/disable", key.admin_path());
    let disabled = Reply::to(root.request(&replica, Method::POST, &disable)).await;
    assert_eq!((disabled.header("etag"), &disabled.is(200)["disabledBy"]), (Some("\"2\""), &json!("administrator")));
    nobody_but_an_administrator_switches_on(&alice, &replica, &key).await;
    // One that is made so is off by whoever has made it.
    let new_key = json!({ "owner": { "subject": alice.subject() }, "enabled": false });
    let made = MadeKey::of(root.posts(&replica, ALL_KEYS, new_key).await.is(201));
    nobody_but_an_administrator_switches_on(&alice, &replica, &made).await;
}

/// A version of Keyward that knows nothing of it, beside this one.
#[tokio::test]
async fn what_an_older_version_has_switched_off_or_on_is_as_if_its_owner_had_done_it() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let rows = replica.database().superuser_pool().await;
    let key = alice.creates(&replica, json!({})).await;
    let switch = async |enabled: bool| {
        sqlx::query("UPDATE api_keys SET enabled = $1").bind(enabled).execute(&rows).await.expect("switched");
    };
    switch(false).await;
    assert_eq!(alice.gets(&replica, &key.path()).await.is(200)["disabledBy"], "owner");
    let enable = format!("{}/enable", key.path());
    Reply::to(alice.request(&replica, Method::POST, &enable)).await.is(200);
    // Switched on behind an administrator's back, and off again: what was remembered is about another time.
    Reply::to(root.request(&replica, Method::POST, &format!("{}/disable", key.admin_path()))).await.is(200);
    switch(true).await;
    assert_eq!(alice.gets(&replica, &key.path()).await.is(200)["disabledBy"], Value::Null);
    switch(false).await;
    Reply::to(alice.request(&replica, Method::POST, &enable)).await.is(200);
}
