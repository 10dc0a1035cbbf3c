//! Ready means able to decide: a database that is away for a moment takes no replica out, and alerts see it
//! nevertheless.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_support::{
    PrivateCluster, actors::Person, asking::changes_are_confirmed_by, client, eventually, replica::Replica,
};

async fn readiness(replica: &Replica) -> (u16, Value) {
    let answer = client::get(replica.url("/readyz")).await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

#[tokio::test]
async fn while_the_lease_holds_a_database_that_hangs_takes_no_replica_out_and_is_told_of() {
    let cluster = PrivateCluster::start().await;
    let env = [("KEYWARD__COHERENCE__LEASE", "15s")];
    let url = cluster.url("postgres");
    let start = || Replica::start_on(&url, &env);
    let first = start().await;
    let replicas = [first, start().await];
    let alice = Person::named("alice");
    let holder = alice.makes_a_key(&replicas[0]).await;
    // Each has heard the other's heartbeats, and so its own.
    for replica in &replicas {
        changes_are_confirmed_by(2, replica).await;
        assert_eq!(holder.asks_for_the_resource(replica).await.status(), 200);
        assert_eq!(readiness(replica).await, (200, json!({ "status": "ready" })));
    }
    cluster.pause();
    let begin = Instant::now();
    for replica in &replicas {
        eventually("it is told of", async || {
            let (status, body) = readiness(replica).await;
            assert_eq!(status, 200, "{body}");
            body["database"] == "unavailable"
        })
        .await;
        let asked = Instant::now();
        assert_eq!(readiness(replica).await.0, 200);
        assert!(asked.elapsed() < Duration::from_secs(1), "it waited for the database");
        assert_eq!(holder.asks_for_the_resource(replica).await.status(), 200);
    }
    assert!(begin.elapsed() < Duration::from_secs(11), "the machine is too slow for a lease of 15 s");
    cluster.resume();
    for replica in &replicas {
        eventually("it is over", async || readiness(replica).await == (200, json!({ "status": "ready" }))).await;
        let over = replica.prints("the database answers again").await;
        assert!(serde_json::from_str::<Value>(&over).expect("JSON")["lasted_ms"].is_u64(), "{over}");
    }
}

#[tokio::test]
async fn a_replica_that_was_never_asked_is_ready_while_its_lease_holds() {
    let cluster = PrivateCluster::start().await;
    let env = [("KEYWARD__COHERENCE__LEASE", "30s")];
    let replica = Replica::start_on(&cluster.url("postgres"), &env).await;
    changes_are_confirmed_by(1, &replica).await;
    cluster.pause();
    let (status, body) = readiness(&replica).await;
    assert_eq!(status, 200, "{body}");
    cluster.resume();
}

#[tokio::test]
async fn a_replica_that_was_never_asked_is_not_ready_on_an_old_schema() {
    let database = test_support::TestDatabase::empty().await;
    let env = [("KEYWARD__DATABASE__MIGRATE_ON_START", "false"), ("KEYWARD__COHERENCE__LEASE", "30s")];
    let replica = Replica::start_on(database.url(), &env).await;
    assert_eq!(readiness(&replica).await, (503, json!({ "status": "unready", "database": "outdated" })));
}

/// Whoever reads the log sees when it began and when it was over, and not how often somebody asked.
#[tokio::test]
async fn a_lost_lease_and_not_being_ready_are_told_once_and_so_is_their_end() {
    let cluster = PrivateCluster::start().await;
    let replica = Replica::start_on(&cluster.url("postgres"), &[test_support::asking::SHORT_LEASE]).await;
    changes_are_confirmed_by(1, &replica).await;
    assert_eq!(readiness(&replica).await.0, 200);
    assert!(!replica.output().contains(LEASE_LOST) && !replica.output().contains(UNREADY), "{}", replica.output());
    for times in 1..=2 {
        cluster.pause();
        let lines = async |text: &str| replica.output().matches(text).count();
        eventually("the lease is lost", async || lines(LEASE_LOST).await == times).await;
        for _ in 0..3 {
            assert_eq!(readiness(&replica).await.0, 503);
        }
        eventually("it is told", async || lines(UNREADY).await == times).await;
        cluster.resume();
        eventually("it is ready", async || readiness(&replica).await.0 == 200).await;
        eventually("the lease is back", async || lines(LEASE_BACK).await == times).await;
        assert_eq!((lines(LEASE_LOST).await, lines(UNREADY).await, lines(READY).await), (times, times, times));
    }
    let lost: Value = serde_json::from_str(&replica.prints(LEASE_LOST).await).expect("JSON");
    assert_eq!((&lost["level"], lost["lease_ms"].is_u64()), (&json!("WARN"), true), "{lost}");
    let unready: Value = serde_json::from_str(&replica.prints(UNREADY).await).expect("JSON");
    assert_eq!((&unready["level"], &unready["database"]), (&json!("WARN"), &json!("unavailable")), "{unready}");
    for over in [LEASE_BACK, READY] {
        let over: Value = serde_json::from_str(&replica.prints(over).await).expect("JSON");
        assert_eq!((&over["level"], over["lasted_ms"].is_u64()), (&json!("INFO"), true), "{over}");
    }
}

const LEASE_LOST: &str = "lost the lease";
const LEASE_BACK: &str = "has a lease again";
const UNREADY: &str = "this replica is not ready";
const READY: &str = "this replica is ready again";

#[tokio::test]
async fn a_replica_that_stops_as_it_should_complains_neither_of_its_lease_nor_of_not_being_ready() {
    let mut replica = Replica::start_with(&[("KEYWARD__SERVER__UNREADY_PERIOD", "1s")]).await;
    replica.signal("TERM");
    eventually("unready", async || readiness(&replica).await.0 == 503).await;
    assert_eq!(replica.exit_code().await, Some(0));
    assert!(!replica.output().contains(LEASE_LOST) && !replica.output().contains(UNREADY), "{}", replica.output());
}
