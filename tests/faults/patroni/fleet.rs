//! Replicas on the machines of a cluster, their clients, and people who make and revoke keys all the time.

use std::{
    net::SocketAddr,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::Value;
use test_support::{
    actors::{KeyHolder, Person},
    eventually,
    replica::{Replica, command},
};
use tokio::{sync::watch, task::JoinHandle};

use super::{
    cluster::DATABASE,
    network::{MACHINES, address, inside},
};
use crate::{
    checker::{Demands, Violation, wrong_answers},
    client::{Client, as_answer, create_request, revoke_request},
    load::{Key, Load},
    log::{Answer, Log, Recorder, Revocation},
};

/// The number of the replica that knows one server alone.
const PINNED: usize = MACHINES;
const LEASE: &str = "2s";
/// Between two keys that are made, and between two that are revoked.
const CHURN_PAUSE: Duration = Duration::from_millis(300);
/// How long the replicas may take to work again before the test gives up; how long they may really take is the test's.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Fleet {
    /// One on each machine, and the pinned one.
    replicas: Vec<Replica>,
    people: Arc<People>,
    pinned_at: watch::Sender<Option<SocketAddr>>,
}

/// Whoever makes and revokes keys.
struct People {
    recorder: Arc<Recorder>,
    /// Clients that present what was made.
    load: Load,
    owner: Person,
    /// Where the replicas on the machines are.
    addresses: Vec<SocketAddr>,
    /// By number.
    made: Mutex<Vec<Made>>,
    /// The number of the first key that is still presented, unless it is revoked.
    presented_from: AtomicUsize,
}

/// A key whose making was answered with 201.
#[derive(Clone)]
struct Made {
    key: Key,
    id: String,
    is_revoked: bool,
}

pub(super) struct Churn {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<usize>>,
}

impl Fleet {
    pub(super) async fn start() -> Self {
        let replicas: Vec<Replica> = join_all((0..MACHINES).map(replica_on)).await;
        let recorder = Arc::new(Recorder::new());
        let mut load = Load::new(Arc::clone(&recorder));
        let addresses: Vec<SocketAddr> =
            replicas.iter().map(|replica| replica.address().parse().expect("an address")).collect();
        for (number, address) in addresses.iter().enumerate() {
            load.add(number, watch::Sender::new(Some(*address)).subscribe());
        }
        let pinned_at = watch::Sender::new(None);
        load.add(PINNED, pinned_at.subscribe());
        let owner = Person::named("alice");
        let people =
            People { recorder, load, owner, addresses, made: Mutex::default(), presented_from: AtomicUsize::new(0) };
        Self { replicas, people: Arc::new(people), pinned_at }
    }

    /// Starts a replica, in the place of the last one, that knows this machine's server alone.
    pub(super) async fn pin(&mut self, machine: usize) {
        self.replicas.truncate(MACHINES);
        let url = format!("postgres://postgres@{}:5432/{DATABASE}?sslmode=disable", address(machine));
        let mut pinned = command();
        configure(&mut pinned, &url, "127.0.0.1");
        let pinned = Replica::start_by(pinned, "127.0.0.1").await;
        self.pinned_at.send_replace(Some(pinned.address().parse().expect("an address")));
        self.replicas.push(pinned);
    }

    /// Makes keys, and waits until each replica has all of them in its memory.
    pub(super) async fn know_each_other(&self) {
        const KEYS: usize = 40;
        for _ in 0..KEYS {
            eventually("a key is made", async || self.people.make(0).await.is_some()).await;
        }
        let numbers: Vec<usize> = self.people.standing().iter().map(|made| made.key.number).collect();
        let known = |number: &usize| (0..=PINNED).all(|replica| self.people.recorder.has_accepted(*number, replica));
        eventually("every replica accepts the keys", async || numbers.iter().rev().take(KEYS).all(known)).await;
    }

    /// From now on keys are made and revoked, through any of the replicas on the machines.
    pub(super) fn begin_churn(&self) -> Churn {
        let stop = Arc::new(AtomicBool::new(false));
        let make = churn(&self.people, &stop, async |people, via| people.make(via).await.is_some());
        let revoke = churn(&self.people, &stop, async |people, via| people.revoke_any(via).await);
        Churn { stop, tasks: vec![make, revoke] }
    }

    /// Tries to revoke keys through all replicas for so long. How many revokes have returned.
    pub(super) async fn tries_to_revoke_for(&self, span: Duration) -> usize {
        // What was under way when the standbys were lost is none of this.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let begin = Instant::now();
        let mut returned = 0;
        while begin.elapsed() < span {
            let tries = (0..MACHINES).map(|via| self.people.revoke_any(via));
            returned += join_all(tries).await.into_iter().filter(|revoked| *revoked).count();
        }
        returned
    }

    /// Waits until each replica on the machines, but this one, accepts a new key, and revokes it.
    pub(super) async fn all_work(&self, except: Option<usize>) {
        let begin = Instant::now();
        let each = (0..MACHINES).filter(|machine| Some(*machine) != except).map(|via| async move {
            let works = async || {
                let Some(key) = self.people.make(via).await else { return false };
                let accepted = self.people.accepted(via, &key).await;
                accepted && self.people.revoke(key.number, via).await
            };
            while !works().await {
                assert!(begin.elapsed() < PATIENCE, "replica {via}:\n{}", self.replicas[via].last_output());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        join_all(each).await;
    }

    /// Every key that was made is there, and revoked or not as its owner was told.
    pub(super) async fn nothing_is_lost(&self) {
        let made = self.people.made.lock().expect("no panic").clone();
        for made in made {
            let path = self.replicas[0].url(&format!("/v1/keys/{}", made.id));
            let asked = test_support::client::client().get(path).bearer_auth(&self.people.owner.token);
            let answer = asked.send().await.expect("an answer");
            assert_eq!(answer.status(), 200, "key {} is lost", made.key.number);
            let key: Value = answer.json().await.expect("JSON");
            assert!(
                !made.is_revoked || !key["revokedAt"].is_null(),
                "the revoke of key {} is lost: {key}",
                made.key.number
            );
        }
    }

    pub(super) async fn take_log(&self) -> Log {
        const FEW: usize = 50;
        self.people.load.stop();
        eventually("every request is answered", async || self.people.load.under_way() == 0).await;
        let log = self.people.recorder.take();
        self.people.load.start_again(FEW);
        self.people.presented_from.store(self.people.made.lock().expect("no panic").len(), Ordering::SeqCst);
        log
    }

    /// Any replica may be unable to decide, or silent, for a while.
    pub(super) fn wrong_answers(&self, log: &Log) -> Vec<Violation> {
        let all: Vec<usize> = (0..=PINNED).collect();
        let demands = Demands {
            replicas: all.len(),
            revoke_within: PATIENCE,
            may_be_unavailable: all.clone(),
            may_be_silent: all,
            least_revokes: 0,
        };
        wrong_answers(log, &demands)
    }
}

impl Churn {
    /// Ends it. How many keys were made and revoked.
    pub(super) async fn end(self) -> (usize, usize) {
        self.stop.store(true, Ordering::SeqCst);
        let counts = join_all(self.tasks).await;
        let count = |index: usize| *counts[index].as_ref().expect("no panic");
        (count(0), count(1))
    }
}

fn churn<F>(
    people: &Arc<People>,
    stop: &Arc<AtomicBool>,
    step: impl Fn(Arc<People>, usize) -> F + Send + 'static,
) -> JoinHandle<usize>
where
    F: Future<Output = bool> + Send,
{
    let (people, stop) = (Arc::clone(people), Arc::clone(stop));
    tokio::spawn(async move {
        let mut done = 0;
        for turn in 0.. {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            done += usize::from(step(Arc::clone(&people), turn % MACHINES).await);
            tokio::time::sleep(CHURN_PAUSE).await;
        }
        done
    })
}

impl People {
    /// Has a key made by this replica.
    async fn make(&self, via: usize) -> Option<Key> {
        let answer = Client::default().ask(self.addresses[via], &create_request(&self.owner.token)).await.ok()?;
        let body: Value = serde_json::from_str(&answer.body).ok()?;
        let text = body["apiKey"].as_str().filter(|_| answer.status == 201)?;
        let holder = KeyHolder::of(text);
        let mut made = self.made.lock().expect("no panic");
        let key = Key { number: made.len(), text: text.into() };
        made.push(Made { key: key.clone(), id: holder.id().to_owned(), is_revoked: false });
        self.load.present(key.clone());
        Some(key)
    }

    /// Keys that are presented and not revoked.
    fn standing(&self) -> Vec<Made> {
        let from = self.presented_from.load(Ordering::SeqCst);
        self.made.lock().expect("no panic")[from..].iter().filter(|made| !made.is_revoked).cloned().collect()
    }

    /// Whether a replica accepts a key.
    async fn accepted(&self, via: usize, key: &Key) -> bool {
        let request = crate::client::check_request(&key.text);
        as_answer(&Client::default().ask(self.addresses[via], &request).await) == Answer::Status(200)
    }

    /// Tries to revoke one of the keys.
    async fn revoke_any(&self, via: usize) -> bool {
        let standing = self.standing();
        if standing.is_empty() {
            return false;
        }
        self.revoke(standing[rand::random_range(0..standing.len())].key.number, via).await
    }

    async fn revoke(&self, number: usize, via: usize) -> bool {
        let id = self.made.lock().expect("no panic")[number].id.clone();
        let start = self.recorder.now();
        let answer = Client::default().ask(self.addresses[via], &revoke_request(&id, &self.owner.token)).await;
        let revocation = Revocation { key: number, via, start, end: self.recorder.now(), answer: as_answer(&answer) };
        self.recorder.revocation(revocation);
        if revocation.succeeded() {
            self.made.lock().expect("no panic")[number].is_revoked = true;
        }
        revocation.succeeded()
    }
}

async fn replica_on(machine: usize) -> Replica {
    let hosts: Vec<_> = (0..MACHINES).map(|server| format!("{}:5432", address(server))).collect();
    let url = format!("postgres://postgres@{}/{DATABASE}?sslmode=disable", hosts.join(","));
    let mut plain = command();
    configure(&mut plain, &url, &address(machine));
    let mut inside = inside(machine, &plain.get_program().to_string_lossy());
    inside.env_clear().args(plain.get_args());
    inside.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Replica::start_by(inside, &address(machine)).await
}

fn configure(command: &mut Command, url: &str, host: &str) {
    command.arg("serve").env("DATABASE_URL", url).env("KEYWARD__SERVER__HOST", host);
    command.env("KEYWARD__COHERENCE__LEASE", LEASE).env("KEYWARD__KEYS__MAX_PER_OWNER", "0");
    command.env("KEYWARD__DATABASE__CONNECT_TIMEOUT", "1m");
}
