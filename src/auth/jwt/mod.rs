//! JWT verification (RFC 7519, RFC 8725). The key decides the algorithm; a token's header can only
//! agree with it.

mod claims;
mod mint;

use std::{str, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};
use time::OffsetDateTime;

pub use self::mint::{MintError, TokenMinter, TokenRequest};
use super::strict_json;
use crate::{
    config::{Jwt, JwtAlgorithm},
    domain::{
        principal::Principal,
        verdict::{Denial, TokenFault, Verdict},
    },
};

/// A `kid` that is longer names no key; nothing of ours is so long.
const KEY_ID_MAX_BYTES: usize = 256;
/// The `typ` values that an access token may have (RFC 7519 §5.1, RFC 9068 §2.1). Others name tokens
/// that were made for something else (RFC 8725 §3.11).
const ACCESS_TOKEN_TYPES: [&str; 4] = ["jwt", "application/jwt", "at+jwt", "application/at+jwt"];

/// Decides whether a token is good.
pub struct TokenVerifier {
    key: DecodingKey,
    algorithm: Algorithm,
    algorithm_name: &'static str,
    policy: claims::Policy,
}

impl TokenVerifier {
    /// A verifier for tokens signed with the configured shared secret.
    pub fn new(settings: &Jwt) -> Self {
        let (algorithm, algorithm_name) = algorithm(settings.algorithm);
        Self {
            key: DecodingKey::from_secret(settings.secret.expose().as_bytes()),
            algorithm,
            algorithm_name,
            policy: claims::Policy::new(settings),
        }
    }

    /// Decides whether `token` is good at `now`. Works without I/O, so it always can decide.
    pub fn verify(&self, token: &[u8], now: OffsetDateTime) -> Verdict {
        match self.verified_claims(token).and_then(|claims| self.policy.identity(&claims, now)) {
            Ok(identity) if identity.disabled => Verdict::OwnerDisabled(Arc::new(identity)),
            Ok(identity) => Verdict::Granted(Principal::proven_token(Arc::new(identity))),
            Err(fault) => Verdict::Denied(Denial::Token(fault)),
        }
    }

    fn verified_claims(&self, token: &[u8]) -> Result<Map<String, Value>, TokenFault> {
        let token = UnverifiedToken::parse(token)?;
        self.check_header(&token.header()?)?;
        let valid = jsonwebtoken::crypto::verify(token.signature, token.signed, &self.key, self.algorithm);
        if !matches!(valid, Ok(true)) {
            return Err(TokenFault::Signature);
        }
        json_segment(token.claims)
    }

    fn check_header(&self, header: &Map<String, Value>) -> Result<(), TokenFault> {
        if header.get("alg").and_then(Value::as_str) != Some(self.algorithm_name) {
            return Err(TokenFault::Algorithm);
        }
        // We implement no extension, so every `crit` names one that we lack, and an empty one is
        // malformed (RFC 7515 §4.1.11). `b64: false` would change what is signed (RFC 7797 §3).
        if header.contains_key("crit") || header.get("b64").is_some_and(|value| value != true) {
            return Err(TokenFault::Critical);
        }
        match header.get("kid") {
            Some(Value::String(kid)) if kid.len() > KEY_ID_MAX_BYTES => return Err(TokenFault::KeyIdTooLong),
            None | Some(Value::String(_)) => {}
            Some(_) => return Err(TokenFault::Malformed),
        }
        match header.get("typ") {
            None => Ok(()),
            Some(Value::String(typ)) if ACCESS_TOKEN_TYPES.contains(&typ.to_ascii_lowercase().as_str()) => Ok(()),
            Some(_) => Err(TokenFault::Type),
        }
    }
}

fn algorithm(configured: JwtAlgorithm) -> (Algorithm, &'static str) {
    match configured {
        JwtAlgorithm::Hs256 => (Algorithm::HS256, "HS256"),
        JwtAlgorithm::Hs384 => (Algorithm::HS384, "HS384"),
        JwtAlgorithm::Hs512 => (Algorithm::HS512, "HS512"),
    }
}

/// A token in the compact form (RFC 7515 §7.1) of which nothing is verified.
struct UnverifiedToken<'a> {
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
    signed: &'a [u8],
}

impl<'a> UnverifiedToken<'a> {
    fn parse(token: &'a [u8]) -> Result<Self, TokenFault> {
        let token = str::from_utf8(token).map_err(|_| TokenFault::Malformed)?;
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenFault::Malformed)?;
        if claims.contains('.') {
            return Err(TokenFault::Malformed);
        }
        Ok(Self { header, claims, signature, signed: signed.as_bytes() })
    }

    fn header(&self) -> Result<Map<String, Value>, TokenFault> {
        json_segment(self.header)
    }
}

/// Padding, white space, the other base64 alphabet and stray bits are refused by this decoder, so
/// that a token has one spelling (RFC 7515 §2).
fn json_segment(segment: &str) -> Result<Map<String, Value>, TokenFault> {
    let bytes = URL_SAFE_NO_PAD.decode(segment).map_err(|_| TokenFault::Malformed)?;
    strict_json::object(&bytes).ok_or(TokenFault::Malformed)
}

#[cfg(test)]
mod tests;
