//! What a well-signed token may say: the data is signed as its claims.
//!
//! It never panics. Who is accepted has a name that can be kept, and claims that are good JSON with an `exp`.
#![no_main]

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::FutureExt;
use keyward::{
    auth::{jwt::TokenVerifier, strict_json},
    config::Jwt,
};
use libfuzzer_sys::fuzz_target;
use time::{OffsetDateTime, macros::datetime};

const SECRET: &str = "8f14e45fceea167a5a36dedd4bea2543-c9f0f895fb98ab9159f51fd0297e236d";
const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

static VERIFIER: LazyLock<TokenVerifier> = LazyLock::new(|| {
    let mut settings = Jwt::signed_with(SECRET.to_owned().into()).expect("a strong secret");
    settings.audience = vec!["us".to_owned()];
    settings.max_lifetime = Duration::from_secs(86_400);
    settings.disabled_claim = Some("off".parse().expect("a path"));
    TokenVerifier::new(&settings, &HashMap::new()).expect("usable keys")
});

fuzz_target!(|claims: &[u8]| {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes())));
    let verified = VERIFIER.verify(token.as_bytes(), NOW).now_or_never().expect("nothing to wait for");
    let Ok(Ok(verified)) = verified else { return };
    let subject = &verified.identity().owner.subject;
    assert!(!subject.is_empty() && subject.len() <= 1024 && !subject.contains('\0'));
    let claims = strict_json::object(claims).expect("an object without repeated members");
    let expiry = claims["exp"].as_f64().expect("a number");
    let ahead = expiry - NOW.unix_timestamp() as f64;
    assert!((-30.0..=86_430.0).contains(&ahead), "{ahead}");
});
