//! JWT verification (RFC 7519, RFC 8725). The key decides the algorithm; a token's header can only
//! agree with it.

mod algorithm;
mod claim_path;
mod claims;
mod issuer;
mod jws;
mod keys;
mod lives;
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
    keys::{KeySet, NotAKeySet, NotUsed, ReadKeySet, RemoteKeys, RemoteKeysSettings, Source, Unusable},
    lives::TokenLives,
    mint::{MintError, TokenMinter, TokenRequest},
    unverified::Unverified,
};
use self::{
    claims::{Claimed, seconds},
    issuer::Issuer,
    jws::UnverifiedToken,
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

/// A `kid` that is longer names no key; nothing of ours is so long.
const KEY_ID_MAX_BYTES: usize = 256;

/// Verifies what tokens say.
pub struct TokenVerifier {
    /// By the `iss` of their tokens.
    issuers: HashMap<Box<str>, Arc<Issuer>>,
    /// Whose tokens are signed with the shared secret of the configuration, where there is one.
    shared: Option<Arc<Issuer>>,
    /// Whether the keys of any issuer belong to organisations.
    has_organisations: bool,
    lives: TokenLives,
}

/// A token of which signature and claims are good. Whether it was ended before it expires is not said, so this lets
/// nobody in: [`TokenChecker`](super::tokens::check::TokenChecker) does.
pub struct VerifiedToken {
    claimed: Claimed,
    issuer: Arc<Issuer>,
    /// Which of the issuer's sets of keys has verified it.
    keys_version: u64,
}

impl VerifiedToken {
    /// What it says of its bearer.
    pub fn identity(&self) -> &Arc<TokenIdentity> {
        &self.claimed.identity
    }

    /// What it could be ended by.
    pub fn records(&self) -> TokenRecords {
        self.claimed.records
    }

    /// Its `iat`, in seconds since 1970.
    pub fn issued_at(&self) -> Option<f64> {
        self.claimed.issued_at
    }

    /// Whether its signature and claims would be found good again at `now`, which is `instant` on this machine's own
    /// clock: without any arithmetic but on dates.
    pub(super) fn is_still_good(&self, now: OffsetDateTime, instant: MonotonicTime) -> bool {
        self.claimed.in_force.contains(&seconds(now)) && self.issuer.has_still(self.keys_version, instant)
    }
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

    /// Whom the keys of an issuer belong to.
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

    /// How many issuers have never answered with keys. Tenants that share a key set are one.
    pub fn issuers_without_keys(&self) -> usize {
        let names = self.issuers.values().filter_map(|issuer| issuer.name_without_keys());
        names.collect::<HashSet<_>>().len()
    }

    /// For how long tokens may be accepted, by issuer.
    pub fn lives(&self) -> &TokenLives {
        &self.lives
    }

    /// Decides whether signature and claims of `token` are good at `now`. The issuer is found by what the token says,
    /// unverified; so another issuer's keys never come into it.
    ///
    /// # Errors
    /// [`Undecided`] when the keys of its issuer are not known.
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
        match self.tried(claims.get("iss").and_then(Json::as_str), &token) {
            Some(issuer) => issuer.verify(&token, &claims, now).await,
            None => Ok(Err(TokenFault::Issuer)),
        }
    }

    /// Whose tokens have this `iss`. What nobody has is the shared secret's, if that demands none.
    fn issuer(&self, named: Option<&str>) -> Option<&Arc<Issuer>> {
        let shared = || self.shared.as_ref().filter(|shared| shared.claims().is_about(named.unwrap_or_default()));
        named.and_then(|name| self.issuers.get(name)).or_else(shared)
    }
}

#[cfg(test)]
mod tests;
