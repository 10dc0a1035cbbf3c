//! Every answer that is not a success, in the formats of Keyward: `{"message": …}` on the compatibility routes, OAuth
//! errors at the OAuth endpoints, and problem details (RFC 9457) everywhere else. An answer to a refused credential
//! never contains what was sent, nor the reason for the refusal.

mod answer;
pub(crate) mod catalog;
mod needed_scopes;
pub(crate) mod problem;
mod reason;

use actix_web::http::StatusCode;

pub(crate) use self::{
    needed_scopes::NeededScopes,
    problem::FieldError,
    reason::{Answer, Missing, Reason},
};
use crate::api::paths;
use crate::domain::denial::PublicDenial;
pub(crate) use crate::{auth::strict_json::Fault, protect::CredentialKind};

/// The format of a route's errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The compatibility routes: their errors never change.
    Compatibility,
    /// The OAuth endpoints: errors of RFC 6749 §5.2.
    OAuth,
    /// Everything else: RFC 9457.
    Standard,
}

impl Dialect {
    pub(crate) fn of_path(path: &str) -> Self {
        match path {
            paths::INTROSPECT | paths::REVOKE => Self::OAuth,
            path if path.starts_with("/api/") => Self::Compatibility,
            _ => Self::Standard,
        }
    }
}

/// A failure, with the format of its answer.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    dialect: Dialect,
    /// The path of the request, without its query.
    path: Box<str>,
    reason: Reason,
    /// What is special about this request, beyond the reason.
    explanation: Option<&'static str>,
}

impl Failure {
    pub(crate) fn new(path: &str, reason: Reason) -> Self {
        Self { dialect: Dialect::of_path(path), path: path.into(), reason, explanation: None }
    }

    /// The same with a sentence about this request.
    pub(crate) fn explained(self, explanation: Option<&'static str>) -> Self {
        Self { explanation, ..self }
    }

    /// The stable code, which is the last segment of the problem's `type`.
    pub(crate) fn code(&self) -> &'static str {
        self.reason.facts().1
    }

    /// The compatibility routes answer 403 to a missing credential and 401 to a bad one, whatever is wrong with it.
    /// Everywhere else the RFCs apply.
    pub(crate) fn status(&self) -> StatusCode {
        match (self.dialect, &self.reason) {
            (Dialect::Compatibility, Reason::Denied(_, PublicDenial::MissingCredential)) => StatusCode::FORBIDDEN,
            (Dialect::Compatibility, Reason::Denied(_, PublicDenial::InvalidRequest)) => StatusCode::UNAUTHORIZED,
            (_, reason) => reason.facts().0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{api_key::KeyId, usage::TooManyCounts},
        server::Refusal,
    };

    const DOCUMENT: &str = include_str!("../../../../docs/problems.md");

    #[test]
    fn every_problem_is_documented_with_its_statuses() {
        let denied = |denial| Reason::Denied(CredentialKind::ApiKey, denial);
        for reason in [
            denied(PublicDenial::MissingCredential),
            denied(PublicDenial::InvalidRequest),
            denied(PublicDenial::InvalidCredential),
            denied(PublicDenial::InsufficientScope("")),
            Reason::InsufficientScopes(CredentialKind::Either, NeededScopes::default()),
            denied(PublicDenial::NotAllowed),
            denied(PublicDenial::RightsOfDisabledOwner),
            denied(PublicDenial::RateLimited(Some(1))),
            Reason::InvalidJson(Fault::Missing),
            Reason::InvalidJson(Fault::NotAnObject("array")),
            Reason::UnexpectedBody,
            Reason::InvalidFields(Vec::new()),
            Reason::InvalidParameters(Vec::new()),
            Reason::InvalidForm(""),
            Reason::UnsupportedTokenType,
            Reason::UnsupportedMediaType,
            Reason::NotFound(Missing::Route),
            Reason::MethodNotAllowed(""),
            Reason::VersionMismatch,
            Reason::PreconditionFailed,
            Reason::DisabledByAdministrator,
            Reason::OwnerDisabled,
            Reason::KeyRevoked,
            Reason::KeyExpired,
            Reason::AlreadyRotated(KeyId::from(uuid::Uuid::nil())),
            Reason::TooManyKeys(0, None),
            Reason::PlanInUse(1),
            Reason::TooManyPlans,
            Reason::UnknownPlan("pro".into()),
            Reason::TooManyNewKeys(0),
            Reason::TooManyChanges(0),
            Reason::OwnerBusy,
            Reason::ReportTooLarge(TooManyCounts(1)),
            Reason::IdempotencyKeyReused,
            Reason::NoRequest(Refusal::Malformed),
            Reason::NoRequest(Refusal::InvalidTarget),
            Reason::NoRequest(Refusal::InvalidHost),
            Reason::NoRequest(Refusal::TargetTooLong),
            Reason::NoRequest(Refusal::HeadersTooLarge),
            Reason::NoRequest(Refusal::HeadTimeout),
            Reason::NoRequest(Refusal::BodyTimeout),
            Reason::NoRequest(Refusal::BodyUnreadable),
            Reason::NoRequest(Refusal::BodyTooLarge),
            Reason::NoRequest(Refusal::ContentCoding),
            Reason::UnknownMethod,
            Reason::Unavailable,
            Reason::Internal,
        ] {
            let failure = Failure::new("/", reason.clone());
            let (code, here) = (failure.code(), failure.status().as_u16());
            let below = Failure::new("/api/", reason).status().as_u16();
            let statuses = if here == below { here.to_string() } else { format!("{here}, below `/api/` {below}") };
            let row = format!("| `{code}` | {statuses} | ");
            assert!(DOCUMENT.contains(&row), "docs/problems.md has no row {row}");
        }
    }
}
