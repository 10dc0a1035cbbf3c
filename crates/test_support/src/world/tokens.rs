//! Tokens in the world of the checks: who signs them, and a checker of its own for them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use keyward::{
    auth::{
        Undecided,
        coherence::Records,
        jwt::{RemoteKeys, RemoteKeysSettings, TokenVerifier, allowed_algorithms},
        tokens::check::{TokenChecker, TokenRoom},
    },
    config::{Issuer, IssuerKeys, Jwt},
    domain::{
        ports::{
            ended_tokens::EndedTokens,
            key_sets::{FetchError, FetchedKeySet, KeySetSource},
        },
        token::{TokenEnd, TokenRecords},
        verdict::Verdict,
    },
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::runtime::Handle;

use super::{NOW, World};
use crate::{PATIENCE, eventually};

pub const SECRET: &str = "8f14e45fceea167a5a36dedd4bea2543-c9f0f895fb98ab9159f51fd0297e236d";
/// Whose keys are fetched.
pub const REMOTE: &str = "https://remote.example";
/// More than the tests ask for, unless they say otherwise.
pub const ROOM: TokenRoom = TokenRoom { cached: 1000, max_cold: 1024 };

/// What a token says unless a test says otherwise: it was issued now, and lives for an hour.
pub fn claims(token_id: &str, subject: &str) -> Value {
    let now = NOW.unix_timestamp();
    json!({ "sub": subject, "jti": token_id, "iat": now, "exp": now + 3600 })
}

/// A token that is signed with the shared secret.
pub fn signed(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).expect("a token")
}

/// Settings with these issuers beside the shared secret.
pub fn settings(issuers: Vec<Issuer>) -> Jwt {
    let mut settings = Jwt::signed_with(SECRET.to_owned().into()).expect("a strong secret");
    settings.max_lifetime = Duration::from_secs(86_400);
    settings.disabled_claim = Some("disabled".parse().expect("a path"));
    settings.issuers = issuers;
    settings.cached_tokens = ROOM.cached;
    settings
}

/// An issuer with the usual rules.
pub fn issuer(name: &str, keys: IssuerKeys) -> Issuer {
    let mut issuer = Issuer::new(name, "nobody", keys);
    issuer.audience.clear();
    issuer
}

/// Where a test publishes keys.
#[derive(Default)]
pub struct PublishedKeys {
    keys: Mutex<Vec<Value>>,
    fetches: AtomicUsize,
}

impl PublishedKeys {
    pub fn publish(&self, keys: Vec<Value>) {
        *self.keys.lock().expect("no test panics with it") = keys;
    }

    /// How often they were fetched.
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

struct Fetch(Arc<PublishedKeys>);

#[async_trait]
impl KeySetSource for Fetch {
    async fn fetch(&self) -> Result<FetchedKeySet, FetchError> {
        let keys = self.0.keys.lock().expect("no test panics with it").clone();
        self.0.fetches.fetch_add(1, Ordering::SeqCst);
        let body = json!({ "keys": keys }).to_string().into_bytes();
        Ok(FetchedKeySet { address: REMOTE.to_owned(), body, max_age: None })
    }
}

impl World {
    /// A checker of tokens that are signed with the shared secret.
    pub fn tokens(&self) -> Arc<TokenChecker> {
        self.tokens_with(TokenVerifier::new(&settings(Vec::new()), &HashMap::new()).expect("usable keys"), ROOM)
    }

    /// One with a verifier and with room of the test's choice.
    pub fn tokens_with(&self, verifier: TokenVerifier, room: TokenRoom) -> Arc<TokenChecker> {
        let ends = Arc::clone(&self.store) as Arc<dyn EndedTokens>;
        Arc::new(TokenChecker::new(verifier, ends, self.freshness(), room, &Handle::current()))
    }

    /// One that takes tokens of [`REMOTE`], whose keys are fetched again every `refresh`.
    pub async fn tokens_of_remote(&self, published: &Arc<PublishedKeys>, refresh: Duration) -> Arc<TokenChecker> {
        let fetching = RemoteKeysSettings { refresh, cool_down: PATIENCE, keep: PATIENCE };
        let source = Box::new(Fetch(Arc::clone(published)));
        let settings = settings(vec![issuer(REMOTE, IssuerKeys::Discovery)]);
        let allowed = allowed_algorithms(&settings.issuers[0]);
        let keys = Arc::new(RemoteKeys::new(REMOTE.to_owned(), source, allowed, fetching));
        tokio::spawn(Arc::clone(&keys).run());
        let remote = HashMap::from([(REMOTE.to_owned(), Arc::clone(&keys))]);
        eventually("the keys come", async || keys.have_come()).await;
        self.tokens_with(TokenVerifier::new(&settings, &remote).expect("usable keys"), ROOM)
    }

    /// Ends tokens, and waits until the replica has applied that.
    pub async fn end(&self, records: TokenRecords, end: TokenEnd) {
        let changed = Records::These(vec![self.store.end(records, end)]);
        self.channel.applied(self.channel.announce(changed)).await;
    }
}

pub async fn check(tokens: &TokenChecker, token: &str) -> Result<Verdict, Undecided> {
    check_at(tokens, token, NOW).await
}

pub async fn check_at(tokens: &TokenChecker, token: &str, now: OffsetDateTime) -> Result<Verdict, Undecided> {
    tokens.check(token.as_bytes(), now).await
}
