//! `keyward replicas`: who works on a database.

use serde_json::{Value, json};
use sqlx::Row;
use test_support::{TestDatabase, actors::Person, asking::three_replicas, eventually, in_time, replica::Replica};

use crate::commands::{self, keyward};

async fn listed(database: &TestDatabase) -> Vec<Value> {
    let listed = commands::json(&keyward(database, &["replicas", "--json"]).await.succeeded());
    listed.as_array().expect("a list").clone()
}

async fn alive(database: &TestDatabase) -> Vec<bool> {
    listed(database).await.iter().map(|replica| replica["alive"].as_bool().expect("a flag")).collect()
}

/// With a lease that outlasts every patience: whoever waited for it would not come back in time.
#[tokio::test]
async fn a_change_right_after_a_start_does_not_wait_for_the_lease_of_replicas_that_do_not_exist() {
    let replica = Replica::start_with(&[("KEYWARD__COHERENCE__LEASE", "60s")]).await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({})).await;
    let revoked = in_time("the answer", alice.deletes(&replica, &key.path())).await.is(200);
    assert_eq!((&revoked["replicasConfirmed"], &revoked["replicasExpired"]), (&json!(1), &json!(0)), "{revoked}");
}

#[tokio::test]
async fn it_lists_every_replica_until_that_is_stopped_and_says_which_are_silent() {
    let (database, [first, second, mut third]) = three_replicas(&[]).await;
    eventually("three that are alive", async || alive(&database).await == [true, true, true]).await;
    let rows = listed(&database).await;
    let mut addresses: Vec<&str> = rows.iter().map(|row| row["address"].as_str().expect("an address")).collect();
    let mut expected = [first.address(), second.address(), third.address()];
    addresses.sort_unstable();
    expected.sort_unstable();
    assert_eq!(addresses, expected);
    assert!(rows.iter().all(|row| row["version"] == env!("CARGO_PKG_VERSION") && row["leaseMs"] == 1000), "{rows:?}");
    // Versions under development share a number.
    let revision = option_env!("KEYWARD_REVISION").unwrap_or("unknown");
    assert!(rows.iter().all(|row| row["revision"] == revision), "{rows:?}");

    // Postgres shows whose connections are whose.
    let pool = database.superuser_pool().await;
    let query =
        sqlx::query("SELECT DISTINCT application_name FROM pg_stat_activity WHERE application_name LIKE 'keyward/%'");
    let names: Vec<String> =
        query.fetch_all(&pool).await.expect("rows").iter().map(|row| row.get("application_name")).collect();
    for row in &rows {
        assert!(names.contains(&format!("keyward/{}", row["id"].as_str().expect("an id"))), "{names:?}");
    }

    // A change is acknowledged by the others.
    let alice = Person::named("alice");
    let key = alice.creates(&first, json!({})).await;
    let revoked = alice.deletes(&first, &key.path()).await.is(200);
    assert_eq!(revoked["replicasConfirmed"], 3, "{revoked}");
    let applied = listed(&database).await.iter().filter(|row| row["lastAppliedAt"].is_string()).count();
    assert_eq!(applied, 2);

    third.signal("TERM");
    assert_eq!(third.exit_code().await, Some(0));
    assert_eq!(listed(&database).await.len(), 2);
    second.signal("KILL");
    eventually("one that is silent", async || {
        let mut alive = alive(&database).await;
        alive.sort_unstable();
        alive == [false, true]
    })
    .await;
    // As of a replica of a version before revisions, and of one that was built from something else.
    let pool = database.superuser_pool().await;
    let earlier = "UPDATE replicas SET revision = CASE WHEN address = $1 THEN 'b0b0b0b' END";
    sqlx::query(earlier).bind(first.address()).execute(&pool).await.expect("done");
    let revisions: Vec<_> = listed(&database).await.iter().map(|row| row["revision"].clone()).collect();
    assert!(revisions.contains(&Value::Null) && revisions.contains(&json!("b0b0b0b")), "{revisions:?}");
    let table = keyward(&database, &["replicas"]).await.succeeded();
    assert!(table.contains("REVISION") && table.contains(" b0b0b0b "), "{table}");
    assert!(table.contains("LAST HEARTBEAT") && table.contains("silent") && table.contains("1000 ms"), "{table}");
}
