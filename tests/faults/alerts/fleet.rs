//! Three replicas that are used: their database, their issuer, and people who ask.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    PrivateCluster,
    actors::{KeyHolder, Person},
    asking::{KEYS, changes_are_confirmed_by},
    client,
    program::Folder,
    replica::Replica,
    stub_server::{Answer, StubServer},
};
use tokio::task::JoinSet;

/// The key of RFC 7517, appendix A.1.
const KEY_SET: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1","use":"sig",
    "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

/// A pool that a few requests fill, and everything else as often as may be. A change that waits for a silent replica
/// takes as long as the lease, which is more than the second that the alert allows.
const SETTINGS: [(&str, &str); 8] = [
    // Without one, no policy may look at paths.
    ("KEYWARD__SERVER__TRUSTED_PROXIES", "127.0.0.1/32"),
    ("KEYWARD__COHERENCE__LEASE", "2s"),
    ("KEYWARD__DATABASE__POOL_SIZE", "2"),
    ("KEYWARD__DATABASE__OWNER_CONNECTIONS", "2"),
    ("KEYWARD__JWT__KEY_SET_REFRESH", "10s"),
    ("KEYWARD__JWT__KEY_SET_COOL_DOWN", "1s"),
    ("KEYWARD__LAST_USED__WRITE_EVERY", "1s"),
    ("KEYWARD__METRICS__SAMPLE_EVERY", "10s"),
];

/// Who asks each replica at once: more than it has connections.
const ASKING: usize = 4;
/// Between what one of them does and the next.
const PAUSE: Duration = Duration::from_millis(100);
/// They don't wait for a replica that hangs.
const GIVES_UP: Duration = Duration::from_secs(4);

pub(crate) struct Fleet {
    pub(crate) database: PrivateCluster,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) issuer: Issuer,
    folder: Folder,
    people: JoinSet<()>,
}

impl Fleet {
    pub(crate) async fn start() -> Self {
        let (database, issuer, folder) = (PrivateCluster::start().await, Issuer::start().await, Folder::new());
        database.create_migrated_database("keyward").await;
        let mut fleet = Self { database, replicas: Vec::new(), issuer, folder, people: JoinSet::new() };
        for _ in 0..3 {
            fleet.starts_another().await;
        }
        changes_are_confirmed_by(3, &fleet.replicas[0]).await;
        fleet
    }

    /// Another replica, and people who ask it.
    pub(crate) async fn starts_another(&mut self) {
        let (issuer, address) = (&self.issuer.url, self.issuer.url.clone() + "/keys");
        let policy = self.folder.file("policy.toml", "[[rules]]\npaths = [\"/\"]\n");
        let table = format!(
            "[authorize]\npolicy_file = {policy:?}\n[[jwt.issuers]]\nissuer = {issuer:?}\nkey_set = {address:?}\n"
        );
        let file = self.folder.file("keyward.toml", &table);
        let env = [&SETTINGS[..], &[("KEYWARD_CONFIG", file.as_str())]].concat();
        let replica = Replica::start_on(&self.database.url("keyward"), &env).await;
        for number in 0..ASKING {
            self.people.spawn(use_for_ever(replica.url(""), format!("person-{number}"), self.issuer.url.clone()));
        }
        self.replicas.push(replica);
    }

    /// `host:port` of each.
    pub(crate) fn addresses(&self) -> Vec<&str> {
        self.replicas.iter().map(Replica::address).collect()
    }

    /// A key that expires in three days, and has been used.
    pub(crate) async fn a_key_that_expires_soon_is_used(&self) -> (Person, String) {
        let (alice, replica) = (Person::named("alice"), &self.replicas[0]);
        let key = alice.creates(replica, json!({ "expiresIn": 3 * 24 * 3600 })).await;
        assert_eq!(key.status(replica).await, 200);
        (alice, key.path())
    }
}

/// Presents a key, a new key, a wrong key and tokens, and creates and revokes keys. What fails, fails: others watch
/// that.
async fn use_for_ever(url: String, name: String, issuer: String) {
    let person = Person::named(&name);
    let stranger = Person::with_claims(&json!({ "sub": name, "iss": issuer, "exp": 4_000_000_000_u64 }));
    let (mut known, mut number) = (None::<String>, 0_u64);
    loop {
        number += 1;
        let wrong = format!("keyward_live_{number:022}");
        asks(&url, Method::GET, "/api/protected-resource", Some(&wrong), None).await;
        asks(&url, Method::GET, KEYS, None, Some(&stranger.token)).await;
        asks(&url, Method::GET, KEYS, None, Some(&person.token)).await;
        if let Some(made) = asks(&url, Method::POST, KEYS, None, Some(&person.token)).await {
            let key = made["apiKey"].as_str().map(str::to_owned);
            for _ in 0..2 {
                asks(&url, Method::GET, "/api/protected-resource", key.as_deref(), None).await;
            }
            if known.is_none() {
                known = key;
            } else if let Some(id) = made["id"].as_str() {
                asks(&url, Method::DELETE, &format!("{KEYS}/{id}"), None, Some(&person.token)).await;
            }
        }
        if let Some(key) = &known {
            let holder = KeyHolder::of(key.as_str());
            asks(&url, Method::GET, "/api/protected-resource", Some(&holder.key), None).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The answer, if there is one and it is JSON.
async fn asks(url: &str, method: Method, path: &str, key: Option<&str>, token: Option<&str>) -> Option<Value> {
    let mut request = client::request(method.clone(), format!("{url}{path}")).timeout(GIVES_UP);
    if method == Method::POST {
        request = request.json(&json!({}));
    }
    request = key.into_iter().fold(request, |request, key| request.header("x-api-key", key));
    request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
    request.send().await.ok()?.json().await.ok()
}

/// An issuer that answers, or does not.
pub(crate) struct Issuer {
    url: String,
    is_down: Arc<AtomicBool>,
    _server: StubServer,
}

impl Issuer {
    async fn start() -> Self {
        let is_down = Arc::<AtomicBool>::default();
        let asked = Arc::clone(&is_down);
        let server = StubServer::start(move |_| {
            let is_down = asked.load(Ordering::Relaxed);
            async move { if is_down { Answer::nothing() } else { Answer::with_body(200, KEY_SET) } }
        });
        let server = server.await;
        Self { url: format!("http://{}", server.address()), is_down, _server: server }
    }

    pub(crate) fn is_down(&self, down: bool) {
        self.is_down.store(down, Ordering::Relaxed);
    }
}
