//! Verifies ID tokens (OpenID Connect Core 1.0 §3.1.3.7): who has signed in, and that it was for us and now.

use std::{collections::HashMap, sync::Arc};

use time::OffsetDateTime;

use super::{RemoteKeys, issuer::Issuer, issuer::UnusableKeys, jws::UnverifiedToken};
use crate::{
    auth::{
        Undecided,
        strict_json::{Json, Object},
    },
    config::{Jwt, OpenIdClient},
    domain::{
        credential_in_text::without_controls, denial::TokenFault, owner::IDENTIFIER_MAX_BYTES,
        principal::TokenIdentity, session::AtProvider,
    },
};

/// The accepted `typ` values of ID tokens, which are not access tokens (RFC 8725 §3.11).
const TYPES: &[&str] = &["jwt", "application/jwt"];
/// The claims with a name to show, the first that is there (OpenID Connect Core 1.0 §5.1).
const NAMES: [&str; 3] = ["name", "preferred_username", "email"];
/// The maximum length of a shown name, in letters.
const NAME_MAX: usize = 100;

/// Verifies the ID tokens of one issuer for one client.
pub struct IdTokenVerifier {
    issuer: Arc<Issuer>,
    name: String,
    client_id: String,
}

/// What an ID token says.
pub struct IdToken {
    /// Who has signed in, by the same rules as for the issuer's other tokens.
    pub identity: Arc<TokenIdentity>,
    /// What to call them.
    pub name: Option<String>,
    /// What it says later of a session that has ended (OpenID Connect Back-Channel Logout 1.0).
    pub at_provider: AtProvider,
    /// `auth_time`: when they proved who they are, which need not be now.
    pub authenticated_at: Option<OffsetDateTime>,
}

/// Why an ID token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenFault {
    /// As other tokens may be refused.
    #[error("{}", .0.as_str())]
    Token(TokenFault),
    /// It is not about the request that was made.
    #[error("nonce")]
    Nonce,
    /// It was issued to somebody else.
    #[error("azp")]
    Party,
    /// It doesn't say when it was issued, which it must.
    #[error("iat")]
    Undated,
}

impl IdTokenVerifier {
    /// A verifier for this client. `remote` has the keys of issuers that publish them, by issuer.
    ///
    /// # Errors
    /// [`UnusableKeys`] if the issuer is not configured, or its keys can't be used.
    pub fn new(
        settings: &Jwt,
        client: &OpenIdClient,
        remote: &HashMap<String, Arc<RemoteKeys>>,
    ) -> Result<Self, UnusableKeys> {
        let issuer = Arc::new(Issuer::of_client(settings, client, remote, TYPES)?);
        Ok(Self { issuer, name: client.issuer.clone(), client_id: client.client_id.clone() })
    }

    /// Decides whether `token` is an ID token for us, issued for the request with this nonce.
    ///
    /// # Errors
    /// [`Undecided`] if the keys of the issuer are not available.
    pub async fn verify(
        &self,
        token: &[u8],
        nonce: &str,
        now: OffsetDateTime,
    ) -> Result<Result<IdToken, IdTokenFault>, Undecided> {
        let parsed = UnverifiedToken::parse(token).and_then(|token| Ok((token.payload()?, token)));
        let (payload, token) = match parsed {
            Ok(parsed) => parsed,
            Err(fault) => return Ok(Err(IdTokenFault::Token(fault))),
        };
        let Some(claims) = Object::read(&payload) else { return Ok(Err(IdTokenFault::Token(TokenFault::Malformed))) };
        let verified = match self.issuer.verify(&token, &claims, now).await? {
            Ok(verified) => verified,
            Err(fault) => return Ok(Err(IdTokenFault::Token(fault))),
        };
        Ok(self.check(&claims, nonce).map(|()| IdToken {
            identity: Arc::clone(verified.identity()),
            name: name(&claims),
            at_provider: AtProvider {
                subject: claims.get("sub").and_then(Json::as_str).and_then(stored),
                session: claims.get("sid").and_then(Json::as_str).and_then(stored),
                issued_at: verified.identity().issued_at,
            },
            authenticated_at: authenticated_at(&claims, now),
        }))
    }

    /// What only ID tokens have.
    fn check(&self, claims: &Object<'_>, nonce: &str) -> Result<(), IdTokenFault> {
        let text = |name: &str| claims.get(name).and_then(Json::as_str);
        if text("nonce") != Some(nonce) {
            return Err(IdTokenFault::Nonce);
        }
        let is_for_several = matches!(claims.get("aud"), Some(Json::List(audiences)) if audiences.len() > 1);
        match claims.get("azp") {
            None if is_for_several => return Err(IdTokenFault::Party),
            Some(party) if party.as_str() != Some(&self.client_id) => return Err(IdTokenFault::Party),
            _ => {}
        }
        if claims.get("iat").is_none() { Err(IdTokenFault::Undated) } else { Ok(()) }
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.name
    }
}

/// A time in the future proves nothing.
fn authenticated_at(claims: &Object<'_>, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let seconds = claims.get("auth_time").and_then(Json::as_f64).filter(|seconds| *seconds >= 0.0)?;
    OffsetDateTime::from_unix_timestamp(seconds as i64).ok().map(|at| at.min(now))
}

/// A name that is too long to be stored is none: then the provider names the other one.
fn stored(name: &str) -> Option<String> {
    ((1..=IDENTIFIER_MAX_BYTES).contains(&name.len()) && !name.contains('\0')).then(|| name.to_owned())
}

/// A name for pages. People choose it themselves at many providers, and it is kept with the session, so one that carries
/// a key or a token is none.
fn name(claims: &Object<'_>) -> Option<String> {
    let names = NAMES.iter().filter_map(|name| claims.get(name).and_then(Json::as_str));
    let shown = |name: &str| without_controls(name).map(|name| name.chars().take(NAME_MAX).collect::<String>());
    names.filter_map(shown).find(|name| !name.trim().is_empty())
}
