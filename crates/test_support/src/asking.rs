//! How people ask Keyward's own API, and what they are answered.

use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};

use crate::{
    TestDatabase,
    actors::{KeyHolder, Person, claims, stranger},
    database, eventually,
    replica::Replica,
    shared_replica::SharedReplica,
    shown,
};

pub const KEYS: &str = "/v1/keys";
pub const ALL_KEYS: &str = "/v1/admin/keys";
pub const VERIFY: &str = "/v1/keys/verify";

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    /// The answer to `request`.
    pub async fn to(request: RequestBuilder) -> Self {
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Self { status, headers, text: answer.text().await.expect("a whole body") }
    }

    /// The header's value, which must be text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// The body, if the status is this one.
    #[track_caller]
    pub fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", shown::body(&self.text));
        serde_json::from_str(&self.text).expect("JSON")
    }

    /// That this is the body, too.
    #[track_caller]
    pub fn is_json(&self, status: u16, expected: &Value) {
        shown::same_json(&self.is(status), expected, "");
    }

    /// That it is the problem with this code.
    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str) {
        let problem = self.is(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["type"], format!("/problems/{code}"));
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
    }

    /// Where in the body something is wrong, and what, in the order of the pointers.
    #[track_caller]
    pub fn wrong_fields(&self) -> Vec<(String, String)> {
        self.is_problem(422, "invalid_fields");
        self.errors("pointer")
    }

    /// Which parameters or headers are wrong, and how.
    #[track_caller]
    pub fn wrong_parameters(&self) -> Vec<(String, String)> {
        self.is_problem(400, "invalid_parameters");
        self.errors("parameter")
    }

    fn errors(&self, place: &str) -> Vec<(String, String)> {
        let problem: Value = serde_json::from_str(&self.text).expect("JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let errors = problem["errors"].as_array().expect("a list").iter();
        let mut errors: Vec<_> = errors.map(|error| (text(&error[place]), text(&error["code"]))).collect();
        errors.sort();
        errors
    }
}

/// Pairs of texts, to be compared with what is wrong.
pub fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(place, code)| ((*place).to_owned(), (*code).to_owned())).collect()
}

/// A key that somebody has made, and the answer to that.
pub struct MadeKey {
    pub id: String,
    pub holder: KeyHolder,
    pub body: Value,
}

impl MadeKey {
    /// The key in an answer that shows its secret.
    #[track_caller]
    pub fn of(body: Value) -> Self {
        let text = |name: &str| {
            body[name].as_str().unwrap_or_else(|| panic!("{name} in {}", shown::body(&body.to_string()))).to_owned()
        };
        Self { id: text("id"), holder: KeyHolder::of(text("apiKey")), body }
    }

    /// The key's address, for its owner.
    pub fn path(&self) -> String {
        format!("{KEYS}/{}", self.id)
    }

    /// The path of the key for administrators.
    pub fn admin_path(&self) -> String {
        format!("{ALL_KEYS}/{}", self.id)
    }

    /// The status of the protected resource for this key.
    pub async fn status(&self, replica: &Replica) -> u16 {
        self.holder.asks_for_the_resource(replica).await.status().as_u16()
    }

    /// What every one of `replicas` answers for this key, all asked at once: none gets time to learn of a change.
    pub async fn is_everywhere(&self, replicas: &[Replica], status: u16) {
        let statuses = join_all(replicas.iter().map(|replica| self.status(replica))).await;
        assert!(statuses.iter().all(|found| *found == status), "{statuses:?} and not {status}");
    }
}

impl Person {
    /// Somebody whose token carries these scopes.
    pub fn with_scopes(subject: &str, scopes: &str) -> Self {
        let mut claims = claims(subject);
        claims["scope"] = json!(scopes);
        Self::with_claims(&claims)
    }

    /// Somebody who may manage everybody's keys.
    pub fn administrator() -> Self {
        Self::with_scopes("root", "keyward:admin")
    }

    /// A request with the person's token.
    pub fn request(&self, replica: &Replica, method: Method, path: &str) -> RequestBuilder {
        stranger(replica, method, path).bearer_auth(&self.token)
    }

    pub async fn gets(&self, replica: &Replica, path: &str) -> Reply {
        Reply::to(self.request(replica, Method::GET, path)).await
    }

    pub async fn posts(&self, replica: &Replica, path: &str, body: Value) -> Reply {
        Reply::to(self.request(replica, Method::POST, path).json(&body)).await
    }

    pub async fn patches(&self, replica: &Replica, path: &str, body: Value) -> Reply {
        Reply::to(self.request(replica, Method::PATCH, path).json(&body)).await
    }

    pub async fn deletes(&self, replica: &Replica, path: &str) -> Reply {
        Reply::to(self.request(replica, Method::DELETE, path)).await
    }

    /// Makes a key like this.
    pub async fn creates(&self, replica: &Replica, body: Value) -> MadeKey {
        MadeKey::of(self.posts(replica, KEYS, body).await.is(201))
    }
}

/// A replica that has just started waits for a lease before it knows who else there is: a short one.
pub const SHORT_LEASE: (&str, &str) = ("KEYWARD__COHERENCE__LEASE", "1s");

/// A replica whose first change does not take long.
pub async fn replica() -> Replica {
    replica_with(&[]).await
}

/// The same for a test that shares it with others.
pub async fn shared_replica() -> SharedReplica {
    SharedReplica::get_with(&[SHORT_LEASE]).await
}

/// A replica of one's own with further environment variables.
pub async fn replica_with(env: &[(&str, &str)]) -> Replica {
    Replica::start_with(&[&[SHORT_LEASE], env].concat()).await
}

/// Three replicas on one database, which comes with them.
pub async fn three_replicas(env: &[(&str, &str)]) -> (TestDatabase, [Replica; 3]) {
    let database = database().await;
    let env = [&[SHORT_LEASE], env].concat();
    let start = || Replica::start_on(database.url(), &env);
    let replicas = tokio::join!(start(), start(), start());
    (database, [replicas.0, replicas.1, replicas.2])
}

/// Waits until so many replicas, this one included, confirm its changes and none is waited for. Then it has a lease.
pub async fn changes_are_confirmed_by(count: u64, replica: &Replica) {
    eventually("all confirm a change", async || {
        let nobody = Person::named("nobody");
        let key = nobody.creates(replica, json!({})).await;
        let revoked = nobody.deletes(replica, &key.path()).await.is(200);
        revoked["replicasConfirmed"] == count && revoked["replicasExpired"] == 0
    })
    .await;
}
