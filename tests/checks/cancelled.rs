//! Clients that hang up.

use test_support::{
    eventually,
    world::{
        ONE_QUERY_AND_HASH, Plan, TestKey, World, assert_busy, assert_granted, hashing_thread::HashingThread, poll_once,
    },
};

const MAX_COLD: usize = 4;

async fn world() -> World {
    World::start(Plan { max_cold: MAX_COLD, ..Plan::default() }).await
}

#[tokio::test]
async fn a_client_that_hangs_up_during_the_read_leaves_nothing_behind_but_the_result() {
    let world = world().await;
    let keys = world.keys(MAX_COLD).await;
    world.store.reads.close();
    for key in &keys {
        assert!(poll_once(&mut Box::pin(world.check(key))).is_none());
    }
    world.store.reads.has_stopped(1).await;
    world.store.reads.open();
    nothing_is_left_but_the_results(&world, &keys).await;
}

#[test]
fn a_client_that_hangs_up_during_the_hash_leaves_nothing_behind_but_the_result() {
    HashingThread::test(async |thread| {
        let world = world().await;
        let keys = world.keys(MAX_COLD).await;
        let pause = thread.pause().await;
        for key in &keys {
            let mut check = Box::pin(world.check(key));
            assert!(poll_once(&mut check).is_none());
            // The row is read, and all that is left to wait for is the hash.
            HashingThread::everything_else_has_run().await;
            assert!(poll_once(&mut check).is_none());
        }
        assert_eq!(world.store.rows_asked_for(), MAX_COLD);
        pause.end();
        nothing_is_left_but_the_results(&world, &keys).await;
    });
}

/// Each abandoned check goes on to its end, once, and what it has found is remembered. Afterwards as
/// many checks as ever can be under way.
async fn nothing_is_left_but_the_results(world: &World, abandoned: &[TestKey]) {
    eventually("the hashes", async || world.costs().hashes == abandoned.len()).await;
    for key in abandoned {
        assert_granted(&world.check(key).await);
        assert_granted(&poll_once(&mut Box::pin(world.check(key))).expect("an answer from memory"));
    }
    assert_eq!(world.costs().hashes, abandoned.len());
    assert_eq!(world.store.rows_asked_for(), abandoned.len());
    let cold = world.keys(MAX_COLD + 1).await;
    world.store.reads.close();
    let mut admitted: Vec<_> = cold[..MAX_COLD].iter().map(|key| Box::pin(world.check(key))).collect();
    assert!(admitted.iter_mut().all(|check| poll_once(check).is_none()));
    assert_busy(&poll_once(&mut Box::pin(world.check(&cold[MAX_COLD]))).expect("an answer at once"));
    world.store.reads.open();
    for check in admitted {
        assert_granted(&check.await);
    }
}

#[tokio::test]
async fn whoever_joined_the_check_of_a_client_that_hung_up_gets_its_answer() {
    let world = world().await;
    let key = world.key().await;
    world.store.reads.close();
    let mut first = Box::pin(world.check(&key));
    assert!(poll_once(&mut first).is_none());
    let mut second = Box::pin(world.check(&key));
    assert!(poll_once(&mut second).is_none());
    drop(first);
    world.store.reads.open();
    assert_granted(&second.await);
    assert_eq!(world.costs(), ONE_QUERY_AND_HASH);
}
