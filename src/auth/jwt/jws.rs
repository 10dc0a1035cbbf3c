//! A JSON Web Signature in the compact form (RFC 7515): form, header, signature. What it says is somebody
//! else's question.

use std::str;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    KEY_ID_MAX_BYTES,
    algorithm::SignatureAlgorithm,
    keys::{KeySet, TRIED_MAX},
};
use crate::{
    auth::strict_json::{Json, Object},
    domain::denial::TokenFault,
};

/// What a header must be like.
#[derive(Clone, Debug, Default)]
pub struct HeaderPolicy {
    /// The `typ` values that are taken, in lower case, and whether one may be missing. `None`: any.
    pub types: Option<Types>,
}

/// Which `typ` values are taken (RFC 8725 §3.11).
#[derive(Clone, Debug)]
pub struct Types {
    /// In lower case.
    pub known: &'static [&'static str],
    /// Whether a token without one is taken.
    pub may_be_missing: bool,
}

/// What was signed, by whoever has the key.
#[derive(Debug)]
pub struct SignedPayload(pub Vec<u8>);

/// Verifies a JWS with the key of `keys` that its header means. The key decides the algorithm; `jwk`, `x5c`,
/// `jku` and `x5u` in a header are never looked at (RFC 8725 §3.10).
///
/// # Errors
/// Why it is refused.
pub fn verify(token: &[u8], keys: &KeySet, policy: &HeaderPolicy) -> Result<SignedPayload, TokenFault> {
    let token = UnverifiedToken::parse(token)?;
    token.check_signature(keys, policy, None)?;
    token.payload().map(SignedPayload)
}

fn check_header(header: &Object<'_>, policy: &HeaderPolicy) -> Result<(), TokenFault> {
    // We implement no extension, so every `crit` names one that we lack, and an empty one is
    // malformed (RFC 7515 §4.1.11). `b64: false` would change what is signed (RFC 7797 §3).
    if header.get("crit").is_some() || header.get("b64").is_some_and(|value| !matches!(value, Json::Bool(true))) {
        return Err(TokenFault::Critical);
    }
    let Some(types) = &policy.types else { return Ok(()) };
    match header.get("typ") {
        None if types.may_be_missing => Ok(()),
        Some(Json::Text(typ)) if types.known.iter().any(|known| typ.eq_ignore_ascii_case(known)) => Ok(()),
        _ => Err(TokenFault::Type),
    }
}

fn key_id<'a>(header: &'a Object<'_>) -> Result<Option<&'a str>, TokenFault> {
    match header.get("kid") {
        None => Ok(None),
        Some(Json::Text(kid)) if kid.len() > KEY_ID_MAX_BYTES => Err(TokenFault::KeyIdTooLong),
        Some(Json::Text(kid)) => Ok(Some(kid)),
        Some(_) => Err(TokenFault::Malformed),
    }
}

/// A token in the compact form (RFC 7515 §7.1) of which nothing is verified.
pub(super) struct UnverifiedToken<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    signed: &'a [u8],
}

impl<'a> UnverifiedToken<'a> {
    /// The JSON serialisation and a JWE's five segments are no such form.
    pub(super) fn parse(token: &'a [u8]) -> Result<Self, TokenFault> {
        let token = str::from_utf8(token).map_err(|_| TokenFault::Malformed)?;
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenFault::Malformed)?;
        if payload.contains('.') {
            return Err(TokenFault::Malformed);
        }
        Ok(Self { header, payload, signature, signed: signed.as_bytes() })
    }

    /// Its header, signed or not.
    pub(super) fn header(&self) -> Result<Vec<u8>, TokenFault> {
        decode(self.header)
    }

    /// What it says, signed or not.
    pub(super) fn payload(&self) -> Result<Vec<u8>, TokenFault> {
        decode(self.payload)
    }

    /// Whether header and payload are signed with a key that the header means, and that may verify tokens of `issuer`.
    pub(super) fn check_signature(
        &self,
        keys: &KeySet,
        policy: &HeaderPolicy,
        issuer: Option<&str>,
    ) -> Result<(), TokenFault> {
        let header = self.header()?;
        let header = Object::read(&header).ok_or(TokenFault::Malformed)?;
        check_header(&header, policy)?;
        let algorithm = header.get("alg").and_then(Json::as_str).and_then(SignatureAlgorithm::named);
        let (algorithm, keys) = keys.meant(key_id(&header)?, algorithm, issuer)?;
        for (tried, key) in keys.enumerate() {
            if tried == TRIED_MAX {
                return Err(TokenFault::KeyAmbiguous);
            }
            let verified = jsonwebtoken::crypto::verify(self.signature, self.signed, key, algorithm.of_library());
            if matches!(verified, Ok(true)) {
                return Ok(());
            }
        }
        Err(TokenFault::Signature)
    }
}

/// Padding, white space, the other base64 alphabet and stray bits are refused by this decoder, so
/// that a token has one spelling (RFC 7515 §2).
fn decode(segment: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| TokenFault::Malformed)
}
