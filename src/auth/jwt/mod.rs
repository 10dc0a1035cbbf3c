//! JWT verification (RFC 7519, RFC 8725). The key decides the algorithm; a token's header can only
//! agree with it.

mod algorithm;
mod claims;
mod issuer;
mod jwk;
mod jws;
mod key_set;
mod mint;
mod pem;
mod remote_keys;

use std::{collections::HashMap, sync::Arc};

use time::OffsetDateTime;

use self::issuer::Issuer;
pub use self::{
    algorithm::SignatureAlgorithm,
    issuer::{UnusableKeys, allowed as allowed_algorithms},
    jwk::Unusable,
    jws::{HeaderPolicy, SignedPayload, Types, verify},
    key_set::{KeySet, NotAKeySet, ReadKeySet, Source},
    mint::{MintError, TokenMinter, TokenRequest},
    remote_keys::{RemoteKeys, RemoteKeysSettings},
};
use super::Undecided;
use crate::{
    config::Jwt,
    domain::{
        principal::{Principal, TokenIdentity},
        verdict::{Denial, TokenFault, Verdict},
    },
};

/// A `kid` that is longer names no key; nothing of ours is so long.
const KEY_ID_MAX_BYTES: usize = 256;

/// Decides whether a token is good.
pub struct TokenVerifier {
    /// By the `iss` of their tokens.
    issuers: HashMap<Box<str>, Issuer>,
    /// Whose tokens are signed with the shared secret of the configuration, where there is one.
    shared: Option<Issuer>,
}

impl TokenVerifier {
    /// A verifier for the tokens of the configured issuers. `remote` has the keys of those that publish
    /// them, by issuer.
    ///
    /// # Errors
    /// [`UnusableKeys`] when the keys of an issuer cannot be used.
    pub fn new(settings: &Jwt, remote: &HashMap<String, Arc<RemoteKeys>>) -> Result<Self, UnusableKeys> {
        let issuers = settings.issuers.iter().map(|issuer| {
            let verifier = Issuer::of(issuer, remote.get(&issuer.issuer))?;
            Ok((issuer.issuer.as_str().into(), verifier))
        });
        Ok(Self { issuers: issuers.collect::<Result<_, UnusableKeys>>()?, shared: Issuer::shared(settings) })
    }

    /// How many issuers have never answered with keys.
    pub fn issuers_without_keys(&self) -> usize {
        self.issuers.values().filter(|issuer| !issuer.has_keys()).count()
    }

    /// Decides whether `token` is good at `now`.
    ///
    /// # Errors
    /// [`Undecided`] when the keys of its issuer are not known.
    pub async fn verify(&self, token: &[u8], now: OffsetDateTime) -> Result<Verdict, Undecided> {
        Ok(match self.identity(token, now).await? {
            Ok(identity) if identity.disabled => Verdict::OwnerDisabled(Arc::new(identity)),
            Ok(identity) => Verdict::Granted(Principal::proven_token(Arc::new(identity))),
            Err(fault) => Verdict::Denied(Denial::Token(fault)),
        })
    }

    /// The issuer is found by what the token says, unverified; so another issuer's keys never come into it.
    async fn identity(
        &self,
        token: &[u8],
        now: OffsetDateTime,
    ) -> Result<Result<TokenIdentity, TokenFault>, Undecided> {
        let unverified = match jws::UnverifiedToken::parse(token).and_then(|token| token.claims()) {
            Ok(claims) => claims,
            Err(fault) => return Ok(Err(fault)),
        };
        let named = unverified.get("iss").and_then(|issuer| issuer.as_str());
        let Some(issuer) = named.and_then(|name| self.issuers.get(name)).or(self.shared.as_ref()) else {
            return Ok(Err(TokenFault::Issuer));
        };
        issuer.identity(token, &unverified, now).await
    }
}

#[cfg(test)]
mod tests;
