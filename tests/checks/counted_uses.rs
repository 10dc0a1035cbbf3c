//! How often a key was used is counted in memory: every use once, whatever becomes of the key's entry and of the store.

use std::{collections::BTreeMap, sync::Arc};

use keyward::domain::{
    limits::Spending,
    usage::{UsageTags, UseOutcome},
};
use test_support::world::{NOW, Plan, TestKey, World};
use time::Duration;

async fn used(world: &World, key: &TestKey, after: Duration) {
    let _ = world.checker.check(key.text.as_bytes(), NOW + after, None).await.expect("a verdict");
}

/// The written counts, by hour since [`NOW`], outcome and tag.
fn counts(world: &World) -> BTreeMap<(i64, &'static str, String), u32> {
    let mut sums = BTreeMap::new();
    for one in world.store.counts() {
        *sums.entry(((one.hour - NOW).whole_hours(), one.outcome.as_str(), one.tag)).or_default() += one.count;
    }
    sums
}

fn granted(world: &World) -> u32 {
    world.store.counts().iter().filter(|one| one.outcome == UseOutcome::Granted).map(|one| one.count).sum()
}

fn of(hour: i64, outcome: &'static str, count: u32) -> ((i64, &'static str, String), u32) {
    ((hour, outcome, String::new()), count)
}

#[tokio::test]
async fn uses_are_counted_in_the_hour_in_which_they_happen() {
    let world = World::usual().await;
    let key = world.key().await;
    for minutes in [0, 10, 59] {
        used(&world, &key, Duration::minutes(minutes)).await;
    }
    for minutes in [60, 61] {
        used(&world, &key, Duration::minutes(minutes)).await;
    }
    assert_eq!(world.uses.pending(), 2, "the key, and what it was used for before");
    world.uses.write().await;
    assert_eq!(counts(&world), BTreeMap::from([of(0, "granted", 3), of(1, "granted", 2)]));
    assert_eq!((world.uses.pending(), world.uses.unwritten(), world.uses.rows()), (0, 0, 3));
    used(&world, &key, Duration::hours(5)).await;
    world.uses.write().await;
    assert_eq!(counts(&world).get(&(5, "granted", String::new())), Some(&1));
}

#[tokio::test]
async fn refusals_of_an_authentic_key_are_counted_by_their_reason_and_others_not_at_all() {
    let world = World::usual().await;
    let key = world.limited_key(r#"[{"name": "month", "limit": 2, "window": "month"}]"#, "[]").await;
    for _ in 0..5 {
        used(&world, &key, Duration::ZERO).await;
    }
    world.change(&key, |record| record.enabled = false).await;
    used(&world, &key, Duration::ZERO).await;
    world.change(&key, |record| record.revoked_at = Some(NOW)).await;
    used(&world, &key, Duration::ZERO).await;
    for text in [key.text.clone() + "x", world.deleted_key().text, "text".to_owned()] {
        let _ = world.checker.check(text.as_bytes(), NOW, None).await.expect("a verdict");
    }
    world.uses.write().await;
    let expected = [of(0, "granted", 2), of(0, "rate_limited", 3), of(0, "disabled", 1), of(0, "revoked", 1)];
    assert_eq!(counts(&world), BTreeMap::from(expected));
}

#[tokio::test]
async fn uses_have_the_tag_of_their_request() {
    let tags = UsageTags::new(["a", "b"].map(str::to_owned).to_vec()).expect("tags");
    let world = World::start(Plan { tags: tags.clone(), ..Plan::default() }).await;
    let key = world.key().await;
    for (name, times) in [("b", 3), ("", 2), ("a", 1)] {
        for _ in 0..times {
            let spending = Spending { tag: tags.find(name).unwrap_or_default(), ..Spending::default() };
            let checked = world.checker.check_for(key.text.as_bytes(), NOW, None, spending, |_| None);
            let _ = checked.await.expect("a verdict");
        }
    }
    world.uses.write().await;
    let expected = [("a", 1), ("b", 3), ("", 2)].map(|(tag, count)| ((0, "granted", tag.to_owned()), count));
    assert_eq!(counts(&world), BTreeMap::from(expected));
}

#[tokio::test]
async fn a_key_that_is_read_again_or_forgotten_loses_no_use() {
    let world = World::start(Plan { cached_keys: 1, ..Plan::default() }).await;
    let keys = world.keys(20).await;
    for _ in 0..3 {
        for key in &keys {
            used(&world, key, Duration::ZERO).await;
            world.invalidate(key).await;
            used(&world, key, Duration::ZERO).await;
        }
    }
    world.uses.write().await;
    assert_eq!((granted(&world), world.uses.lost()), (120, 0));
}

#[tokio::test]
async fn beyond_the_bound_uses_wait_with_their_key_and_those_of_forgotten_keys_are_told() {
    let world = World::start(Plan { max_noted_uses: 2, ..Plan::default() }).await;
    let keys = world.keys(4).await;
    for key in &keys {
        used(&world, key, Duration::ZERO).await;
        used(&world, key, Duration::ZERO).await;
    }
    world.uses.write().await;
    assert_eq!((granted(&world), world.uses.lost()), (4, 0));
    // The next uses find room, and bring the earlier ones along.
    for key in &keys[2..] {
        used(&world, key, Duration::ZERO).await;
    }
    world.uses.write().await;
    assert_eq!((granted(&world), world.uses.lost()), (10, 0));
    for key in &keys {
        used(&world, key, Duration::ZERO).await;
    }
    let uses = Arc::clone(&world.uses);
    drop(world);
    test_support::eventually("the memory of keys is gone", async || uses.lost() == 2).await;
}

#[tokio::test]
async fn a_batch_is_repeated_until_its_fate_is_known_and_counted_once() {
    let world = World::usual().await;
    let key = world.key().await;
    used(&world, &key, Duration::ZERO).await;
    world.store.set_forgetful(true);
    for _ in 0..3 {
        world.uses.write().await;
        used(&world, &key, Duration::ZERO).await;
    }
    world.store.set_down(true);
    world.uses.write().await;
    world.store.set_down(false);
    world.store.set_forgetful(false);
    assert_eq!((granted(&world), world.uses.unwritten()), (1, 2));
    world.uses.write().await;
    assert_eq!((granted(&world), world.uses.unwritten()), (4, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_use_is_lost_or_counted_twice_while_uses_are_written_at_the_same_time() {
    let world = Arc::new(World::usual().await);
    let keys = Arc::new(world.keys(3).await);
    for key in keys.iter() {
        used(&world, key, Duration::ZERO).await;
    }
    let users: Vec<_> = (0..4)
        .map(|_| {
            let (world, keys) = (Arc::clone(&world), Arc::clone(&keys));
            tokio::spawn(async move {
                for number in 0..3_000_i64 {
                    used(&world, &keys[number as usize % 3], Duration::seconds(number * 3)).await;
                }
            })
        })
        .collect();
    while !users.iter().all(tokio::task::JoinHandle::is_finished) {
        world.uses.write().await;
        tokio::task::yield_now().await;
    }
    world.uses.write().await;
    assert_eq!((granted(&world), world.uses.lost()), (12_003, 0));
}
