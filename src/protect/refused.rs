//! What somebody is told who isn't let through: never what was sent, and never why a credential is no good.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use serde::Serialize;

use super::CredentialKind;
use crate::domain::denial::PublicDenial;

/// Seconds after which a client may try again. An outage of the database is over, or it is not, in
/// about that time; a longer wait would only hold up the recovery.
pub(crate) const RETRY_AFTER_SECONDS: &str = "1";

/// Status, code and title of a denial, as RFC 9110 §15.5.2 and RFC 6750 §3.1 have them.
pub(crate) fn denial_facts(kind: CredentialKind, denial: PublicDenial) -> (StatusCode, &'static str, &'static str) {
    let (missing, invalid) = match kind {
        CredentialKind::Token => ("No token provided", "Failed to authenticate token"),
        CredentialKind::ApiKey | CredentialKind::Basic => ("No API key provided", "Invalid API key"),
        CredentialKind::Either => ("No credential provided", "Invalid credential"),
    };
    match denial {
        PublicDenial::MissingCredential => (StatusCode::UNAUTHORIZED, "missing_credential", missing),
        PublicDenial::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid_request", invalid),
        PublicDenial::InvalidCredential => (StatusCode::UNAUTHORIZED, "invalid_token", invalid),
        PublicDenial::InsufficientScope(_) => (StatusCode::FORBIDDEN, "insufficient_scope", "Insufficient scope"),
        PublicDenial::NotAllowed => (StatusCode::FORBIDDEN, "not_allowed", "Not allowed here"),
    }
}

/// A request was not let through. As an answer, it is problem details (RFC 9457) with what the RFCs demand beside them:
/// 401 with `WWW-Authenticate` without a good credential, 403 without the scope, 400 with two credentials at once, and
/// 503 with `Retry-After` where it could not be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(Cause);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The credential was refused.
    Denied(CredentialKind, PublicDenial),
    /// It could not be decided.
    Undecided,
}

impl Refused {
    pub(crate) fn new(cause: Cause) -> Self {
        Self(cause)
    }

    pub(crate) fn cause(self) -> Cause {
        self.0
    }

    /// A stable word for programs, listed in Keyward's `docs/problems.md`.
    pub fn code(self) -> &'static str {
        self.facts().1
    }

    fn facts(self) -> (StatusCode, &'static str, &'static str) {
        match self.0 {
            Cause::Denied(kind, denial) => denial_facts(kind, denial),
            Cause::Undecided => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable"),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.facts().2)
    }
}

impl std::error::Error for Refused {}

/// An error as RFC 9457 has it.
#[derive(Serialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    code: &'static str,
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.facts().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, code, title) = self.facts();
        let mut response = HttpResponse::build(status);
        response.insert_header((CACHE_CONTROL, "no-store"));
        match self.0 {
            Cause::Denied(_, PublicDenial::InvalidRequest) => {}
            Cause::Denied(kind, denial) => {
                response.insert_header((WWW_AUTHENTICATE, kind.challenge(denial)));
            }
            Cause::Undecided => {
                response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
            }
        }
        let problem = Problem { kind: format!("/problems/{code}"), title, status: status.as_u16(), code };
        response.content_type("application/problem+json").json(problem)
    }
}
