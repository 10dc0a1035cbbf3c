//! More cold checks than may be under way.

use std::sync::Arc;

use keyward::{auth::Undecided, domain::denial::Denial};
use test_support::{
    in_time,
    world::{Plan, World, assert_busy, assert_denied, assert_granted, poll_once},
};
use tokio::sync::Barrier;

const MAX_COLD: usize = 8;

#[tokio::test]
async fn beyond_the_most_cold_checks_the_answer_is_busy_and_hot_keys_are_answered_meanwhile() {
    let world = World::start(Plan { max_cold: MAX_COLD, ..Plan::default() }).await;
    let hot = world.warm_key().await;
    let cold = world.keys(2 * MAX_COLD).await;
    world.store.reads.close();
    let mut admitted: Vec<_> = cold[..MAX_COLD].iter().map(|key| Box::pin(world.check(key))).collect();
    assert!(admitted.iter_mut().all(|check| poll_once(check).is_none()));
    for key in &cold[MAX_COLD..] {
        assert_busy(&poll_once(&mut Box::pin(world.check(key))).expect("an answer at once"));
        assert_granted(&poll_once(&mut Box::pin(world.check(&hot))).expect("an answer at once"));
        let unknown =
            poll_once(&mut Box::pin(world.checker.check(b"forged", test_support::world::NOW, None).into_future()));
        assert_denied(&unknown.expect("an answer at once"), Denial::KeyMalformed);
    }
    // A key that is being read already needs no further permit.
    let mut joined = Box::pin(world.check(&cold[0]));
    assert!(poll_once(&mut joined).is_none());
    world.store.reads.open();
    for check in admitted {
        assert_granted(&check.await);
    }
    assert_granted(&joined.await);
    for key in &cold {
        assert_granted(&world.check(key).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_an_answer_holds_no_permit_any_more() {
    let world = World::start(Plan { max_cold: 1, ..Plan::default() }).await;
    for _ in 0..3000 {
        assert_denied(&world.check(&world.deleted_key()).await, Denial::KeyUnknown);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_joins_a_check_that_is_not_admitted_is_told_that_it_is_busy() {
    const TOGETHER: usize = 4;
    let world = Arc::new(World::start(Plan { max_cold: 1, ..Plan::default() }).await);
    let under_way = world.key().await;
    world.store.reads.close();
    let mut admitted = Box::pin(world.check(&under_way));
    assert!(poll_once(&mut admitted).is_none());
    let start = Arc::new(Barrier::new(TOGETHER));
    let keys: Arc<Vec<_>> = Arc::new((0..2000).map(|_| world.deleted_key()).collect());
    let askers: Vec<_> = (0..TOGETHER)
        .map(|_| {
            let (world, start, keys) = (Arc::clone(&world), Arc::clone(&start), Arc::clone(&keys));
            tokio::spawn(async move {
                for key in keys.iter() {
                    start.wait().await;
                    let outcome = world.check(key).await;
                    assert!(matches!(outcome, Err(Undecided::Busy)), "{outcome:?}");
                }
            })
        })
        .collect();
    for asker in askers {
        in_time("the answers", asker).await.expect("all were told that it is busy");
    }
    world.store.reads.open();
    assert_granted(&admitted.await);
}
