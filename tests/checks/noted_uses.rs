//! When a key was last used is noted in memory, once a minute, and never for more keys than configured.

use keyward::domain::ports::usage::KeyUse;
use test_support::world::{NOW, Plan, TestKey, World};
use time::Duration;

async fn used(world: &World, key: &TestKey, after: Duration) {
    let address = Some("192.0.2.1".parse().expect("an address"));
    world.checker.check(key.text.as_bytes(), NOW + after, address).await.expect("a verdict");
}

fn times(uses: &[KeyUse]) -> Vec<Duration> {
    uses.iter().map(|key_use| key_use.last.at - NOW).collect()
}

#[tokio::test]
async fn a_key_that_is_used_often_is_noted_once_a_minute() {
    let world = World::usual().await;
    let key = world.key().await;
    for seconds in [0, 1, 30, 59] {
        used(&world, &key, Duration::seconds(seconds)).await;
        world.uses.write().await;
    }
    assert_eq!(times(&world.store.uses()), [Duration::ZERO]);
    for seconds in [60, 61, 150] {
        used(&world, &key, Duration::seconds(seconds)).await;
        world.uses.write().await;
    }
    assert_eq!(times(&world.store.uses()), [0, 60, 150].map(Duration::seconds));
    assert_eq!(world.store.uses()[0].last.from, Some("192.0.2.1".parse().expect("an address")));
}

#[tokio::test]
async fn of_several_uses_before_a_write_the_last_one_is_written() {
    let world = World::usual().await;
    let key = world.key().await;
    for minute in 0..3 {
        used(&world, &key, Duration::minutes(minute)).await;
    }
    world.uses.write().await;
    world.uses.write().await;
    assert_eq!(times(&world.store.uses()), [Duration::minutes(2)]);
}

#[tokio::test]
async fn a_key_that_is_refused_is_not_used() {
    let world = World::usual().await;
    let key = world.key().await;
    world.change(&key, |record| record.enabled = false).await;
    used(&world, &key, Duration::ZERO).await;
    world.uses.write().await;
    assert!(world.store.uses().is_empty());
}

#[tokio::test]
async fn no_more_keys_wait_to_be_written_than_may() {
    let world = World::start(Plan { max_noted_uses: 3, ..Plan::default() }).await;
    let keys = world.keys(5).await;
    for key in &keys {
        used(&world, key, Duration::ZERO).await;
    }
    world.uses.write().await;
    assert_eq!(world.store.uses().len(), 3);
    // Those that found no room are told at their next use.
    for key in &keys {
        used(&world, key, Duration::MINUTE).await;
    }
    world.uses.write().await;
    assert_eq!(world.store.uses().len(), 6);
}

#[tokio::test]
async fn what_could_not_be_written_is_written_later_and_no_newer_use_is_lost_for_it() {
    let world = World::start(Plan { max_noted_uses: 600, ..Plan::default() }).await;
    let (one, two) = (world.key().await, world.key().await);
    used(&world, &one, Duration::ZERO).await;
    used(&world, &two, Duration::ZERO).await;
    world.store.set_down(true);
    world.uses.write().await;
    used(&world, &one, Duration::MINUTE).await;
    world.uses.write().await;
    world.store.set_down(false);
    world.uses.write().await;
    // What could not be written comes first.
    let written = world.store.uses();
    let of = |key: &TestKey| written.iter().filter(|one| one.key == key.id).copied().collect::<Vec<_>>();
    assert_eq!(times(&of(&one)), [Duration::ZERO, Duration::MINUTE]);
    assert_eq!(times(&of(&two)), [Duration::ZERO]);
}
