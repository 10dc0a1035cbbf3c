//! What takes rights away is true on every replica when the answer comes.

use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{MadeKey, Reply, VERIFY, three_replicas},
    replica::Replica,
};

/// What every replica says of the key to a service: `valid` or the reason why not.
async fn codes(service: &Person, replicas: &[Replica], key: &MadeKey, scope: &str) -> Vec<String> {
    let mut codes = Vec::new();
    for replica in replicas {
        let question = json!({ "key": key.holder.key, "scopes": [scope], "clientAddress": "192.0.2.1" });
        let found = service.posts(replica, VERIFY, question).await.is(200);
        codes.push(found["code"].as_str().expect("a code").to_owned());
    }
    codes
}

async fn change(alice: &Person, replica: &Replica, key: &MadeKey, change: &Change) -> Reply {
    match change {
        Change::Patch(body) => alice.patches(replica, &key.path(), body.clone()).await,
        Change::Post(action) => alice.posts(replica, &format!("{}/{action}", key.path()), json!({})).await,
        Change::Delete => alice.deletes(replica, &key.path()).await,
    }
}

enum Change {
    Patch(Value),
    Post(&'static str),
    Delete,
}

#[tokio::test]
async fn whatever_narrows_a_key_is_true_on_all_replicas_when_it_returns() {
    use Change::{Delete, Patch, Post};
    let (_database, replicas) = three_replicas(&[]).await;
    let (alice, service) = (Person::named("alice"), Person::with_scopes("service", "keyward:verify"));
    // Twice, for a replica that has not answered may be lucky once.
    for _ in 0..2 {
        let key = alice.creates(&replicas[0], json!({ "scopes": ["read", "write"] })).await;
        for (step, wanted, what) in [
            (Patch(json!({ "name": "x" })), "valid", "nothing"),
            (Patch(json!({ "scopes": ["read"] })), "insufficient_scope", "a scope taken away"),
            (Patch(json!({ "scopes": ["write"] })), "valid", "the scope back"),
            (Patch(json!({ "allowedIps": ["198.51.100.0/24"] })), "address_not_allowed", "other networks"),
            (Patch(json!({ "allowedIps": null })), "valid", "all networks"),
            (Patch(json!({ "enabled": false })), "disabled", "switched off by a patch"),
            (Post("enable"), "valid", "switched on"),
            (Post("disable"), "disabled", "switched off"),
            (Patch(json!({ "enabled": true })), "valid", "switched on by a patch"),
            (Delete, "revoked", "revoked"),
        ] {
            // All of them remember the key as it was.
            codes(&service, &replicas, &key, "write").await;
            change(&alice, &replicas[1], &key, &step).await.is(200);
            assert_eq!(codes(&service, &replicas, &key, "write").await, [wanted; 3], "{what}");
        }
    }
}

#[tokio::test]
async fn an_earlier_end_of_life_is_true_on_all_replicas_when_it_comes() {
    let (_database, replicas) = three_replicas(&[]).await;
    let alice = Person::named("alice");
    let key = alice.creates(&replicas[0], json!({ "expiresIn": 3600 })).await;
    key.is_everywhere(&replicas, 200).await;
    let changed = alice.patches(&replicas[2], &key.path(), json!({ "expiresIn": 1 })).await.is(200);
    let end = &changed["expiresAt"];
    for replica in &replicas {
        key.holder.is_refused(replica).await;
    }
    let shown = alice.gets(&replicas[0], &key.path()).await.is(200);
    assert_eq!((&shown["state"], &shown["expiresAt"]), (&json!("expired"), end));
    // And a later one brings it back.
    alice.patches(&replicas[0], &key.path(), json!({ "expiresIn": 60 })).await.is(200);
    key.is_everywhere(&replicas, 200).await;
}
