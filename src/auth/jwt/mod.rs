//! JWT verification (RFC 7519, RFC 8725). The key decides the algorithm; the token's header can only agree with it.

mod algorithm;
mod claim_path;
mod claims;
#[cfg(feature = "server")]
mod id_token;
mod issuer;
mod jws;
mod keys;
mod lives;
#[cfg(feature = "server")]
mod logout_token;
mod mint;
mod scopes;
mod unverified;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use time::OffsetDateTime;

pub use self::{
    algorithm::SignatureAlgorithm,
    issuer::{UnusableKeys, allowed as allowed_algorithms, check_key_files},
    jws::{HeaderPolicy, SignedPayload, Types, verify},
    keys::{
        KeySet, NotAKeySet, NotUsed, ReadKeySet, RemoteKeys, RemoteKeysSettings, RemoteKeysState, Source, Unusable,
    },
    lives::TokenLives,
    mint::{MintError, TokenMinter, TokenRequest},
    unverified::Unverified,
};
use self::{
    claims::{Claimed, seconds},
    issuer::Issuer,
    jws::UnverifiedToken,
};
#[cfg(feature = "server")]
pub use self::{
    id_token::{IdToken, IdTokenFault, IdTokenVerifier},
    logout_token::{LogoutToken, LogoutTokenFault, LogoutTokenVerifier},
};
use super::{
    Undecided,
    coherence::MonotonicTime,
    strict_json::{Json, Object},
};
use crate::{
    config::Jwt,
    domain::{denial::TokenFault, owner::OwnerKind, principal::TokenIdentity, token::TokenRecords},
};

/// The maximum length of a `kid`. Longer ones match no key.
const KEY_ID_MAX_BYTES: usize = 256;

/// Verifies tokens.
pub struct TokenVerifier {
    /// The issuers, by the `iss` of their tokens.
    issuers: HashMap<Box<str>, Arc<Issuer>>,
    /// The issuer of tokens signed with the configured shared secret, if there is one.
    shared: Option<Arc<Issuer>>,
    /// Whether the keys of any issuer belong to organisations.
    has_organisations: bool,
    lives: TokenLives,
}

/// A token with valid signature and claims. It may have been revoked, so this alone must not admit anybody:
/// [`TokenChecker`](super::tokens::check::TokenChecker) decides.
pub struct VerifiedToken {
    claimed: Claimed,
    issuer: Arc<Issuer>,
    /// The version of the issuer's keys that has verified it.
    keys_version: u64,
}

impl VerifiedToken {
    /// The identity of its bearer.
    pub fn identity(&self) -> &Arc<TokenIdentity> {
        &self.claimed.identity
    }

    /// The records that could revoke it.
    pub fn records(&self) -> TokenRecords {
        self.claimed.records
    }

    /// Its `iat`, in seconds since 1970.
    pub fn issued_at(&self) -> Option<f64> {
        self.claimed.issued_at
    }

    /// Whether signature and claims would still be valid at `now`, which is `instant` on this machine's clock. Only
    /// compares dates and versions.
    pub(super) fn is_still_good(&self, now: OffsetDateTime, instant: MonotonicTime) -> bool {
        self.claimed.in_force.contains(&seconds(now)) && self.issuer.has_still(self.keys_version, instant)
    }
}

impl TokenVerifier {
    /// A verifier for the tokens of the configured issuers. `remote` has the keys of issuers that publish them, by
    /// issuer.
    ///
    /// # Errors
    /// [`UnusableKeys`] if the keys of an issuer can't be used.
    pub fn new(settings: &Jwt, remote: &HashMap<String, Arc<RemoteKeys>>) -> Result<Self, UnusableKeys> {
        let issuers = settings.issuers.iter().map(|issuer| {
            let verifier = Issuer::of(issuer, remote.get(&issuer.issuer))?;
            Ok((issuer.issuer.as_str().into(), Arc::new(verifier)))
        });
        let shared = Issuer::shared(settings).map(Arc::new);
        let issuers: HashMap<_, Arc<Issuer>> = issuers.collect::<Result<_, UnusableKeys>>()?;
        let has_organisations = issuers.values().chain(&shared).any(|issuer| issuer.claims().names_organisations());
        Ok(Self { issuers, shared, has_organisations, lives: TokenLives::of(settings) })
    }

    /// Whether the keys of any issuer belong to organisations.
    pub fn has_organisations(&self) -> bool {
        self.has_organisations
    }

    /// The kind of owner that the keys of an issuer belong to.
    pub fn owner_kind(&self, issuer: &str) -> OwnerKind {
        if !self.has_organisations {
            return OwnerKind::Person;
        }
        match self.issuer(Some(issuer)).map(|issuer| issuer.claims()).filter(|claims| claims.is_about(issuer)) {
            Some(claims) if claims.names_organisations() => OwnerKind::Organisation,
            Some(_) => OwnerKind::Person,
            None => OwnerKind::Unknown,
        }
    }

    /// The number of issuers whose keys were never fetched. Issuers that share a key set count once.
    pub fn issuers_without_keys(&self) -> usize {
        let names = self.issuers.values().filter_map(|issuer| issuer.name_without_keys());
        names.collect::<HashSet<_>>().len()
    }

    /// Whether the tokens of this issuer list all scopes that their bearers have.
    pub fn is_scope_bearing(&self, issuer: &str) -> bool {
        self.issuer(Some(issuer)).is_some_and(|issuer| issuer.claims().is_scope_bearing())
    }

    /// Whether the tokens of this issuer name the plan of their owner.
    pub fn names_plans(&self, issuer: &str) -> bool {
        self.issuer(Some(issuer)).is_some_and(|issuer| issuer.claims().names_plans())
    }

    /// How long tokens may be accepted, by issuer.
    pub fn lives(&self) -> &TokenLives {
        &self.lives
    }

    /// Decides whether signature and claims of `token` are valid at `now`. The unverified `iss` selects the issuer, so
    /// the keys of other issuers are never used.
    ///
    /// # Errors
    /// [`Undecided`] if the keys of its issuer are not available.
    pub async fn verify(
        &self,
        token: &[u8],
        now: OffsetDateTime,
    ) -> Result<Result<VerifiedToken, TokenFault>, Undecided> {
        let parsed = UnverifiedToken::parse(token).and_then(|token| Ok((token.payload()?, token)));
        let (payload, token) = match parsed {
            Ok(parsed) => parsed,
            Err(fault) => return Ok(Err(fault)),
        };
        let Some(claims) = Object::read(&payload) else { return Ok(Err(TokenFault::Malformed)) };
        match self.issuer_for(claims.get("iss").and_then(Json::as_str), &token) {
            Some(issuer) => issuer.verify(&token, &claims, now).await,
            None => Ok(Err(TokenFault::Issuer)),
        }
    }

    /// The issuer of tokens with this `iss`: a configured one, or otherwise the shared secret's if it accepts this
    /// `iss`.
    fn issuer(&self, named: Option<&str>) -> Option<&Arc<Issuer>> {
        let shared = || self.shared.as_ref().filter(|shared| shared.claims().is_about(named.unwrap_or_default()));
        named.and_then(|name| self.issuers.get(name)).or_else(shared)
    }
}

#[cfg(test)]
mod tests;
