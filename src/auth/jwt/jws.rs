//! A JSON Web Signature in compact form (RFC 7515): its form, header and signature. The payload is not interpreted
//! here.

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

/// The requirements for a header.
#[derive(Clone, Debug, Default)]
pub struct HeaderPolicy {
    /// The accepted `typ` values; `None` for any.
    pub types: Option<Types>,
}

/// The accepted `typ` values (RFC 8725 §3.11).
#[derive(Clone, Debug)]
pub struct Types {
    /// The values, in lowercase.
    pub known: &'static [&'static str],
    /// Whether `typ` may be absent.
    pub may_be_missing: bool,
}

/// A payload with a verified signature.
#[derive(Debug)]
pub struct SignedPayload(pub Vec<u8>);

/// Verifies a JWS with the key in `keys` that its header selects. The key decides the algorithm. `jwk`, `x5c`, `jku`
/// and `x5u` in the header are never used (RFC 8725 §3.10).
///
/// # Errors
/// The reason for a refusal.
pub fn verify(token: &[u8], keys: &KeySet, policy: &HeaderPolicy) -> Result<SignedPayload, TokenFault> {
    let token = UnverifiedToken::parse(token)?;
    token.check_signature(keys, policy, None)?;
    token.payload().map(SignedPayload)
}

fn check_header(header: &Object<'_>, policy: &HeaderPolicy) -> Result<(), TokenFault> {
    // No extension is implemented, so every `crit` names one that is missing, and an empty one is malformed (RFC 7515
    // §4.1.11). `b64: false` would change what is signed (RFC 7797 §3).
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

/// A token in compact form (RFC 7515 §7.1), not verified.
pub(super) struct UnverifiedToken<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    signed: &'a [u8],
}

impl<'a> UnverifiedToken<'a> {
    /// Refuses the JSON serialization, and the five segments of a JWE.
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

    /// The decoded payload, not verified.
    pub(super) fn payload(&self) -> Result<Vec<u8>, TokenFault> {
        decode(self.payload)
    }

    /// Checks the signature of header and payload with a key that the header selects and that may verify tokens of
    /// `issuer`.
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
            let verified = jsonwebtoken::crypto::verify(self.signature, self.signed, key, algorithm.to_jsonwebtoken());
            if matches!(verified, Ok(true)) {
                return Ok(());
            }
        }
        Err(TokenFault::Signature)
    }
}

/// The decoder refuses padding, white space, the other base64 alphabet and non-zero trailing bits, so that each token
/// has only one encoding (RFC 7515 §2).
fn decode(segment: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| TokenFault::Malformed)
}
