//! A key never grants more than its maker had.

use serde_json::json;
use test_support::{
    actors::Person,
    asking::{ALL_KEYS, KEYS, MadeKey, pairs, replica_with, shared_replica},
};

const SCOPE_BEARING: (&str, &str) = ("KEYWARD__JWT__SCOPE_BEARING", "true");

#[tokio::test]
async fn where_tokens_bear_scopes_a_key_gets_only_those_of_its_makers_token() {
    let replica = replica_with(&[SCOPE_BEARING]).await;
    let (rich, poor) = (Person::with_scopes("alice", "read write"), Person::with_scopes("alice", "read"));
    let key = rich.creates(&replica, json!({ "scopes": ["read", "write"] })).await;
    for (scopes, answer) in [
        (json!(["delete"]), rich.posts(&replica, KEYS, json!({ "scopes": ["delete"] })).await),
        (json!(["Read"]), rich.posts(&replica, KEYS, json!({ "scopes": ["Read"] })).await),
        (json!(["write"]), poor.posts(&replica, KEYS, json!({ "scopes": ["read", "write"] })).await),
        (json!(["delete"]), rich.patches(&replica, &key.path(), json!({ "scopes": ["delete"] })).await),
        (json!(["delete"]), poor.patches(&replica, &key.path(), json!({ "scopes": ["write", "delete"] })).await),
    ] {
        assert_eq!(answer.wrong_fields(), pairs(&[("/scopes", "scope_not_held")]));
        assert!(answer.text.contains(scopes[0].as_str().expect("a scope")), "{}", answer.text);
    }
    // What the key has already, a poorer token of its owner may leave to it, and take away, but not give back.
    poor.patches(&replica, &key.path(), json!({ "scopes": ["write"], "name": "x" })).await.is(200);
    poor.patches(&replica, &key.path(), json!({ "scopes": ["read"] })).await.is(200);
    let back = poor.patches(&replica, &key.path(), json!({ "scopes": ["write"] })).await;
    assert_eq!(back.wrong_fields(), pairs(&[("/scopes", "scope_not_held")]));
    rich.patches(&replica, &key.path(), json!({ "scopes": ["write"] })).await.is(200);
    // A successor would hand all of the key's rights to whoever rotates it.
    let rotation = format!("{}/rotate", key.path());
    let answer = poor.posts(&replica, &rotation, json!({})).await;
    assert_eq!(answer.wrong_fields(), pairs(&[("/scopes", "scope_not_held")]));
    assert_eq!(key.status(&replica).await, 200);
    let new = MadeKey::of(rich.posts(&replica, &rotation, json!({})).await.is(201));
    assert_eq!(new.body["scopes"], json!(["write"]));
    // The guide's route asks for no scopes.
    assert_eq!(Person::named("bob").makes_a_key(&replica).await.asks_for_the_resource(&replica).await.status(), 200);
}

#[tokio::test]
async fn elsewhere_a_key_gets_any_scope_but_rights_on_keyward_have_to_be_held() {
    let replica = shared_replica().await;
    let alice = Person::of_this_test("alice");
    let service = Person::with_scopes(&alice.subject(), "keyward:verify keyward:other");
    let key = alice.creates(&replica, json!({ "scopes": ["anything"] })).await;
    for scope in ["keyward:verify", "keyward:other", "keyward:"] {
        for answer in [
            alice.posts(&replica, KEYS, json!({ "scopes": [scope] })).await,
            alice.patches(&replica, &key.path(), json!({ "scopes": [scope] })).await,
        ] {
            assert_eq!(answer.wrong_fields(), pairs(&[("/scopes", "scope_not_held")]), "{scope}");
        }
    }
    let verifier = service.creates(&replica, json!({ "scopes": ["keyward:verify", "anything"] })).await;
    let rotation = format!("{}/rotate", verifier.path());
    let answer = alice.posts(&replica, &rotation, json!({})).await;
    assert_eq!(answer.wrong_fields(), pairs(&[("/scopes", "scope_not_held")]));
    service.posts(&replica, &rotation, json!({})).await.is(201);
}

#[tokio::test]
async fn the_right_to_administer_is_for_tokens_alone() {
    let (replica, root) = (shared_replica().await, Person::with_scopes("root", "keyward:admin keyward:verify"));
    let admin = json!({ "scopes": ["keyward:admin"] });
    let key = root.creates(&replica, json!({ "scopes": ["keyward:verify"] })).await;
    let mut for_bob = admin.clone();
    for_bob["owner"] = json!({ "subject": "bob" });
    for answer in [
        root.posts(&replica, KEYS, admin.clone()).await,
        root.posts(&replica, ALL_KEYS, for_bob).await,
        root.patches(&replica, &key.path(), admin.clone()).await,
        root.patches(&replica, &key.admin_path(), admin.clone()).await,
    ] {
        assert_eq!(answer.wrong_fields(), pairs(&[("/scopes", "scope_not_for_keys")]));
    }
}
