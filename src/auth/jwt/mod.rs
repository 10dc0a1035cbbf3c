//! JWT verification (RFC 7519, RFC 8725). The key decides the algorithm; a token's header can only
//! agree with it.

mod algorithm;
mod claims;
mod jwk;
mod jws;
mod key_set;
mod mint;

use std::sync::Arc;

use time::OffsetDateTime;

pub use self::{
    algorithm::SignatureAlgorithm,
    jwk::Unusable,
    jws::{HeaderPolicy, SignedPayload, Types, verify},
    key_set::{KeySet, NotAKeySet, ReadKeySet, Source},
    mint::{MintError, TokenMinter, TokenRequest},
};
use super::strict_json;
use crate::{
    config::Jwt,
    domain::{
        principal::{Principal, TokenIdentity},
        verdict::{Denial, TokenFault, Verdict},
    },
};

/// A `kid` that is longer names no key; nothing of ours is so long.
const KEY_ID_MAX_BYTES: usize = 256;
/// The `typ` values that an access token may have (RFC 7519 §5.1, RFC 9068 §2.1). Others name tokens
/// that were made for something else (RFC 8725 §3.11).
const ACCESS_TOKEN_TYPES: &[&str] = &["jwt", "application/jwt", "at+jwt", "application/at+jwt"];

/// Decides whether a token is good.
pub struct TokenVerifier {
    keys: KeySet,
    header: HeaderPolicy,
    claims: claims::Policy,
}

impl TokenVerifier {
    /// A verifier for tokens signed with the configured shared secret.
    pub fn new(settings: &Jwt) -> Self {
        Self {
            keys: KeySet::of_secret(&settings.secret, settings.algorithm.into()),
            header: HeaderPolicy { types: Some(Types { known: ACCESS_TOKEN_TYPES, may_be_missing: true }) },
            claims: claims::Policy::new(settings),
        }
    }

    /// Decides whether `token` is good at `now`. Works without I/O, so it always can decide.
    pub fn verify(&self, token: &[u8], now: OffsetDateTime) -> Verdict {
        match self.identity(token, now) {
            Ok(identity) if identity.disabled => Verdict::OwnerDisabled(Arc::new(identity)),
            Ok(identity) => Verdict::Granted(Principal::proven_token(Arc::new(identity))),
            Err(fault) => Verdict::Denied(Denial::Token(fault)),
        }
    }

    fn identity(&self, token: &[u8], now: OffsetDateTime) -> Result<TokenIdentity, TokenFault> {
        let SignedPayload(payload) = verify(token, &self.keys, &self.header)?;
        let claims = strict_json::object(&payload).ok_or(TokenFault::Malformed)?;
        self.claims.identity(&claims, now)
    }
}

#[cfg(test)]
mod tests;
