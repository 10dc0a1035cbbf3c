//! JSON Web Signatures that others have made, and such as nobody should accept. `data/jws.jsonl` holds them with
//! what must be said of each; its names tell the RFC.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use keyward::auth::jwt::{KeySet, ReadKeySet, Source, Unusable};
use serde_json::{Value, json};

const VECTORS: &str = include_str!("data/jws.jsonl");

/// Built with the tests.
fn example() -> PathBuf {
    let tests = std::env::current_exe().expect("a path");
    let target = tests.parent().and_then(|deps| deps.parent()).expect("below the target's folder");
    target.join("examples").join("verify_jws")
}

#[test]
fn every_vector_is_judged_as_its_rfc_demands() {
    let mut process = Command::new(example())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example was built with the tests");
    let mut stdin = process.stdin.take().expect("a pipe");
    let writing = std::thread::spawn(move || stdin.write_all(VECTORS.as_bytes()).expect("all is read"));
    let output = process.wait_with_output().expect("an end");
    writing.join().expect("no panic");
    let answers = String::from_utf8(output.stdout).expect("text");
    let vectors: Vec<Value> = VECTORS.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(vectors.len() > 80);
    assert_eq!(answers.lines().count(), vectors.len());
    for (vector, answer) in vectors.iter().zip(answers.lines()) {
        assert_eq!(vector["expected"], answer, "{}", vector["name"]);
    }
}

/// A modulus that is no product of primes will do: nothing is verified with it.
fn rsa(members: Value) -> Value {
    let mut key = json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0xC1; 256]), "e": "AQAB" });
    key.as_object_mut().expect("an object").extend(members.as_object().expect("an object").clone());
    key
}

/// What is not used of a set, by its place.
fn unusable(read: &ReadKeySet) -> Vec<(usize, Unusable)> {
    read.unusable.iter().map(|unused| (unused.place, unused.why)).collect()
}

#[test]
fn a_secret_or_a_private_key_in_a_remote_set_is_skipped_and_the_others_stay() {
    let secret = json!({ "kty": "oct", "kid": "a", "k": URL_SAFE_NO_PAD.encode([7; 32]) });
    let private = rsa(json!({ "kid": "b", "d": "AQAB" }));
    let set = json!({ "keys": [secret, private, rsa(json!({ "kid": "c" }))] });
    let read = KeySet::read(set.to_string().as_bytes(), Source::Remote).expect("a set");
    assert_eq!(unusable(&read), [(0, Unusable::Secret), (1, Unusable::Secret)]);
    assert!(!read.keys.is_empty());
}

/// RFC 7518 §6.3.2: a prime alone gives the private key away.
#[test]
fn a_part_of_a_private_key_in_a_remote_set_is_as_bad_as_the_whole() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let set = json!({ "keys": [rsa(json!({ "kid": "a", name: "AQAB" }))] });
        let read = KeySet::read(set.to_string().as_bytes(), Source::Remote).expect("a set");
        assert_eq!(unusable(&read), [(0, Unusable::Secret)], "{name}");
    }
}

#[test]
fn every_key_that_cannot_be_used_is_named_by_its_place() {
    let set = json!({ "keys": [
        rsa(json!({ "alg": "ES256" })),
        rsa(json!({ "alg": "RSA-OAEP" })),
        rsa(json!({ "kid": "x".repeat(257) })),
        rsa(json!({ "kid": 7 })),
        rsa(json!({ "use": "enc" })),
        json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" }),
        json!("a text"),
    ] });
    let read = KeySet::read(set.to_string().as_bytes(), Source::Remote).expect("a set");
    let expected = [
        Unusable::Algorithm,
        Unusable::UnknownAlgorithm,
        Unusable::Malformed,
        Unusable::Malformed,
        Unusable::Purpose,
        Unusable::Unknown,
        Unusable::Malformed,
    ];
    assert_eq!(unusable(&read), expected.into_iter().enumerate().collect::<Vec<_>>());
    assert!(read.keys.is_empty());
    let kids: Vec<_> = read.unusable.iter().map(|unused| unused.kid.as_deref()).collect();
    assert!(kids.iter().all(Option::is_none), "a name that is no name is not told: {kids:?}");
}

/// A set that names one key twice, or for two algorithms, has that key.
#[test]
fn the_same_key_twice_is_one_key() {
    let set = json!({ "keys": [
        rsa(json!({ "kid": "a", "alg": "RS256" })),
        rsa(json!({ "kid": "a", "alg": "RS256" })),
        rsa(json!({ "kid": "a", "alg": "RS512" })),
    ] });
    let read = KeySet::read(set.to_string().as_bytes(), Source::Remote).expect("a set");
    assert!(read.unusable.is_empty() && !read.keys.is_empty());
}

#[test]
fn what_is_no_set_is_an_error() {
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, "<html>"] {
        assert!(KeySet::read(text.as_bytes(), Source::Remote).is_err(), "{text}");
    }
}
