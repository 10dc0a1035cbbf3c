//! Keys, their uses and the audit.

use serde_json::json;
use uuid::Uuid;

use super::{
    super::{
        bodies::{body, merge_patch, optional_body},
        operation::{Occurs, Operation},
        parameters::{self, header, query},
    },
    Describe, PAGE, TAG,
};
use crate::{
    api::wire::{
        failure::{Fault, FieldError, Missing, Reason},
        request::queries::{
            OF_AN_OWNER, OF_EVENTS, OF_KEYS, OF_REVOCATIONS, OF_USAGE, OF_USAGE_GROUPS, OF_USAGE_PLANS,
        },
    },
    domain::{api_key::KeyId, usage::TooManyCounts},
};

/// A key's id, for examples.
const EXAMPLE: Uuid = Uuid::from_u128(0x0190_b3c4_7c0e_7cc3_98c4_dc0c_0c07_398f);

/// A report that is too large, for examples.
const COUNTS: TooManyCounts = TooManyCounts(400_000);

pub(super) const OPERATIONS: &[(&str, Describe)] = &[
    ("POST /api/create-api-key", |_| {
        let mut operation = Operation::new("createApiKey", "Create a key by the compatibility route")
            .answers(201, "The key, shown only once", "CompatibilityKey")
            .answers(200, "This request already created the key; its secret is not shown again", "CompatibilityKey")
            .takes_checked([header("Idempotency-Key")])
            .fails([Reason::InvalidJson(Fault::Missing), Reason::TooManyKeys(0, None), Reason::TooManyNewKeys(0)])
            .fails([Reason::IdempotencyKeyReused, Reason::OwnerDisabled])
            .stored();
        operation.body = Some(json!({
            "description": "Ignored. A body of type `application/json` must be valid JSON.",
            "content": { "application/json": { "schema": {} } },
        }));
        operation
    }),
    ("GET /v1/scopes", |_| {
        Operation::new("listScopes", "List the scopes that are described")
            .answers(200, "The scope catalogue", "ScopeCatalogue")
            .stored()
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
    ("POST /v1/keys", |admin| {
        let body = if admin { body("NewKeyOfAnOwner") } else { optional_body("NewKey") };
        const CREATED: &[(&str, Occurs)] = &[("ETag", Occurs::Always), ("Location", Occurs::Always)];
        Operation::new("createKey", "Create an API key")
            .takes_checked([header("Idempotency-Key")])
            .reads(body)
            .answers_with(201, "The key with its secret, which is shown only once", "CreatedKey", CREATED)
            .answers_with(200, "This request already created the key; its secret is not shown again", "CreatedKey", TAG)
            .fails([
                Reason::TooManyKeys(0, None),
                Reason::TooManyNewKeys(0),
                Reason::OwnerBusy,
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
    ("POST /v1/keys/{id}/credits", |admin| {
        Operation::new("topUpKey", "Top up the credits of a key")
            .of_a_key_unconditionally()
            .takes_checked([header("Idempotency-Key")])
            .reads(body("TopUp"))
            .answers_with(200, "The key, as it is now on every replica", "Key", TAG)
            .fails([Reason::KeyRevoked, Reason::IdempotencyKeyReused])
            .fails(too_many_changes(admin))
    }),
    ("PATCH /v1/keys/{id}", |admin| {
        Operation::new("updateKey", "Update a key (JSON Merge Patch, RFC 7396)")
            .changes_a_key()
            .reads(merge_patch("KeyPatch"))
            .answers_with(200, "The key, as it is now on every replica", "Key", TAG)
            .fails([Reason::KeyRevoked, Reason::DisabledByAdministrator, Reason::OwnerDisabled])
            .fails(too_many_changes(admin))
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
                Reason::TooManyKeys(0, None),
                Reason::TooManyNewKeys(0),
                Reason::OwnerBusy,
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
    ("POST /v1/keys/{id}/enable", |admin| {
        Operation::new("enableKey", "Enable a key")
            .changes_a_key()
            .reads(optional_body("Nothing"))
            .answers_with(200, "The key, as it is now on every replica", "Key", TAG)
            .fails([Reason::KeyRevoked, Reason::DisabledByAdministrator, Reason::OwnerDisabled, not_held()])
            .fails(too_many_changes(admin))
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
            .fails([Reason::NotFound(Missing::Route), Reason::ReportTooLarge(COUNTS)])
            .stored()
            .answers(200, "The uses of the key", "UsageReport")
            .also_as(&["text/csv"])
    }),
    ("GET /v1/usage", |admin| {
        Operation::new("showUsage", "Show how often keys were used")
            .takes_checked(query(OF_USAGE))
            .takes(query(OF_USAGE_GROUPS))
            .takes(admin.then(|| query(OF_USAGE_PLANS)).into_iter().flatten())
            .takes(admin.then(|| query(OF_AN_OWNER)).into_iter().flatten())
            .fails([Reason::ReportTooLarge(COUNTS)])
            .stored()
            .answers(200, "The uses of all these keys together", "UsageReport")
            .also_as(&["text/csv"])
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
];

/// Owners can change keys only so often in a day.
fn too_many_changes(admin: bool) -> Option<Reason> {
    (!admin).then_some(Reason::TooManyChanges(0))
}

/// Enabling would grant the key a scope that the caller does not hold.
fn not_held() -> Reason {
    let detail = "your token does not carry the scope keyward:verify";
    Reason::InvalidFields(vec![FieldError::of_field("/scopes", "scope_not_held", detail)])
}
