//! Many requests on one key, at the same moment.

use std::sync::Arc;

use keyward::domain::denial::Denial;
use test_support::{
    in_time,
    world::{Costs, ONE_QUERY_AND_HASH, Plan, TestKey, World, assert_denied, assert_granted, poll_once},
};
use tokio::sync::Barrier;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_simultaneous_requests_on_one_cold_key_cost_one_query_and_one_hash() {
    const REQUESTS: usize = 1000;
    for _ in 0..10 {
        let world = Arc::new(World::usual().await);
        let key = world.key().await;
        let start = Arc::new(Barrier::new(REQUESTS));
        let requests: Vec<_> = (0..REQUESTS).map(|_| tokio::spawn(request(&world, &key, &start))).collect();
        for request in requests {
            in_time("an answer", request).await.expect("no panic");
        }
        assert_eq!(world.costs(), ONE_QUERY_AND_HASH);
    }
}

fn request(world: &Arc<World>, key: &TestKey, start: &Arc<Barrier>) -> impl Future<Output = ()> + use<> {
    let (world, key, start) = (Arc::clone(world), key.clone(), Arc::clone(start));
    async move {
        start.wait().await;
        assert_granted(&world.check(&key).await);
    }
}

/// A key in demand must not use up the permits of the others, with or without a lease.
#[tokio::test]
async fn without_a_lease_simultaneous_requests_share_one_read_that_begins_after_them() {
    const REQUESTS: usize = 200;
    let world = World::without_lease(Plan { max_cold: 4, ..Plan::default() }).await;
    let key = world.key().await;
    world.store.reads.close();
    let mut first = Box::pin(world.check(&key));
    assert!(poll_once(&mut first).is_none());
    world.store.reads.has_stopped(1).await;
    world.store.set(key.id, |record| record.enabled = false);
    let mut others: Vec<_> = (0..REQUESTS).map(|_| Box::pin(world.check(&key))).collect();
    assert!(others.iter_mut().all(|request| poll_once(request).is_none()));
    world.store.reads.open();
    for outcome in futures_util::future::join_all(others).await {
        assert_denied(&outcome, Denial::KeyDisabled);
    }
    first.await.expect("a verdict");
    assert_eq!(world.costs(), Costs { queries: 2, hashes: 1 });
}

#[tokio::test]
async fn requests_that_waited_for_an_outdated_read_share_the_next_one() {
    const REQUESTS: usize = 200;
    let world = World::start(Plan { max_cold: 4, ..Plan::default() }).await;
    let key = world.key().await;
    world.store.reads.close();
    let mut requests: Vec<_> = (0..REQUESTS).map(|_| Box::pin(world.check(&key))).collect();
    assert!(requests.iter_mut().all(|request| poll_once(request).is_none()));
    world.store.reads.has_stopped(1).await;
    world.invalidate(&key).await;
    world.store.reads.open();
    for outcome in futures_util::future::join_all(requests).await {
        assert_granted(&outcome);
    }
    // What was proven on the way of an outdated row is proven again.
    assert_eq!(world.costs(), Costs { queries: 2, hashes: 2 });
}
