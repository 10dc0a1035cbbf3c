//! What clients see while the database is away, and that nothing acknowledged is lost.

use std::{
    cell::Cell,
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{Method, RequestBuilder};
use test_support::{
    PrivateCluster,
    actors::{CREATE, KeyHolder, PROTECTED, Person, stranger},
    asking::changes_are_confirmed_by,
    client::client,
    database, eventually,
    replica::Replica,
    superuser_pool,
};
use tokio::task::JoinSet;

/// The promise is 2 s; the machine that the tests run on may be busy.
const ANSWERED_WITHIN: Duration = Duration::from_secs(4);

/// A replica on a server of its own, with somebody who holds two keys.
struct Scene {
    cluster: PrivateCluster,
    replica: Replica,
    alice: Person,
    /// Whose key the replica has not been asked about yet.
    holder: KeyHolder,
    /// Whose key it remembers.
    remembered: KeyHolder,
}

impl Scene {
    async fn set() -> Self {
        Self::with_lease("1s").await
    }

    async fn with_lease(lease: &str) -> Self {
        let cluster = PrivateCluster::start().await;
        // There is one owner, who may use all connections.
        let env = [("KEYWARD__COHERENCE__LEASE", lease), ("KEYWARD__DATABASE__OWNER_CONNECTIONS", "1000")];
        let replica = Replica::start_on(&cluster.url("postgres"), &env).await;
        let alice = Person::named("alice");
        let (holder, remembered) = (alice.makes_a_key(&replica).await, alice.makes_a_key(&replica).await);
        assert_eq!(remembered.asks_for_the_resource(&replica).await.status(), 200);
        Self { cluster, replica, alice, holder, remembered }
    }

    fn check(&self) -> RequestBuilder {
        stranger(&self.replica, Method::GET, PROTECTED).header("x-api-key", &self.holder.key)
    }

    fn creation(&self) -> RequestBuilder {
        stranger(&self.replica, Method::POST, CREATE).bearer_auth(&self.alice.token)
    }

    fn list(&self) -> RequestBuilder {
        stranger(&self.replica, Method::GET, "/v1/keys").bearer_auth(&self.alice.token)
    }

    async fn status(&self, path: &str) -> u16 {
        stranger(&self.replica, Method::GET, path).send().await.expect("an answer").status().as_u16()
    }

    /// Live but unready; checks and creations are 503 with Retry-After, in time, and so again. What is
    /// remembered is believed until the lease has run out, and no longer.
    async fn is_out(&self) {
        for _ in 0..2 {
            tokio::join!(unavailable(self.check()), unavailable(self.creation()));
        }
        eventually("what is remembered is not believed any more", async || {
            let request = stranger(&self.replica, Method::GET, PROTECTED).header("x-api-key", &self.remembered.key);
            let answer = request.timeout(ANSWERED_WITHIN).send().await.expect("an answer in time");
            assert!(answer.status() == 200 || answer.status() == 503, "{}", answer.status());
            answer.status() == 503
        })
        .await;
        assert_eq!(self.status("/healthz").await, 200);
        eventually("unready", async || self.status("/readyz").await == 503).await;
    }

    /// Everything works again, without a restart of ours.
    async fn comes_back(&self) {
        let status = async |request: RequestBuilder| request.send().await.expect("an answer").status();
        eventually("a check succeeds", async || status(self.check()).await == 200).await;
        assert_eq!(self.remembered.asks_for_the_resource(&self.replica).await.status(), 200);
        eventually("a creation succeeds", async || status(self.creation()).await == 201).await;
        eventually("ready", async || self.status("/readyz").await == 200).await;
    }
}

async fn unavailable(request: RequestBuilder) {
    let answer = request.timeout(ANSWERED_WITHIN).send().await.expect("an answer in time");
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(answer.text().await.expect("a body"), r#"{"message":"Temporarily unavailable"}"#);
}

#[tokio::test]
async fn while_the_database_is_killed_the_answer_is_503_and_after_its_restart_all_is_well() {
    let mut scene = Scene::set().await;
    scene.cluster.kill9();
    scene.is_out().await;
    scene.cluster.restart().await;
    scene.comes_back().await;
}

#[tokio::test]
async fn while_the_database_is_stopped_the_answer_is_503_and_after_its_start_all_is_well() {
    let mut scene = Scene::set().await;
    scene.cluster.stop().await;
    scene.is_out().await;
    scene.cluster.restart().await;
    scene.comes_back().await;
}

#[tokio::test]
async fn while_the_database_is_paused_the_answer_is_503_and_then_all_is_well() {
    let scene = Scene::set().await;
    scene.cluster.pause();
    scene.is_out().await;
    scene.cluster.resume();
    scene.comes_back().await;
}

#[tokio::test]
async fn more_requests_than_connections_to_a_paused_database_are_503_in_time_too() {
    let scene = Scene::set().await;
    scene.cluster.pause();
    let mut requests = JoinSet::new();
    for _ in 0..30 {
        requests.spawn(unavailable(scene.check()));
    }
    requests.join_all().await;
    scene.cluster.resume();
    scene.comes_back().await;
}

/// A server that was superseded doesn't find a key that was made since.
#[tokio::test]
async fn a_read_that_finds_no_key_is_believed_only_of_a_server_that_can_still_commit() {
    let scene = Scene::set().await;
    let rows = superuser_pool(&scene.cluster.url("postgres")).await;
    let run = async |statement: &'static str| {
        sqlx::query(statement).execute(&rows).await.expect("a statement");
    };
    run("DELETE FROM api_keys").await;
    run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await;
    run("SELECT pg_reload_conf()").await;
    eventually("unready", async || scene.status("/readyz").await == 503).await;
    unavailable(scene.check()).await;

    run("ALTER SYSTEM RESET synchronous_standby_names").await;
    run("SELECT pg_reload_conf()").await;
    eventually("an answer", async || scene.check().send().await.expect("an answer").status() == 401).await;
}

/// The server can't cut it short: only a deadline of our own can.
#[tokio::test]
async fn a_statement_that_is_under_way_when_the_database_freezes_is_503_in_time_too() {
    let scene = Scene::set().await;
    let rows = superuser_pool(&scene.cluster.url("postgres")).await;
    let mut transaction = rows.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE api_keys").execute(&mut *transaction).await.expect("a lock");
    let freeze = async {
        let waiting = "SELECT count(*) > 0 FROM pg_stat_activity
                       WHERE application_name LIKE 'keyward%' AND wait_event_type = 'Lock'";
        let waits = async || sqlx::query_scalar(waiting).fetch_one(&rows).await.expect("a row");
        eventually("it waits for the lock", waits).await;
        scene.cluster.pause();
    };
    tokio::join!(unavailable(scene.check()), freeze);
    scene.cluster.resume();
    transaction.rollback().await.expect("out of the way");
    scene.comes_back().await;
}

#[tokio::test]
async fn a_restart_of_the_database_is_seen_as_503_at_most_and_never_as_a_refusal() {
    let mut scene = Scene::set().await;
    let (check, stop) = (scene.check(), Arc::new(AtomicBool::new(false)));
    let stopped = Arc::clone(&stop);
    let load = tokio::spawn(async move {
        let mut statuses = BTreeSet::new();
        while !stopped.load(Ordering::Relaxed) {
            let request = check.try_clone().expect("no body");
            statuses.insert(request.send().await.expect("an answer").status().as_u16());
        }
        statuses
    });
    scene.cluster.restart().await;
    scene.comes_back().await;
    stop.store(true, Ordering::Relaxed);
    let statuses = load.await.expect("the load ended");
    assert!(statuses.contains(&200) && statuses.is_subset(&BTreeSet::from([200, 503])), "{statuses:?}");
}

/// Makes keys until it fails, and gives those that were acknowledged. `after` is told how many are.
async fn make_keys_until_it_fails(replica_url: String, token: String, after: impl Fn(usize)) -> Vec<String> {
    let client = client();
    let mut keys = Vec::new();
    loop {
        let answer = client.post(&replica_url).bearer_auth(&token).send().await;
        let Ok(answer) = answer else { return keys };
        if answer.status() != 201 {
            return keys;
        }
        let Ok(body) = answer.json::<serde_json::Value>().await else { return keys };
        keys.push(body["apiKey"].as_str().expect("a key").to_owned());
        after(keys.len());
    }
}

#[tokio::test]
async fn no_acknowledged_key_is_lost_when_the_database_is_killed() {
    let mut scene = Scene::set().await;
    let (enough, made_enough) = tokio::sync::oneshot::channel();
    let enough = Cell::new(Some(enough));
    let making = make_keys_until_it_fails(scene.replica.url(CREATE), scene.alice.token.clone(), |count| {
        if count == 10 {
            let _ = enough.take().expect("once").send(());
        }
    });
    let kill = async {
        made_enough.await.expect("ten keys are made");
        scene.cluster.kill9();
    };
    let (keys, ()) = tokio::join!(making, kill);
    scene.cluster.restart().await;
    scene.comes_back().await;
    for key in &keys {
        assert_eq!(KeyHolder::of(key).asks_for_the_resource(&scene.replica).await.status(), 200);
    }
}

#[tokio::test]
async fn no_acknowledged_key_is_lost_when_keyward_is_killed() {
    let database = database().await;
    let replica = Replica::start_on(database.url(), &[]).await;
    let kill = |count| {
        if count == 10 {
            replica.signal("KILL");
        }
    };
    let keys = make_keys_until_it_fails(replica.url(CREATE), Person::named("alice").token, kill).await;
    assert!(keys.len() >= 10);
    let successor = Replica::start_on(database.url(), &[]).await;
    for key in &keys {
        assert_eq!(KeyHolder::of(key).asks_for_the_resource(&successor).await.status(), 200);
    }
}

#[tokio::test]
async fn it_ends_when_told_to_even_while_the_database_is_paused() {
    let mut scene = Scene::set().await;
    scene.cluster.pause();
    let (check, creation) = (scene.check(), scene.creation());
    let under_way = tokio::spawn(async { tokio::join!(check.send(), creation.send()) });
    eventually("unready", async || scene.status("/readyz").await == 503).await;
    scene.replica.signal("TERM");
    assert_eq!(scene.replica.exit_code().await, Some(0), "{}", scene.replica.last_output());
    scene.cluster.resume();
    let (check, creation) = under_way.await.expect("they were answered");
    assert_eq!(check.expect("an answer").status(), 503);
    assert_eq!(creation.expect("an answer").status(), 503);
}

/// How many lines have a message that ends so, and how many more the `suppressed` of these tell of.
fn told(output: &str, message: &str) -> (usize, usize) {
    let lines = output.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let suppressed: Vec<_> = lines
        .filter(|line| line["message"].as_str().is_some_and(|text| text.ends_with(message)))
        .map(|line| usize::try_from(line["suppressed"].as_u64().unwrap_or(0)).expect("a number of requests"))
        .collect();
    (suppressed.len(), suppressed.iter().sum())
}

#[tokio::test]
async fn a_flood_in_an_outage_gets_a_hundred_lines_a_second_and_a_number_and_leaves_refusals_theirs() {
    // A lease that outlasts the flood: the token is believed, so that it is the list that can't be read.
    let mut scene = Scene::with_lease("60s").await;
    // The pauses below would leave no heartbeat the time to arrive.
    changes_are_confirmed_by(1, &scene.replica).await;
    eventually("the token is believed without the database", async || {
        scene.cluster.pause();
        let wrong = stranger(&scene.replica, Method::GET, "/v1/keys?limit=x").bearer_auth(&scene.alice.token);
        let status = wrong.send().await.expect("an answer").status();
        scene.cluster.resume();
        status == 400
    })
    .await;
    let message = "; answering 503";
    let (lines, suppressed) = told(&scene.replica.output(), message);
    scene.cluster.kill9();
    let (begin, mut flood) = (Instant::now(), JoinSet::new());
    for _ in 0..300 {
        flood.spawn(scene.list().send());
        flood.spawn(scene.check().send());
    }
    let flood = flood.join_all().await;
    assert!(flood.iter().flatten().all(|answer| answer.status() == 503));
    let forged = KeyHolder::of("forged");
    for _ in 0..20 {
        assert_eq!(forged.asks_for_the_resource(&scene.replica).await.status(), 401);
    }

    let sent = Cell::new(lines + suppressed + flood.len());
    eventually("each request has a line or is in a number", async || {
        assert_eq!(scene.list().send().await.expect("an answer").status(), 503);
        sent.update(|sent| sent + 1);
        let (lines, suppressed) = told(&scene.replica.output(), message);
        lines + suppressed == sent.get()
    })
    .await;
    let seconds = usize::try_from(begin.elapsed().as_secs()).expect("a few") + 2;
    let (lines, _) = told(&scene.replica.output(), message);
    assert!(lines <= 100 * seconds, "{lines} lines with {message:?} in {seconds} s");
    // The line with the cause is the only one.
    assert_eq!(told(&scene.replica.output(), "answered"), (0, 0));
    assert_eq!(told(&scene.replica.output(), "refused a request"), (20, 0));
    // In the flood, the checks may have had all lines of the second.
    eventually("a line about a list", async || {
        assert_eq!(scene.list().send().await.expect("an answer").status(), 503);
        scene.replica.output().contains("could not read what was asked for")
    })
    .await;
    let cause = scene.replica.prints("could not read what was asked for").await;
    assert!(cause.contains("the database"), "{cause}");
}
