//! Each fault by itself, with several revokes.

use std::time::Duration;

use futures_util::future::join_all;
use test_support::PrivateCluster;

use crate::{
    checker::{Demands, WAKES_OF_A_REVOKE},
    scene::{LiveKey, Scene, number_in},
};

/// The replica that suffers. Revokes go through the others unless a test says otherwise.
const VICTIM: usize = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_fault_nothing_is_accepted_after_a_revoke_and_nobody_is_unavailable() {
    let (scene, []) = Scene::open_patiently(3).await;
    // Few, for a test; more tell how long a revoked key is accepted.
    let revokes = number_in("KEYWARD_FAULTS_REVOKES").unwrap_or(20) as usize;
    for number in 0..revokes {
        let key = scene.live_key().await;
        let revoked = scene.revoke(&key, number % 3).await;
        assert_eq!((revoked.status(), revoked.confirmed), (Some(200), 3));
    }
    let demands = scene.demands(revokes);
    scene.passes("no fault", &demands).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_cut_off_from_the_database_accepts_nothing_after_a_revoke_elsewhere() {
    let (scene, [first, second, third]) = Scene::open(3).await;
    scene.members[VICTIM].partition();
    let (revoked, refused) = tokio::join!(scene.revoke(&first, 0), scene.revoke_only(&third, VICTIM));
    assert_eq!((revoked.status(), revoked.expired), (Some(200), 1));
    assert_eq!(refused.status(), Some(503));
    assert_eq!(scene.revoke(&second, 2).await.status(), Some(200));
    scene.members[VICTIM].mend();
    scene.settles().await;
    let demands = Demands { may_be_unavailable: vec![VICTIM], ..scene.demands(2) };
    scene.passes("partitioned", &demands).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_stopped_accepts_nothing_when_it_goes_on() {
    let (scene, keys) = Scene::open::<4>(3).await;
    let victim = &scene.members[VICTIM];
    for key in &keys[..2] {
        victim.pause();
        let revoked = scene.revoke_only(key, 0).await;
        assert_eq!((revoked.status(), revoked.expired), (Some(200), 1));
        // These wait in its socket until it goes on.
        let asked = scene.ask_all(key).await;
        victim.resume();
        join_all(asked).await;
        // Who is not back among the replicas would not be waited for the next time.
        scene.settles().await;
    }
    for key in &keys[2..] {
        // Shorter than a lease: the revoke waits for the word of the stopped one.
        let short_pause = async {
            victim.pause();
            tokio::time::sleep(Duration::from_millis(300)).await;
            victim.resume();
        };
        tokio::join!(scene.revoke(key, 2), short_pause);
    }
    scene.settles().await;
    let demands = Demands { may_be_unavailable: vec![VICTIM], ..scene.demands(4) };
    scene.passes("paused", &demands).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deaf_replica_accepts_nothing_after_a_revoke_and_serves_all_the_time() {
    let (scene, [first, second, third]) = Scene::open_patiently(3).await;
    scene.members[VICTIM].listening.hold();
    let revoked = scene.revoke(&first, 0).await;
    assert_eq!((revoked.status(), revoked.expired), (Some(200), 1));
    // It cannot hear its own change, so it waits as long as anybody could have believed.
    let revoked = scene.revoke(&second, VICTIM).await;
    assert_eq!((revoked.status(), revoked.confirmed), (Some(200), 1));
    assert_eq!(scene.revoke(&third, 2).await.status(), Some(200));
    scene.members[VICTIM].mend();
    scene.settles().await;
    let demands = scene.demands(3);
    scene.passes("deaf", &demands).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_of_a_listening_connection_let_nothing_through_and_disturb_nobody() {
    let (scene, keys) = Scene::open_patiently::<4>(3).await;
    let cuts = async {
        loop {
            scene.members[VICTIM].listening.cut();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let revokes = async {
        for (number, keys) in keys.chunks(2).enumerate() {
            revoke_both(&scene, keys, number).await;
        }
    };
    during(cuts, revokes).await;
    scene.settles().await;
    let demands = scene.demands(4);
    scene.passes("listening connection reset", &demands).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_of_all_connections_let_nothing_through() {
    let (scene, keys) = Scene::open::<3>(3).await;
    let cuts = async {
        for turn in 0.. {
            scene.members[turn % 3].cut();
            // On a machine on which nothing is done within such a time, no revoke would ever get through.
            let busy = scene.recorder.lateness() * WAKES_OF_A_REVOKE;
            tokio::time::sleep(Duration::from_millis(rand::random_range(2..60)) + busy).await;
        }
    };
    let revokes = async {
        scene.revoke_at_last(&keys[0], 0).await;
        tokio::join!(scene.revoke_at_last(&keys[1], 1), scene.revoke_at_last(&keys[2], 2));
    };
    during(cuts, revokes).await;
    scene.settles().await;
    let demands = Demands { may_be_unavailable: vec![0, 1, 2], ..scene.demands(3) };
    scene.passes("all connections reset", &demands).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_notifications_let_nothing_through_and_disturb_nobody() {
    let (scene, keys) = Scene::open_patiently::<4>(3).await;
    for member in &scene.members {
        member.listening.delay(Duration::from_millis(300));
    }
    for (number, keys) in keys.chunks(2).enumerate() {
        revoke_both(&scene, keys, number).await;
    }
    scene.members.iter().for_each(|member| member.mend());
    scene.settles().await;
    let demands = scene.demands(4);
    scene.passes("late notifications", &demands).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_killed_or_just_starting_lets_nothing_through() {
    let (mut scene, keys) = Scene::open::<4>(3).await;
    scene.members[VICTIM].kill();
    let revoked = scene.revoke(&keys[0], 0).await;
    assert_eq!((revoked.status(), revoked.expired), (Some(200), 1));
    let revokes = async {
        scene.revoke(&keys[1], 0).await;
        scene.revoke(&keys[2], 2).await;
    };
    tokio::join!(scene.members[VICTIM].restart(), revokes);
    scene.revoke(&keys[3], VICTIM).await;
    for key in &keys {
        join_all(scene.ask_all(key).await).await;
    }
    scene.join().await;
    for via in [0, 3] {
        let key = scene.live_key().await;
        assert_eq!(scene.revoke(&key, via).await.status(), Some(200));
    }
    scene.settles().await;
    // Of the fourth nothing is demanded but that it accepts nothing.
    let demands = Demands { replicas: 3, may_be_silent: vec![VICTIM], ..scene.demands(6) };
    scene.passes("killed, restarted, joined", &demands).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_postgres_lets_nothing_through() {
    let mut postgres = PrivateCluster::start().await;
    let (scene, keys) = Scene::open_on::<3>(3, &postgres.create_migrated_database("keyward").await).await;
    let revokes = async {
        for (number, key) in keys.iter().enumerate() {
            scene.revoke_at_last(key, number).await;
        }
    };
    tokio::join!(postgres.restart(), revokes);
    scene.settles().await;
    let demands = Demands { may_be_unavailable: vec![0, 1, 2], ..scene.demands(3) };
    scene.passes("Postgres restarted", &demands).await;
}

/// At once, through the victim and through another one.
async fn revoke_both(scene: &Scene, keys: &[LiveKey], turn: usize) {
    let other = (VICTIM + 1 + turn % 2) % 3;
    let (one, two) = tokio::join!(scene.revoke(&keys[0], VICTIM), scene.revoke(&keys[1], other));
    assert_eq!((one.status(), two.status()), (Some(200), Some(200)));
}

/// Lets `fault` happen until `work` is done.
async fn during(fault: impl Future<Output = ()>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = fault => unreachable!("a fault goes on for ever"),
        () = work => {}
    }
}
