//! What memory is believed for, and when it is not.

use std::time::Duration;

use keyward::{
    auth::{
        Undecided,
        coherence::{CoherenceTimings, Records},
    },
    domain::{denial::Denial, verdict::Verdict},
};
use test_support::{
    eventually,
    world::{Costs, ONE_QUERY, Plan, World, assert_denied, assert_granted, poll_once, record},
};

#[tokio::test]
async fn without_a_lease_each_check_reads_the_row_and_hashes_once() {
    let world = World::without_lease(Plan::default()).await;
    let key = world.key().await;
    for checks in 1..=5 {
        assert_granted(&world.check(&key).await);
        assert_eq!(world.costs(), Costs { queries: checks, hashes: 1 });
    }
    world.store.set(key.id, |record| record.enabled = false);
    assert_denied(&world.check(&key).await, Denial::KeyDisabled);
}

#[tokio::test]
async fn without_a_lease_an_absent_key_is_looked_for_each_time() {
    let world = World::without_lease(Plan::default()).await;
    let key = world.key().await;
    let row = world.store.delete(key.id);
    assert_denied(&world.check(&key).await, Denial::KeyUnknown);
    world.store.put(row);
    assert_granted(&world.check(&key).await);
}

#[tokio::test]
async fn without_a_lease_and_without_a_store_nothing_is_decided() {
    let world = World::without_lease(Plan::default()).await;
    let key = world.key().await;
    assert_granted(&world.check(&key).await);
    world.store.set_down(true);
    let outcome = world.check(&key).await;
    assert!(matches!(outcome, Err(Undecided::Store(_))), "{outcome:?}");
    world.store.set_down(false);
    assert_granted(&world.check(&key).await);
}

#[tokio::test]
async fn with_a_lease_a_warm_key_needs_no_store() {
    let world = World::usual().await;
    let (warm, cold) = (world.warm_key().await, world.key().await);
    world.store.set_down(true);
    assert_granted(&world.check(&warm).await);
    assert!(matches!(world.check(&cold).await, Err(Undecided::Store(_))));
}

#[tokio::test]
async fn when_the_lease_is_over_the_row_is_read() {
    let settings = CoherenceTimings::for_lease(Duration::from_secs(1)).expect("a valid lease");
    let world = World::start(Plan { settings, ..Plan::default() }).await;
    let key = world.warm_key().await;
    world.channel.return_heartbeats(false);
    world.store.set(key.id, |record| record.enabled = false);
    world.eventually(&key, |verdict| matches!(verdict, Verdict::Denied(Denial::KeyDisabled))).await;
    let before = world.costs();
    assert_denied(&world.check(&key).await, Denial::KeyDisabled);
    assert_eq!(world.costs() - before, ONE_QUERY);
}

#[tokio::test]
async fn a_replica_that_leaves_believes_nothing_from_then_on() {
    let world = World::usual().await;
    let key = world.warm_key().await;
    world.link.leave().await;
    let before = world.costs();
    assert_granted(&world.check(&key).await);
    assert_eq!(world.costs() - before, ONE_QUERY);
}

#[tokio::test]
async fn a_row_that_changed_while_it_was_read_is_not_remembered() {
    let world = World::usual().await;
    let key = world.key().await;
    world.store.reads.close();
    let mut began_before = Box::pin(world.check(&key));
    assert!(poll_once(&mut began_before).is_none());
    world.store.reads.has_stopped(1).await;
    world.change(&key, |record| record.enabled = false).await;
    world.store.reads.open();
    // The old row is as good as the new one for a request that came before the change.
    began_before.await.expect("a verdict");
    assert_denied(&world.check(&key).await, Denial::KeyDisabled);
    assert_eq!(world.costs().queries, 2);
}

#[tokio::test]
async fn what_was_read_while_the_line_was_cut_is_not_remembered() {
    let world = World::usual().await;
    let key = world.key().await;
    world.store.reads.close();
    let mut began_before = Box::pin(world.check(&key));
    assert!(poll_once(&mut began_before).is_none());
    world.store.reads.has_stopped(1).await;
    world.store.set(key.id, |record| record.enabled = false);
    reconnect(&world).await;
    world.store.reads.open();
    began_before.await.expect("a verdict");
    assert_denied(&world.check(&key).await, Denial::KeyDisabled);
}

#[tokio::test]
async fn a_request_that_joins_an_outdated_read_reads_for_itself() {
    let world = World::usual().await;
    let key = world.key().await;
    world.store.reads.close();
    let mut began_before = Box::pin(world.check(&key));
    assert!(poll_once(&mut began_before).is_none());
    world.store.reads.has_stopped(1).await;
    world.change(&key, |record| record.enabled = false).await;
    let mut began_after = Box::pin(world.check(&key));
    assert!(poll_once(&mut began_after).is_none());
    world.store.reads.open();
    began_before.await.expect("a verdict");
    assert_denied(&began_after.await, Denial::KeyDisabled);
    assert_eq!(world.costs().queries, 2);
}

#[tokio::test]
async fn without_a_lease_a_request_does_not_believe_a_read_that_began_before_it() {
    let world = World::without_lease(Plan::default()).await;
    let key = world.key().await;
    world.store.reads.close();
    let mut began_before = Box::pin(world.check(&key));
    assert!(poll_once(&mut began_before).is_none());
    world.store.reads.has_stopped(1).await;
    // Nobody tells: that is what the lease is for.
    world.store.set(key.id, |record| record.enabled = false);
    let mut began_after = Box::pin(world.check(&key));
    assert!(poll_once(&mut began_after).is_none());
    world.store.reads.open();
    began_before.await.expect("a verdict");
    assert_denied(&began_after.await, Denial::KeyDisabled);
}

#[tokio::test]
async fn a_change_of_all_keys_makes_each_be_read_again() {
    let world = World::usual().await;
    let key = world.warm_key().await;
    let before = world.costs();
    world.channel.applied(world.channel.announce(Records::All)).await;
    assert_granted(&world.check(&key).await);
    assert_eq!(world.costs() - before, ONE_QUERY);
}

#[tokio::test]
async fn after_a_lost_connection_many_rows_are_read_in_few_statements_and_nothing_is_hashed() {
    const KEYS: usize = 600;
    let world = World::usual().await;
    let keys = world.keys(KEYS).await;
    for key in &keys {
        assert_granted(&world.check(key).await);
    }
    reconnect(&world).await;
    let (before, rows_before) = (world.costs(), world.store.rows_asked_for());
    world.store.reads.close();
    let mut checks: Vec<_> = keys.iter().map(|key| Box::pin(world.check(key))).collect();
    assert!(checks.iter_mut().all(|check| poll_once(check).is_none()));
    world.store.reads.open();
    for check in checks {
        assert_granted(&check.await);
    }
    let Costs { queries, hashes } = world.costs() - before;
    assert_eq!((world.store.rows_asked_for() - rows_before, hashes), (KEYS, 0));
    assert!(queries <= 6, "{queries} statements");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_takes_no_other_of_its_batch_with_it() {
    let world = World::usual().await;
    let keys = world.keys(10).await;
    world.store.corrupt(keys[3].id);
    let mut checks: Vec<_> = keys.iter().map(|key| Box::pin(world.check(key))).collect();
    assert!(checks.iter_mut().all(|check| poll_once(check).is_none()));
    for (number, check) in checks.into_iter().enumerate() {
        match check.await {
            Err(Undecided::Store(_)) if number == 3 => {}
            outcome => assert_granted(&outcome),
        }
    }
}

/// Cuts the line, and waits until the replica listens again and knows that it has missed something.
async fn reconnect(world: &World) {
    let key = world.deleted_key();
    let ticket = world.freshness().read_started(record(&key));
    world.channel.cut();
    eventually("a new connection", async || !world.freshness().is_current(&ticket, record(&key))).await;
}
