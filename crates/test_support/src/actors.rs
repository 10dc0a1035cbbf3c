//! The people in the tests: somebody with a token, somebody with a key, somebody with neither.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, dangerous::insecure_decode_claims};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::{
    client,
    replica::{JWT_SECRET, Replica},
    unique,
};

pub const CREATE: &str = "/api/create-api-key";
pub const PROTECTED: &str = "/api/protected-resource";

/// Somebody without a credential.
pub fn stranger(replica: &Replica, method: Method, path: &str) -> RequestBuilder {
    client::request(method, replica.url(path))
}

/// Somebody who holds a token.
pub struct Person {
    pub token: String,
}

impl Person {
    /// Somebody with a good token.
    pub fn named(subject: &str) -> Self {
        Self::with_claims(&claims(subject))
    }

    /// Somebody with a good token whom no other test knows, although they may share a replica.
    pub fn of_this_test(name: &str) -> Self {
        Self::named(&format!("{name}-{}", unique()))
    }

    /// Who the token says that is.
    pub fn subject(&self) -> String {
        let claims: Value = insecure_decode_claims(&self.token).expect("a token");
        claims["sub"].as_str().expect("a subject").to_owned()
    }

    /// The id of the owner, whose token names no issuer.
    pub fn owner(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("\0{}", self.subject()))
    }

    /// Somebody with a well-signed token that says this.
    pub fn with_claims(claims: &Value) -> Self {
        Self { token: sign(&Header::new(Algorithm::HS256), claims, JWT_SECRET) }
    }

    /// Asks for a key.
    pub async fn asks_for_a_key(&self, replica: &Replica) -> Response {
        let request = stranger(replica, Method::POST, CREATE).bearer_auth(&self.token);
        request.send().await.expect("an answer")
    }

    /// Makes a key, and is its holder.
    pub async fn makes_a_key(&self, replica: &Replica) -> KeyHolder {
        let answer = self.asks_for_a_key(replica).await;
        assert_eq!(answer.status(), 201);
        let body: Value = answer.json().await.expect("JSON");
        KeyHolder { key: body["apiKey"].as_str().expect("a key").to_owned() }
    }
}

/// Somebody who holds a key, or something like one.
pub struct KeyHolder {
    pub key: String,
}

impl KeyHolder {
    /// Somebody who holds this text.
    pub fn of(key: impl Into<String>) -> Self {
        Self { key: key.into() }
    }

    /// The key's public name.
    pub fn id(&self) -> &str {
        &self.key["keyward_live_".len()..][..22]
    }

    /// Asks until the answer is not 200 any more: a change behind Keyward's back takes a moment to
    /// arrive. (One that Keyward makes does not: see `revocation.rs`.)
    pub async fn is_refused(&self, replica: &Replica) -> Response {
        for _ in 0..10_000 {
            let answer = self.asks_for_the_resource(replica).await;
            if answer.status() != 200 {
                return answer;
            }
        }
        panic!("the key is still accepted");
    }

    /// Asks for the protected resource.
    pub async fn asks_for_the_resource(&self, replica: &Replica) -> Response {
        let request = stranger(replica, Method::GET, PROTECTED).header("x-api-key", &self.key);
        request.send().await.expect("an answer")
    }
}

/// The claims of a good token: a subject and an hour to live.
pub fn claims(subject: &str) -> Value {
    json!({ "sub": subject, "exp": now() + 3600 })
}

/// Signs claims as they are, good or not.
pub fn sign(header: &Header, claims: &Value, secret: &str) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).expect("a signature")
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}
