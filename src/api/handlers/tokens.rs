//! `POST /v1/admin/tokens/revoke`: revokes tokens before they expire, one by its id or all of a subject.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data},
};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::keys::requests::{self, instant};
use crate::api::{
    services::{Services, unavailable},
    wire::{
        confirmation::{Confirmation, log_change},
        failure::{Answer, Reason},
        request::{
            bodies::TOKEN_REVOCATION,
            fields::{Fields, Read, invalid, parsed, text},
        },
        times::{self, now},
    },
};
use crate::{
    auth::{jwt::TokenLives, lifecycle::Caller},
    domain::{
        credential_in_text::has_token_in,
        escape::escaped,
        token::{TokenRevocation, WhichTokens, is_too_late},
    },
};

/// Tokens that are revoked on every replica.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevokedTokens {
    #[serde(flatten)]
    tokens: EndedTokens,
    #[serde(flatten)]
    confirmation: Confirmation,
}

/// The revoked tokens.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndedTokens {
    /// The `iss` of the tokens; empty for tokens without one.
    issuer: String,
    /// The `jti` of the revoked token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_id: Option<String>,
    /// The subject whose tokens are revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    subject: Option<String>,
    /// Tokens issued before this instant are revoked, and tokens without `iat`: the latest instant that was ever given
    /// for this subject.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "times::optional")]
    #[schema(nullable = false)]
    not_before: Option<OffsetDateTime>,
    /// What may be wrong with the issuer, where that can't be told for sure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    notice: Option<&'static str>,
}

/// If any `iss` is accepted, a mistyped one can't be recognised.
const UNKNOWN_ISSUER: &str = "No configured issuer has this name. The revocation counts for tokens that are signed with \
                              jwt.secret, which may have any iss because jwt.issuer is empty. Check that the issuer is their iss, \
                              to the letter.";

impl EndedTokens {
    /// The revoked tokens of one of the `issuers`. `not_before`: the latest instant that was ever given for this
    /// subject.
    pub fn new(issuers: &TokenLives, issuer: &str, which: WhichTokens, not_before: Option<OffsetDateTime>) -> Self {
        let (token_id, subject) = match which {
            WhichTokens::WithId(token_id) => (Some(token_id.into()), None),
            WhichTokens::OfSubject { subject, .. } => (None, Some(subject.into())),
        };
        let is_doubtful = !issuer.is_empty() && !issuers.names(issuer);
        let notice = is_doubtful.then_some(UNKNOWN_ISSUER);
        Self { issuer: issuer.to_owned(), token_id, subject, not_before, notice }
    }

    /// What may be wrong with the issuer.
    pub fn notice(&self) -> Option<&'static str> {
        self.notice
    }
}

/// `POST /v1/admin/tokens/revoke`
pub(crate) async fn revoke(request: HttpRequest, caller: Caller, services: Data<Services>, body: Bytes) -> Answer {
    let issuers = services.gate.tokens.verifier().lives();
    let revocation = revocation(&request, &body, issuers, now())?;
    let (issuer, which) = (revocation.issuer.to_string(), revocation.which.clone());
    let revoked = services.lifecycle.revoke_tokens(revocation, caller.reach, caller.author).await;
    let revoked = revoked.map_err(unavailable(&request, "revoke tokens"))?;
    let tokens = EndedTokens::new(issuers, &issuer, which, revoked.outcome);
    log_change(&request, &revoked.propagated, |took_ms, replicas_confirmed, replicas_expired| {
        tracing::info!(
            issuer = escaped(&issuer),
            subject = tokens.subject.as_deref().map(escaped),
            token_id = tokens.token_id.as_deref().map(escaped),
            took_ms,
            replicas_confirmed,
            replicas_expired,
            "revoked tokens"
        );
    });
    let answer = RevokedTokens { tokens, confirmation: Confirmation::new(&revoked.propagated) };
    Ok(HttpResponse::Ok().json(answer))
}

/// The tokens that a body selects.
pub(crate) fn revocation(
    request: &HttpRequest,
    body: &Bytes,
    issuers: &TokenLives,
    now: OffsetDateTime,
) -> Result<TokenRevocation, Reason> {
    let mut fields = Fields::of(request, body, TOKEN_REVOCATION)?;
    let issuer = issuer(&mut fields, issuers);
    let token_id = fields.take("tokenId", identifier(1, "jti"));
    let subject = fields.take("subject", identifier(1, "sub"));
    let not_before = fields.take("notBefore", |value| match instant(value)? {
        instant if is_too_late(instant, now) => invalid("in_the_future", "must not be in the future"),
        instant => Ok(instant),
    });
    let expires_at = fields.take("expiresAt", |value| match instant(value)? {
        // A mistake or the wrong time zone: the token may still be accepted.
        instant if instant <= now => {
            invalid("in_the_past", "must be in the future; leave it out if you don't know when the token expires")
        }
        instant => Ok(instant),
    });
    let reason = fields.take("reason", parsed);
    let which = match (token_id, subject) {
        (Some(token_id), None) => {
            if not_before.is_some() {
                fields.problem("notBefore", "conflict", "is about the tokens of a subject");
            }
            Some(WhichTokens::WithId(token_id.into()))
        }
        (None, Some(subject)) => {
            if expires_at.is_some() {
                fields.problem("expiresAt", "conflict", "is about one token");
            }
            Some(WhichTokens::OfSubject { subject: subject.into(), not_before: not_before.unwrap_or(now) })
        }
        (Some(_), Some(_)) => {
            fields.problem("subject", "conflict", "give tokenId or subject, not both");
            None
        }
        (None, None) => {
            if fields.are_sound() {
                fields.problem("tokenId", "required", "name a token, or a subject");
            }
            None
        }
    };
    let revocation = issuer.zip(which).map(|((issuer, longest_life), which)| {
        TokenRevocation::new(issuer.into(), which, reason, longest_life, expires_at, now)
    });
    fields.finish(revocation)
}

/// A claim of the tokens. A whole token in its place would revoke nothing, and be kept for everybody who reads the
/// audit.
fn identifier(shortest: usize, claim: &'static str) -> impl Fn(Value) -> Read<String> {
    move |value| {
        let given = text(value)?;
        if has_token_in(&given) {
            return invalid("invalid", format!("is a whole token: send the claim {claim} of its payload instead"));
        }
        requests::identifier(shortest)(Value::String(given))
    }
}

/// The issuer, and the longest lifetime of its tokens. An issuer that is not configured is an error: success would
/// suggest that something had been revoked.
fn issuer(fields: &mut Fields, issuers: &TokenLives) -> Option<(String, Duration)> {
    let known = |issuer: String| match issuers.longest(&issuer) {
        Some(longest_life) => Ok((issuer, longest_life)),
        None => invalid("invalid", "no tokens of this issuer are accepted here; it is their iss, to the letter"),
    };
    let is_given = fields.is_given("issuer");
    match (fields.take("issuer", |value| known(identifier(0, "iss")(value)?)), issuers.only_issuer()) {
        (Some(given), _) => Some(given),
        (None, Some(only)) if !is_given => known(only.to_owned()).ok(),
        (None, None) if !is_given => {
            fields.problem(
                "issuer",
                "required",
                "name the issuer of the tokens, by their iss; \"\" for those without one",
            );
            None
        }
        (None, _) => None,
    }
}
