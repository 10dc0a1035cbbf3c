//! The key-set parser, as for a set that was fetched: JSON Web Keys, certificates in them, and objects of PEM blocks.
//! The same bytes are also taken for a certificate, and for a public key.
//!
//! It never panics. No secret and no private key comes out of it: each is named as unusable, and none of the set's
//! keys can be used with a shared secret's algorithm. A byte order mark changes nothing.
#![no_main]

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use keyward::{
    auth::{
        jwt::{HeaderPolicy, KeySet, ReadKeySet, Source, verify},
        strict_json,
    },
    domain::denial::TokenFault,
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// Members that only a secret or a private key has (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const SECRETS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

fn is_secret(item: &Value) -> bool {
    match item {
        Value::String(pem) => pem.trim_start().lines().next().is_some_and(|line| line.contains("PRIVATE KEY-----")),
        jwk => jwk["kty"] == "oct" || SECRETS.iter().any(|name| jwk.get(name).is_some()),
    }
}

fuzz_target!(|data: &[u8]| {
    judge(data);
    let text = STANDARD.encode(data);
    for kind in ["RSA", "EC"] {
        judge(json!({ "keys": [{ "kty": kind, "kid": "a", "x5c": [text] }] }).to_string().as_bytes());
    }
    for label in ["CERTIFICATE", "PUBLIC KEY"] {
        let block = format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
        judge(json!({ "a": block }).to_string().as_bytes());
    }
});

fn judge(data: &[u8]) {
    let marked = KeySet::read(&[BYTE_ORDER_MARK, data].concat(), Source::Remote);
    let Ok(read) = KeySet::read(data, Source::Remote) else {
        assert!(marked.is_err() || data.starts_with(BYTE_ORDER_MARK), "a mark made a set of it");
        return;
    };
    // Of two marks, the second is a part of the text.
    let is_same = data.starts_with(BYTE_ORDER_MARK) || marked.is_ok_and(|marked| marked.unusable == read.unusable);
    assert!(is_same, "a mark changed the set");
    let text = data.strip_prefix(BYTE_ORDER_MARK).unwrap_or(data);
    let set = strict_json::object(text).expect("what is read as a set is an object");
    let items: Vec<(Option<&str>, &Value)> = match set.get("keys").and_then(Value::as_array) {
        Some(items) => items.iter().map(|item| (item["kid"].as_str(), item)).collect(),
        None => set.iter().map(|(kid, block)| (Some(kid.as_str()), block)).collect(),
    };
    // Further ones are not read.
    for (place, (_, item)) in items.iter().take(100).enumerate() {
        let unusable = read.unusable.iter().any(|unused| unused.place == place);
        assert!(unusable || !is_secret(item), "number {place} is a secret");
    }
    is_never_used_with_a_secrets_algorithm(&read, items.into_iter().map(|(kid, _)| kid));
}

fn is_never_used_with_a_secrets_algorithm<'a>(read: &ReadKeySet, names: impl Iterator<Item = Option<&'a str>>) {
    for name in names.chain([None]) {
        for algorithm in ["HS256", "HS384", "HS512", "none"] {
            let mut header = json!({ "alg": algorithm });
            if let Some(name) = name {
                header["kid"] = json!(name);
            }
            let token = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header.to_string()));
            let fault = verify(token.as_bytes(), &read.keys, &HeaderPolicy::default()).expect_err("nobody's token");
            assert_ne!(fault, TokenFault::Signature, "a key for {algorithm}");
        }
    }
}
