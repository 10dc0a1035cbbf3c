//! The token parser. The first byte chooses the keys of a line in `tests/data/jws.jsonl`, the rest is the token.
//!
//! It never panics. What is accepted is three segments in the one spelling that they have, and gives the second one.
#![no_main]

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use keyward::auth::jwt::{HeaderPolicy, KeySet, SignedPayload, Source, verify};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static KEYS: LazyLock<Vec<Option<KeySet>>> = LazyLock::new(|| {
    let lines = include_str!("../../tests/data/jws.jsonl").lines();
    let vectors = lines.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    vectors.map(|vector| keys(&vector)).collect()
});

fn keys(vector: &Value) -> Option<KeySet> {
    match (vector["jwk"].as_object(), vector["jwks"].as_object()) {
        (Some(jwk), _) => KeySet::of_key(jwk, Source::Operator).ok(),
        (_, Some(set)) => Some(KeySet::of_set(set, Source::Operator).ok()?.keys),
        _ => None,
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, token)) = data.split_first() else { return };
    let Some(keys) = &KEYS[usize::from(*choice) % KEYS.len()] else { return };
    let Ok(SignedPayload(payload)) = verify(token, keys, &HeaderPolicy::default()) else { return };
    let token = std::str::from_utf8(token).expect("what is accepted is text");
    let segments: Vec<&str> = token.split('.').collect();
    assert_eq!(segments.len(), 3);
    for segment in &segments {
        let bytes = URL_SAFE_NO_PAD.decode(segment).expect("base64url");
        assert_eq!(URL_SAFE_NO_PAD.encode(bytes), *segment, "another spelling");
    }
    assert_eq!(URL_SAFE_NO_PAD.encode(payload), segments[1]);
});
