//! Those who make keys and those who present them share the hasher.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use keyward::{auth::lifecycle::NewKey, config::Hashing, domain::principal::Principal, domain::verdict::Verdict};
use test_support::{
    in_time,
    world::{CHEAP, NOW, Plan, TestKey, World, assert_granted, hashing_thread::HashingThread, operator},
};

/// Far more than a lane may have in the queue at once.
const MANY: usize = 40;
/// One hash at a time: a lane's share is every second one.
const ONE_AT_A_TIME: Hashing = Hashing { concurrency: NonZeroUsize::MIN, ..CHEAP };

/// In which order the hashes were done.
#[derive(Clone, Default)]
struct Order(Arc<Mutex<Vec<&'static str>>>);

impl Order {
    fn done(&self, what: &'static str) {
        self.0.lock().expect("no test panics with it").push(what);
    }

    /// How many others were done before the first `what`.
    fn before(&self, what: &str) -> usize {
        let order = self.0.lock().expect("no test panics with it");
        order.iter().position(|done| *done == what).expect("it was done")
    }
}

async fn world(hashing: Hashing) -> (Arc<World>, Principal) {
    let world = World::start(Plan { hashing, ..Plan::default() }).await;
    let Ok(Verdict::Granted(maker)) = world.check(&world.key().await).await else { panic!("refused") };
    (Arc::new(world), maker)
}

async fn check(world: Arc<World>, key: TestKey, order: Order) {
    assert_granted(&world.check(&key).await);
    order.done("checked");
}

async fn issue(world: Arc<World>, maker: Principal, order: Order) {
    let wanted = NewKey::plain(maker.owner().clone());
    let issued = world.issuer().issue(wanted, None, &operator(), NOW).await.expect("an answer");
    assert!(issued.is_ok());
    order.done("issued");
}

#[test]
fn many_cold_checks_do_not_keep_a_key_from_being_made() {
    HashingThread::test(async |thread| {
        let (world, maker) = world(ONE_AT_A_TIME).await;
        let (keys, order, pause) = (world.keys(MANY).await, Order::default(), thread.pause().await);
        let mut tasks: Vec<_> =
            keys.into_iter().map(|key| tokio::spawn(check(world.clone(), key, order.clone()))).collect();
        HashingThread::everything_else_has_run().await;
        tasks.push(tokio::spawn(issue(world.clone(), maker, order.clone())));
        HashingThread::everything_else_has_run().await;
        pause.end();
        in_time("all hashes", futures_util::future::join_all(tasks)).await;
        assert!(order.before("issued") <= 3, "made after {} checks", order.before("issued"));
    });
}

#[test]
fn many_new_keys_do_not_keep_a_cold_key_from_being_checked() {
    HashingThread::test(async |thread| {
        let (world, maker) = world(ONE_AT_A_TIME).await;
        let (key, order, pause) = (world.key().await, Order::default(), thread.pause().await);
        let mut tasks: Vec<_> =
            (0..MANY).map(|_| tokio::spawn(issue(world.clone(), maker.clone(), order.clone()))).collect();
        HashingThread::everything_else_has_run().await;
        tasks.push(tokio::spawn(check(world.clone(), key, order.clone())));
        HashingThread::everything_else_has_run().await;
        pause.end();
        in_time("all hashes", futures_util::future::join_all(tasks)).await;
        assert!(order.before("checked") <= 3, "checked after {} new keys", order.before("checked"));
    });
}

/// After the parameters were raised, each first check asks for a second hash.
#[test]
fn many_hashes_to_be_made_stronger_do_not_keep_a_key_from_being_made() {
    HashingThread::test(async |thread| {
        let (world, maker) = world(Hashing { iterations: 2, ..ONE_AT_A_TIME }).await;
        let (keys, order, pause) = (world.keys(MANY).await, Order::default(), thread.pause().await);
        let tasks: Vec<_> = keys
            .into_iter()
            .enumerate()
            .map(|(number, key)| {
                let (world, maker, order) = (world.clone(), maker.clone(), order.clone());
                tokio::spawn(async move {
                    check(world.clone(), key, order.clone()).await;
                    // In the midst of it all.
                    if number == MANY / 2 {
                        let before = world.costs().hashes;
                        issue(world.clone(), maker, order).await;
                        let waited_for = world.costs().hashes - before;
                        assert!(waited_for <= 8, "made after {waited_for} hashes");
                    }
                })
            })
            .collect();
        HashingThread::everything_else_has_run().await;
        pause.end();
        for task in tasks {
            in_time("a hash", task).await.expect("the key was made in time");
        }
    });
}
