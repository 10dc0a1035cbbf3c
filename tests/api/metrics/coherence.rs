//! The lease, heartbeats and confirmations.

use serde_json::json;
use test_support::{
    PrivateCluster,
    actors::Person,
    asking::{SHORT_LEASE, changes_are_confirmed_by, replica, three_replicas},
    eventually,
    replica::Replica,
};

use super::{Scrape, becomes, grows};

const CONFIRMATIONS: &str = "keyward_change_confirmation_seconds_count";

#[tokio::test]
async fn three_replicas_see_each_other_and_confirm_a_revoke() {
    let (_database, replicas) = three_replicas(&[]).await;
    for replica in &replicas {
        changes_are_confirmed_by(3, replica).await;
        becomes(replica, "keyward_replicas", &[], |count| count == 3.0).await;
        becomes(replica, "keyward_lease_remaining_seconds", &[], |left| left > 0.0 && left <= 5.0).await;
        becomes(replica, "keyward_pulse_age_seconds", &[], |age| (0.0..2.0).contains(&age)).await;
        becomes(replica, "keyward_heartbeat_round_trip_seconds_count", &[], |count| count >= 1.0).await;
        becomes(replica, "keyward_heartbeat_failures_total", &[], |count| count == 0.0).await;
    }
    let scrape = Scrape::of(&replicas[0]).await;
    let mean = scrape.sum("keyward_heartbeat_round_trip_seconds_sum", &[])
        / scrape.sum("keyward_heartbeat_round_trip_seconds_count", &[]);
    assert!(mean > 0.0 && mean < 4.0, "{mean} s");
    let alice = Person::named("alice");
    let made = alice.creates(&replicas[0], json!({})).await;
    let before = Scrape::of(&replicas[1]).await;
    alice.deletes(&replicas[1], &made.path()).await.is(200);
    grows(&replicas[1], &before, CONFIRMATIONS, &[("settled", "heard")], 1.0).await;
    becomes(&replicas[1], "keyward_changes_waiting", &[], |count| count == 0.0).await;
}

#[tokio::test]
async fn a_replica_that_does_not_answer_makes_a_change_wait_and_settles_by_its_lease() {
    let (_database, replicas) = three_replicas(&[("KEYWARD__COHERENCE__LEASE", "3s")]).await;
    changes_are_confirmed_by(3, &replicas[0]).await;
    let alice = Person::named("alice");
    let made = alice.creates(&replicas[0], json!({})).await;
    let before = Scrape::of(&replicas[0]).await;
    replicas[2].signal("STOP");
    let path = made.path();
    let revoke = alice.deletes(&replicas[0], &path);
    let waits = becomes(&replicas[0], "keyward_changes_waiting", &[], |count| count == 1.0);
    let (revoked, ()) = tokio::join!(revoke, waits);
    assert_eq!(revoked.is(200)["replicasExpired"], 1);
    grows(&replicas[0], &before, CONFIRMATIONS, &[("settled", "expired")], 1.0).await;
    becomes(&replicas[0], "keyward_replicas", &[], |count| count == 2.0).await;
    replicas[2].signal("CONT");
    becomes(&replicas[0], "keyward_replicas", &[], |count| count == 3.0).await;
}

#[tokio::test]
async fn a_lost_database_ends_the_lease_and_is_seen_in_failures_and_reconnects() {
    let mut cluster = PrivateCluster::start().await;
    let replica = Replica::start_on(&cluster.url("postgres"), &[SHORT_LEASE]).await;
    changes_are_confirmed_by(1, &replica).await;
    becomes(&replica, "keyward_lease_remaining_seconds", &[], |left| left > 0.0).await;
    cluster.stop().await;
    becomes(&replica, "keyward_lease_remaining_seconds", &[], |left| left == 0.0).await;
    becomes(&replica, "keyward_listen_reconnects_total", &[], |count| count >= 1.0).await;
    // Connections are refused at once, so no heartbeat is even under way.
    let before = Scrape::of(&replica).await.sum("keyward_heartbeat_failures_total", &[]);
    becomes(&replica, "keyward_heartbeat_failures_total", &[], |count| count >= before + 3.0).await;
    cluster.restart().await;
    becomes(&replica, "keyward_lease_remaining_seconds", &[], |left| left > 0.0).await;
    cluster.pause();
    becomes(&replica, "keyward_heartbeat_failures_total", &[], |count| count >= 1.0).await;
    cluster.resume();
}

#[tokio::test]
async fn a_change_that_is_not_heard_settles_by_the_longest_lease() {
    let replica = replica().await;
    let pool = replica.database().superuser_pool().await;
    let alice = Person::named("alice");
    let made = alice.creates(&replica, json!({})).await;
    // The listening connection can't come back, so nothing is heard, while changes still commit.
    let deaf = "UPDATE pulses SET number = number; ALTER TABLE pulses RENAME TO no_pulses;
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%'";
    sqlx::raw_sql(deaf).execute(&pool).await.expect("an ended connection");
    let before = Scrape::of(&replica).await;
    eventually("it has lost the connection", async || {
        Scrape::of(&replica).await.sum("keyward_listen_reconnects_total", &[]) >= 1.0
    })
    .await;
    alice.deletes(&replica, &made.path()).await.is(200);
    grows(&replica, &before, CONFIRMATIONS, &[("settled", "unheard")], 1.0).await;
}
