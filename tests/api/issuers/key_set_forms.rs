//! The forms that key sets come in, and what is said of an answer that is none of them.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use test_support::eventually;

use super::{
    Service,
    provider::{Behaviour, Provider},
    signing::SigningKey,
    table,
};

fn set(keys: &[&SigningKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// A JSON Web Key without the members that its certificate has, too (RFC 7517 §4.7).
fn certificate_alone(key: &SigningKey) -> Value {
    let jwk = key.jwk();
    json!({ "kty": jwk["kty"], "kid": key.kid, "use": "sig", "x5c": [STANDARD.encode(key.certificate().der()), "AAAA"] })
}

#[tokio::test]
async fn key_sets_are_read_in_each_form_that_providers_publish() {
    let (rsa, p256) = (SigningKey::rsa("r"), SigningKey::p256("e"));
    let plain = set(&[&rsa, &p256]);
    let answers = |header: &str, body: &[u8]| Behaviour::answers_with("200 OK", header, body);
    let json = "content-type: application/json";
    let certificates = json!({ "r": rsa.certificate().pem(), "e": p256.certificate().pem() }).to_string();
    let alone = json!({ "keys": [certificate_alone(&rsa), certificate_alone(&p256)] }).to_string();
    let mut providers = Vec::new();
    for (form, behaviour) in [
        ("a byte order mark", answers(json, format!("\u{feff}{plain}").as_bytes())),
        ("plain text", answers("content-type: text/plain", plain.as_bytes())),
        ("no type", answers("x-nothing: 1", plain.as_bytes())),
        ("gzip", answers("content-encoding: gzip", &gzip(plain.as_bytes()))),
        ("x-gzip", answers("Content-Encoding: X-GZIP", &gzip(plain.as_bytes()))),
        ("gzip of a byte order mark", answers("content-encoding: gzip", &gzip(format!("\u{feff}{plain}").as_bytes()))),
        ("identity", answers("content-encoding: identity", plain.as_bytes())),
        ("a map of certificates", answers(json, certificates.as_bytes())),
        ("certificates alone", answers(json, alone.as_bytes())),
    ] {
        providers.push((form, Provider::that_is(behaviour).await));
    }
    let tables: String = providers.iter().map(|(_, provider)| table(&provider.issuer(), "discovery = true")).collect();
    let service = Service::start(&tables).await;
    for (form, provider) in &providers {
        for key in [&rsa, &p256] {
            service.comes_to_accept(&provider.token(key)).await;
        }
        service.refuses(&provider.token(&SigningKey::p256("e")), form).await;
    }
}

/// Both keys are of one kind, so that nothing but the name tells them apart.
#[tokio::test]
async fn the_names_in_a_map_of_certificates_are_those_of_the_keys() {
    let (first, mut second) = (SigningKey::p256("first"), SigningKey::p256("second"));
    let map = json!({ "first": first.certificate().pem(), "second": second.certificate().pem() }).to_string();
    let behaviour = Behaviour::answers_with("200 OK", "content-type: application/json", map.as_bytes());
    let provider = Provider::that_is(behaviour).await;
    let service = Service::start(&table(&provider.issuer(), "discovery = true")).await;
    for key in [&first, &second] {
        service.comes_to_accept(&provider.token(key)).await;
    }
    second.kid = "first".to_owned();
    service.refuses(&provider.token(&second), "the name of another key").await;
}

/// RFC 7517 §4.7, §4.1.
#[tokio::test]
async fn a_certificate_of_another_kind_than_its_key_and_a_broken_one_are_not_used() {
    let (good, other, broken) = (SigningKey::p256("good"), SigningKey::rsa("other"), SigningKey::rsa("broken"));
    let mut wrong_kind = certificate_alone(&other);
    wrong_kind["kty"] = json!("EC");
    let mut half = certificate_alone(&broken);
    half["x5c"] = json!(["MIIB"]);
    let provider = Provider::with(&[]).await;
    provider.publishes_jwks(vec![good.jwk(), wrong_kind, half]);
    let service = Service::trusting(&provider, "").await;
    service.comes_to_accept(&provider.token(&good)).await;
    for key in [&other, &broken] {
        service.refuses(&provider.token(key), &key.kid).await;
        let line = service.replica.prints(&format!(r#""kid":"{}""#, key.kid)).await;
        assert!(line.contains("not written as its kind of key must be"), "{line}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_is_described_with_its_address() {
    let key = SigningKey::p256("a");
    let (mark, deep) = ("\u{feff}", "[".repeat(200));
    let bomb = gzip(&vec![b' '; 4 << 20]);
    assert!(bomb.len() < 1 << 20, "the bomb is small");
    let encoded =
        |coding: &str, body: &[u8]| Behaviour::answers_with("200 OK", &format!("content-encoding: {coding}"), body);
    let ok = |body: &str| Behaviour::answers("200 OK", body);
    let mut utf16: Vec<u8> = vec![0xff, 0xfe];
    utf16.extend(set(&[&key]).encode_utf16().flat_map(u16::to_le_bytes));
    let mut answers = Vec::new();
    for (behaviour, what) in [
        (ok(""), "nothing at all"),
        (ok("  \n"), "nothing at all"),
        (ok("<!doctype html><title>Log in</title>"), "HTML"),
        (ok(&format!("{mark}<?xml version=\"1.0\"?><x/>")), "XML"),
        (ok(&key.pem()), "PEM"),
        (ok(&format!("[{}]", key.jwk())), "a list"),
        (ok("\"a\""), "JSON that is no object"),
        (ok(&key.jwk().to_string()), "one JSON Web Key"),
        (ok(r#"{"issuer":"https://a.example","jwks_uri":"https://a.example/keys"}"#), "a discovery document"),
        (ok(r#"{"error":"invalid_request"}"#), "an error"),
        (ok(r#"{"keys":{}}"#), "not a JSON Web Key Set"),
        (ok(r#"{"keys":[],"keys":[]}"#), "a member twice"),
        (ok(r#"{"keys":[}"#), "broken JSON (expected value at line 1 column 10)"),
        (ok(&deep), "broken JSON"),
        (ok("keys: none"), "text that is no JSON"),
        (Behaviour::answers("200 OK", [0xff, 0, 1, 2]), "bytes that are no UTF-8"),
        (Behaviour::answers("200 OK", &utf16), "UTF-16"),
        (Behaviour::answers("200 OK", gzip(set(&[&key]).as_bytes())), "gzip"),
        (encoded("gzip", &bomb), "more than 1048576 bytes"),
        (encoded("gzip", set(&[&key]).as_bytes()), "that is not gzip"),
        (encoded("br", set(&[&key]).as_bytes()), r#"content-encoding "br""#),
        (encoded("gzip, gzip", &gzip(&gzip(set(&[&key]).as_bytes()))), "content-encoding"),
    ] {
        answers.push((Provider::that_is(behaviour).await, what));
    }
    let table =
        |(provider, _): &(Provider, &str)| table(&provider.issuer(), &format!("key_set = {:?}", provider.key_set()));
    let service = Service::start(&answers.iter().map(table).collect::<String>()).await;
    for (provider, what) in &answers {
        let line = service.replica.prints(&format!("{}\"", provider.issuer())).await;
        let line: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(line["message"], "could not fetch an issuer's keys; trying again");
        let error = line["error"].as_str().expect("a text");
        assert!(error.contains(what) && error.contains(&provider.key_set()), "{what:?} is missing in {error}");
        assert!(!error.contains("Log in"), "what a stranger wrote: {error}");
    }
}

/// Keycloak publishes the key that encrypts beside the others, and each fetch brings it again.
#[tokio::test]
async fn keys_that_are_not_used_are_named_once_for_each_change_of_the_set() {
    const UNUSED: &str = "a key of an issuer is not used";
    let (key, encrypts, weak) = (SigningKey::p256("sig-1"), SigningKey::rsa("enc-1"), SigningKey::rsa("weak-1"));
    let mut enc = encrypts.jwk();
    enc["use"] = json!("enc");
    enc["alg"] = json!("RSA-OAEP");
    let mut small = weak.jwk();
    small["n"] = json!("AQAB");
    let provider = Provider::with(&[]).await;
    provider.publishes_jwks(vec![enc.clone(), key.jwk()]);
    let service = Service::trusting(&provider, "\n[jwt]\nkey_set_cool_down = \"1s\"").await;
    service.comes_to_accept(&provider.token(&key)).await;
    let line = service.replica.prints(r#""kid":"enc-1""#).await;
    assert!(line.contains(UNUSED) && line.contains("not meant for verifying signatures"), "{line}");
    assert!(line.contains(r#""level":"INFO""#), "it is as it should be: {line}");

    let fetched = async |times: usize| {
        let unknown = provider.token(&SigningKey::p256("unknown"));
        eventually("more fetches", async || {
            service.refuses(&unknown, "nobody's key").await;
            provider.fetches() >= times
        })
        .await;
    };
    fetched(4).await;
    // The same keys in another order are the same set.
    provider.publishes_jwks(vec![key.jwk(), enc.clone()]);
    fetched(6).await;
    assert_eq!(service.replica.output().matches(UNUSED).count(), 1, "{}", service.replica.output());

    provider.publishes_jwks(vec![small, key.jwk(), enc]);
    fetched(8).await;
    let line = service.replica.prints(r#""kid":"weak-1""#).await;
    assert!(line.contains("too weak") && line.contains(r#""level":"WARN""#), "{line}");
    fetched(10).await;
    assert_eq!(
        service.replica.output().matches(UNUSED).count(),
        3,
        "the changed set is told of once, with all its keys"
    );
}

/// What a token was verified with is still there, in whatever order it comes.
#[tokio::test]
async fn more_keys_than_are_read_of_a_set_are_told() {
    let keys: Vec<SigningKey> = (0..101).map(|number| SigningKey::p256(&format!("key-{number}"))).collect();
    let provider = Provider::with(&keys.iter().collect::<Vec<_>>()).await;
    let service = Service::trusting(&provider, "").await;
    service.comes_to_accept(&provider.token(&keys[99])).await;
    service.refuses(&provider.token(&keys[100]), "beyond the hundredth").await;
    let line = service.replica.prints("only the first 100 keys").await;
    assert!(line.contains(&provider.issuer()), "{line}");
}
