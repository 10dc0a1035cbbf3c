//! What each route does, takes and answers, apart from what its `Access` and the server's bounds say.

use serde_json::json;

use super::{
    bodies::{body, merge_patch, optional_body},
    operation::{Answer, Occurs, Operation},
    parameters::{self, header, query},
};
use crate::http::{
    failure::{CredentialKind, FieldProblem, Reason},
    routes::{Access, Endpoint},
};

const TAG: &[(&str, Occurs)] = &[("ETag", Occurs::Always)];
const IDENTITY: &[(&str, Occurs)] = &[
    ("X-Auth-Subject", Occurs::Always),
    ("X-Auth-Tenant", Occurs::Always),
    ("X-Auth-Owner", Occurs::Always),
    ("X-Auth-Key-Id", Occurs::Always),
    ("X-Auth-Scopes", Occurs::Always),
    ("X-Auth-Method", Occurs::Always),
    ("X-Auth-Environment", Occurs::Always),
];
const PAGE: &[(&str, Occurs)] = &[("Link", Occurs::Sometimes)];

/// How a route is called here: owners' and administrators' routes to the same end have one name.
pub(super) fn name(endpoint: &Endpoint) -> String {
    format!("{} {}", endpoint.method, endpoint.path.replacen("/v1/admin/", "/v1/", 1))
}

/// What is said of a route.
pub(super) fn of(endpoint: &Endpoint) -> Option<Operation> {
    let name = name(endpoint);
    let (_, describe) = OPERATIONS.iter().find(|(own, _)| *own == name)?;
    Some(describe(endpoint.access == Access::Administrator))
}

/// Describes a route: for administrators, or for others.
type Describe = fn(bool) -> Operation;

/// Every operation by the name of its route.
pub(super) const OPERATIONS: &[(&str, Describe)] = &[
    ("POST /api/create-api-key", |_| {
        let mut operation = Operation::new("createApiKey", "Makes a key with no name, scopes or notes")
            .answers(201, "The key, for the only time", "GuideKey")
            .fails([Reason::InvalidJson, Reason::TooManyKeys, Reason::TooManyNewKeys(0), Reason::OwnerDisabled])
            .stored();
        operation.body = Some(json!({
            "description": "Does not matter, but one that says it is JSON must be.",
            "content": { "application/json": { "schema": {} } },
        }));
        operation
    }),
    ("GET /api/protected-resource", |_| {
        Operation::new("readProtectedResource", "Something worth a key").answers(200, "Granted", "Message")
    }),
    ("GET /v1/authorize", |_| {
        let about = "May a gateway's client do what it asks for? With any method: gateways ask with their client's";
        authorize("authorize", about).takes(query(&["scope"])).fails([Reason::InvalidParameters(vec![
            FieldProblem::of_parameter("scope", "invalid", "names no scope: leave it out where none is demanded"),
        ])])
    }),
    ("GET /v1/authorize/{original}", |_| {
        let about = "The same for gateways that write their client's path behind ours, as Envoy does";
        authorize("authorizePath", about).takes([parameters::original()])
    }),
    ("GET /v1/keys/self", |_| {
        let mut operation = Operation::new("showOwnKey", "The key that the request carries, without its secret")
            .conditional()
            .fails([Reason::NotFound])
            .stored()
            .answers_with(200, "The key", "Key", TAG);
        let means = "The client has what would be shown";
        operation.answers.push(Answer { status: 304, means, schema: None, headers: TAG, also: &[] });
        operation
    }),
    ("DELETE /v1/keys/self", |_| {
        Operation::new("revokeOwnKey", "Revokes the key that the request carries: whoever has found it can end it")
            .answers(200, "No replica accepts it any more", "RevokedKey")
            .takes_checked(query(&["reason"]))
            .conditional()
            .fails([Reason::NotFound, Reason::PreconditionFailed])
            .stored()
    }),
    ("POST /v1/keys/verify", |_| {
        Operation::new("verifyKeys", "Is this key good for that? Asked by services, of one key or of up to 100")
            .reads(body("Question"))
            .answers(200, "Good or not, and what is known of it", "Verdict")
            .stored()
    }),
    ("POST /v1/keys", |admin| {
        let body = if admin { body("NewKeyOfAnOwner") } else { optional_body("NewKey") };
        const MADE: &[(&str, Occurs)] = &[("ETag", Occurs::Always), ("Location", Occurs::Always)];
        Operation::new("createKey", "Makes a key")
            .takes_checked([header("Idempotency-Key")])
            .reads(body)
            .answers_with(201, "The key with its secret, for the only time", "CreatedKey", MADE)
            .answers_with(
                200,
                "The same request has made this key before; its secret is not shown again",
                "CreatedKey",
                TAG,
            )
            .fails([
                Reason::TooManyKeys,
                Reason::TooManyNewKeys(0),
                Reason::OwnerDisabled,
                Reason::IdempotencyKeyReused,
            ])
            .stored()
    }),
    ("GET /v1/keys", |admin| {
        Operation::new("listKeys", "Keys by the page, newest first unless another order is asked for")
            .takes_checked(query(parameters::OF_KEYS))
            .takes(admin.then(|| query(parameters::OF_AN_OWNER)).into_iter().flatten())
            .answers_with(200, "A page", "KeyList", PAGE)
            .stored()
    }),
    ("GET /v1/keys/{id}", |_| {
        let mut operation =
            Operation::new("showKey", "A key, without its secret").of_a_key().answers_with(200, "The key", "Key", TAG);
        let means = "The client has what would be shown";
        operation.answers.push(Answer { status: 304, means, schema: None, headers: TAG, also: &[] });
        operation
    }),
    ("PATCH /v1/keys/{id}", |_| {
        Operation::new("updateKey", "Changes a key by a merge patch (RFC 7396)")
            .changes_a_key()
            .reads(merge_patch("KeyPatch"))
            .answers_with(200, "The key as it is now, on every replica", "Key", TAG)
            .fails([Reason::KeyRevoked, Reason::DisabledByAdministrator, Reason::OwnerDisabled])
    }),
    ("DELETE /v1/keys/{id}", |_| {
        Operation::new("revokeKey", "Revokes a key; asking again changes nothing")
            .changes_a_key()
            .takes_checked(query(&["reason"]))
            .answers(200, "No replica accepts it any more", "RevokedKey")
    }),
    ("POST /v1/keys/{id}/rotate", |_| {
        Operation::new("rotateKey", "Makes a successor with the same rights; the old key ends after a grace period")
            .changes_a_key()
            .reads(optional_body("Rotation"))
            .answers_with(201, "The successor with its secret, for the only time, and the old key", "RotatedKey", TAG)
            .fails([Reason::KeyRevoked, Reason::KeyExpired, Reason::AlreadyRotated, Reason::OwnerDisabled])
    }),
    ("POST /v1/keys/{id}/disable", |_| {
        Operation::new("disableKey", "Switches a key off")
            .changes_a_key()
            .answers_with(200, "The key as it is now, on every replica", "Key", TAG)
            .fails([Reason::KeyRevoked])
    }),
    ("POST /v1/keys/{id}/enable", |_| {
        Operation::new("enableKey", "Switches a key on again")
            .changes_a_key()
            .answers_with(200, "The key as it is now, on every replica", "Key", TAG)
            .fails([Reason::KeyRevoked, Reason::DisabledByAdministrator, Reason::OwnerDisabled, not_held()])
    }),
    ("GET /v1/audit", |admin| {
        let mut operation = Operation::new("listEvents", "Who did what to which key, newest first, by the page")
            .takes_checked(query(parameters::OF_EVENTS))
            .takes(admin.then(|| query(parameters::OF_AN_OWNER)).into_iter().flatten())
            .stored();
        let (means, also) =
            ("A page; as lines, `Link` alone tells the next one", &["text/csv", "application/x-ndjson"]);
        operation.answers.push(Answer { status: 200, means, schema: Some("EventList"), headers: PAGE, also });
        operation
    }),
    ("GET /v1/owners", |_| {
        Operation::new("listOwners", "Owners who have keys, or are disabled, and how their keys stand, by the page")
            .takes_checked(query(parameters::OF_OWNERS))
            .takes(query(parameters::OF_AN_OWNER))
            .answers_with(200, "A page", "OwnerList", PAGE)
            .stored()
    }),
    ("GET /v1/owners/{id}", |_| {
        Operation::new("showOwner", "An owner: disabled or not, since when, why and by whom, and how their keys stand")
            .takes([parameters::owner_id_in_path()])
            .answers(200, "The owner", "OwnerDetails")
            .fails([Reason::NotFound])
            .stored()
    }),
    ("POST /v1/keys/revoke", |_| {
        Operation::new("revokeKeys", "Revokes every key that meets all of the conditions")
            .reads(body("Conditions"))
            .answers(200, "No replica accepts one of them any more", "RevokedTogether")
            .stored()
    }),
    ("POST /v1/owners/{id}/disable", |_| switch_owner("disableOwner", "Stops all keys of an owner")),
    ("POST /v1/owners/{id}/enable", |_| switch_owner("enableOwner", "Lets the keys of an owner work again")),
    ("POST /v1/tokens/revoke", |_| {
        Operation::new("revokeTokens", "Ends tokens before they expire: one by its `jti`, or those of a subject")
            .reads(body("EndOfTokens"))
            .answers(200, "No replica accepts one of them any more", "RevokedTokens")
            .stored()
    }),
    ("POST /v1/introspect", |_| {
        Operation::new("introspect", "What is this token good for? (RFC 7662)")
            .reads_form()
            .answers(200, "Active, and what it is good for; or not, and nothing else", "Introspection")
            .stored()
    }),
    ("POST /v1/revoke", |_| {
        let mut operation = Operation::new("revokeToken", "Revokes a key by its text (RFC 7009)").reads_form().stored();
        let means = "No replica accepts it any more, if it was a key";
        operation.answers.push(Answer { status: 200, means, schema: None, headers: &[], also: &[] });
        operation.fails([Reason::UnsupportedTokenType])
    }),
    ("GET /.well-known/oauth-authorization-server", |_| {
        Operation::new("readMetadata", "Where both are (RFC 8414)").answers(200, "Here they are", "Metadata")
    }),
    ("GET /healthz", |_| Operation::new("isAlive", "Does the process answer?").answers(200, "It does", "Readiness")),
    ("GET /readyz", |_| {
        Operation::new("isReady", "Does this replica want requests?").answers(200, "It does", "Readiness").answers(
            503,
            "It does not",
            "Readiness",
        )
    }),
    ("GET /openapi.json", |_| document("readOpenApi", "This document", "Document")),
    ("GET /docs", |_| {
        let mut operation = Operation::new("readDocs", "Leads to the page for people");
        let headers = &[("Location", Occurs::Always)];
        operation.answers.push(Answer { status: 308, means: "It is there", schema: None, headers, also: &[] });
        operation
    }),
    ("GET /docs/", |_| document("readDocsPage", "This document as a page for people", "")),
    ("GET /docs/{file}", |_| {
        document("readDocsFile", "A part of that page", "").takes([parameters::file()]).fails([Reason::NotFound])
    }),
];

/// A key that is widened by who does not hold its rights.
fn not_held() -> Reason {
    let detail = "your token does not carry the scope keyward:verify";
    Reason::InvalidFields(vec![FieldProblem::of_field("/scopes", "scope_not_held", detail)])
}

/// The answer of a grant has no body: all that a gateway needs is in its headers.
fn authorize(id: &'static str, summary: &'static str) -> Operation {
    let mut operation = Operation::new(id, summary);
    let means = "It may. The headers say who it is; those that have nothing to say are empty";
    operation.answers.push(Answer { status: 200, means, schema: None, headers: IDENTITY, also: &[] });
    operation.fails([Reason::InsufficientScopes(CredentialKind::Either, "orders:read".to_owned())])
}

fn switch_owner(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, summary)
        .takes([parameters::owner_id_in_path()])
        .reads(optional_body("Reason"))
        .answers(200, "So it is, on every replica", "SwitchedOwner")
        .fails([Reason::NotFound])
        .stored()
}

/// Something that is the same for everybody until the next release.
fn document(id: &'static str, summary: &'static str, schema: &'static str) -> Operation {
    let mut operation = Operation::new(id, summary).takes([header("If-None-Match")]);
    let schema = (!schema.is_empty()).then_some(schema);
    operation.answers.push(Answer { status: 200, means: "Here it is", schema, headers: TAG, also: &[] });
    operation.answers.push(Answer { status: 304, means: "You have it", schema: None, headers: TAG, also: &[] });
    operation
}
