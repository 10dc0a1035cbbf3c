//! `keyward keys list` and `revoke-many`: which keys are meant.

use serde_json::json as value;
use test_support::{
    TestDatabase,
    actors::Person,
    asking::{MadeKey, replica_with},
    database,
};

use crate::commands::{json, keyward};

async fn made(database: &TestDatabase, subject: &str, options: &[&str]) -> MadeKey {
    let arguments = [&["keys", "create", "--subject", subject, "--json"], options].concat();
    MadeKey::of(json(&keyward(database, &arguments).await.succeeded()))
}

async fn ids(database: &TestDatabase, options: &[&str]) -> Vec<String> {
    let listed = json(&keyward(database, &[&["keys", "list", "--json"], options].concat()).await.succeeded());
    let ids = listed.as_array().expect("a list").iter().map(|key| key["id"].as_str().expect("an id").to_owned());
    ids.collect()
}

#[tokio::test]
async fn a_list_has_the_filters_and_the_orders_of_the_api() {
    let database = database().await;
    let one = made(&database, "alice", &["--name", "zebra", "--scope", "a", "--metadata", r#"{"team":"x"}"#]).await;
    let two = made(&database, "alice", &["--name", "ape", "--expires-in", "2d", "--description", "swings"]).await;
    let three = made(&database, "bob", &["--enabled", "false"]).await;
    let (one, two, three) = (one.id.as_str(), two.id.as_str(), three.id.as_str());
    for (options, expected) in [
        (&[][..], &[three, two, one][..]),
        (&["--owner", "AGFsaWNl"], &[two, one]),
        (&["--tag", "team:x"], &[one]),
        (&["--scope", "a"], &[one]),
        (&["--with-scope", "a"], &[one]),
        (&["--search", "SWING"], &[two]),
        (&["--state", "disabled,expired"], &[three]),
        (&["--expiring-before", "3d"], &[two]),
        (&["--expiring-before", "1d"], &[]),
        (&["--expires", "never"], &[three, one]),
        (&["--limited", "no", "--subject", "bob"], &[three]),
        (&["--limited", "yes"], &[]),
        (&["--leaked", "yes"], &[]),
        (&["--created-since", "1h"], &[three, two, one]),
        (&["--created-since", "2100-01-01T00:00:00Z"], &[]),
        (&["--unused-since", "1h"], &[]),
        (&["--used-since", "1h"], &[]),
        (&["--unused-since", "2100-01-01T00:00:00Z", "--subject", "bob"], &[three]),
        (&["--sort", "createdAt"], &[one, two, three]),
        (&["--subject", "alice", "--sort", "name"], &[two, one]),
        (&["--subject", "alice", "--sort", "-name"], &[one, two]),
        (&["--subject", "alice", "--sort=-expiresAt"], &[one, two]),
    ] {
        assert_eq!(ids(&database, options).await, expected, "{options:?}");
    }
    for (misuse, told) in [
        (&["--sort", "name"][..], "name an owner with --owner or --subject"),
        (&["--sort", "colour"], "possible values: createdAt, -createdAt"),
        (&["--owner", "alice"], "--subject takes the `sub`"),
        (&["--owner", "AGFsaWNl", "--subject", "alice"], "cannot be used with"),
        (&["--tag", "x"], "such as team:payments"),
        (&["--unused-since", "yesterday"], "a span such as 90d"),
        (&["--limited", "maybe"], "possible values: yes, no"),
    ] {
        let ended = keyward(&database, &[&["keys", "list"], misuse].concat()).await;
        assert!(ended.code == Some(2) && ended.stderr.contains(told), "{misuse:?}: {ended:#?}");
    }
}

#[tokio::test]
async fn many_keys_are_revoked_by_conditions_and_never_without_one() {
    let replica = replica_with(&[("KEYWARD__COHERENCE__LEASE", "1s")]).await;
    let (alice, bob) = (Person::named("alice"), Person::named("bob"));
    let leaked = alice.creates(&replica, value!({ "metadata": { "team": "x" } })).await;
    let (kept, other) = (alice.creates(&replica, value!({})).await, bob.creates(&replica, value!({})).await);
    let database = replica.database();
    let revoke = async |options: &[&str]| keyward(database, &[&["keys", "revoke-many"], options].concat()).await;
    for misuse in [&[][..], &["--reason", "a slip"], &["--state", "revoked"]] {
        assert_eq!(revoke(misuse).await.code, Some(2), "{misuse:?}");
    }
    let told = json(&revoke(&["--tag", "team:x", "--reason", "leaked", "--json"]).await.succeeded());
    assert_eq!(told, value!({ "revoked": 1 }));
    assert_eq!((leaked.status(&replica).await, kept.status(&replica).await), (401, 200));
    let told = revoke(&["--subject", "alice"]).await.succeeded();
    assert_eq!(told, "Revoked 1 key: no replica accepts it any more.\n");
    assert_eq!((kept.status(&replica).await, other.status(&replica).await), (401, 200));
    let shown = alice.gets(&replica, &leaked.path()).await.is(200);
    assert_eq!(shown["revokedReason"], "leaked");
}
