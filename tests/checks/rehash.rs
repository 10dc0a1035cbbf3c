//! The parameters of hashes have changed since a key was created.

use keyward::config::Hashing;
use test_support::{
    eventually, in_time,
    world::{CHEAP, NOTHING, ONE_QUERY_AND_HASH, Plan, World, assert_granted},
};

const RAISED: Hashing = Hashing { iterations: 2, ..CHEAP };

async fn raised() -> World {
    World::start(Plan { hashing: RAISED, ..Plan::default() }).await
}

#[tokio::test]
async fn after_the_parameters_were_raised_the_first_use_replaces_the_hash_once() {
    let world = raised().await;
    let key = world.key().await;
    let weak = world.store.row(key.id).expect("a row");
    assert!(weak.hash.expose().contains("$m=64,t=1,p=1$"));
    assert_granted(&world.check(&key).await);
    eventually("a stronger hash", async || world.store.hashes_replaced() == 1).await;
    let strong = world.store.row(key.id).expect("a row");
    assert!(strong.hash.expose().contains("$m=64,t=2,p=1$"));
    for _ in 0..3 {
        assert_granted(&world.check(&key).await);
        world.invalidate(&key).await;
    }
    // One to check it, one to make it stronger.
    assert_eq!(world.costs().hashes, 2);

    let later = world.restarted(Plan { hashing: RAISED, ..Plan::default() }).await;
    let before = later.costs();
    assert_granted(&later.check(&key).await);
    assert_eq!(later.costs() - before, ONE_QUERY_AND_HASH);
    assert_eq!(world.store.hashes_replaced(), 1);
}

#[tokio::test]
async fn nobody_waits_for_the_stronger_hash() {
    let world = raised().await;
    let key = world.key().await;
    world.store.replacements.close();
    in_time("the answer", async { assert_granted(&world.check(&key).await) }).await;
    world.store.replacements.has_stopped(1).await;
    let before = world.costs();
    assert_granted(&world.check(&key).await);
    assert_eq!(world.costs() - before, NOTHING);
    world.store.replacements.open();
    eventually("a stronger hash", async || world.store.hashes_replaced() == 1).await;
}

#[tokio::test]
async fn a_stronger_hash_that_cannot_be_written_harms_nobody_and_the_next_first_use_tries_again() {
    let world = raised().await;
    let key = world.key().await;
    world.store.replacements.close();
    assert_granted(&world.check(&key).await);
    world.store.replacements.has_stopped(1).await;
    world.store.set_down(true);
    world.store.replacements.open();
    eventually("a failure", async || world.store.replacements_failed() == 1).await;
    assert_granted(&world.check(&key).await);
    world.store.set_down(false);
    let later = world.restarted(Plan { hashing: RAISED, ..Plan::default() }).await;
    assert_granted(&later.check(&key).await);
    eventually("a stronger hash", async || world.store.hashes_replaced() == 1).await;
}

#[tokio::test]
async fn a_key_whose_hash_has_the_parameters_of_today_is_not_hashed_anew() {
    let world = World::usual().await;
    let key = world.key().await;
    assert_granted(&world.check(&key).await);
    assert_granted(&world.check(&world.key().await).await);
    assert_eq!(world.costs().hashes, 2);
}

#[tokio::test]
async fn after_the_parameters_were_lowered_the_first_use_replaces_the_hash_as_well() {
    let world = raised().await;
    let key = world.key().await;
    assert_granted(&world.check(&key).await);
    eventually("a stronger hash", async || world.store.hashes_replaced() == 1).await;
    let lowered = world.restarted(Plan::default()).await;
    assert_granted(&lowered.check(&key).await);
    eventually("a cheaper hash", async || lowered.store.hashes_replaced() == 2).await;
    assert!(lowered.store.row(key.id).expect("a row").hash.expose().contains("$m=64,t=1,p=1$"));
    let later = lowered.restarted(Plan::default()).await;
    let before = later.costs();
    assert_granted(&later.check(&key).await);
    assert_eq!(later.costs() - before, ONE_QUERY_AND_HASH);
}

/// A replica whose keys all have outdated hashes must not hold all of them while the database is slow.
#[tokio::test]
async fn only_so_many_keys_wait_for_their_new_hash_and_all_are_granted() {
    let world = raised().await;
    world.store.replacements.close();
    let mut keys = Vec::new();
    for _ in 0..1100 {
        keys.push(world.key().await);
    }
    for key in &keys {
        assert_granted(&world.check(key).await);
    }
    world.store.replacements.open();
    eventually("the last key that had a place", async || world.store.hashes_replaced() >= 1024).await;
    let later = world.restarted(Plan { hashing: RAISED, ..Plan::default() }).await;
    for key in &keys {
        assert_granted(&later.check(key).await);
    }
    eventually("all of them", async || later.store.hashes_replaced() == keys.len()).await;
}
