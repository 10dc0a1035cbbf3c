//! What three replicas admit when some of them lose the database, and when another server of the database takes the
//! place of the first: a partition, a failover, a kill.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use futures_util::future::join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use sqlx::PgPool;
use test_support::{
    actors::{KeyHolder, Person, stranger},
    eventually,
    proxy::Proxy,
    replica::Replica,
    server_socket,
    standby::Servers,
    superuser_pool,
};
use tokio::task::JoinHandle;

use crate::{
    credits::{balance, gives, of_the_silent},
    limit, limit_key,
    overload::{AMOUNT, Excused, Flood},
};

const DATABASE: &str = "keyward";
const AUTHORIZE: &str = "/v1/authorize";
/// Enough for a fault, and for what comes after it.
const WINDOWS: u32 = 6;
const CREDITS: u64 = 1_000_000;
const MOST_AT_ONCE: u64 = 2_000;
const CLIENTS_A_REPLICA: usize = 4;

/// Three replicas, each on a wire of its own to the primary.
struct Scene {
    servers: Servers,
    wires: [Proxy; 3],
}

impl Scene {
    async fn set() -> (Self, [Replica; 3], PgPool, KeyHolder) {
        let servers = Servers::start(DATABASE).await;
        let (socket, _) = server_socket(&servers.primary.url(DATABASE));
        let wire = || Proxy::to(socket.clone());
        let wires: [Proxy; 3] = tokio::join!(wire(), wire(), wire()).into();
        let replica = async |wire: &Proxy| {
            let url = format!("postgres://postgres@127.0.0.1:{}/{DATABASE}?sslmode=disable", wire.port());
            Replica::start_on(&url, &[("KEYWARD__COHERENCE__LEASE", "1s")]).await
        };
        let [one, two, three] = &wires;
        let replicas: [Replica; 3] = tokio::join!(replica(one), replica(two), replica(three)).into();
        let rows = superuser_pool(&servers.primary.url(DATABASE)).await;
        let key = Person::named("alice").makes_a_key(&replicas[0]).await;
        (Self { servers, wires }, replicas, rows, key)
    }

    /// The primary is killed, and the standby takes its place.
    async fn fails_over(&mut self) -> PgPool {
        self.servers.primary.kill9();
        self.servers.standby.promote().await;
        self.lead_to_the_standby(&[0, 1, 2]);
        superuser_pool(&self.servers.standby.url(DATABASE)).await
    }

    fn lead_to_the_standby(&self, replicas: &[usize]) {
        let (socket, _) = server_socket(&self.servers.standby.url(DATABASE));
        replicas.iter().for_each(|replica| self.wires[*replica].lead_to(vec![socket.clone()]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_cut_off_under_overload_makes_no_window_have_more() {
    let (scene, replicas, rows, key) = Scene::set().await;
    limit_key(&rows, &key, &limit("l", AMOUNT, "2s")).await;
    let flood = Flood::begin(replicas, key, WINDOWS, Excused { outage: true, ..Excused::default() });
    flood.reaches(1).await;
    scene.wires[0].hold();
    flood.reaches(3).await;
    scene.wires[0].mend();
    let (admitted, last) = flood.ends(1).await;
    admitted.never_exceeds();
    assert!(admitted.possibly_in(last) * 100 >= AMOUNT * 98, "it did not recover");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_under_overload_makes_no_window_have_more() {
    let (mut scene, replicas, rows, key) = Scene::set().await;
    limit_key(&rows, &key, &limit("l", AMOUNT, "2s")).await;
    let flood = Flood::begin(replicas, key, WINDOWS, Excused { outage: true, ..Excused::default() });
    flood.reaches(1).await;
    scene.fails_over().await;
    let (admitted, last) = flood.ends(1).await;
    admitted.never_exceeds();
    assert!(admitted.possibly_in(last) * 100 >= AMOUNT * 98, "it did not recover");
}

/// Both servers take themselves for the primary. One replica stays at the old one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_was_superseded_gives_nobody_a_part_of_a_limit() {
    let (scene, replicas, rows, key) = Scene::set().await;
    limit_key(&rows, &key, &limit("l", AMOUNT, "2s")).await;
    let flood = Flood::begin(replicas, key, WINDOWS, Excused { outage: true, ..Excused::default() });
    flood.reaches(1).await;
    scene.servers.standby.promote().await;
    scene.lead_to_the_standby(&[1, 2]);
    let (admitted, last) = flood.ends(1).await;
    admitted.never_exceeds();
    assert!(admitted.possibly_in(last) * 100 >= AMOUNT * 98, "the others did not go on");
}

/// Spends credits at a replica, in parts of any size, until the smallest part is refused. Knows what was admitted, and
/// how much may have been, because no answer came.
struct Spender {
    admitted: Arc<AtomicU64>,
    perhaps: Arc<AtomicU64>,
}

impl Spender {
    fn begin(&self, replica: &Arc<Replica>, key: &Arc<KeyHolder>, seed: u64) -> JoinHandle<()> {
        let (replica, key) = (Arc::clone(replica), Arc::clone(key));
        let (admitted, perhaps) = (Arc::clone(&self.admitted), Arc::clone(&self.perhaps));
        let mut random = StdRng::seed_from_u64(seed);
        tokio::spawn(async move {
            let mut most = MOST_AT_ONCE;
            while most > 0 {
                let cost = random.random_range(1..=most);
                let request = stranger(&replica, reqwest::Method::GET, &format!("{AUTHORIZE}?cost={cost}"));
                match request.header("x-api-key", &key.key).send().await.map(|answer| answer.status().as_u16()) {
                    Ok(200) => _ = admitted.fetch_add(cost, SeqCst),
                    Ok(429) => most = cost / 2,
                    Ok(503) => {}
                    Ok(other) => panic!("{other}"),
                    Err(_) => {
                        perhaps.fetch_add(cost, SeqCst);
                        return;
                    }
                }
            }
        })
    }

    async fn has_spent(&self, amount: u64) {
        eventually("so much is spent", async || self.admitted.load(SeqCst) > amount).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_credits_add_up_through_a_partition_a_failover_and_a_kill() {
    let (mut scene, replicas, rows, key) = Scene::set().await;
    let [one, two, three] = replicas.map(Arc::new);
    gives(&one, &key, json!({ "remaining": CREDITS })).await.is(200);
    drop(rows);
    let key = Arc::new(key);
    let spender = Spender { admitted: Arc::default(), perhaps: Arc::default() };
    let replicas = [&one, &two, &three];
    let clients = (0..3 * CLIENTS_A_REPLICA).map(|client| spender.begin(replicas[client % 3], &key, client as u64));
    let clients: Vec<_> = clients.collect();

    spender.has_spent(CREDITS / 10).await;
    scene.wires[0].hold();
    spender.has_spent(CREDITS * 3 / 10).await;
    scene.wires[0].mend();
    spender.has_spent(CREDITS * 4 / 10).await;
    let rows = scene.fails_over().await;
    spender.has_spent(CREDITS * 7 / 10).await;
    three.signal("KILL");
    join_all(clients).await.into_iter().for_each(|ended| ended.expect("no panic"));

    let (admitted, perhaps) = (spender.admitted.load(SeqCst), spender.perhaps.load(SeqCst));
    let (remaining, unsettled, spent, granted) = balance(&rows).await;
    assert_eq!((remaining + unsettled + spent, granted), (CREDITS, CREDITS));
    assert!(admitted <= spent + unsettled, "{admitted} were admitted, and {spent} + {unsettled} are accounted for");
    // The living give back theirs. What is left is what the killed one had.
    for replica in [one, two] {
        let mut replica = Arc::into_inner(replica).expect("the only one");
        replica.signal("TERM");
        assert_eq!(replica.exit_code().await, Some(0), "{}", replica.last_output());
    }
    let (remaining, unsettled, spent, granted) = balance(&rows).await;
    assert_eq!((remaining + unsettled + spent, granted), (CREDITS, CREDITS));
    assert_eq!(unsettled, of_the_silent(&rows).await);
    assert!(spent <= admitted + perhaps && admitted <= spent + unsettled, "{spent} {admitted} {perhaps} {unsettled}");
}
