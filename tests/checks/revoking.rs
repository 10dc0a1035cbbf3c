//! The revocation as a use case: what its client, its store and the other replicas can do to it.

use std::sync::Arc;

use keyward::{
    auth::{
        Undecided,
        coherence::{CoherenceTimings, Heartbeat, Notification, Records, ReplicaId, Settled},
        lifecycle::{Applied, Done, Lifecycle, RevokedByHolder},
    },
    domain::{
        denial::Denial,
        ledger::Refusal,
        ports::{Busy, StoreError},
        precondition::Preconditions,
        revocation::Revoked,
        verdict::Verdict,
    },
};
use test_support::{
    in_time,
    world::{LONG_LEASE, NOW, Plan, TestKey, World, assert_denied, assert_granted, operator, poll_once},
};

async fn revoke(world: &World, key: &TestKey) -> Done<Applied<Revoked>> {
    in_time("the revocation", world.lifecycle().revoke(key.id, None, operator(), NOW)).await
}

#[tokio::test]
async fn when_a_revoke_returns_a_warm_key_is_refused() {
    let world = World::usual().await;
    let key = world.warm_key().await;
    let revoked = revoke(&world, &key).await.expect("an answer").expect("a key");
    assert_denied(&world.check(&key).await, Denial::KeyRevoked);
    assert_eq!(revoked.outcome.at, NOW);
    assert_eq!(revoked.propagated.settled, Settled::Heard { confirmed: 0, expired: 0 });
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_its_revocation() {
    let world = World::usual().await;
    let key = world.warm_key().await;
    world.store.changes.close();
    let lifecycle = world.lifecycle();
    let mut client = Box::pin(lifecycle.revoke(key.id, None, operator(), NOW));
    assert!(poll_once(&mut client).is_none());
    world.store.changes.has_stopped(1).await;
    drop(client);
    assert_granted(&world.check(&key).await);
    world.store.changes.open();
    world.eventually(&key, |verdict| matches!(verdict, Verdict::Denied(Denial::KeyRevoked))).await;
}

#[tokio::test]
async fn a_revoke_waits_for_every_replica_that_may_hold_a_lease() {
    const OTHER: ReplicaId = ReplicaId(1);
    let world = World::usual().await;
    let key = world.warm_key().await;
    let heartbeat = Heartbeat { replica: OTHER, sequence: 1, lease: LONG_LEASE };
    world.channel.deliver(&Notification::Heartbeat(heartbeat));
    let lifecycle = world.lifecycle();
    let revoking = tokio::spawn(async move { lifecycle.revoke(key.id, None, operator(), NOW).await });
    let change = world.store.has_announced().await;
    // What comes after it was heard, so it was, too.
    world.channel.applied(world.channel.announce(Records::These(Vec::new()))).await;
    assert!(!revoking.is_finished());
    world.channel.deliver(&Notification::Applied { replica: OTHER, changes: vec![change], up_to: None });
    let revoked = in_time("the revocation", revoking).await.expect("no panic").expect("an answer").expect("a key");
    assert_eq!(revoked.propagated.settled, Settled::Heard { confirmed: 1, expired: 0 });
}

#[tokio::test]
async fn a_commit_that_fails_is_an_error_and_its_change_is_forgotten() {
    // Room for one change that is followed: one that is not forgotten makes the next wait for a lease.
    let settings =
        CoherenceTimings { most_waiting: 1, ..CoherenceTimings::for_lease(LONG_LEASE).expect("a valid lease") };
    let world = World::start(Plan { settings, ..Plan::default() }).await;
    let key = world.warm_key().await;
    world.store.set_down(true);
    for _ in 0..3 {
        assert!(matches!(revoke(&world, &key).await, Err(keyward::auth::Undecided::Store(_))));
    }
    world.store.set_down(false);
    assert_granted(&world.check(&key).await);
    let revoked = revoke(&world, &key).await.expect("an answer").expect("a key");
    assert_eq!(revoked.propagated.settled, Settled::Heard { confirmed: 0, expired: 0 });
    assert_denied(&world.check(&key).await, Denial::KeyRevoked);
}

#[tokio::test]
async fn revoking_a_key_that_does_not_exist_finds_none() {
    let world = World::usual().await;
    assert_eq!(revoke(&world, &world.deleted_key()).await.expect("an answer").err(), Some(Refusal::NotFound));
}

/// Whoever holds the key, as its check finds it now, revokes it.
async fn revoke_held(world: &World, lifecycle: &Arc<Lifecycle>, key: &TestKey) -> Done<Applied<RevokedByHolder>> {
    let verdict = world.checker.check_holder(key.text.as_bytes()).await.expect("a verdict");
    let Verdict::Granted(holder) = verdict else { panic!("{verdict:?}") };
    let record = holder.key().expect("a key");
    in_time("the revocation", lifecycle.revoke_held(record, None, Preconditions::default(), operator(), NOW)).await
}

#[tokio::test]
async fn what_a_holder_repeats_is_not_done_again_only_once_every_replica_has_confirmed_it() {
    const OTHER: ReplicaId = ReplicaId(1);
    let world = World::usual().await;
    let key = world.warm_key().await;
    let heartbeat = Heartbeat { replica: OTHER, sequence: 1, lease: LONG_LEASE };
    world.channel.deliver(&Notification::Heartbeat(heartbeat));
    let lifecycle = world.lifecycle();
    let others = async {
        let change = world.store.has_announced().await;
        let waited = revoke_held(&world, &lifecycle, &key).await;
        assert!(matches!(waited, Err(Undecided::Store(StoreError::Busy(Busy::Key)))), "{waited:?}");
        world.channel.deliver(&Notification::Applied { replica: OTHER, changes: vec![change], up_to: None });
    };
    let (first, ()) = tokio::join!(revoke_held(&world, &lifecycle, &key), others);
    let first = first.expect("an answer").expect("a key");
    assert!(!first.outcome.is_repeated);
    let again = revoke_held(&world, &lifecycle, &key).await.expect("an answer").expect("a key");
    assert_eq!((again.outcome.is_repeated, again.outcome.key), (true, first.outcome.key));
}
