//! The pepper of the database's keys is not configured: nothing starts then, because every key would be refused.

use serde_json::{Value, json};
use test_support::{
    TestDatabase,
    actors::Person,
    asking::SHORT_LEASE,
    client, database, eventually,
    program::run_beside,
    replica::{PEPPER, Replica, command},
};

use crate::{
    commands::{self, keyward},
    doctor_command::{examined, failed, in_state},
};

const NEW: &str = "k7Bq2XvN9tRw4ZyM1sLc8HdJ5fGp3QaE-for-tests";
const PEPPERS: &str = "KEYWARD__KEYS__PEPPERS";

async fn with(database: &TestDatabase, peppers: &[&str]) -> Replica {
    Replica::start_on(database.url(), &[SHORT_LEASE, (PEPPERS, &peppers.join(","))]).await
}

/// What `keyward serve` says when it refuses to start with these.
async fn refuses(database: &TestDatabase, peppers: &[&str]) -> String {
    let mut serve = command();
    serve.arg("serve").env("DATABASE_URL", database.url()).env(PEPPERS, peppers.join(","));
    let message = run_beside(serve).await.failed();
    assert!(message.contains("keys.peppers does not have the pepper"), "{message}");
    assert!([PEPPER, NEW].iter().all(|pepper| !message.contains(pepper)), "{message}");
    message
}

/// What `keyward keys hashes` says of each pepper: its place in `peppers`, and how many keys have it.
async fn counted(database: &TestDatabase, peppers: &[&str]) -> Vec<(Value, u64)> {
    let mut hashes = command();
    hashes.args(["keys", "hashes", "--json"]).env("DATABASE_URL", database.url()).env(PEPPERS, peppers.join(","));
    let rows = commands::json(&run_beside(hashes).await.succeeded());
    let rows = rows.as_array().expect("a list").iter();
    let mut counted: Vec<_> =
        rows.map(|row| (row["pepperPlace"].clone(), row["keys"].as_u64().expect("a number"))).collect();
    counted.sort_by_key(|(place, _)| place.to_string());
    counted
}

#[tokio::test]
async fn a_replica_with_another_pepper_does_not_start_and_says_what_to_do() {
    let database = database().await;
    let replica = with(&database, &[PEPPER]).await;
    let key = Person::named("alice").makes_a_key(&replica).await;
    let message = refuses(&database, &[NEW]).await;
    let seen = examined(database.url(), &[(PEPPERS, NEW)]).await;
    let found = failed(&seen, "pepper");
    let fingerprint = found.split_once("made with ").and_then(|(_, rest)| rest.get(..8)).expect("a fingerprint");
    assert!(message.contains(&format!("keyward keys forget-pepper {fingerprint}")), "{message}");
    // The right one is known as such, alone or with others.
    for peppers in [PEPPER.to_owned(), format!("{NEW},{PEPPER}")] {
        let (findings, _) = examined(database.url(), &[(PEPPERS, &peppers)]).await;
        assert_eq!(in_state(&findings, "pepper", "good").len(), 1, "{findings:#?}");
    }
    assert_eq!(key.asks_for_the_resource(&replica).await.status(), 200);
}

#[tokio::test]
async fn commands_with_another_pepper_neither_make_keys_nor_judge_them() {
    let database = database().await;
    let made = keyward(&database, &["keys", "create", "--subject=alice", "--json"]).await.succeeded();
    let id = commands::json(&made)["id"].as_str().expect("an id").to_owned();
    for arguments in [&["keys", "create", "--subject=alice"][..], &["keys", "rotate", &id], &["keys", "verify"]] {
        let mut stranger = command();
        stranger.args(arguments).env("DATABASE_URL", database.url()).env(PEPPERS, NEW);
        let key = commands::json(&made)["apiKey"].as_str().expect("a key").to_owned();
        let ended = tokio::task::spawn_blocking(move || test_support::program::run_fed(&mut stranger, &key)).await;
        let message = ended.expect("it ended").failed();
        assert!(message.contains("keys.peppers does not have the pepper"), "{message}");
    }
    // The command has noted its pepper, as the first replica would have.
    refuses(&database, &[NEW]).await;
}

#[tokio::test]
async fn each_step_of_a_rotation_starts_with_what_is_configured_then_and_with_nothing_else() {
    let (database, alice) = (database().await, Person::named("alice"));
    let old = with(&database, &[PEPPER]).await;
    alice.makes_a_key(&old).await;
    refuses(&database, &[NEW]).await;
    // The first step; whoever is restarted still has the list of before.
    with(&database, &[PEPPER, NEW]).await;
    with(&database, &[PEPPER]).await;
    refuses(&database, &[NEW]).await;
    // The second.
    let turned = with(&database, &[NEW, PEPPER]).await;
    let key = alice.makes_a_key(&turned).await;
    with(&database, &[PEPPER, NEW]).await;
    with(&database, &[NEW, PEPPER]).await;
    // A forgotten machine would refuse the new keys.
    refuses(&database, &[PEPPER]).await;
    assert_eq!(counted(&database, &[NEW, PEPPER]).await, [(json!(1), 1), (json!(2), 1)]);
    // The last.
    let last = with(&database, &[NEW]).await;
    assert_eq!(key.asks_for_the_resource(&last).await.status(), 200);
    refuses(&database, &[PEPPER]).await;
    assert_eq!(counted(&database, &[NEW]).await, [(json!(1), 1), (Value::Null, 1)]);
}

#[tokio::test]
async fn successors_have_the_pepper_of_their_time_and_keys_of_earlier_versions_none() {
    let (database, alice) = (database().await, Person::named("alice"));
    let old = with(&database, &[PEPPER]).await;
    let key = alice.creates(&old, json!({})).await;
    let rows = database.superuser_pool().await;
    sqlx::query("UPDATE api_keys SET pepper = NULL").execute(&rows).await.expect("as before");
    let turned = with(&database, &[NEW, PEPPER]).await;
    alice.posts(&turned, &format!("{}/rotate", key.path()), json!({})).await.is(201);
    assert_eq!(key.status(&turned).await, 200);
    let table = keyward(&database, &["keys", "hashes", "--json"]).await.succeeded();
    let mut peppers: Vec<bool> =
        commands::json(&table).as_array().expect("a list").iter().map(|row| row["pepper"].is_string()).collect();
    peppers.sort_unstable();
    assert_eq!(peppers, [false, true], "{table}");
    let table = keyward(&database, &["keys", "hashes"]).await.succeeded();
    assert!(table.contains("PEPPER") && table.contains(" - "), "{table}");
}

#[tokio::test]
async fn a_pepper_that_is_lost_can_be_given_up_by_its_name_and_by_no_other() {
    let (database, alice) = (database().await, Person::named("alice"));
    let replica = with(&database, &[PEPPER]).await;
    let key = alice.makes_a_key(&replica).await;
    drop(replica);
    let message = refuses(&database, &[NEW]).await;
    let (_, fingerprint) = message.trim_end().trim_end_matches('`').rsplit_once(' ').expect("a command");
    for other in ["00000000", "", "%"] {
        keyward(&database, &["keys", "forget-pepper", other]).await.failed();
    }
    keyward(&database, &["keys", "forget-pepper", fingerprint]).await.succeeded();
    let replica = with(&database, &[NEW]).await;
    key.is_refused(&replica).await;
    assert_eq!(alice.makes_a_key(&replica).await.asks_for_the_resource(&replica).await.status(), 200);
    refuses(&database, &[PEPPER]).await;
}

/// It has started before the schema was there.
#[tokio::test]
async fn a_replica_that_waits_for_the_schema_is_not_ready_with_another_pepper_either() {
    let database = TestDatabase::empty().await;
    let env = [("KEYWARD__DATABASE__MIGRATE_ON_START", "false"), (PEPPERS, NEW)];
    let waiting = Replica::start_on(database.url(), &env).await;
    keyward(&database, &["migrate"]).await.succeeded();
    keyward(&database, &["keys", "create", "--subject=alice"]).await.succeeded();
    let readiness = async || client::get(waiting.url("/readyz")).await.expect("an answer").status();
    eventually("it says why", async || {
        assert_eq!(readiness().await, 503);
        waiting.output().contains("not ready, because new keys in the database have another pepper")
    })
    .await;
    assert_eq!(readiness().await, 503);
    // Whoever corrects that without a restart is taken at their word.
    let rows = database.superuser_pool().await;
    sqlx::query("DELETE FROM key_pepper").execute(&rows).await.expect("forgotten");
    eventually("it is ready", async || readiness().await == 200).await;
}
