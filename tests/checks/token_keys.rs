//! Remembered tokens of an issuer whose keys are fetched, while it changes them.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use keyward::domain::denial::{Denial, TokenFault};
use serde_json::{Value, json};
use test_support::{
    eventually,
    world::{
        NOW, World, assert_denied, assert_granted,
        tokens::{PublishedKeys, REMOTE, check, claims},
    },
};

/// So short that the tests need not wait for it.
const REFRESH: Duration = Duration::from_millis(5);

struct SigningKey {
    name: &'static str,
    pair: EcdsaKeyPair,
}

impl SigningKey {
    fn new(name: &'static str) -> Self {
        Self { name, pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key") }
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        json!({ "kty": "EC", "crv": "P-256", "kid": self.name, "x": x, "y": y })
    }

    fn token(&self) -> String {
        let mut claims = claims("1", "alice");
        claims["iss"] = json!(REMOTE);
        let header = json!({ "alg": "ES256", "kid": self.name });
        let segment = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", segment(&header), segment(&claims));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[tokio::test]
async fn a_remembered_token_dies_when_its_key_leaves_the_set() {
    let world = World::usual().await;
    let (staying, leaving) = (SigningKey::new("staying"), SigningKey::new("leaving"));
    let published = Arc::new(PublishedKeys::default());
    published.publish(vec![staying.jwk(), leaving.jwk()]);
    let tokens = world.tokens_of_remote(&published, REFRESH).await;
    let (stays, leaves) = (staying.token(), leaving.token());
    for token in [&stays, &leaves] {
        assert_granted(&check(&tokens, token).await);
        assert!(tokens.check(token.as_bytes(), NOW).now().is_some());
    }
    published.publish(vec![staying.jwk()]);
    eventually("the change comes", async || tokens.check(leaves.as_bytes(), NOW).now().is_none()).await;
    assert_denied(&check(&tokens, &leaves).await, Denial::Token(TokenFault::KeyUnknown));
    assert_granted(&check(&tokens, &stays).await);
    assert!(tokens.check(stays.as_bytes(), NOW).now().is_some());
    // Another key of the same name is another key.
    published.publish(vec![SigningKey::new("staying").jwk()]);
    eventually("the change comes", async || tokens.check(stays.as_bytes(), NOW).now().is_none()).await;
    assert_denied(&check(&tokens, &stays).await, Denial::Token(TokenFault::Signature));
}

#[tokio::test]
async fn keys_that_are_fetched_again_unchanged_leave_remembered_tokens_alone() {
    let world = World::usual().await;
    let key = SigningKey::new("a");
    let published = Arc::new(PublishedKeys::default());
    published.publish(vec![key.jwk()]);
    let tokens = world.tokens_of_remote(&published, REFRESH).await;
    let token = key.token();
    assert_granted(&check(&tokens, &token).await);
    let before = published.fetches();
    eventually("they are fetched again", async || published.fetches() > before + 3).await;
    assert!(tokens.check(token.as_bytes(), NOW).now().is_some());
    assert_eq!(tokens.verified(), 1);
}
