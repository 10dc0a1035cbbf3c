//! Verifies logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.6): whose sessions the provider has ended.

use std::{collections::HashMap, sync::Arc};

use time::OffsetDateTime;

use super::{RemoteKeys, claims::LogoutClaims, issuer::Issuer, issuer::UnusableKeys, jws::UnverifiedToken};
use crate::{
    auth::{
        Undecided,
        strict_json::{Json, Object},
    },
    config::{Jwt, OpenIdClient},
    domain::denial::TokenFault,
};

/// The accepted `typ` values of logout tokens (§2.4).
const TYPES: &[&str] = &["logout+jwt", "application/logout+jwt", "jwt", "application/jwt"];
/// The member of `events` that makes a token one for logging out (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Verifies the logout tokens of one issuer for one client.
pub struct LogoutTokenVerifier {
    issuer: Issuer,
}

/// What a logout token says. Somebody or a session is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// The issuer.
    pub issuer: Box<str>,
    /// Who has signed out: `sub`.
    pub subject: Option<Box<str>>,
    /// The same in the claim that names people, which may be another one.
    pub person: Option<Box<str>>,
    /// The provider's session that has ended: `sid`.
    pub session: Option<Box<str>>,
    /// When it was issued. Sessions that began later are others.
    pub issued_at: OffsetDateTime,
}

/// Why a logout token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoutTokenFault {
    /// As other tokens may be refused.
    #[error("{}", .0.as_str())]
    Token(TokenFault),
    /// It is about no logout.
    #[error("events")]
    Event,
    /// It has a nonce, so it is an ID token.
    #[error("nonce")]
    Nonce,
    /// It doesn't say when it was issued.
    #[error("iat")]
    Undated,
    /// It has no id.
    #[error("jti")]
    NoId,
    /// It names neither somebody nor a session.
    #[error("sub and sid")]
    Nobody,
}

impl LogoutTokenVerifier {
    /// A verifier for this client. `remote` has the keys of issuers that publish them, by issuer.
    ///
    /// # Errors
    /// [`UnusableKeys`] if the issuer is not configured, or its keys can't be used.
    pub fn new(
        settings: &Jwt,
        client: &OpenIdClient,
        remote: &HashMap<String, Arc<RemoteKeys>>,
    ) -> Result<Self, UnusableKeys> {
        Ok(Self { issuer: Issuer::of_client(settings, client, remote, TYPES)? })
    }

    /// Decides whether `token` is a logout token for us.
    ///
    /// # Errors
    /// [`Undecided`] if the keys of the issuer are not available.
    pub async fn verify(
        &self,
        token: &[u8],
        now: OffsetDateTime,
    ) -> Result<Result<LogoutToken, LogoutTokenFault>, Undecided> {
        let parsed = UnverifiedToken::parse(token).and_then(|token| Ok((token.payload()?, token)));
        let (payload, token) = match parsed {
            Ok(parsed) => parsed,
            Err(fault) => return Ok(Err(LogoutTokenFault::Token(fault))),
        };
        let Some(claims) = Object::read(&payload) else {
            return Ok(Err(LogoutTokenFault::Token(TokenFault::Malformed)));
        };
        let verified = self.issuer.verify_logout(&token, &claims, now).await?;
        Ok(verified.map_err(LogoutTokenFault::Token).and_then(|said| check(&claims, said)))
    }
}

/// What only logout tokens have. An ID token must never pass for one, nor the other way round.
fn check(claims: &Object<'_>, said: LogoutClaims) -> Result<LogoutToken, LogoutTokenFault> {
    let is_logout = matches!(claims.get("events"), Some(Json::Object(events)) if events.get(EVENT).is_some());
    if !is_logout {
        return Err(LogoutTokenFault::Event);
    }
    if claims.get("nonce").is_some() {
        return Err(LogoutTokenFault::Nonce);
    }
    if claims.get("jti").and_then(Json::as_str).is_none_or(str::is_empty) {
        return Err(LogoutTokenFault::NoId);
    }
    let LogoutClaims { issuer, subject, person, session, issued_at } = said;
    if subject.is_none() && session.is_none() {
        return Err(LogoutTokenFault::Nobody);
    }
    let issued_at = issued_at.ok_or(LogoutTokenFault::Undated)?;
    Ok(LogoutToken { issuer, subject, person, session, issued_at })
}
