//! Which key of a set verifies a token: told apart by name, kind, purpose and algorithm; where that leaves several,
//! each of a few is tried.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use test_support::{actors::claims, program::Folder};

use super::{Service, provider::Provider, signing::SigningKey, table};

const ISSUER: &str = "https://a.example";

fn claims_of(issuer: &str) -> Value {
    let mut claims = claims("alice");
    claims["iss"] = json!(issuer);
    claims
}

/// The key's JSON Web Key with these members put in or replaced; `null` takes one away.
fn jwk_with(key: &SigningKey, members: Value) -> Value {
    let mut jwk = key.jwk();
    for (name, value) in members.as_object().expect("an object") {
        jwk[name] = value.clone();
    }
    jwk.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    jwk
}

/// An issuer that changes its key hands out the new one before the old one ends.
#[tokio::test]
async fn two_pem_blocks_of_one_kind_are_both_keys_of_the_issuer() {
    let pairs = [
        [SigningKey::rsa("old"), SigningKey::rsa("new")],
        [SigningKey::p256("old"), SigningKey::p256("new")],
        [SigningKey::p384("old"), SigningKey::p384("new")],
        [SigningKey::ed25519("old"), SigningKey::ed25519("new")],
    ];
    let strangers = [SigningKey::rsa("x"), SigningKey::p256("x"), SigningKey::p384("x"), SigningKey::ed25519("x")];
    let folder = Folder::new();
    let blocks: String = pairs.iter().flatten().map(SigningKey::pem).collect();
    let file = folder.file("keys.pem", &blocks);
    let service = Service::start(&table(ISSUER, &format!("public_keys_file = {file:?}"))).await;
    for key in pairs.iter().flatten() {
        for token in [key.signs(&claims_of(ISSUER)), key.signs_without_kid(&claims_of(ISSUER))] {
            assert_eq!(service.status(&token).await, 200, "{}", key.algorithms()[0]);
        }
    }
    for stranger in &strangers {
        service.refuses(&stranger.signs(&claims_of(ISSUER)), "nobody's key").await;
        assert_eq!(service.refusal(&stranger.signs_without_kid(&claims_of(ISSUER))).await, "token_signature");
    }
}

/// As ForgeRock's servers publish them: one name for a key and each algorithm that it is used with, for keys of several
/// kinds, and for the key that encrypts.
#[tokio::test]
async fn keys_of_one_kid_are_told_apart_by_kind_purpose_and_algorithm() {
    let (rsa, p256, p384) = (SigningKey::rsa("k"), SigningKey::p256("k"), SigningKey::p384("k"));
    let (encrypts, only_rs512) = (SigningKey::rsa("k"), SigningKey::rsa("k"));
    let provider = Provider::with(&[]).await;
    provider.publishes_jwks(vec![
        jwk_with(&rsa, json!({ "alg": "RS256" })),
        jwk_with(&rsa, json!({ "alg": "RS384" })),
        jwk_with(&encrypts, json!({ "use": "enc", "alg": "RSA-OAEP-256" })),
        jwk_with(&encrypts, json!({ "use": "enc" })),
        jwk_with(&p256, json!({ "alg": "ES256" })),
        jwk_with(&p384, json!({})),
        jwk_with(&only_rs512, json!({ "alg": "RS512" })),
        // Once more, and with its members in another order.
        jwk_with(&p256, json!({ "alg": "ES256", "x5t": "AAAA" })),
    ]);
    let service = Service::trusting(&provider, "").await;
    let token = |key: &SigningKey, algorithm: &str| {
        key.signs_with(&json!({ "alg": algorithm, "kid": "k" }), &provider.claims("alice"))
    };
    for (key, algorithm) in
        [(&rsa, "RS256"), (&rsa, "RS384"), (&p256, "ES256"), (&p384, "ES384"), (&only_rs512, "RS512")]
    {
        service.comes_to_accept(&token(key, algorithm)).await;
    }
    for (key, algorithm, reason) in [
        (&rsa, "RS512", "token_signature"),
        (&only_rs512, "RS256", "token_signature"),
        (&encrypts, "RS256", "token_signature"),
        (&rsa, "PS256", "token_algorithm"),
    ] {
        assert_eq!(service.refusal(&token(key, algorithm)).await, reason, "{algorithm}");
    }
}

/// Only where nothing tells them apart, and never beyond the algorithm that each is for.
#[tokio::test]
async fn two_different_keys_of_one_kid_are_both_tried() {
    let (first, second, stranger) = (SigningKey::p256("twin"), SigningKey::p256("twin"), SigningKey::p256("twin"));
    let provider = Provider::with(&[&first, &second]).await;
    let service = Service::trusting(&provider, "").await;
    for key in [&first, &second] {
        service.comes_to_accept(&provider.token(key)).await;
    }
    assert_eq!(service.refusal(&provider.token(&stranger)).await, "token_signature");
}

/// Else a stranger would choose how much is computed.
#[tokio::test]
async fn no_more_than_eight_keys_are_tried_with_one_token() {
    let keys: Vec<SigningKey> = (0..12).map(|number| SigningKey::p256(&format!("key-{number}"))).collect();
    let provider = Provider::with(&keys.iter().collect::<Vec<_>>()).await;
    let service = Service::trusting(&provider, "").await;
    for key in &keys {
        service.comes_to_accept(&provider.token(key)).await;
    }
    for (place, key) in keys.iter().enumerate() {
        let token = key.signs_without_kid(&provider.claims("bob"));
        if place < 8 {
            assert_eq!(service.status(&token).await, 200, "number {place}");
        } else {
            assert_eq!(service.refusal(&token).await, "token_key_ambiguous", "number {place}");
        }
    }
}

/// RFC 7518 §2 has no zeros in front; Java's `BigInteger` does, and so do Firebase and Cloud Foundry's UAA. The number
/// is the same. Its spelling in base64url stays strict (RFC 7515 §2).
#[tokio::test]
async fn zeros_in_front_of_a_modulus_don_t_change_the_key_and_another_spelling_does() {
    let (zero, zeros, padded, standard) =
        (SigningKey::rsa("zero"), SigningKey::rsa("zeros"), SigningKey::rsa("padded"), SigningKey::rsa("standard"));
    let good = SigningKey::p256("good");
    let modulus = |key: &SigningKey| {
        URL_SAFE_NO_PAD.decode(key.jwk()["n"].as_str().expect("a modulus")).expect("in its one spelling")
    };
    let with_zeros = |key: &SigningKey, count: usize| URL_SAFE_NO_PAD.encode([vec![0; count], modulus(key)].concat());
    let provider = Provider::with(&[]).await;
    let slashes =
        base64::engine::general_purpose::STANDARD_NO_PAD.encode([vec![0xff, 0xff, 0xff], modulus(&standard)].concat());
    provider.publishes_jwks(vec![
        good.jwk(),
        jwk_with(&zero, json!({ "n": with_zeros(&zero, 1) })),
        jwk_with(&zeros, json!({ "n": with_zeros(&zeros, 3), "e": "AAEAAQ" })),
        jwk_with(&padded, json!({ "n": format!("{}=", padded.jwk()["n"].as_str().expect("a modulus")) })),
        jwk_with(&standard, json!({ "n": slashes })),
    ]);
    let service = Service::trusting(&provider, "").await;
    service.comes_to_accept(&provider.token(&good)).await;
    for key in [&zero, &zeros] {
        assert_eq!(service.status(&provider.token(key)).await, 200, "{}", key.kid);
    }
    for key in [&padded, &standard] {
        service.refuses(&provider.token(key), &key.kid).await;
    }
}
