//! The same of tokens: no check that starts after the revoke of a token has returned accepts it, on any replica.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use test_support::{
    actors::{Person, claims},
    client::client,
    database, eventually,
};

use crate::fleet::{self, Deadlines, Member};

const REVOKE: &str = "/v1/admin/tokens/revoke";
/// Asked about what is no key, it needs no database but for the token.
const ASK: &str = "/v1/keys/verify";
const VICTIM: usize = 1;
const ENOUGH: usize = 20;

/// When checks began, and whether they were accepted, by replica.
struct Log {
    checks: Vec<Mutex<Vec<(Instant, bool)>>>,
    over: AtomicBool,
}

impl Log {
    fn count(&self, wanted: impl Fn(&(Instant, bool)) -> bool) -> Vec<usize> {
        let count = |checks: &Mutex<Vec<_>>| checks.lock().expect("no panic").iter().filter(|it| wanted(it)).count();
        self.checks.iter().map(count).collect()
    }

    async fn has_enough(&self, what: &str, wanted: impl Fn(&(Instant, bool)) -> bool) {
        eventually(what, async || self.count(&wanted).into_iter().all(|count| count >= ENOUGH)).await;
    }
}

fn bearer(token_id: &str, scope: &str) -> Person {
    let mut claims = claims("service");
    claims["jti"] = json!(token_id);
    claims["scope"] = json!(scope);
    Person::with_claims(&claims)
}

fn url(member: &Member, path: &str) -> String {
    format!("http://{}{path}", member.address().borrow().expect("it runs"))
}

async fn status(url: &str, token: &str) -> Option<u16> {
    let request = client().post(url).bearer_auth(token).json(&json!({ "key": "x" }));
    request.timeout(Duration::from_secs(10)).send().await.ok().map(|answer| answer.status().as_u16())
}

async fn present(url: String, token: String, log: Arc<Log>, place: usize) {
    while !log.over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let status = status(&url, &token).await;
        log.checks[place].lock().expect("no panic").push((began, status == Some(200)));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

type Fault = (&'static str, fn(&Member), fn(&Member));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_cut_off_deaf_or_stopped_accepts_no_token_after_its_revoke_elsewhere() {
    let database = database().await;
    let members = fleet::start(3, database.url(), Deadlines::AsShipped).await;
    let root = bearer("root", "keyward:admin");
    let faults: [Fault; 4] = [
        ("none", |_| (), |_| ()),
        ("cut off", Member::partition, Member::mend),
        ("deaf", |member| member.listening.hold(), Member::mend),
        ("stopped", Member::pause, Member::resume),
    ];
    for (name, begin, end) in faults {
        let service = bearer(name, "keyward:verify");
        let log = Arc::new(Log { checks: members.iter().map(|_| Mutex::default()).collect(), over: false.into() });
        let mut clients = tokio::task::JoinSet::new();
        for (place, member) in members.iter().enumerate() {
            clients.spawn(present(url(member, ASK), service.token.clone(), Arc::clone(&log), place));
        }
        log.has_enough("all accept the token", |(_, accepted)| *accepted).await;
        begin(&members[VICTIM]);
        let request = client().post(url(&members[0], REVOKE)).bearer_auth(&root.token);
        let answer = request.json(&json!({ "issuer": "", "tokenId": name })).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{name}");
        let returned = Instant::now();
        // What is asked of it now, it sees when it goes on.
        tokio::time::sleep(Duration::from_millis(20)).await;
        end(&members[VICTIM]);
        log.has_enough("all are asked again", |(began, _)| *began > returned).await;
        log.over.store(true, Ordering::Relaxed);
        clients.join_all().await;
        assert_eq!(log.count(|(began, accepted)| *accepted && *began > returned), [0, 0, 0], "{name}");
        let another = bearer("another", "keyward:verify");
        let recovers = async || status(&url(&members[VICTIM], ASK), &another.token).await == Some(200);
        eventually("it serves again", recovers).await;
    }
}
