//! The key-set parser, as for a set that was fetched.
//!
//! It never panics. No secret and no private key comes out of it: each is named as unusable, and none of the set's
//! keys can be used with a shared secret's algorithm.
#![no_main]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use keyward::{
    auth::{
        jwt::{HeaderPolicy, KeySet, Source, verify},
        strict_json,
    },
    domain::verdict::TokenFault,
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// Members that only a secret or a private key has (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const SECRETS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

fn is_secret(jwk: &Value) -> bool {
    jwk["kty"] == "oct" || SECRETS.iter().any(|name| jwk.get(name).is_some())
}

fuzz_target!(|data: &[u8]| {
    let Ok(read) = KeySet::read(data, Source::Remote) else { return };
    let set = strict_json::object(data).expect("what is read as a set is an object");
    let items = set["keys"].as_array().expect("with a list");
    // Further ones are not read.
    for (place, item) in items.iter().take(100).enumerate() {
        let unusable = read.unusable.iter().any(|(other, _)| *other == place);
        assert!(unusable || !is_secret(item), "number {place} is a secret");
    }
    let names = items.iter().filter_map(|item| item["kid"].as_str()).map(Some).chain([None]);
    for name in names {
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
});
