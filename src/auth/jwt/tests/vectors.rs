//! Test vectors from other sources.

use super::*;

/// A key that is not text, in contrast to configured ones.
fn key(key: &str) -> KeySet {
    let jwk = json!({ "kty": "oct", "k": key, "alg": "HS256" });
    KeySet::of_key(jwk.as_object().expect("an object"), Source::Operator).expect("a key")
}

/// The signed payload, as JSON.
fn signed_claims(keys: &KeySet, token: &str) -> Result<Value, TokenFault> {
    let SignedPayload(payload) = verify(token.as_bytes(), keys, &HeaderPolicy::default())?;
    strict_json::object(&payload).map(Value::Object).ok_or(TokenFault::Malformed)
}

fn with_another_signature(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').expect("three segments");
    format!("{message}.{}", signature.chars().rev().collect::<String>())
}

/// RFC 7515, appendix A.1 (the same token as in RFC 7519 §3.1).
#[test]
fn the_example_of_rfc_7515_appendix_a_1_is_verified() {
    let keys = key("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9\
                 .eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ\
                 .dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let claims = signed_claims(&keys, token);
    assert_eq!(claims, Ok(json!({ "iss": "joe", "exp": 1_300_819_380, "http://example.com/is_root": true })));
    let changed = with_another_signature(token);
    assert_eq!(signed_claims(&keys, &changed), Err(TokenFault::Signature));
}

/// RFC 7520 §4.4; github.com/ietf-jose/cookbook @13692b6, `jws/4_4.hmac-sha2_integrity_protection.json`. Its payload is
/// not JSON, so the signature is valid and the token is not.
#[test]
fn the_example_of_rfc_7520_section_4_4_has_a_good_signature_and_no_claims() {
    let keys = key("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg");
    let token = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9\
                 .SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUg\
                 cm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0\
                 IGJlIHN3ZXB0IG9mZiB0by4\
                 .s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0";
    assert_eq!(signed_claims(&keys, token), Err(TokenFault::Malformed));
    let changed = with_another_signature(token);
    assert_eq!(signed_claims(&keys, &changed), Err(TokenFault::Signature));
}

/// RFC 7520 §4.5 (the key and the header of §4.4): the content is detached.
#[test]
fn the_detached_content_of_rfc_7520_section_4_5_is_refused() {
    let keys = key("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg");
    let token = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9\
                 ..s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0";
    assert_eq!(signed_claims(&keys, token), Err(TokenFault::Signature));
}

/// RFC 7797 §4.2; github.com/ietf-jose/cookbook @13692b6, `rfc7797/`. The payload is signed without encoding.
#[test]
fn the_unencoded_payload_of_rfc_7797_section_4_2_is_refused() {
    let keys = key("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
    let header = "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19";
    let signature = "A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY";
    let attached = format!("{header}.$.02.{signature}");
    assert_eq!(signed_claims(&keys, &attached), Err(TokenFault::Malformed));
    let detached = format!("{header}..{signature}");
    assert_eq!(signed_claims(&keys, &detached), Err(TokenFault::Critical));
}
