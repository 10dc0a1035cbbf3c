//! Every answer that is not a success, in the two languages that Keyward speaks: the guide's
//! `{"message": …}` below `/api/`, and problem details (RFC 9457) everywhere else. What a stranger
//! reads here never depends on what was sent, and never tells why a credential is no good.

use std::fmt;

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use serde_json::json;

use crate::domain::verdict::PublicDenial;

/// Seconds after which a client may try again. An outage of the database is over, or it is not, in
/// about that time; a longer wait would only hold up the recovery.
const RETRY_AFTER_SECONDS: &str = "1";

/// Which language a route answers in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// The guide's routes: exact for ever.
    Guide,
    /// Everything else: the RFCs.
    Standard,
}

impl Dialect {
    pub(super) fn of_path(path: &str) -> Self {
        if path.starts_with("/api/") { Self::Guide } else { Self::Standard }
    }
}

/// Which kind of credential a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CredentialKind {
    /// A JWT in `Authorization`.
    Token,
    /// An API key in `x-api-key`.
    ApiKey,
}

impl CredentialKind {
    fn challenge(self, denial: PublicDenial) -> String {
        let scheme = match self {
            Self::Token => "Bearer",
            Self::ApiKey => "ApiKey",
        };
        let error = match denial {
            // No error code when nothing was presented (RFC 6750 §3.1).
            PublicDenial::MissingCredential => "",
            PublicDenial::InvalidRequest => r#", error="invalid_request""#,
            PublicDenial::InvalidCredential => r#", error="invalid_token""#,
        };
        format!(r#"{scheme} realm="keyward"{error}"#)
    }
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The credential was refused.
    Denied(CredentialKind, PublicDenial),
    /// The body is declared as JSON and is not.
    InvalidJson,
    /// There is no such route.
    NotFound,
    /// The route exists, with these methods.
    MethodNotAllowed(&'static str),
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body could not be read.
    BodyUnreadable,
    /// The body is larger than configured.
    BodyTooLarge,
    /// The headers are larger than configured.
    HeadersTooLarge,
    /// It could not be decided or done now.
    Unavailable,
    /// A defect of ours.
    Internal,
}

/// A failure and the language to tell it in.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    dialect: Dialect,
    reason: Reason,
}

impl Failure {
    pub(super) fn new(path: &str, reason: Reason) -> Self {
        Self { dialect: Dialect::of_path(path), reason }
    }

    fn status(self) -> StatusCode {
        match self.reason {
            Reason::Denied(_, denial) => self.denial_status(denial),
            Reason::InvalidJson | Reason::BodyUnreadable => StatusCode::BAD_REQUEST,
            Reason::NotFound => StatusCode::NOT_FOUND,
            Reason::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Reason::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Reason::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Reason::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Reason::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Reason::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The guide says 403 for a missing credential and 401 for a bad one; RFC 9110 §15.5.2 and
    /// RFC 6750 §3.1 say 401 for both, and 400 for a request that cannot be read.
    fn denial_status(self, denial: PublicDenial) -> StatusCode {
        match (self.dialect, denial) {
            (Dialect::Guide, PublicDenial::MissingCredential) => StatusCode::FORBIDDEN,
            (Dialect::Standard, PublicDenial::InvalidRequest) => StatusCode::BAD_REQUEST,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// A stable word for programs, the last part of the problem's `type`.
    fn code(self) -> &'static str {
        match self.reason {
            Reason::Denied(_, PublicDenial::MissingCredential) => "missing_credential",
            Reason::Denied(_, PublicDenial::InvalidRequest) => "invalid_request",
            Reason::Denied(_, PublicDenial::InvalidCredential) => "invalid_token",
            Reason::InvalidJson => "invalid_json",
            Reason::NotFound => "not_found",
            Reason::MethodNotAllowed(_) => "method_not_allowed",
            Reason::BodyTimeout => "body_timeout",
            Reason::BodyUnreadable => "body_unreadable",
            Reason::BodyTooLarge => "body_too_large",
            Reason::HeadersTooLarge => "headers_too_large",
            Reason::Unavailable => "unavailable",
            Reason::Internal => "internal",
        }
    }

    fn title(self) -> &'static str {
        match self.reason {
            Reason::Denied(CredentialKind::Token, PublicDenial::MissingCredential) => "No token provided",
            Reason::Denied(CredentialKind::Token, _) => "Failed to authenticate token",
            Reason::Denied(CredentialKind::ApiKey, PublicDenial::MissingCredential) => "No API key provided",
            Reason::Denied(CredentialKind::ApiKey, _) => "Invalid API key",
            Reason::InvalidJson => "The body is not valid JSON",
            Reason::NotFound => "Not found",
            Reason::MethodNotAllowed(_) => "Method not allowed",
            Reason::BodyTimeout => "The body did not arrive in time",
            Reason::BodyUnreadable => "The body could not be read",
            Reason::BodyTooLarge => "The body is too large",
            Reason::HeadersTooLarge => "The headers are too large",
            Reason::Unavailable => "Temporarily unavailable",
            Reason::Internal => "Internal error",
        }
    }

    fn add_headers(self, response: &mut HttpResponseBuilder) {
        response.insert_header((CACHE_CONTROL, "no-store"));
        match self.reason {
            Reason::Denied(kind, denial) if self.status() == StatusCode::UNAUTHORIZED => {
                response.insert_header((WWW_AUTHENTICATE, kind.challenge(denial)));
            }
            Reason::MethodNotAllowed(allowed) => {
                response.insert_header((ALLOW, allowed));
            }
            Reason::Unavailable => {
                response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
            }
            // The rest of the body is still on its way; the connection is of no further use.
            Reason::BodyTimeout | Reason::BodyUnreadable | Reason::BodyTooLarge | Reason::HeadersTooLarge => {
                response.force_close();
            }
            _ => {}
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.title())
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status();
        let mut response = HttpResponse::build(status);
        self.add_headers(&mut response);
        match self.dialect {
            Dialect::Guide => response.json(json!({ "message": self.title() })),
            Dialect::Standard => response.content_type("application/problem+json").body(
                json!({
                    "type": format!("/problems/{}", self.code()),
                    "title": self.title(),
                    "status": status.as_u16(),
                    "code": self.code(),
                })
                .to_string(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../docs/problems.md");

    #[test]
    fn every_problem_is_documented_with_its_statuses() {
        let denied = |denial| Reason::Denied(CredentialKind::ApiKey, denial);
        for reason in [
            denied(PublicDenial::MissingCredential),
            denied(PublicDenial::InvalidRequest),
            denied(PublicDenial::InvalidCredential),
            Reason::InvalidJson,
            Reason::NotFound,
            Reason::MethodNotAllowed(""),
            Reason::BodyTimeout,
            Reason::BodyUnreadable,
            Reason::BodyTooLarge,
            Reason::HeadersTooLarge,
            Reason::Unavailable,
            Reason::Internal,
        ] {
            let standard = Failure::new("/", reason);
            let (here, there) = (standard.status().as_u16(), Failure::new("/api/", reason).status().as_u16());
            let statuses = if here == there { here.to_string() } else { format!("{here}, below `/api/` {there}") };
            let row = format!("| `{}` | {statuses} | ", standard.code());
            assert!(DOCUMENT.contains(&row), "docs/problems.md has no row {row}");
        }
    }
}
