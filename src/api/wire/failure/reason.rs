//! The reasons for a failure, with their statuses and codes.

use std::{fmt, sync::Arc};

use actix_web::{HttpResponse, ResponseError, http::StatusCode};

use super::{FieldError, NeededScopes};
use crate::{
    auth::strict_json::Fault,
    domain::{
        api_key::KeyId,
        denial::PublicDenial,
        ledger::{self, Violation},
        limits::{CreditsRefused, InvalidLimits, LimitsRefused},
        plan::PlanName,
        plan_changes::PlanRefusal,
        timestamp,
        usage::TooManyCounts,
    },
    protect::{Cause, CredentialKind, LimitReport, Refused, Row},
    server::Refusal,
};

/// What was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// No route has this path.
    Route,
    /// A key, within the caller's reach.
    Key,
    /// An owner who has keys, or is disabled.
    Owner,
    /// A plan.
    Plan,
    /// The console, which is off.
    Console,
    /// A page about a problem.
    Problem,
    /// A file of the page about the API.
    File,
}

/// What handlers return.
pub(crate) type Answer = Result<HttpResponse, Reason>;

/// The cause of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The credential was refused.
    Denied(CredentialKind, PublicDenial),
    /// A limit is exhausted, or credits are. After this many seconds, there is more again, if that is known.
    Limited(CredentialKind, Option<u32>, Arc<LimitReport>),
    /// The credential is valid, but lacks some of the scopes that the request needs.
    InsufficientScopes(CredentialKind, NeededScopes),
    /// The body is not a JSON object.
    InvalidJson(Fault),
    /// A request has a body, but its route reads none.
    UnexpectedBody,
    /// Fields of the body are invalid: the complete list.
    InvalidFields(Vec<FieldError>),
    /// Parameters or headers are invalid: the complete list.
    InvalidParameters(Vec<FieldError>),
    /// The form of an OAuth request is invalid, for this reason.
    InvalidForm(&'static str),
    /// A valid token that Keyward can't revoke (RFC 7009 §2.2.1).
    UnsupportedTokenType,
    /// The route does not accept the body's media type.
    UnsupportedMediaType,
    /// The route or the resource does not exist.
    NotFound(Missing),
    /// The route exists, but only with these methods.
    MethodNotAllowed(&'static str),
    /// `If-Match` does not name the key's current version.
    VersionMismatch,
    /// `If-None-Match` names the key's current version.
    PreconditionFailed,
    /// An administrator disabled the key, so only an administrator can enable it.
    DisabledByAdministrator,
    /// The owner is disabled.
    OwnerDisabled,
    /// The key is revoked.
    KeyRevoked,
    /// The key has expired.
    KeyExpired,
    /// The key has this successor.
    AlreadyRotated(KeyId),
    /// The owner has as many keys as one may have: so many, by the plan that is named, or by the configuration.
    TooManyKeys(u32, Option<PlanName>),
    /// The owner has created the maximum number of keys per day. The next can be created after this many seconds.
    TooManyNewKeys(u64),
    /// The owner has changed keys as often as is allowed per day. The next change is allowed after this many seconds.
    TooManyChanges(u64),
    /// Other requests of the owner keep this one waiting.
    OwnerBusy,
    /// A report of usage would read too much.
    ReportTooLarge(TooManyCounts),
    /// So many owners are on the plan.
    PlanInUse(u64),
    /// There are as many plans as there may be.
    TooManyPlans,
    /// The caller's token names this plan, which does not exist.
    UnknownPlan(Box<str>),
    /// The `Idempotency-Key` was used with another request.
    IdempotencyKeyReused,
    /// The request is invalid at the level of HTTP.
    NoRequest(Refusal),
    /// The method is unknown.
    UnknownMethod,
    /// The request could not be decided or done now.
    Unavailable,
    /// A bug.
    Internal,
}

impl From<Refused> for Reason {
    fn from(refused: Refused) -> Self {
        match (refused.cause(), refused.limits()) {
            (Cause::Denied(kind, PublicDenial::RateLimited(seconds)), Some(limits)) => {
                Self::Limited(kind, seconds, Arc::clone(limits))
            }
            (Cause::Denied(kind, denial), _) => Self::Denied(kind, denial),
            (Cause::Undecided, _) => Self::Unavailable,
        }
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoMemory => Self::Unavailable,
            refusal => Self::NoRequest(refusal),
        }
    }
}

impl From<ledger::Refusal> for Reason {
    fn from(refusal: ledger::Refusal) -> Self {
        use ledger::Refusal;
        match refusal {
            Refusal::NotFound => Self::NotFound(Missing::Key),
            Refusal::VersionMismatch => Self::VersionMismatch,
            Refusal::PreconditionFailed => Self::PreconditionFailed,
            Refusal::DisabledByAdministrator => Self::DisabledByAdministrator,
            Refusal::OwnerDisabled => Self::OwnerDisabled,
            Refusal::KeyRevoked => Self::KeyRevoked,
            Refusal::KeyExpired => Self::KeyExpired,
            Refusal::AlreadyRotated(successor) => Self::AlreadyRotated(successor),
            Refusal::TooManyKeys { most, plan } => Self::TooManyKeys(most, plan),
            Refusal::UnknownPlan(name) => Self::UnknownPlan(name),
            // Rounded up, so that a client does not retry too early.
            Refusal::TooManyNewKeys { retry_after } => Self::TooManyNewKeys(retry_after.as_secs() + 1),
            Refusal::TooManyChanges { retry_after } => Self::TooManyChanges(retry_after.as_secs() + 1),
            Refusal::OtherRequest => Self::IdempotencyKeyReused,
            Refusal::Against(violations) => Self::InvalidFields(violations.into_iter().map(violation).collect()),
        }
    }
}

impl From<PlanRefusal> for Reason {
    fn from(refusal: PlanRefusal) -> Self {
        match refusal {
            PlanRefusal::NotFound => Self::NotFound(Missing::Plan),
            PlanRefusal::Refused(refusal) => refusal.into(),
            PlanRefusal::InUse(owners) => Self::PlanInUse(owners),
            PlanRefusal::TooMany => Self::TooManyPlans,
        }
    }
}

fn violation(violation: Violation) -> FieldError {
    match violation {
        Violation::NameRequired => FieldError::of_field("/name", "required", "a key needs a name here"),
        Violation::LifetimeTooLong { longest, plan } => {
            let longest = timestamp::span(longest);
            let place = plan.map_or_else(|| "here".to_owned(), |plan| format!("on the plan {plan}"));
            FieldError::of_field(
                "/expiresAt",
                "lifetime_too_long",
                format!("a key lives for at most {longest} {place}"),
            )
        }
        Violation::GracePeriodTooLong(longest) => {
            let detail = format!("the old key may keep working for at most {} here", timestamp::span(longest));
            FieldError::of_field("/gracePeriod", "grace_period_too_long", detail)
        }
        Violation::ScopeNotInPlan { scope, plan } => {
            let detail = format!("the plan {plan} gives no key the scope {scope}, and widens none that carries it");
            FieldError::of_field("/scopes", "scope_not_in_plan", detail)
        }
        Violation::EnvironmentNotInPlan { environment, plan } => {
            let detail = format!("the plan {plan} has no keys for {}", environment.as_str());
            FieldError::of_field("/environment", "environment_not_in_plan", detail)
        }
        Violation::ScopeNotHeld(scope) => {
            let detail = format!(
                "your token does not carry the scope {scope}, so it gives it to no key, and widens none that carries it"
            );
            FieldError::of_field("/scopes", "scope_not_held", detail)
        }
        Violation::UnknownScope(scope) => {
            let detail = format!("unknown scope {scope}; see GET /v1/scopes");
            FieldError::of_field("/scopes", "unknown_scope", detail)
        }
        Violation::ScopeNotForKeys(scope) => {
            FieldError::of_field("/scopes", "scope_not_for_keys", format!("only a token may carry {scope}"))
        }
        Violation::Limits(refused) => {
            let (place, code) = match &refused {
                LimitsRefused::SetByAdministrator { at, .. } => (format!("/limits/{at}"), "set_by_administrator"),
                LimitsRefused::Invalid(InvalidLimits::TooMany) => ("/limits".to_owned(), "too_many"),
                LimitsRefused::Invalid(_) => ("/limits".to_owned(), "invalid"),
            };
            FieldError::of_field(place, code, refused.to_string())
        }
        Violation::Credits(refused) => {
            // The last two come of a top-up, whose body has an amount and no credits.
            let (place, code) = match refused {
                CreditsRefused::SetByAdministrator => ("/credits", "set_by_administrator"),
                CreditsRefused::NoBalance => ("/credits/remaining", "required"),
                CreditsRefused::None => ("/operation", "no_credits"),
                CreditsRefused::TooMany => ("/amount", "too_many"),
            };
            let how = match refused {
                CreditsRefused::None => {
                    ": `credits` with `remaining`, in PATCH of the key or in PUT of the owner's limits"
                }
                _ => "",
            };
            FieldError::of_field(place, code, format!("{refused}{how}"))
        }
        Violation::Metadata(error) => FieldError::of_field("/metadata", "invalid", error.to_string()),
    }
}

impl Reason {
    /// The status, the stable code (the last segment of the problem's `type`), and the title.
    pub(crate) fn facts(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Reason::Denied(kind, denial) => refused(Cause::Denied(*kind, *denial)),
            Reason::Limited(kind, seconds, _) => refused(Cause::Denied(*kind, PublicDenial::RateLimited(*seconds))),
            Reason::InsufficientScopes(kind, _) => refused(Cause::Denied(*kind, PublicDenial::InsufficientScope(""))),
            Reason::Unavailable => refused(Cause::Undecided),
            Reason::InvalidJson(Fault::NotAnObject(_)) => {
                (StatusCode::BAD_REQUEST, "not_an_object", "The body is not a JSON object")
            }
            Reason::InvalidJson(_) => (StatusCode::BAD_REQUEST, "invalid_json", "The body is not valid JSON"),
            Reason::UnexpectedBody => (StatusCode::BAD_REQUEST, "unexpected_body", "This request takes no body"),
            Reason::InvalidFields(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", "Fields are not valid"),
            Reason::InvalidParameters(_) => (StatusCode::BAD_REQUEST, "invalid_parameters", "Parameters are not valid"),
            Reason::InvalidForm(what) => (StatusCode::BAD_REQUEST, "invalid_form", what),
            Reason::UnsupportedTokenType => {
                (StatusCode::BAD_REQUEST, "unsupported_token_type", "Only API keys can be revoked here")
            }
            Reason::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Send the body as JSON")
            }
            Reason::NotFound(_) => (StatusCode::NOT_FOUND, "not_found", "Not found"),
            Reason::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed"),
            Reason::VersionMismatch => {
                (StatusCode::PRECONDITION_FAILED, "version_mismatch", "It was changed meanwhile")
            }
            Reason::PreconditionFailed => {
                (StatusCode::PRECONDITION_FAILED, "precondition_failed", "It is what If-None-Match excludes")
            }
            Reason::DisabledByAdministrator => (
                StatusCode::FORBIDDEN,
                "disabled_by_administrator",
                "An administrator has disabled the key, and only an administrator can enable it",
            ),
            Reason::OwnerDisabled => (
                StatusCode::FORBIDDEN,
                "owner_disabled",
                "The owner is disabled: no key of theirs is made or enabled until an administrator enables the owner",
            ),
            Reason::KeyRevoked => (StatusCode::CONFLICT, "key_revoked", "The key was revoked"),
            Reason::KeyExpired => (StatusCode::CONFLICT, "key_expired", "The key has expired"),
            Reason::AlreadyRotated(_) => (StatusCode::CONFLICT, "already_rotated", "The key has a successor already"),
            Reason::TooManyKeys(..) => (StatusCode::CONFLICT, "too_many_keys", "Too many API keys"),
            Reason::TooManyNewKeys(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_new_keys", "Too many new API keys in a day")
            }
            Reason::TooManyChanges(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_changes", "Too many changes of API keys in a day")
            }
            Reason::OwnerBusy => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests at once"),
            Reason::ReportTooLarge(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "report_too_large", "The report would read too much")
            }
            Reason::PlanInUse(_) => (StatusCode::CONFLICT, "plan_in_use", "Owners are on the plan"),
            Reason::TooManyPlans => (StatusCode::CONFLICT, "too_many_plans", "Too many plans"),
            Reason::UnknownPlan(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unknown_plan", "The plan in the token does not exist here")
            }
            Reason::IdempotencyKeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "The Idempotency-Key came with another request before",
            ),
            Reason::NoRequest(refusal) => refusal.facts(),
            Reason::UnknownMethod => (StatusCode::NOT_IMPLEMENTED, "unknown_method", "The method is not known"),
            Reason::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        }
    }
}

fn refused(cause: Cause) -> (StatusCode, &'static str, &'static str) {
    let Row { status, code, title, .. } = cause.row();
    (status, code, title)
}

/// Handlers fail with a reason alone. `edge.rs` replaces this response, because its format depends on the request.
impl ResponseError for Reason {
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.facts().2)
    }
}
