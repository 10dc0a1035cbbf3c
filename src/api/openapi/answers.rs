//! Each route's responses, by status.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use actix_web::{body::MessageBody, http::header::HeaderMap};
use serde_json::{Map, Value, json};

use super::operation::{Occurs, Operation, SuccessResponse, unknown_parameter};
use crate::{
    api::{
        endpoint::{Access, Endpoint},
        wire::{
            failure::{CredentialKind, Dialect, Failure, Reason},
            request::schema::reference,
        },
    },
    config::LegacyHeaders,
    domain::{
        denial::PublicDenial,
        limits::{
            Allowance, CreditsState, Exceeded, Limit, LimitName, LimitReadings, LimitState, Limits, SpentUp, Window,
        },
        scope::{ADMIN_SCOPE, CONSOLE_SCOPE, VERIFY_SCOPE},
    },
    protect::LimitReport,
    server::Refusal,
};

/// A route's responses, by status.
pub(super) fn responses(endpoint: &Endpoint, operation: &Operation) -> BTreeMap<String, Value> {
    let mut responses: BTreeMap<String, Value> =
        operation.answers.iter().map(|answer| (answer.status.to_string(), success(endpoint, answer))).collect();
    let mut failures = BTreeMap::<u16, Vec<Failure>>::new();
    for reason in reasons(endpoint).into_iter().chain(operation.reasons.iter().cloned()) {
        let failure = Failure::new(endpoint.path, reason);
        failures.entry(failure.status().as_u16()).or_default().push(failure);
    }
    for (status, failures) in failures {
        responses.insert(status.to_string(), refusal(endpoint, &failures));
    }
    responses
}

/// Whether the caller's limits apply.
fn takes_keys(access: Access) -> bool {
    matches!(
        access,
        Access::ApiKey | Access::OwnKey | Access::Verifier | Access::OAuthClient | Access::Backend | Access::Forwarded
    )
}

/// Limits that are exhausted, for examples.
struct Exhausted(Limits);

impl LimitReadings for Exhausted {
    fn limits(&self) -> &Limits {
        &self.0
    }

    fn visit(&self, visitor: &mut dyn FnMut(LimitState<'_>)) {
        let exhausted = |limit| LimitState { limit, remaining: 0, resets_in: Duration::from_secs(34) };
        self.0.as_slice().iter().for_each(|limit| visitor(exhausted(limit)));
    }

    fn credits(&self) -> Option<CreditsState> {
        None
    }
}

fn limited(kind: CredentialKind) -> Reason {
    let limit = LimitName::parse("minute").and_then(|name| Limit::new(name, 1000, Window::Seconds(60)));
    let limits = Limits::new(vec![limit.expect("a limit")]).expect("limits");
    let exhausted: Arc<dyn LimitReadings> = Arc::new(Exhausted(limits));
    let allowance = Allowance { of_key: Some(exhausted), of_owner: None };
    let retry_after = Some(Duration::from_secs(34));
    let exceeded = Exceeded { allowance, violated: 1, credits: SpentUp::default(), retry_after };
    Reason::Limited(kind, Some(34), Arc::new(LimitReport::of_refusal(&exceeded, LegacyHeaders::None)))
}

/// Responses that any request can get.
const OF_EVERY_ROUTE: [Refusal; 9] = [
    Refusal::Malformed,
    Refusal::InvalidTarget,
    Refusal::InvalidHost,
    Refusal::TargetTooLong,
    Refusal::HeadersTooLarge,
    Refusal::HeadTimeout,
    Refusal::BodyUnreadable,
    Refusal::BodyTimeout,
    Refusal::BodyTooLarge,
];

/// Responses of the layers in front of the handler.
fn reasons(endpoint: &Endpoint) -> Vec<Reason> {
    use PublicDenial::{
        InsufficientScope, InvalidCredential, InvalidRequest, MissingCredential, NotAllowed, RightsOfDisabledOwner,
    };
    let denied = |kind, denials: &[PublicDenial]| -> Vec<Reason> {
        denials.iter().map(|denial| Reason::Denied(kind, *denial)).collect()
    };
    let token = CredentialKind::Token;
    let usual = [MissingCredential, InvalidRequest, InvalidCredential];
    let mut reasons = match endpoint.access {
        Access::Public(_) => Vec::new(),
        Access::CompatibilityToken | Access::Token => denied(token, &usual),
        Access::KeyHolder => denied(CredentialKind::ApiKey, &usual),
        Access::ApiKey | Access::OwnKey => {
            [denied(CredentialKind::ApiKey, &usual), vec![limited(CredentialKind::ApiKey)]].concat()
        }
        Access::Verifier | Access::OAuthClient => {
            [denied(token, &usual), denied(token, &[InsufficientScope(VERIFY_SCOPE)]), vec![limited(token)]].concat()
        }
        Access::Backend => [
            denied(token, &usual),
            denied(token, &[InsufficientScope(CONSOLE_SCOPE), RightsOfDisabledOwner]),
            vec![limited(token)],
        ]
        .concat(),
        Access::Metrics => denied(CredentialKind::Either, &usual),
        Access::Forwarded => [
            denied(CredentialKind::Either, &usual),
            denied(CredentialKind::Either, &[NotAllowed]),
            vec![limited(CredentialKind::Either)],
        ]
        .concat(),
        Access::Administrator => {
            [denied(token, &usual), denied(token, &[InsufficientScope(ADMIN_SCOPE), RightsOfDisabledOwner])].concat()
        }
    };
    if !reasons.is_empty() {
        reasons.push(Reason::Unavailable);
    }
    // They wait for other requests of their owner, or of the administrator.
    if matches!(
        endpoint.access,
        Access::CompatibilityToken
            | Access::Token
            | Access::OwnKey
            | Access::KeyHolder
            | Access::Backend
            | Access::Administrator
    ) {
        reasons.push(Reason::OwnerBusy);
    }
    reasons.extend(OF_EVERY_ROUTE.map(Reason::NoRequest));
    if endpoint.is_strict() {
        let reads = super::reads(endpoint);
        reasons.push(unknown_parameter());
        reasons.extend((!reads.body).then_some(Reason::UnexpectedBody));
    }
    reasons
}

fn success(endpoint: &Endpoint, answer: &SuccessResponse) -> Value {
    let described = answer.headers.iter().map(|(name, occurs)| ((*name).to_owned(), header(name, *occurs)));
    let mut headers: BTreeMap<String, Value> = described.collect();
    headers.insert("x-request-id".to_owned(), header("x-request-id", Occurs::Always));
    if takes_keys(endpoint.access) {
        for name in ["RateLimit", "RateLimit-Policy"] {
            headers.insert(name.to_owned(), header(name, Occurs::Sometimes));
        }
    }
    if Dialect::of_path(endpoint.path) != Dialect::Compatibility || answer.status == 201 {
        headers.insert("Cache-Control".to_owned(), header("Cache-Control", Occurs::Always));
    }
    let mut response = json!({ "description": answer.means, "headers": headers });
    if let Some(schema) = answer.schema {
        response["content"] = json!({ "application/json": { "schema": reference(schema) } });
        for media_type in answer.also {
            response["content"][media_type] = json!({ "schema": { "type": "string" } });
        }
    }
    response
}

/// The response for all failures of one status, with an example of each.
fn refusal(endpoint: &Endpoint, failures: &[Failure]) -> Value {
    let (media_type, schema) = match Dialect::of_path(endpoint.path) {
        Dialect::Compatibility => ("application/json", "Message"),
        Dialect::OAuth => ("application/json", "OAuthError"),
        Dialect::Standard => ("application/problem+json", "Problem"),
    };
    let mut codes = BTreeSet::new();
    let mut examples = Map::new();
    let mut headers = Vec::new();
    for failure in failures {
        let code = failure.code();
        let answer = failure.answer(None);
        headers.push(names(answer.headers()));
        let body = answer.into_body().try_into_bytes().unwrap_or_default();
        let mut example: Value = serde_json::from_slice(&body).unwrap_or_default();
        if schema == "Problem" {
            // Identical for all routes, so that the document contains each example once.
            example["instance"] = json!("/v1/keys");
            example["requestId"] = json!("balancer-7");
        }
        codes.insert(format!("`{code}`"));
        examples.insert(code.to_owned(), json!({ "value": example }));
    }
    let all: BTreeSet<&String> = headers.iter().flatten().collect();
    let mut described: Map<String, Value> = all
        .into_iter()
        .map(|name| {
            let always = headers.iter().all(|names| names.contains(name));
            (name.clone(), header(name, if always { Occurs::Always } else { Occurs::Sometimes }))
        })
        .collect();
    described.insert("x-request-id".to_owned(), header("x-request-id", Occurs::Always));
    json!({
        "description": codes.into_iter().collect::<Vec<_>>().join(", "),
        "headers": described,
        "content": { media_type: { "schema": reference(schema), "examples": examples } },
    })
}

/// The headers specific to this response; those that every response has are added separately.
fn names(headers: &HeaderMap) -> BTreeSet<String> {
    let names = ["WWW-Authenticate", "Retry-After", "RateLimit", "RateLimit-Policy"];
    names.into_iter().filter(|name| headers.contains_key(*name)).map(str::to_owned).collect()
}

fn header(name: &str, occurs: Occurs) -> Value {
    let (about, schema) = match name {
        "ETag" => (
            "The value to send in `If-Match` and `If-None-Match`. The `ETag` of a key begins with its version.",
            json!({ "type": "string", "pattern": "^\".+\"$" }),
        ),
        "Link" => (
            "The address of the next page, with `rel=\"next\"`; absent on the last page.",
            json!({ "type": "string", "pattern": "^<.+>; rel=\"next\"$" }),
        ),
        "RateLimit" => (
            "What is left of each limit and of the credits of the key and of its owner, and in how many seconds it resets \
            or is refilled (draft-ietf-httpapi-ratelimit-headers-11). Absent without limits and credits.",
            json!({ "type": "string", "pattern": "^\".+\";r=[0-9]+", "example": "\"minute\";r=998;t=34" }),
        ),
        "RateLimit-Policy" => (
            "The limits of the key and of its owner, each with its amount and the length of its window in seconds. Absent \
            without limits.",
            json!({ "type": "string", "pattern": "^\".+\";q=[0-9]+", "example": "\"minute\";q=1000;w=60" }),
        ),
        "Location" => ("The address of the resource.", json!({ "type": "string", "format": "uri-reference" })),
        "Retry-After" => ("Seconds to wait before retrying.", json!({ "type": "integer", "minimum": 1 })),
        "WWW-Authenticate" => (
            "The credential that is required (RFC 6750 §3).",
            json!({ "type": "string", "pattern": "^(Bearer|ApiKey|Basic) realm=" }),
        ),
        "X-Auth-Subject" => (
            "The person: the `sub` of the client's token, or of the owner of its key. Empty for a key that belongs to \
            an organisation. `%` and characters other than visible ASCII are percent-encoded.",
            json!({ "type": "string", "pattern": "^[!-~]*$" }),
        ),
        "X-Auth-Tenant" => (
            "The organisation that owns the client's keys, encoded like the subject. Empty if keys belong to persons.",
            json!({ "type": "string", "pattern": "^[!-~]*$" }),
        ),
        "X-Auth-Owner" => (
            "The owner's id, which encodes issuer and subject; `owner.id` of a key.",
            json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]*$" }),
        ),
        "X-Auth-Key-Id" => ("The key's id.", json!({ "type": "string", "pattern": "^([0-9A-Za-z]{22})?$" })),
        "X-Auth-Scopes" => {
            ("The scopes of the credential, separated by spaces.", json!({ "type": "string", "pattern": "^[ -~]*$" }))
        }
        "X-Auth-Method" => {
            ("The kind of credential.", json!({ "type": "string", "enum": ["api_key", "token", "anonymous"] }))
        }
        "X-Auth-Environment" => ("The key's environment.", json!({ "type": "string", "enum": ["live", "test", ""] })),
        "x-request-id" => (
            "The request's id, also found in the log.",
            json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$" }),
        ),
        _ => (
            "`no-store`, or `no-cache` for documents that change only with a release.",
            json!({ "type": "string", "enum": ["no-store", "no-cache"] }),
        ),
    };
    json!({ "description": about, "required": occurs == Occurs::Always, "schema": schema })
}
