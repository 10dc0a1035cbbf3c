//! The response to a refused request. It never contains what was sent, nor why a credential is refused.

use std::{fmt, sync::Arc};

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use serde_json::json;

use super::{challenge::CredentialKind, limit_headers::LimitReport};
use crate::domain::denial::PublicDenial;

/// Seconds until a client should retry. A database outage is over in about this time, or lasts long; a longer wait
/// would only delay the recovery.
const RETRY_AFTER_SECONDS: &str = "1";

/// The response to a refused request, the same at every entry point and for all applications.
pub(crate) struct Row {
    pub(crate) status: StatusCode,
    /// A stable code, for programs.
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
    pub(crate) what_to_do: &'static str,
}

/// The table of refusals, as in RFC 9110 §15.5.2 and RFC 6750 §3.1. A new cause needs a row here, its headers in
/// [`Cause::add_headers`], and a row in `docs/problems.md`.
impl Cause {
    pub(crate) fn row(self) -> Row {
        let (status, code, title, what_to_do) = match self {
            Self::Undecided => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Temporarily unavailable",
                "Wait for the number of seconds in Retry-After, then try again.",
            ),
            Self::Denied(kind, denial) => {
                let (missing, invalid) = match kind {
                    CredentialKind::Token => ("No token provided", "Failed to authenticate token"),
                    CredentialKind::ApiKey | CredentialKind::Basic => ("No API key provided", "Invalid API key"),
                    CredentialKind::Either => ("No credential provided", "Invalid credential"),
                };
                match denial {
                    PublicDenial::MissingCredential => (
                        StatusCode::UNAUTHORIZED,
                        "missing_credential",
                        missing,
                        "Send the credential that WWW-Authenticate asks for.",
                    ),
                    PublicDenial::InvalidRequest => (
                        StatusCode::BAD_REQUEST,
                        "invalid_request",
                        invalid,
                        "Send one credential, in one header, once.",
                    ),
                    PublicDenial::InvalidCredential => (
                        StatusCode::UNAUTHORIZED,
                        "invalid_token",
                        invalid,
                        "The credential is not accepted. Get a new one, or ask the operator.",
                    ),
                    PublicDenial::InsufficientScope(_) => (
                        StatusCode::FORBIDDEN,
                        "insufficient_scope",
                        "Insufficient scope",
                        "Use a credential with the scope that WWW-Authenticate names.",
                    ),
                    PublicDenial::RateLimited(retry_after) => (
                        StatusCode::TOO_MANY_REQUESTS,
                        "quota_exceeded",
                        "Quota exceeded",
                        match retry_after {
                            Some(_) => "Wait for the number of seconds in Retry-After, then try again.",
                            None => "Waiting does not help: make a request that costs less, or ask for more.",
                        },
                    ),
                    PublicDenial::NotAllowed => (
                        StatusCode::FORBIDDEN,
                        "not_allowed",
                        "Not allowed here",
                        "The credential is valid, but must not be used for this request. Ask the operator.",
                    ),
                    PublicDenial::RightsOfDisabledOwner => (
                        StatusCode::FORBIDDEN,
                        "not_allowed",
                        "Not allowed here",
                        "The owner of the token is disabled, so it gives no rights on Keyward itself. Another \
                         administrator can enable the owner, and so can the operator with `keyward owners enable`.",
                    ),
                }
            }
        };
        Row { status, code, title, what_to_do }
    }

    /// Adds the headers that the RFCs require for a response with this status.
    pub(crate) fn add_headers(self, status: StatusCode, response: &mut HttpResponseBuilder) {
        match self {
            Self::Denied(kind, denial)
                if status == StatusCode::UNAUTHORIZED || matches!(denial, PublicDenial::InsufficientScope(_)) =>
            {
                response.insert_header((WWW_AUTHENTICATE, kind.challenge(denial)));
            }
            Self::Denied(_, PublicDenial::RateLimited(Some(seconds))) => {
                response.insert_header((RETRY_AFTER, seconds));
            }
            Self::Denied(..) => {}
            Self::Undecided => {
                response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
            }
        }
    }
}

/// The type of a problem (RFC 9457 §3.1.1): ours, unless one is registered.
pub(crate) fn problem_type(code: &str) -> String {
    match code {
        "quota_exceeded" => "https://iana.org/assignments/http-problem-types#quota-exceeded".to_owned(),
        code => format!("/problems/{code}"),
    }
}

/// A refused request. As a response, it is a problem (RFC 9457) with the headers that the RFCs require: 401 with
/// `WWW-Authenticate` without a valid credential, 403 without the scope, 400 with two credentials, 429 with
/// `Retry-After`, `RateLimit` and `RateLimit-Policy` if a limit is exhausted, and 503 with `Retry-After` if the check
/// could not be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    cause: Cause,
    /// What is left of the limits, if one of them is the cause.
    limits: Option<Arc<LimitReport>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The credential was refused.
    Denied(CredentialKind, PublicDenial),
    /// The check could not be decided.
    Undecided,
}

impl Refused {
    pub(crate) fn new(cause: Cause) -> Self {
        Self { cause, limits: None }
    }

    /// The same, with what is left of the limits.
    pub(crate) fn reporting(self, limits: LimitReport) -> Self {
        Self { limits: Some(Arc::new(limits)), ..self }
    }

    pub(crate) fn cause(&self) -> Cause {
        self.cause
    }

    /// What is left of the limits, if one of them is the cause.
    pub(crate) fn limits(&self) -> Option<&Arc<LimitReport>> {
        self.limits.as_ref()
    }

    /// A stable code for programs, listed in Keyward's `docs/problems.md`.
    pub fn code(&self) -> &'static str {
        self.cause.row().code
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.cause.row().title)
    }
}

impl std::error::Error for Refused {}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.cause.row().status
    }

    fn error_response(&self) -> HttpResponse {
        let Row { status, code, title, what_to_do } = self.cause.row();
        let mut response = HttpResponse::build(status);
        response.insert_header((CACHE_CONTROL, "no-store")).content_type("application/problem+json");
        self.cause.add_headers(status, &mut response);
        let mut problem = json!({
            "type": problem_type(code),
            "title": title,
            "status": status.as_u16(),
            "code": code,
            "detail": what_to_do,
        });
        if let Some(limits) = &self.limits {
            problem["violated-policies"] = json!(limits.violated);
            limits.headers().for_each(|header| _ = response.insert_header(header));
        }
        response.json(problem)
    }
}
