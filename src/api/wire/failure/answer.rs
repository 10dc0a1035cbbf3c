//! The HTTP response for a failure.

use std::borrow::Cow;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};

use percent_encoding::percent_decode_str;

use super::{Dialect, Failure, Fault, FieldError, Missing, Reason};
use super::{
    catalog,
    problem::{Message, OAuthError, Problem},
};
use crate::{
    domain::{api_key::without_secrets, counted::counted, denial::PublicDenial, escape::escaped},
    protect::{Cause, LimitReport, problem_type},
    server::Refusal,
};

/// The maximum number of invalid fields in one answer.
const PROBLEMS_MAX: usize = 50;
/// Somebody has to create the plan, which takes longer than other outages.
const UNKNOWN_PLAN_RETRY_AFTER: u32 = 30;
/// The others are over in about this time, or there are as many again.
const BUSY_OWNER_RETRY_AFTER: u32 = 1;
/// Longer paths are not repeated: the client knows its path, and answers stay small.
const INSTANCE_MAX_BYTES: usize = 2048;

impl Failure {
    /// The answer to the request with this id.
    pub(crate) fn answer(&self, request_id: Option<&str>) -> HttpResponse {
        let (_, code, title) = self.reason.facts();
        let status = self.status();
        let mut response = HttpResponse::build(status);
        self.add_headers(status, &mut response);
        match self.dialect {
            Dialect::Compatibility => response.json(Message { message: &self.message().unwrap_or(title.into()) }),
            Dialect::OAuth => response.json(OAuthError { error: oauth_code(code), error_description: title }),
            Dialect::Standard => response.content_type("application/problem+json").json(self.problem(request_id)),
        }
    }

    fn problem<'a>(&'a self, request_id: Option<&'a str>) -> Problem<'a> {
        let (_, code, title) = self.reason.facts();
        let errors = match &self.reason {
            Reason::InvalidFields(problems) | Reason::InvalidParameters(problems) => {
                Some(&problems[..problems.len().min(PROBLEMS_MAX)])
            }
            _ => None,
        };
        Problem {
            kind: problem_type(code),
            title,
            status: self.status().as_u16(),
            code,
            detail: self.detail().unwrap_or_else(|| catalog::meaning(code).unwrap_or(title).into()),
            instance: instance(&self.path),
            request_id,
            errors,
            violated_policies: match &self.reason {
                Reason::Limited(_, _, limits) => Some(&limits.violated),
                _ => None,
            },
            successor: match self.reason {
                Reason::AlreadyRotated(successor) => Some(successor.to_string()),
                _ => None,
            },
        }
    }

    /// What a compatibility route says instead of the title. It takes no fields, so what is wrong is their owner's plan.
    fn message(&self) -> Option<Cow<'static, str>> {
        let Reason::InvalidFields(problems) = &self.reason else { return None };
        let details: Vec<&str> = problems.iter().map(|problem| &*problem.detail).collect();
        Some(capitalised(details.join("; ")).into())
    }

    fn detail(&self) -> Option<Cow<'static, str>> {
        self.explanation.map(Cow::Borrowed).or_else(|| detail(&self.reason))
    }

    fn add_headers(&self, status: StatusCode, response: &mut HttpResponseBuilder) {
        response.insert_header((CACHE_CONTROL, "no-store"));
        match &self.reason {
            Reason::Denied(kind, denial) => Cause::Denied(*kind, *denial).add_headers(status, response),
            Reason::Limited(kind, seconds, limits) => {
                Cause::Denied(*kind, PublicDenial::RateLimited(*seconds)).add_headers(status, response);
                limits.headers().for_each(|header| _ = response.insert_header(header));
            }
            Reason::Unavailable => Cause::Undecided.add_headers(status, response),
            Reason::InsufficientScopes(kind, scopes) => {
                response.insert_header((WWW_AUTHENTICATE, kind.challenge_for_scopes(&scopes.to_string())));
            }
            Reason::MethodNotAllowed(allowed) => {
                response.insert_header((ALLOW, *allowed));
            }
            Reason::UnknownPlan(_) => {
                response.insert_header((RETRY_AFTER, UNKNOWN_PLAN_RETRY_AFTER));
            }
            Reason::OwnerBusy => {
                response.insert_header((RETRY_AFTER, BUSY_OWNER_RETRY_AFTER));
            }
            Reason::TooManyNewKeys(seconds) | Reason::TooManyChanges(seconds) => {
                response.insert_header((RETRY_AFTER, *seconds));
            }
            Reason::NoRequest(Refusal::ContentCoding) => {
                response.insert_header((ACCEPT_ENCODING, "identity"));
            }
            Reason::NoRequest(_) => {
                response.force_close();
            }
            _ => {}
        }
    }
}

/// What is exhausted, and what to do about it.
fn exhausted(seconds: Option<u32>, report: &LimitReport) -> String {
    let (what, again, never) = match (report.is_of_credits_alone(), report.has_credits()) {
        (true, _) => (
            "The credits are exhausted.",
            "They are refilled",
            "The credits are exhausted, and no refill will make enough: top them up, or make a request that costs less.",
        ),
        (false, false) => (
            "A limit is exhausted.",
            "It resets",
            "The request costs more than a limit allows: make one that costs less, or ask for a higher limit.",
        ),
        (false, true) => (
            "A limit is exhausted, and the credits are.",
            "Both have enough again",
            "A limit is exhausted, and the credits are, and waiting does not help: make a request that costs less, \
             top up the credits, or ask for a higher limit.",
        ),
    };
    match seconds {
        None => never.to_owned(),
        Some(seconds) => format!("{what} {again} in {}.", counted(seconds.into(), "second")),
    }
}

fn capitalised(mut text: String) -> String {
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// The detail of this occurrence; `None` if the meaning of the code says everything.
fn detail(reason: &Reason) -> Option<Cow<'static, str>> {
    let detail = match reason {
        Reason::Denied(_, PublicDenial::InsufficientScope(scope)) if !scope.is_empty() => {
            format!("The credential lacks the scope {scope}.")
        }
        // The meaning of their code is that of both.
        Reason::Denied(_, PublicDenial::NotAllowed) => {
            return Some("The policy of /v1/authorize does not allow this request with this credential.".into());
        }
        Reason::Denied(kind, denial @ PublicDenial::RightsOfDisabledOwner) => {
            return Some(Cause::Denied(*kind, *denial).row().what_to_do.into());
        }
        Reason::Limited(_, seconds, report) => exhausted(*seconds, report),
        Reason::InsufficientScopes(_, scopes) => scopes.in_words(),
        Reason::InvalidJson(fault) => match fault {
            Fault::Missing => return Some("The body is missing; a JSON object is needed.".into()),
            Fault::NotUnicode => return Some("The body is not UTF-8, so it is not JSON.".into()),
            Fault::Repeated => return Some("An object in the body has a member twice.".into()),
            Fault::Syntax { line, column, cause } => {
                format!("The body is not valid JSON: {cause}, at line {line}, column {column}.")
            }
            Fault::NotAnObject(kind) => {
                format!("The body is JSON, but its value is {}, not an object.", with_article(kind))
            }
        },
        Reason::InvalidFields(problems) => summary("field", "fields", problems)?,
        Reason::InvalidParameters(problems) => summary("parameter or header", "parameters or headers", problems)?,
        Reason::MethodNotAllowed(allowed) => format!("This route takes {allowed}."),
        Reason::AlreadyRotated(successor) => {
            format!("The key has the successor {successor}. If its secret was lost, rotate that one.")
        }
        Reason::NotFound(missing) => return Some(not_found(*missing).into()),
        Reason::TooManyKeys(most, None) => {
            format!("The owner has {}, and keys.max_per_owner allows no more.", counted((*most).into(), "key"))
        }
        Reason::TooManyKeys(most, Some(plan)) => {
            format!("The owner has {}, and the plan {plan} allows no more.", counted((*most).into(), "key"))
        }
        Reason::ReportTooLarge(too_many) => capitalised(format!("{too_many}.")),
        Reason::PlanInUse(1) => return Some("1 owner is on the plan.".into()),
        Reason::PlanInUse(owners) => format!("{owners} owners are on the plan."),
        Reason::UnknownPlan(plan) if plan.is_empty() => {
            return Some("The claim of a plan in the token is no text, or an empty one.".into());
        }
        Reason::UnknownPlan(plan) => format!("The token names the plan {}, and there is no such plan.", escaped(plan)),
        Reason::TooManyNewKeys(seconds) => {
            format!("The owner may make another key in {}.", counted(*seconds, "second"))
        }
        Reason::TooManyChanges(seconds) => {
            let wait = counted(*seconds, "second");
            format!("The owner may change keys again in {wait}; disabling and revoking them is possible now.")
        }
        _ => return None,
    };
    Some(detail.into())
}

/// Says what was not found. Another owner's key looks the same as none.
fn not_found(missing: Missing) -> &'static str {
    match missing {
        Missing::Route => "There is no such route.",
        Missing::Key => "There is no such key, or it is another owner's.",
        Missing::Owner => "There is no such owner: nobody of this id has keys, is disabled or is on a plan.",
        Missing::Plan => "There is no such plan.",
        Missing::Console => "This server has no console: console.enabled is false.",
        Missing::Problem => "There is no such problem; /problems lists all of them.",
        Missing::File => "There is no such file.",
    }
}

/// The noun with its article.
fn with_article(kind: &str) -> String {
    match kind {
        "null" => kind.to_owned(),
        "array" | "object" => format!("an {kind}"),
        kind => format!("a {kind}"),
    }
}

fn summary(one: &str, many: &str, problems: &[FieldError]) -> Option<String> {
    match problems {
        [] => None,
        [problem] => {
            let place = problem.pointer.as_deref().or(problem.parameter.as_deref()).unwrap_or_default();
            Some(format!("The {one} {place} is wrong: {}.", problem.detail.trim_end_matches('.')))
        }
        problems => Some(format!("{} {many} are wrong; the member errors lists them.", problems.len())),
    }
}

/// The path as a URI reference, without the secret of a key: errors are logged and passed on. A path that begins with
/// two slashes would be read as a host name, so it gets a leading dot, as browsers write it.
fn instance(path: &str) -> Option<Cow<'_, str>> {
    let is_reference = path.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}?#".contains(&byte));
    if path.len() > INSTANCE_MAX_BYTES || !path.starts_with('/') || !is_reference {
        return None;
    }
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let path = match without_secrets(&decoded) {
        Cow::Borrowed(_) => Cow::Borrowed(path),
        // Somebody has hidden a key.
        Cow::Owned(_) if decoded != path => return None,
        Cow::Owned(masked) => Cow::Owned(masked),
    };
    Some(if path.starts_with("//") { format!("/.{path}").into() } else { path })
}

/// The equivalent code of RFC 6749 §5.2 and related RFCs.
fn oauth_code(code: &'static str) -> &'static str {
    match code {
        "missing_credential" | "invalid_token" => "invalid_client",
        "insufficient_scope" | "unsupported_token_type" => code,
        "unavailable" | "quota_exceeded" | "too_many_requests" => "temporarily_unavailable",
        "internal" => "server_error",
        _ => "invalid_request",
    }
}
