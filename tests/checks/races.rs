//! Filling the cache against invalidating it, on real threads.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use keyward::domain::verdict::Verdict;
use test_support::{
    in_time,
    world::{TestKey, World},
};
use tokio::task::JoinHandle;

const READERS: usize = 3;
/// Checks that have read a row, and as many that have not: with less of either there was no race.
const ENOUGH: usize = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_change_was_applied_no_check_returns_the_old_row() {
    let world = Arc::new(World::usual().await);
    let key = world.key().await;
    world.store.set(key.id, |record| record.owner.subject = "0".into());
    let race = Arc::new(Race::default());
    let readers: Vec<_> =
        (0..READERS).map(|_| tokio::spawn(Arc::clone(&race).read(world.clone(), key.clone()))).collect();
    let changes = async {
        for version in 1.. {
            world.change(&key, |record| record.owner.subject = version.to_string().into()).await;
            race.applied.store(version, Ordering::SeqCst);
            let (checks, queries) = (race.checks.load(Ordering::SeqCst), world.costs().queries);
            let a_reader_has_failed = readers.iter().any(JoinHandle::is_finished);
            if a_reader_has_failed || queries >= ENOUGH && checks >= queries + ENOUGH {
                break;
            }
        }
    };
    in_time("a race", changes).await;
    race.over.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.expect("no check returned an old row");
    }
}

#[derive(Default)]
struct Race {
    /// The latest version whose change the replica has applied.
    applied: AtomicUsize,
    over: AtomicBool,
    checks: AtomicUsize,
}

impl Race {
    async fn read(self: Arc<Self>, world: Arc<World>, key: TestKey) {
        while !self.over.load(Ordering::SeqCst) {
            let at_least = self.applied.load(Ordering::SeqCst);
            let Ok(Verdict::Granted(principal)) = world.check(&key).await else { panic!("refused") };
            let version: usize = principal.owner().subject.parse().expect("a number");
            assert!(version >= at_least, "version {version} after {at_least} was applied");
            self.checks.fetch_add(1, Ordering::SeqCst);
            // A check from memory never waits, and the others want the thread, too.
            tokio::task::yield_now().await;
        }
    }
}
