//! What the check of a token costs that was seen before, and the verify of one that was not, beside the crypto
//! library's bare verify of it: `cargo bench --bench token_check`.
//!
//! The four are measured in turn, batch by batch, so that a busy machine is as unkind to each of them. One thread.

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::{collections::HashMap, hint::black_box, time::Instant};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
        ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::FutureExt;
use jsonwebtoken::{Algorithm, DecodingKey};
use keyward::{
    auth::{jwt::TokenVerifier, tokens::check::TokenRoom},
    config::{Issuer, IssuerKeys, Jwt},
    domain::verdict::Verdict,
};
use serde_json::{Value, json};
use test_support::world::{World, tokens::ROOM};
use time::OffsetDateTime;

const ISSUER: &str = "https://login.example.com/";
const SUBJECT: &str = "auth0|5f7c8ec7c33c6c004bbafe82";
const SECRET: &str = "8f14e45fceea167a5a36dedd4bea2543-c9f0f895fb98ab9159f51fd0297e236d";
/// Batches of each, in turn.
const ROUNDS: usize = 400;
const BATCH: usize = 25;

/// A token, and the ways to verify it.
struct Subject {
    name: &'static str,
    token: String,
    verifier: TokenVerifier,
    library: (DecodingKey, Algorithm),
    bare: Bare,
}

/// The crypto library's own key, prepared once.
enum Bare {
    Hmac(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

fn main() {
    // The world's link goes on while this thread measures.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let world = runtime.block_on(World::usual());
    println!(
        "| | seen before | first verify | jsonwebtoken's verify | aws-lc's verify | to jsonwebtoken's | to aws-lc's |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for subject in [hs256(), rs256(), es256(), eddsa()] {
        runtime.block_on(async { report(&world, subject).await });
    }
    println!("resident memory of a remembered token: {:.0} bytes", runtime.block_on(bytes_of_a_token(&world)));
}

/// Each of a subject of its own.
async fn bytes_of_a_token(world: &World) -> f64 {
    const TOKENS: usize = 100_000;
    let checker = world.tokens_with(hs256().verifier, TokenRoom { cached: TOKENS + TOKENS / 20, ..ROOM });
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let before = resident_bytes();
    for number in 0..TOKENS {
        let subject = format!("auth0|{number:024x}");
        let token = token("HS256", &subject, |message| hmac::sign(&key, message).as_ref().to_vec());
        let verdict = checker.check(token.as_bytes(), OffsetDateTime::now_utc()).await;
        assert!(matches!(verdict, Ok(Verdict::Granted(_))), "the token is good");
    }
    (resident_bytes() - before) as f64 / TOKENS as f64
}

fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|word| word.parse::<usize>().ok()).unwrap_or(0) * 4096
}

async fn report(world: &World, subject: Subject) {
    let (message, signature) = subject.token.rsplit_once('.').expect("three segments");
    let (message, bytes) = (message.as_bytes(), URL_SAFE_NO_PAD.decode(signature).expect("base64url"));
    let token = subject.token.as_bytes();
    let checker = world.tokens_with(subject.verifier, ROOM);
    let verdict = checker.check(token, OffsetDateTime::now_utc()).await;
    assert!(matches!(verdict, Ok(Verdict::Granted(_))), "the token is good");
    let seen_before = || {
        // As a request does: it reads the clock.
        let verdict = checker.check(black_box(token), OffsetDateTime::now_utc()).now();
        assert!(matches!(black_box(verdict), Some(Ok(Verdict::Granted(_)))), "the token is remembered");
    };
    let now = OffsetDateTime::now_utc();
    let verify = || {
        let verified = checker.verifier().verify(black_box(token), now).now_or_never();
        assert!(matches!(verified, Some(Ok(Ok(_)))), "the token is good");
    };
    let library = || {
        let (key, algorithm) = &subject.library;
        assert!(jsonwebtoken::crypto::verify(black_box(signature), message, key, *algorithm).expect("a verdict"));
    };
    let bare = || match &subject.bare {
        Bare::Hmac(key) => hmac::verify(key, black_box(message), &bytes).expect("verified"),
        Bare::Public(key) => key.verify_sig(black_box(message), &bytes).expect("verified"),
    };
    let mut micros = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        micros[0].push(batch(&seen_before));
        micros[1].push(batch(&verify));
        micros[2].push(batch(&library));
        micros[3].push(batch(&bare));
    }
    let [seen_before, verify, library, bare] = micros.map(median);
    println!(
        "| {} | {seen_before:.2} us | {verify:.2} us | {library:.2} us | {bare:.2} us | {:.2} | {:.2} |",
        subject.name,
        verify / library,
        verify / bare
    );
}

/// Microseconds for one.
fn batch(work: &impl Fn()) -> f64 {
    let begin = Instant::now();
    for _ in 0..BATCH {
        work();
    }
    begin.elapsed().as_secs_f64() * 1e6 / BATCH as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn hs256() -> Subject {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    Subject {
        name: "HS256",
        token: token("HS256", SUBJECT, |message| hmac::sign(&key, message).as_ref().to_vec()),
        verifier: verifier(IssuerKeys::Secret(SECRET.to_owned().into())),
        library: (DecodingKey::from_secret(SECRET.as_bytes()), Algorithm::HS256),
        bare: Bare::Hmac(Box::new(key)),
    }
}

fn rs256() -> Subject {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let sign = |message: &[u8]| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).expect("a signature");
        signature
    };
    let public = pair.public_key();
    let n = public.modulus().big_endian_without_leading_zero().to_vec();
    let e = public.exponent().big_endian_without_leading_zero().to_vec();
    let jwk = json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(&n), "e": URL_SAFE_NO_PAD.encode(&e) });
    Subject {
        name: "RS256",
        token: token("RS256", SUBJECT, sign),
        verifier: verifier(published(jwk)),
        library: (DecodingKey::from_rsa_raw_components(&n, &e), Algorithm::RS256),
        bare: Bare::Public(ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.as_ref()).expect("a key")),
    }
}

fn es256() -> Subject {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let point = pair.public_key().as_ref();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    let sign = |message: &[u8]| pair.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec();
    Subject {
        name: "ES256",
        token: token("ES256", SUBJECT, sign),
        verifier: verifier(published(json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }))),
        library: (DecodingKey::from_ec_der(point), Algorithm::ES256),
        bare: Bare::Public(ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).expect("a key")),
    }
}

fn eddsa() -> Subject {
    let pair = Ed25519KeyPair::generate().expect("a key");
    let point = pair.public_key().as_ref();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(point) });
    Subject {
        name: "EdDSA",
        token: token("EdDSA", SUBJECT, |message| pair.sign(message).as_ref().to_vec()),
        verifier: verifier(published(jwk)),
        library: (DecodingKey::from_ed_der(point), Algorithm::EdDSA),
        bare: Bare::Public(ParsedPublicKey::new(&ED25519, point).expect("a key")),
    }
}

/// As an identity provider makes them.
fn token(algorithm: &str, subject: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let header = json!({ "alg": algorithm, "kid": "key-1", "typ": "at+jwt" });
    let claims = json!({
        "iss": ISSUER, "sub": subject, "aud": ["https://api.example.com"], "iat": now,
        "exp": now + 3600, "jti": "a5f1b2c3d4e5f60718293a4b", "client_id": "web", "scope": "openid read write",
    });
    let segment = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", segment(&header), segment(&claims));
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(sign(message.as_bytes())))
}

fn published(mut jwk: Value) -> IssuerKeys {
    jwk["kid"] = json!("key-1");
    IssuerKeys::Public(json!({ "keys": [jwk] }).to_string())
}

fn verifier(keys: IssuerKeys) -> TokenVerifier {
    let settings = Jwt::of_issuers(vec![Issuer::new(ISSUER, "https://api.example.com", keys)]);
    TokenVerifier::new(&settings, &HashMap::new()).expect("usable keys")
}
