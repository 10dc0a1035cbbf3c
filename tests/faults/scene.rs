//! A fleet under load, an owner who makes and revokes keys, and the log of it all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::Value;
use test_support::{
    PATIENCE, TestDatabase,
    actors::{KeyHolder, Person},
    database, eventually, wire,
};
use tokio::task::JoinHandle;

use crate::{
    checker::{Demands, ENOUGH_CHECKS, Report, Violation, judge},
    client::{Client, as_answer, create_request, revoke_request},
    fleet::{self, Deadlines, LEASE, Member},
    load::{Key, Load},
    log::{Answer, Log, Recorder, Revocation},
};

/// What the promise allows a revoke beyond the lease.
const OVER_THE_LEASE: Duration = Duration::from_secs(1);

/// The whole of it.
pub(crate) struct Scene {
    pub(crate) members: Vec<Member>,
    pub(crate) recorder: Arc<Recorder>,
    load: Load,
    owner: Person,
    next_key: AtomicUsize,
    url: String,
    /// Dropped last: the database goes with it.
    _database: Option<TestDatabase>,
}

/// A key that every replica accepts, and who may revoke it.
pub(crate) struct LiveKey {
    pub(crate) key: Key,
    id: String,
}

/// A revoke as its client saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Revoked {
    pub(crate) log: Revocation,
    /// What the answer says of the replicas.
    pub(crate) confirmed: u64,
    pub(crate) expired: u64,
}

impl Revoked {
    pub(crate) fn status(&self) -> Option<u16> {
        match self.log.answer {
            Answer::Status(status) => Some(status),
            Answer::Nothing => None,
        }
    }
}

impl Scene {
    /// `count` replicas that hear each other, on a database of their own, their clients, and keys that
    /// every replica has in memory.
    pub(crate) async fn open<const KEYS: usize>(count: usize) -> (Self, [LiveKey; KEYS]) {
        Self::open_with(count, Deadlines::AsShipped).await
    }

    /// The same for faults that must disturb nobody.
    pub(crate) async fn open_patiently<const KEYS: usize>(count: usize) -> (Self, [LiveKey; KEYS]) {
        Self::open_with(count, Deadlines::Long).await
    }

    async fn open_with<const KEYS: usize>(count: usize, deadlines: Deadlines) -> (Self, [LiveKey; KEYS]) {
        let database = database().await;
        let (mut scene, keys) = Self::of(fleet::start(count, database.url(), deadlines).await, database.url()).await;
        scene._database = Some(database);
        (scene, keys)
    }

    /// As [`open`](Self::open), on the database at `url`.
    pub(crate) async fn open_on<const KEYS: usize>(count: usize, url: &str) -> (Self, [LiveKey; KEYS]) {
        Self::of(fleet::start(count, url, Deadlines::AsShipped).await, url).await
    }

    async fn of<const KEYS: usize>(members: Vec<Member>, url: &str) -> (Self, [LiveKey; KEYS]) {
        let recorder = Arc::new(Recorder::new());
        // Ends with the test's runtime.
        tokio::spawn(Arc::clone(&recorder).watch_the_machine());
        let mut load = Load::new(Arc::clone(&recorder));
        members.iter().for_each(|member| load.add(member.number, member.address()));
        let owner = Person::named("alice");
        let next_key = AtomicUsize::new(0);
        let scene = Self { members, recorder, load, owner, next_key, url: url.to_owned(), _database: None };
        let (keys, ()) = tokio::join!(scene.live_keys(), scene.settles());
        (scene, keys)
    }

    /// The database's address, past the wires.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// One more replica.
    pub(crate) async fn join(&mut self) {
        let member = Member::start(self.members.len(), &self.url, Deadlines::AsShipped).await;
        self.load.add(member.number, member.address());
        self.members.push(member);
    }

    /// Keys that every replica has in memory.
    pub(crate) async fn live_keys<const N: usize>(&self) -> [LiveKey; N] {
        let keys = join_all((0..N).map(|_| self.live_key())).await;
        keys.try_into().unwrap_or_else(|_| panic!("as many as were asked for"))
    }

    /// One such key.
    pub(crate) async fn live_key(&self) -> LiveKey {
        let number = self.next_key.fetch_add(1, Ordering::SeqCst);
        let holder = KeyHolder::of(self.makes_a_key().await);
        let key = Key { number, text: holder.key.as_str().into() };
        self.load.present(key.clone());
        let known = || self.members.iter().all(|member| self.recorder.has_accepted(number, member.number));
        eventually("every replica accepts the new key", async || known()).await;
        LiveKey { key, id: holder.id().to_owned() }
    }

    /// Has a key made by whoever can, as soon as somebody can.
    async fn makes_a_key(&self) -> String {
        let begin = Instant::now();
        let request = create_request(&self.owner.token);
        for member in self.members.iter().cycle() {
            let Some(address) = *member.address().borrow() else { continue };
            match Client::default().ask(address, &request).await {
                Ok(response) if response.status == 201 => {
                    return json(&response)["apiKey"].as_str().unwrap().to_owned();
                }
                _ => assert!(begin.elapsed() < PATIENCE, "nobody makes a key"),
            }
        }
        unreachable!("a fleet has members")
    }

    /// Revokes a key through one replica, and asks every other about it when that is done.
    pub(crate) async fn revoke(&self, key: &LiveKey, via: usize) -> Revoked {
        let revoked = self.revoke_only(key, via).await;
        join_all(self.ask_all(key).await).await;
        revoked
    }

    /// Asks for the revoke until it succeeds, as a client does that is answered 503.
    pub(crate) async fn revoke_at_last(&self, key: &LiveKey, via: usize) {
        eventually("the revoke succeeds", async || self.revoke_only(key, via).await.log.succeeded()).await;
        join_all(self.ask_all(key).await).await;
    }

    /// Without the questions afterwards.
    pub(crate) async fn revoke_only(&self, key: &LiveKey, via: usize) -> Revoked {
        let address = self.members[via].address().borrow().expect("revokes go through live replicas");
        let request = revoke_request(&key.id, &self.owner.token);
        let start = self.recorder.now();
        let response = Client::default().ask(address, &request).await;
        let end = self.recorder.now();
        let log = Revocation { key: key.key.number, via, start, end, answer: as_answer(&response) };
        self.recorder.revocation(log);
        if log.succeeded() {
            self.load.was_revoked(&key.key);
        }
        let body = response.as_ref().map(json).unwrap_or_default();
        let number = |name: &str| body[name].as_u64().unwrap_or_default();
        Revoked { log, confirmed: number("replicasConfirmed"), expired: number("replicasExpired") }
    }

    /// Sends each replica as many questions about a key as the checker demands, on new connections.
    /// The answers may take until a fault is over.
    pub(crate) async fn ask_all(&self, key: &LiveKey) -> Vec<JoinHandle<()>> {
        let asked = self.members.iter().map(|member| self.ask(member, key));
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// The same of one replica.
    pub(crate) async fn ask(&self, member: &Member, key: &LiveKey) -> Vec<JoinHandle<()>> {
        self.load.ask_anew(member.number, member.address(), &key.key, ENOUGH_CHECKS).await
    }

    /// Waits until the fleet is as if nothing had happened: every replica accepts a new key, and confirms a revoke
    /// through each. Only whom a replica has heard of does it wait for.
    pub(crate) async fn settles(&self) {
        let count = self.members.len() as u64;
        eventually("every replica confirms a revoke through each", async || {
            for via in 0..self.members.len() {
                let key = self.live_key().await;
                let revoked = self.revoke(&key, via).await;
                if (revoked.confirmed, revoked.expired) != (count, 0) {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// Ends the load, waits for what is under way, and takes the log. Of the revoked keys, the last
    /// few are still presented afterwards.
    pub(crate) async fn take_log(&self) -> Log {
        const FEW: usize = 20;
        self.load.stop();
        eventually("every request is answered", async || self.load.under_way() == 0).await;
        let log = self.recorder.take();
        self.load.start_again(FEW);
        log
    }

    /// What a fault demands of the log.
    pub(crate) fn demands(&self, least_revokes: usize) -> Demands {
        Demands {
            replicas: self.members.len(),
            revoke_within: LEASE + OVER_THE_LEASE,
            may_be_unavailable: Vec::new(),
            may_be_silent: Vec::new(),
            least_revokes,
        }
    }

    /// Judges what has happened since the last time.
    pub(crate) async fn verdict(&self, demands: &Demands) -> Result<Report, Vec<Violation>> {
        judge(&self.take_log().await, demands)
    }

    /// The same; fails if that was not as it should be.
    pub(crate) async fn passes(&self, name: &str, demands: &Demands) -> Report {
        let violations = match self.verdict(demands).await {
            Ok(report) => {
                println!("{name}: {report}");
                return report;
            }
            Err(violations) => violations,
        };
        for member in &self.members {
            println!("replica {} has printed:\n{}", member.number, member.last_output());
        }
        let some: Vec<_> = violations.iter().take(10).map(ToString::to_string).collect();
        panic!("{name}: {} violations, the first of them:\n{}", violations.len(), some.join("\n"));
    }
}

fn json(response: &wire::Answer) -> Value {
    serde_json::from_str(&response.body).unwrap_or_default()
}

/// What whoever starts the tests by hand wants.
pub(crate) fn number_in(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}
