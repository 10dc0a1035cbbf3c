//! What each route does, takes and returns, apart from what follows from its `Access` and the server's limits.

use serde_json::json;
use uuid::Uuid;

use super::{
    bodies::{body, merge_patch, optional_body},
    operation::{Occurs, Operation},
    parameters::{self, header, query},
};
use crate::{
    api::{
        endpoint::{Access, Endpoint},
        wire::{
            failure::{CredentialKind, Fault, FieldError, Missing, Reason},
            request::queries::{
                OF_AN_OWNER, OF_EVENTS, OF_GATEWAYS, OF_KEYS, OF_OWNERS, OF_REVOCATIONS, OF_USAGE, OF_USAGE_GROUPS,
            },
        },
    },
    domain::api_key::KeyId,
};

/// A key's id, for examples.
const EXAMPLE: Uuid = Uuid::from_u128(0x0190_b3c4_7c0e_7cc3_98c4_dc0c_0c07_398f);
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
const LOCATION: &[(&str, Occurs)] = &[("Location", Occurs::Always)];
const PAGE: &[(&str, Occurs)] = &[("Link", Occurs::Sometimes)];

/// A route's name in this table: the owners' route and the administrators' route for the same task share one name.
pub(super) fn name(endpoint: &Endpoint) -> String {
    format!("{} {}", endpoint.method, endpoint.path.replacen("/v1/admin/", "/v1/", 1))
}

/// The operation of a route.
pub(super) fn of(endpoint: &Endpoint) -> Option<Operation> {
    let name = name(endpoint);
    let (_, describe) = OPERATIONS.iter().find(|(own, _)| *own == name)?;
    Some(describe(endpoint.access == Access::Administrator))
}

/// Describes a route, either for administrators (`true`) or for others.
type Describe = fn(bool) -> Operation;

/// Every operation, by the name of its route.
pub(super) const OPERATIONS: &[(&str, Describe)] = &[
    ("POST /api/create-api-key", |_| {
        let mut operation = Operation::new("createApiKey", "Create a key by the compatibility route")
            .answers(201, "The key, shown only once", "CompatibilityKey")
            .answers(200, "This request already created the key; its secret is not shown again", "CompatibilityKey")
            .takes_checked([header("Idempotency-Key")])
            .fails([Reason::InvalidJson(Fault::Missing), Reason::TooManyKeys(0), Reason::TooManyNewKeys(0)])
            .fails([Reason::IdempotencyKeyReused, Reason::OwnerDisabled])
            .stored();
        operation.body = Some(json!({
            "description": "Ignored. A body of type `application/json` must be valid JSON.",
            "content": { "application/json": { "schema": {} } },
        }));
        operation
    }),
    ("GET /api/protected-resource", |_| {
        Operation::new("readProtectedResource", "Try a key").answers(200, "Access granted", "Message")
    }),
    ("GET /v1/authorize", |_| {
        let about = "Check a gateway's request";
        authorize("authorize", about).takes(query(OF_GATEWAYS)).fails([Reason::InvalidParameters(vec![
            FieldError::of_parameter("scope", "invalid", "names no scope: leave it out where none is demanded"),
        ])])
    }),
    ("GET /v1/authorize/{original}", |_| {
        let about = "Check a gateway's request by the appended path";
        authorize("authorizePath", about).takes([parameters::original()])
    }),
    ("GET /v1/keys/self", |_| {
        Operation::new("showOwnKey", "Show the presented key")
            .conditional()
            .fails([Reason::NotFound(Missing::Route)])
            .stored()
            .answers_with(200, "The key", "Key", TAG)
            .answers_without_json(304, "Not modified", TAG)
    }),
    ("DELETE /v1/keys/self", |_| {
        Operation::new("revokeOwnKey", "Revoke the presented key")
            .answers(200, "Revoked on every replica", "RevokedKey")
            .takes_checked(query(OF_REVOCATIONS))
            .reads(optional_body("Reason"))
            .conditional()
            .fails([Reason::NotFound(Missing::Route), Reason::PreconditionFailed])
            .stored()
    }),
    ("POST /v1/keys/verify", |_| {
        Operation::new("verifyKeys", "Verify keys")
            .reads(body("Question"))
            .answers(200, "The result of the check, and what is known about the key", "Verdict")
            .stored()
    }),
    ("POST /v1/keys", |admin| {
        let body = if admin { body("NewKeyOfAnOwner") } else { optional_body("NewKey") };
        const CREATED: &[(&str, Occurs)] = &[("ETag", Occurs::Always), ("Location", Occurs::Always)];
        Operation::new("createKey", "Create an API key")
            .takes_checked([header("Idempotency-Key")])
            .reads(body)
            .answers_with(201, "The key with its secret, which is shown only once", "CreatedKey", CREATED)
            .answers_with(200, "This request already created the key; its secret is not shown again", "CreatedKey", TAG)
            .fails([
                Reason::TooManyKeys(0),
                Reason::TooManyNewKeys(0),
                Reason::OwnerDisabled,
                Reason::IdempotencyKeyReused,
            ])
            .stored()
    }),
    ("GET /v1/keys", |admin| {
        Operation::new("listKeys", "List keys")
            .takes_checked(query(OF_KEYS))
            .takes(admin.then(|| query(OF_AN_OWNER)).into_iter().flatten())
            .answers_with(200, "A page of keys", "KeyList", PAGE)
            .stored()
    }),
    ("GET /v1/keys/{id}", |_| {
        Operation::new("showKey", "Show a key")
            .of_a_key()
            .answers_with(200, "The key", "Key", TAG)
            .answers_without_json(304, "Not modified", TAG)
    }),
    ("POST /v1/keys/{id}/credits", |_| {
        Operation::new("topUpKey", "Top up the credits of a key")
            .of_a_key_unconditionally()
            .takes_checked([header("Idempotency-Key")])
            .reads(body("TopUp"))
            .answers_with(200, "The key, as it is now on every replica", "Key", TAG)
            .fails([Reason::KeyRevoked, Reason::IdempotencyKeyReused])
    }),
    ("PATCH /v1/keys/{id}", |_| {
        Operation::new("updateKey", "Update a key (JSON Merge Patch, RFC 7396)")
            .changes_a_key()
            .reads(merge_patch("KeyPatch"))
            .answers_with(200, "The key, as it is now on every replica", "Key", TAG)
            .fails([Reason::KeyRevoked, Reason::DisabledByAdministrator, Reason::OwnerDisabled])
    }),
    ("DELETE /v1/keys/{id}", |_| {
        Operation::new("revokeKey", "Revoke a key")
            .changes_a_key()
            .takes_checked(query(OF_REVOCATIONS))
            .reads(optional_body("Reason"))
            .answers(200, "Revoked on every replica", "RevokedKey")
    }),
    ("POST /v1/keys/{id}/rotate", |_| {
        Operation::new("rotateKey", "Rotate a key")
            .changes_a_key()
            .takes_checked([header("Idempotency-Key")])
            .reads(optional_body("Rotation"))
            .answers_with(
                201,
                "The successor with its secret, which is shown only once, and the old key",
                "RotatedKey",
                TAG,
            )
            .answers_with(
                200,
                "This request already created the successor; its secret is not shown again",
                "RotatedKey",
                TAG,
            )
            .fails([Reason::KeyRevoked, Reason::KeyExpired, Reason::AlreadyRotated(KeyId::from(EXAMPLE))])
            .fails([
                Reason::TooManyKeys(0),
                Reason::TooManyNewKeys(0),
                Reason::IdempotencyKeyReused,
                Reason::OwnerDisabled,
            ])
    }),
    ("POST /v1/keys/{id}/disable", |_| {
        Operation::new("disableKey", "Disable a key")
            .changes_a_key()
            .reads(optional_body("Reason"))
            .answers_with(200, "The key, as it is now on every replica", "Key", TAG)
            .fails([Reason::KeyRevoked])
    }),
    ("POST /v1/keys/{id}/enable", |_| {
        Operation::new("enableKey", "Enable a key")
            .changes_a_key()
            .reads(optional_body("Nothing"))
            .answers_with(200, "The key, as it is now on every replica", "Key", TAG)
            .fails([Reason::KeyRevoked, Reason::DisabledByAdministrator, Reason::OwnerDisabled, not_held()])
    }),
    ("GET /v1/audit", |admin| {
        let means = "A page of events, newest first; in CSV and NDJSON, only `Link` names the next page";
        Operation::new("listEvents", "List audit events")
            .takes_checked(query(OF_EVENTS))
            .takes(admin.then(|| query(OF_AN_OWNER)).into_iter().flatten())
            .stored()
            .answers_with(200, means, "EventList", PAGE)
            .also_as(&["text/csv", "application/x-ndjson"])
    }),
    ("GET /v1/keys/{id}/usage", |_| {
        Operation::new("showKeyUsage", "Show how often a key was used")
            .takes([parameters::key_id_in_path()])
            .takes_checked(query(OF_USAGE))
            .fails([Reason::NotFound(Missing::Route)])
            .stored()
            .answers(200, "The uses of the key", "UsageReport")
            .also_as(&["text/csv"])
    }),
    ("GET /v1/usage", |admin| {
        Operation::new("showUsage", "Show how often keys were used")
            .takes_checked(query(OF_USAGE))
            .takes(query(OF_USAGE_GROUPS))
            .takes(admin.then(|| query(OF_AN_OWNER)).into_iter().flatten())
            .stored()
            .answers(200, "The uses of all these keys together", "UsageReport")
            .also_as(&["text/csv"])
    }),
    ("GET /v1/owners", |_| {
        Operation::new("listOwners", "List owners")
            .takes_checked(query(OF_OWNERS))
            .takes(query(OF_AN_OWNER))
            .answers_with(200, "A page of owners", "OwnerList", PAGE)
            .stored()
    }),
    ("GET /v1/owners/{id}", |_| {
        Operation::new("showOwner", "Show an owner")
            .takes([parameters::owner_id_in_path()])
            .answers(200, "The owner", "OwnerDetails")
            .fails([Reason::NotFound(Missing::Route)])
            .stored()
    }),
    ("POST /v1/keys/revoke", |_| {
        Operation::new("revokeKeys", "Revoke all keys that meet the conditions")
            .reads(body("Conditions"))
            .answers(
                200,
                "No replica accepts one of them any more; with `dryRun`, how many it would be",
                "RevokedTogetherOrNot",
            )
            .stored()
    }),
    ("GET /v1/owners/{id}/limits", |_| {
        Operation::new("showOwnerLimits", "Show the limits and credits that all keys of an owner share")
            .takes([parameters::owner_id_in_path()])
            .conditional()
            .answers_with(200, "The limits", "OwnerLimits", TAG)
            .answers_without_json(304, "Not modified", TAG)
            .fails([Reason::NotFound(Missing::Route)])
            .stored()
    }),
    ("PUT /v1/owners/{id}/limits", |_| {
        Operation::new("replaceOwnerLimits", "Replace the limits and credits that all keys of an owner share")
            .takes([parameters::owner_id_in_path()])
            .conditional()
            .reads(body("OwnerLimitsToSet"))
            .answers_with(200, "Applied on every replica", "ChangedOwnerLimits", TAG)
            .fails([Reason::NotFound(Missing::Route), Reason::PreconditionFailed])
            .stored()
    }),
    ("POST /v1/owners/{id}/credits", |_| {
        Operation::new("topUpOwner", "Top up the credits that all keys of an owner share")
            .takes([parameters::owner_id_in_path()])
            .takes_checked([header("Idempotency-Key")])
            .reads(body("TopUp"))
            .answers(200, "Applied on every replica", "ChangedOwnerLimits")
            .fails([Reason::NotFound(Missing::Route), Reason::IdempotencyKeyReused])
            .stored()
    }),
    ("POST /v1/owners/{id}/disable", |_| switch_owner("disableOwner", "Disable an owner")),
    ("POST /v1/owners/{id}/enable", |_| switch_owner("enableOwner", "Enable an owner")),
    ("POST /v1/tokens/revoke", |_| {
        Operation::new("revokeTokens", "Revoke tokens before they expire")
            .reads(body("EndOfTokens"))
            .answers(200, "Revoked on every replica", "RevokedTokens")
            .stored()
    }),
    ("POST /v1/introspect", |_| {
        Operation::new("introspect", "Introspect a token (RFC 7662)")
            .reads_form()
            .answers(200, "Active, with scopes and other members; or inactive, with no other member", "Introspection")
            .stored()
    }),
    ("POST /v1/revoke", |_| {
        Operation::new("revokeToken", "Revoke a key (RFC 7009)")
            .reads_form()
            .stored()
            .answers_without_json(200, "If the token is a key, it is revoked on every replica", &[])
            .fails([Reason::UnsupportedTokenType])
    }),
    ("GET /.well-known/oauth-authorization-server", |_| {
        Operation::new("readMetadata", "Get the authorization server metadata (RFC 8414)").answers(
            200,
            "The metadata document",
            "Metadata",
        )
    }),
    ("GET /healthz", |_| Operation::new("isAlive", "Check liveness").answers(200, "The process is alive", "Readiness")),
    ("GET /readyz", |_| {
        Operation::new("isReady", "Check readiness").answers(200, "Ready: send requests here", "Readiness").answers(
            503,
            "Not ready: send requests to another replica",
            "Readiness",
        )
    }),
    ("GET /metrics", |_| {
        Operation::new("readMetrics", "Get the metrics of this replica")
            .answers_without_json(200, "The metrics, in the text format of Prometheus", &[])
            .fails([Reason::NotFound(Missing::Route)])
    }),
    ("GET /problems", |_| document("listProblems", "List problem types", "ProblemTypes").also_as(&["text/html"])),
    ("GET /problems/{code}", |_| {
        document("readProblem", "Get a problem type", "ProblemType")
            .also_as(&["text/html"])
            .takes([parameters::problem_code()])
            .fails([Reason::NotFound(Missing::Route)])
    }),
    ("GET /openapi.json", |_| document("readOpenApi", "Get the OpenAPI document", "Document")),
    ("GET /", |_| {
        Operation::new("readRoot", "Go to the documentation from the root")
            .fails([Reason::NotFound(Missing::Route)])
            .answers_without_json(307, "Redirect to the documentation", LOCATION)
    }),
    ("GET /docs", |_| {
        Operation::new("readDocs", "Redirect to the documentation").answers_without_json(
            308,
            "Redirect to the documentation",
            LOCATION,
        )
    }),
    ("GET /docs/", |_| document("readDocsPage", "Get the documentation page", "")),
    ("GET /docs/{file}", |_| {
        document("readDocsFile", "Get a file of the documentation page", "")
            .takes([parameters::file()])
            .fails([Reason::NotFound(Missing::Route)])
    }),
];

/// Enabling would grant the key a scope that the caller does not hold.
fn not_held() -> Reason {
    let detail = "your token does not carry the scope keyward:verify";
    Reason::InvalidFields(vec![FieldError::of_field("/scopes", "scope_not_held", detail)])
}

/// A grant has no body: everything a gateway needs is in the headers.
fn authorize(id: &'static str, summary: &'static str) -> Operation {
    let means = "Allowed. The headers identify the client; a header without a value is empty";
    Operation::new(id, summary)
        .answers_without_json(200, means, IDENTITY)
        .fails([Reason::InsufficientScopes(CredentialKind::Either, "orders:read".to_owned())])
}

fn switch_owner(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, summary)
        .takes([parameters::owner_id_in_path()])
        .reads(optional_body("Reason"))
        .answers(200, "Applied on every replica", "SwitchedOwner")
        .fails([Reason::NotFound(Missing::Route)])
        .stored()
}

/// Content that changes only with a release.
fn document(id: &'static str, summary: &'static str, schema: &'static str) -> Operation {
    let operation = Operation::new(id, summary).takes([header("If-None-Match")]);
    let operation = match schema {
        "" => operation.answers_without_json(200, "The document", TAG),
        schema => operation.answers_with(200, "The document", schema, TAG),
    };
    operation.answers_without_json(304, "Not modified", TAG)
}
