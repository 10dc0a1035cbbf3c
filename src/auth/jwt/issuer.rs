//! One issuer: its tokens, keys and rules.

#[cfg(feature = "server")]
use std::collections::HashMap;
use std::sync::Arc;

use time::OffsetDateTime;

#[cfg(feature = "server")]
use super::claims::LogoutClaims;
use super::{
    SignatureAlgorithm, VerifiedToken,
    claims::ClaimRules,
    jws::{HeaderPolicy, Types, UnverifiedToken},
    keys::{self, KeySet, RemoteKeys},
};
#[cfg(feature = "server")]
use crate::config::OpenIdClient;
use crate::{
    auth::{
        Undecided,
        coherence::MonotonicTime,
        strict_json::{Json, Object},
    },
    config::{self, IssuerKeys, Jwt},
    domain::{denial::TokenFault, secret::SecretBytes},
};

/// The accepted `typ` values of access tokens (RFC 7519 §5.1, RFC 9068 §2.1). Others denote tokens for another purpose
/// (RFC 8725 §3.11).
const ACCESS_TOKEN_TYPES: &[&str] = &["jwt", "application/jwt", "at+jwt", "application/at+jwt"];
/// Only those of RFC 9068 §2.1.
const AT_JWT: &[&str] = &["at+jwt", "application/at+jwt"];

/// An issuer, with the rules for its tokens.
pub(super) struct Issuer {
    keys: Keys,
    header: HeaderPolicy,
    claims: ClaimRules,
}

/// The version of keys that never change.
const FIXED: u64 = 0;

enum Keys {
    Fixed(KeySet),
    Remote(Arc<RemoteKeys>),
}

/// The configured keys of an issuer can't be used.
#[derive(Debug, thiserror::Error)]
#[error("the keys of the issuer {issuer} cannot be used: {why}")]
pub struct UnusableKeys {
    issuer: String,
    why: String,
}

/// Reads and checks the keys that stand in the configuration's files: those that need not be fetched.
///
/// # Errors
/// [`UnusableKeys`], one for each issuer.
pub fn check_key_files(settings: &Jwt) -> Result<(), Vec<UnusableKeys>> {
    let fixed = settings.issuers.iter().filter(|issuer| !issuer.keys.are_fetched());
    let unusable: Vec<_> = fixed.filter_map(|issuer| Issuer::of(issuer, None).err()).collect();
    if unusable.is_empty() { Ok(()) } else { Err(unusable) }
}

impl Issuer {
    /// The issuer whose tokens are signed with the shared secret.
    pub(super) fn shared(settings: &Jwt) -> Option<Self> {
        let secrets = std::iter::once(settings.secret.as_ref()?).chain(&settings.previous_secret);
        Some(Self {
            keys: Keys::Fixed(KeySet::of_secrets(secrets.map(|secret| (secret, vec![settings.algorithm.into()])))),
            header: header_policy(false),
            claims: ClaimRules::shared(settings),
        })
    }

    /// A configured issuer. `remote` has its keys if they must be fetched.
    pub(super) fn of(settings: &config::Issuer, remote: Option<&Arc<RemoteKeys>>) -> Result<Self, UnusableKeys> {
        let unusable = |why: String| UnusableKeys { issuer: settings.issuer.clone(), why };
        let allowed = allowed(settings);
        let keys = match &settings.keys {
            IssuerKeys::Secret(secret) => {
                let fits = |algorithm: &SignatureAlgorithm, secret: &SecretBytes| {
                    allowed.contains(algorithm) && secret.expose().len() >= algorithm.shortest_secret()
                };
                let fitting = |secret| SignatureAlgorithm::HMAC.into_iter().filter(|it| fits(it, secret)).collect();
                let secrets = std::iter::once(secret).chain(&settings.previous_secret);
                Keys::Fixed(KeySet::of_secrets(secrets.map(|secret| (secret, fitting(secret)))))
            }
            IssuerKeys::Public(text) => {
                let read = keys::read_file(text).map_err(|why| unusable(format!("public_keys_file: {why}")))?;
                keys::tell(&settings.issuer, &read);
                Keys::Fixed(read.keys.only(&allowed))
            }
            IssuerKeys::KeySet(_) | IssuerKeys::Discovery => {
                let remote = remote.ok_or_else(|| unusable("nobody fetches them".to_owned()))?;
                Keys::Remote(Arc::clone(remote))
            }
        };
        if matches!(&keys, Keys::Fixed(keys) if keys.is_empty()) {
            return Err(unusable("none of them is of an accepted kind and strength".to_owned()));
        }
        Ok(Self { keys, header: header_policy(settings.at_jwt), claims: ClaimRules::of(settings) })
    }

    /// The issuer at which this client signs people in, for its tokens of these types that are meant for the client.
    /// `remote` has the keys of issuers that publish them, by issuer.
    #[cfg(feature = "server")]
    pub(super) fn of_client(
        settings: &Jwt,
        client: &OpenIdClient,
        remote: &HashMap<String, Arc<RemoteKeys>>,
        types: &'static [&'static str],
    ) -> Result<Self, UnusableKeys> {
        let configured = settings.issuers.iter().find(|issuer| issuer.issuer == client.issuer);
        let configured = configured.ok_or_else(|| UnusableKeys {
            issuer: client.issuer.clone(),
            why: "it is none of jwt.issuers".to_owned(),
        })?;
        let issuer = Self::of(configured, remote.get(&client.issuer))?;
        let header = HeaderPolicy { types: Some(Types { known: types, may_be_missing: true }) };
        Ok(Self { header, claims: issuer.claims.for_client(&client.client_id), ..issuer })
    }

    /// Verifies a logout token, and returns what it says or the reason for a refusal.
    ///
    /// # Errors
    /// [`Undecided`] if the keys are not available.
    #[cfg(feature = "server")]
    pub(super) async fn verify_logout(
        &self,
        token: &UnverifiedToken<'_>,
        claims: &Object<'_>,
        now: OffsetDateTime,
    ) -> Result<Result<LogoutClaims, TokenFault>, Undecided> {
        let verify = |keys: &KeySet, _| {
            token.check_signature(keys, &self.header, claims.get("iss").and_then(Json::as_str))?;
            self.claims.check_logout(claims, now)
        };
        self.with_keys(verify).await
    }

    /// The identity of the key set, if it was never fetched.
    pub(super) fn name_without_keys(&self) -> Option<*const RemoteKeys> {
        match &self.keys {
            Keys::Remote(remote) if !remote.have_come() => Some(Arc::as_ptr(remote)),
            _ => None,
        }
    }

    /// Verifies a token, and returns its content or the reason for a refusal.
    ///
    /// # Errors
    /// [`Undecided`] if the keys are not available.
    pub(super) async fn verify(
        self: &Arc<Self>,
        token: &UnverifiedToken<'_>,
        claims: &Object<'_>,
        now: OffsetDateTime,
    ) -> Result<Result<VerifiedToken, TokenFault>, Undecided> {
        self.with_keys(|keys, version| self.verify_with(token, claims, keys, version, now)).await
    }

    /// What comes of a token with the issuer's keys.
    async fn with_keys<T>(
        &self,
        verify: impl Fn(&KeySet, u64) -> Result<T, TokenFault>,
    ) -> Result<Result<T, TokenFault>, Undecided> {
        let remote = match &self.keys {
            Keys::Fixed(keys) => return Ok(verify(keys, FIXED)),
            Keys::Remote(remote) => remote,
        };
        let keys = remote.current()?;
        match verify(&keys.set, keys.version) {
            // The issuer may have rotated its keys. Even if nothing is fetched now, they may have arrived in the
            // meantime.
            Err(TokenFault::KeyUnknown) => {
                remote.fetch_anew().await;
                let keys = remote.current()?;
                Ok(verify(&keys.set, keys.version))
            }
            verified => Ok(verified),
        }
    }

    fn verify_with(
        self: &Arc<Self>,
        token: &UnverifiedToken<'_>,
        claims: &Object<'_>,
        keys: &KeySet,
        keys_version: u64,
        now: OffsetDateTime,
    ) -> Result<VerifiedToken, TokenFault> {
        let issuer = claims.get("iss").and_then(Json::as_str);
        token.check_signature(keys, &self.header, issuer)?;
        // From here on, the claims are the issuer's statements.
        let claimed = self.claims.check(claims, now)?;
        Ok(VerifiedToken { claimed, issuer: Arc::clone(self), keys_version })
    }

    /// Whether a token that this version of the keys has verified would still be verified at `now`.
    pub(super) fn has_still(&self, keys_version: u64, now: MonotonicTime) -> bool {
        match &self.keys {
            Keys::Fixed(_) => true,
            Keys::Remote(remote) => remote.are_still(keys_version, now),
        }
    }

    /// The rules for the claims of its tokens.
    pub(super) fn claims(&self) -> &ClaimRules {
        &self.claims
    }
}

/// The algorithms that are accepted from an issuer. Shared secrets and public keys are never combined, because a public
/// key could then be used as a secret (RFC 8725 §2.1).
pub fn allowed(settings: &config::Issuer) -> Vec<SignatureAlgorithm> {
    let with_secret = matches!(settings.keys, IssuerKeys::Secret(_));
    let all = SignatureAlgorithm::ALL.into_iter();
    let named: Vec<_> = settings.algorithms.iter().filter_map(|name| SignatureAlgorithm::named(name)).collect();
    all.filter(|algorithm| SignatureAlgorithm::HMAC.contains(algorithm) == with_secret)
        .filter(|algorithm| named.is_empty() || named.contains(algorithm))
        .collect()
}

fn header_policy(at_jwt: bool) -> HeaderPolicy {
    let types = if at_jwt {
        Types { known: AT_JWT, may_be_missing: false }
    } else {
        Types { known: ACCESS_TOKEN_TYPES, may_be_missing: true }
    };
    HeaderPolicy { types: Some(types) }
}
