//! How much is remembered, and of whom.

use keyward::domain::metadata::Metadata;
use test_support::world::{Plan, TestKey, World, assert_granted};

const ROOM: usize = 200;

async fn world() -> World {
    World::start(Plan { cached_keys: ROOM, ..Plan::default() }).await
}

async fn queries_to_check(world: &World, keys: &[TestKey]) -> usize {
    let before = world.costs().queries;
    for key in keys {
        world.check(key).await.expect("a verdict");
    }
    world.costs().queries - before
}

fn one_off_keys(world: &World, count: usize) -> Vec<TestKey> {
    (0..count).map(|_| world.deleted_key()).collect()
}

#[tokio::test]
async fn more_keys_than_there_is_room_for_are_not_remembered() {
    let world = world().await;
    let keys = world.keys(5 * ROOM).await;
    queries_to_check(&world, &keys).await;
    let remembered = keys.len() - queries_to_check(&world, &keys).await;
    assert!(remembered <= ROOM, "{remembered} keys remembered");
}

#[tokio::test]
async fn keys_with_long_notes_take_the_room_of_several() {
    let world = world().await;
    let keys = world.keys(ROOM / 2).await;
    for key in &keys {
        let notes = serde_json::json!({ "notes": "x".repeat(4000) });
        let notes = Metadata::new(notes.as_object().expect("an object").clone()).expect("short enough");
        world.store.set(key.id, |record| record.metadata = notes);
    }
    queries_to_check(&world, &keys).await;
    let remembered = keys.len() - queries_to_check(&world, &keys).await;
    assert!(remembered <= ROOM / (4000 / 256), "{remembered} keys remembered");
}

#[tokio::test]
async fn a_flood_of_one_off_keys_does_not_purge_the_hot_ones() {
    let world = world().await;
    // Not even when there is no room left for them at first.
    queries_to_check(&world, &one_off_keys(&world, 2 * ROOM)).await;
    let hot = world.keys(ROOM / 10).await;
    for key in &hot {
        // At least twice in quick succession: that is what hot means.
        for _ in 0..3 {
            assert_granted(&world.check(key).await);
        }
    }
    queries_to_check(&world, &one_off_keys(&world, 20 * ROOM)).await;
    assert_eq!(queries_to_check(&world, &hot).await, 0);
}

#[tokio::test]
async fn hot_keys_are_answered_from_memory_all_through_a_flood() {
    let world = world().await;
    let hot = world.keys(ROOM / 10).await;
    queries_to_check(&world, &hot).await;
    for _ in 0..20 {
        queries_to_check(&world, &one_off_keys(&world, ROOM)).await;
        assert_eq!(queries_to_check(&world, &hot).await, 0);
    }
}
