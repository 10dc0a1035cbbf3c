//! Invalid tokens, one by one. Each differs in one detail from the valid token [`good`], whose acceptance shows that
//! only this detail causes the refusal.

mod claims;
mod headers;
mod spelling;
mod vectors;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::FutureExt;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use time::macros::datetime;

use super::*;
use crate::{
    auth::strict_json,
    config::{JwtAlgorithm, MalformedScopes},
};

const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);
/// [`NOW`] as a NumericDate.
const NOW_SECONDS: i64 = NOW.unix_timestamp();
const HOUR: i64 = 3600;
/// Long enough for every algorithm.
const SECRET: &str = "8f14e45fceea167a5a36dedd4bea2543-c9f0f895fb98ab9159f51fd0297e236d";
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn settings() -> Jwt {
    Jwt {
        secret: Some(SECRET.to_owned().into()),
        previous_secret: None,
        algorithm: JwtAlgorithm::Hs256,
        issuer: None,
        audience: Vec::new(),
        leeway: Duration::from_secs(30),
        max_lifetime: Duration::from_secs(86_400),
        // Values that this setting refuses are otherwise dropped; `scopes::dropped` tests that.
        malformed_scopes: MalformedScopes::Refuse,
        tenant_claim: None,
        disabled_claim: None,
        plan_claim: None,
        scope_bearing: false,
        issuers: Vec::new(),
        key_set_refresh: Duration::from_secs(600),
        key_set_cool_down: Duration::from_secs(30),
        key_set_keep: Duration::from_secs(86_400),
        cached_tokens: 1000,
    }
}

/// The claims of a valid token.
fn good() -> Value {
    json!({ "sub": "alice", "exp": NOW_SECONDS + HOUR })
}

/// [`good`] with one claim added or replaced.
fn good_with(name: &str, value: Value) -> Value {
    let mut claims = good();
    claims[name] = value;
    claims
}

/// A correctly signed token with these texts.
fn signed(header: &str, claims: &str) -> String {
    signed_segments(&URL_SAFE_NO_PAD.encode(header), &URL_SAFE_NO_PAD.encode(claims), Algorithm::HS256)
}

/// A correctly signed token with these encoded segments.
fn signed_segments(header: &str, claims: &str, algorithm: Algorithm) -> String {
    let message = format!("{header}.{claims}");
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).expect("a signature");
    format!("{message}.{signature}")
}

/// With a shared secret, verification never waits.
fn verified(settings: &Jwt, token: &[u8]) -> Result<VerifiedToken, TokenFault> {
    let verifier = TokenVerifier::new(settings, &HashMap::new()).expect("usable keys");
    let verified = verifier.verify(token, NOW).now_or_never().expect("an answer at once");
    verified.expect("a decision")
}

/// The bearer's identity as issuer and subject, or the reason for a refusal.
fn judged(settings: &Jwt, token: &str) -> Result<(String, String), TokenFault> {
    let verified = verified(settings, token.as_bytes())?;
    let owner = &verified.identity().owner;
    if verified.identity().disabled {
        Err(TokenFault::OwnerDisabled)
    } else {
        Ok((owner.issuer.to_string(), owner.subject.to_string()))
    }
}

fn judged_header(header: &str) -> Result<(String, String), TokenFault> {
    judged(&settings(), &signed(header, &good().to_string()))
}

fn judged_claims(settings: &Jwt, claims: &Value) -> Result<(String, String), TokenFault> {
    judged(settings, &signed(HEADER, &claims.to_string()))
}

fn accepted(subject: &str) -> Result<(String, String), TokenFault> {
    Ok((String::new(), subject.to_owned()))
}

#[test]
fn the_good_token_is_accepted() {
    assert_eq!(judged_claims(&settings(), &good()), accepted("alice"));
}
