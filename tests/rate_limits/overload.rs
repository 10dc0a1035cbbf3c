//! Three replicas under more load than a limit allows: what they admit, by the database's clock.
//!
//! The database is on this machine, so its clock is ours. A request was admitted at some time between its sending and
//! its answer; only if both are in the same window is it certain which one it counts in.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sqlx::PgPool;
use test_support::{
    actors::{KeyHolder, PROTECTED, Person, stranger},
    asking::three_replicas,
    eventually,
    replica::Replica,
};
use tokio::task::JoinHandle;

use crate::{limit, limit_key, uses};

/// A length that divides many requests into some windows soon.
const WINDOW: Duration = Duration::from_secs(2);
pub(crate) const AMOUNT: u64 = 200;
const WINDOWS: u32 = 4;
const CLIENTS_A_REPLICA: usize = 4;

/// The window, and whether it is certain.
#[derive(Default)]
pub(crate) struct Admitted {
    certainly: BTreeMap<u128, u64>,
    possibly: BTreeMap<u128, u64>,
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970")
}

fn window(at: Duration) -> u128 {
    at.as_nanos() / WINDOW.as_nanos()
}

impl Admitted {
    fn note(&mut self, sent: Duration, answered: Duration) {
        if window(sent) == window(answered) {
            *self.certainly.entry(window(sent)).or_default() += 1;
        }
        for window in window(sent)..=window(answered) {
            *self.possibly.entry(window).or_default() += 1;
        }
    }

    fn join(&mut self, other: Self) {
        for (mine, others) in [(&mut self.certainly, other.certainly), (&mut self.possibly, other.possibly)] {
            others.into_iter().for_each(|(window, count)| *mine.entry(window).or_default() += count);
        }
    }

    /// The most that may have been admitted in this window.
    pub(crate) fn possibly_in(&self, window: u128) -> u64 {
        self.possibly.get(&window).copied().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn never_exceeds(&self) {
        let beyond: Vec<_> = self.certainly.iter().filter(|(_, admitted)| **admitted > AMOUNT).collect();
        assert!(beyond.is_empty(), "{beyond:?}");
        assert!(self.certainly.values().sum::<u64>() > AMOUNT, "hardly anything was admitted");
    }
}

/// What is not held against a replica.
#[derive(Clone, Copy, Default)]
pub(crate) struct Excused {
    /// The one with this number answers nothing: it was killed.
    pub(crate) victim: Option<usize>,
    /// 503 is an answer: the database is out of reach.
    pub(crate) outage: bool,
}

/// Three replicas, asked without a pause for some windows, beginning with the next one.
pub(crate) struct Flood {
    pub(crate) replicas: Arc<[Replica; 3]>,
    pub(crate) first: u128,
    windows: u32,
    clients: Vec<JoinHandle<(Admitted, u64)>>,
}

impl Flood {
    pub(crate) fn begin(replicas: [Replica; 3], key: KeyHolder, windows: u32, excused: Excused) -> Self {
        let first = window(now()) + 1;
        let ends = WINDOW * (u32::try_from(first).expect("a number") + windows);
        let (replicas, key) = (Arc::new(replicas), Arc::new(key));
        let clients = (0..3 * CLIENTS_A_REPLICA).map(|client| {
            let (replicas, key) = (Arc::clone(&replicas), Arc::clone(&key));
            tokio::spawn(async move {
                let replica = &replicas[client % 3];
                let (mut admitted, mut asked) = (Admitted::default(), 0_u64);
                while now() < ends {
                    let sent = now();
                    let request = stranger(replica, reqwest::Method::GET, PROTECTED).header("x-api-key", &key.key);
                    let status = request.send().await.map(|answer| answer.status().as_u16());
                    asked += 1;
                    match status {
                        Ok(200) => admitted.note(sent, now()),
                        Ok(429) => {}
                        Ok(503) if excused.outage => {}
                        Ok(other) => panic!("{other}"),
                        Err(_) if excused.victim == Some(client % 3) => return (admitted, asked),
                        Err(error) => panic!("{error}"),
                    }
                }
                (admitted, asked)
            })
        });
        let clients = clients.collect();
        Self { replicas, first, windows, clients }
    }

    /// Waits until a twentieth of the window with this number, counted from the first, is over.
    pub(crate) async fn reaches(&self, number: u32) {
        let at = WINDOW * (u32::try_from(self.first).expect("a number") + number) + WINDOW / 20;
        eventually("the window", async || now() > at).await;
    }

    /// What was admitted until the end, and the last window. `times`: the requests are so many times what may be
    /// admitted.
    pub(crate) async fn ends(self, times: u64) -> (Admitted, u128) {
        let (mut all, mut asked) = (Admitted::default(), 0);
        for client in self.clients {
            let (admitted, count) = client.await.expect("no panic");
            all.join(admitted);
            asked += count;
        }
        assert!(asked > times * AMOUNT * u64::from(self.windows), "{asked} requests are no overload");
        (all, self.first + u128::from(self.windows) - 1)
    }
}

async fn three_with_a_limited_key(limits: &str) -> (test_support::TestDatabase, PgPool, [Replica; 3], KeyHolder) {
    let (database, replicas) = three_replicas(&[]).await;
    let rows = database.superuser_pool().await;
    let key = Person::named("alice").makes_a_key(&replicas[0]).await;
    limit_key(&rows, &key, limits).await;
    (database, rows, replicas, key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_a_minute_three_replicas_admit_exactly_ten() {
    let (_database, rows, replicas, key) = three_with_a_limited_key(&limit("minute", 10, "1m")).await;
    let enough = "SELECT extract(second FROM clock_timestamp()) < 50";
    eventually("enough of the minute is left", async || {
        sqlx::query_scalar::<_, bool>(enough).fetch_one(&rows).await.expect("an answer")
    })
    .await;
    let mut admitted = 0;
    for turn in 0..60 {
        admitted += u32::from(uses(&replicas[turn % 3], &key).await.status == 200);
    }
    assert_eq!(admitted, 10);
    let taken: i64 = sqlx::query_scalar("SELECT taken FROM limit_counts").fetch_one(&rows).await.expect("a counter");
    assert_eq!(taken, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_overload_no_window_has_more_than_the_limit_and_nearly_all_of_it_is_used() {
    let (_database, _, replicas, key) = three_with_a_limited_key(&limit("l", AMOUNT, "2s")).await;
    let flood = Flood::begin(replicas, key, WINDOWS, Excused::default());
    let first = flood.first;
    let (admitted, last) = flood.ends(3).await;
    admitted.never_exceeds();
    for window in first..=last {
        let possibly = admitted.possibly_in(window);
        assert!(possibly * 100 >= AMOUNT * 98, "{possibly} of {AMOUNT} in the window {window}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_killed_under_overload_makes_no_window_have_more() {
    let (_database, _, replicas, key) = three_with_a_limited_key(&limit("l", AMOUNT, "2s")).await;
    let flood = Flood::begin(replicas, key, WINDOWS, Excused { victim: Some(2), ..Excused::default() });
    flood.reaches(1).await;
    flood.replicas[2].signal("KILL");
    flood.ends(3).await.0.never_exceeds();
}
