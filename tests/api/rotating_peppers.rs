//! A new pepper, in the two steps that docs/pepper.md tells: at the end of every replica's list, then in front.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use test_support::{
    actors::{KeyHolder, Person},
    asking::SHORT_LEASE,
    database,
    replica::{PEPPER, Replica},
};

const NEW: &str = "k7Bq2XvN9tRw4ZyM1sLc8HdJ5fGp3QaE-for-tests";

async fn with(url: &str, peppers: &[&str]) -> Replica {
    let peppers = peppers.join(",");
    Replica::start_on(url, &[SHORT_LEASE, ("KEYWARD__KEYS__PEPPERS", &peppers)]).await
}

/// Makes keys on every replica, and uses each on every other one.
async fn works_everywhere(replicas: &[&Replica], made: &mut Vec<KeyHolder>) {
    let alice = Person::named("alice");
    for replica in replicas {
        made.push(alice.makes_a_key(replica).await);
    }
    for key in made.iter() {
        for replica in replicas {
            assert_eq!(key.asks_for_the_resource(replica).await.status(), 200, "{}", key.id());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_two_steps_no_key_is_refused_by_any_replica_at_any_time() {
    let database = database().await;
    let url = database.url();
    let (old, both, turned) = ([PEPPER], [PEPPER, NEW], [NEW, PEPPER]);
    let mut made = Vec::new();
    let mut running = [with(url, &old).await, with(url, &old).await];
    let behind = with(url, &old).await;
    works_everywhere(&[&running[0], &running[1]], &mut made).await;
    // Each step is a roll: one replica after the other, and there is load all the time.
    for step in [&both[..], &turned[..]] {
        for number in 0..2 {
            let next = with(url, step).await;
            let load = Load::on(&running[1 - number], &next, made[0].key.clone());
            works_everywhere(&[&running[1 - number], &next], &mut made).await;
            load.was_never_refused().await;
            running[number] = next;
        }
    }
    works_everywhere(&[&running[0], &running[1]], &mut made).await;
    // With the new one in front at once, keys of one half would be refused by the other.
    let key = Person::named("alice").makes_a_key(&running[0]).await;
    assert_eq!(key.asks_for_the_resource(&behind).await.status(), 401);
}

/// Checks of one key on two replicas, all the time.
struct Load {
    task: tokio::task::JoinHandle<()>,
    stop: Arc<AtomicBool>,
    refused: Arc<AtomicU64>,
    answered: Arc<AtomicU64>,
}

impl Load {
    fn on(one: &Replica, other: &Replica, key: String) -> Self {
        let urls = [one, other].map(|replica| replica.url(test_support::actors::PROTECTED));
        let (stop, refused, answered) = (Arc::default(), Arc::default(), Arc::default());
        let (stopped, counted, done): (Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>) =
            (Arc::clone(&stop), Arc::clone(&refused), Arc::clone(&answered));
        let task = tokio::spawn(async move {
            let client = test_support::client::client();
            while !stopped.load(Ordering::Relaxed) || done.load(Ordering::Relaxed) == 0 {
                for url in &urls {
                    let answer = client.get(url).header("x-api-key", &key).send().await.expect("an answer");
                    counted.fetch_add(u64::from(answer.status() != 200), Ordering::Relaxed);
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { task, stop, refused, answered }
    }

    async fn was_never_refused(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the load");
        assert_eq!(self.refused.load(Ordering::Relaxed), 0);
        assert!(self.answered.load(Ordering::Relaxed) > 0);
    }
}
