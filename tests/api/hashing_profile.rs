//! `hashing.profile`: what a hash costs, and how keys with other hashes get one of the profile.

use serde_json::{Value, json};
use test_support::{TestDatabase, actors::Person, asking::replica_with, eventually, replica::Replica};

use crate::commands::{self, keyward};

const LIGHT: &str = "m=1024,t=1,p=1";
const OWASP: &str = "m=19456,t=2,p=1";
const OWASP_PROFILE: &[(&str, &str)] = &[("KEYWARD__HASHING__PROFILE", "owasp")];

/// What `keyward keys hashes` says, with the profile light.
async fn counted(database: &TestDatabase) -> Value {
    let mut rows = commands::json(&keyward(database, &["keys", "hashes", "--json"]).await.succeeded());
    for row in rows.as_array_mut().expect("a list") {
        // All keys have that of the tests.
        let pepper = row.as_object_mut().expect("an object").remove("pepper").expect("a pepper");
        assert!(pepper.as_str().is_some_and(|text| text.len() == 8), "{pepper}");
    }
    rows
}

fn row(parameters: &str, keys: u64, usable: u64, current: bool) -> Value {
    json!({ "parameters": parameters, "keys": keys, "usable": usable, "current": current, "pepperPlace": 1 })
}

#[tokio::test]
async fn hashes_of_another_profile_are_counted_and_replaced_when_their_keys_are_used() {
    let (alice, mut owasp) = (Person::named("alice"), replica_with(OWASP_PROFILE).await);
    let [used, _unused, revoked] = [
        alice.creates(&owasp, json!({})).await,
        alice.creates(&owasp, json!({})).await,
        alice.creates(&owasp, json!({})).await,
    ];
    alice.deletes(&owasp, &revoked.path()).await.is(200);
    let database = owasp.take_database();
    assert_eq!(counted(&database).await, json!([row(OWASP, 3, 2, false)]));

    let light = Replica::start_on(database.url(), &[]).await;
    assert_eq!(used.status(&light).await, 200);
    let expected = json!([row(OWASP, 2, 1, false), row(LIGHT, 1, 1, true)]);
    eventually("a hash of the profile", async || counted(&database).await == expected).await;
    let table = keyward(&database, &["keys", "hashes"]).await.succeeded();
    assert!(table.contains("PARAMETERS") && table.contains(OWASP) && table.contains("yes"), "{table}");

    // And back: the key is still accepted, and gets what the profile demands.
    drop(light);
    let owasp = Replica::start_on(database.url(), OWASP_PROFILE).await;
    assert_eq!(used.status(&owasp).await, 200);
    eventually("a hash of OWASP's", async || counted(&database).await == json!([row(OWASP, 3, 2, false)])).await;
    assert_eq!(used.status(&owasp).await, 200);
}

/// Nobody waits for the new hash, so nobody is told that it could not be written.
#[tokio::test]
async fn a_hash_that_cannot_be_replaced_harms_nobody() {
    let (alice, mut owasp) = (Person::named("alice"), replica_with(OWASP_PROFILE).await);
    let key = alice.creates(&owasp, json!({})).await;
    let database = owasp.take_database();
    let rows = database.superuser_pool().await;
    for statement in [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$",
        "CREATE TRIGGER refuse BEFORE UPDATE OF secret_hash ON api_keys EXECUTE FUNCTION refuse()",
    ] {
        sqlx::query(statement).execute(&rows).await.expect("a trigger that refuses");
    }
    let light = Replica::start_on(database.url(), &[("KEYWARD__LOG__LEVEL", "keyward=debug")]).await;
    assert_eq!(key.status(&light).await, 200);
    let line = light.prints("could not rehash a key").await;
    assert!(line.contains("DEBUG") && line.contains(&key.id), "{line}");
    assert_eq!(key.status(&light).await, 200);
    assert_eq!(counted(&database).await, json!([row(OWASP, 1, 1, false)]));
}
