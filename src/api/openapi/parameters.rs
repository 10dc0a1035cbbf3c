//! Parameters of paths and queries, and request headers.

use serde_json::{Value, json};

use crate::api::wire::{
    failure::catalog,
    request::{
        queries::Parameter,
        schema::{owner_id, plan_name},
    },
};

/// The pattern of a key's id.
pub(super) const KEY_ID: &str = "^[0-9A-Za-z]{22}$";

/// Query parameters.
pub(super) fn query(parameters: &[Parameter]) -> impl Iterator<Item = Value> {
    parameters.iter().map(|(name, about, schema)| {
        json!({ "name": name, "in": "query", "required": false, "description": about, "schema": schema() })
    })
}

/// A request header.
pub(super) fn header(name: &str) -> Value {
    let (about, schema) = match name {
        "Idempotency-Key" => (
            "A value that the client chooses for this request. Repeating the request with the same value creates no \
            second key.",
            json!({ "type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$", "minLength": 1, "maxLength": 255 }),
        ),
        "If-Match" => (
            "The key is shown or changed only if its `ETag` is one of these, or if this is `*`; otherwise the response \
            is 412. For a change, only the version is compared, which is the beginning of an `ETag`.",
            json!({ "type": "string", "format": "entity-tags", "minLength": 1, "example": "*" }),
        ),
        "If-None-Match of a key" => (
            "If the key's `ETag` is one of these, the key is not shown (304) or not changed (412).",
            json!({ "type": "string", "format": "entity-tags", "minLength": 1 }),
        ),
        _ => ("The `ETag` of the client's copy.", json!({ "type": "string" })),
    };
    let name = name.split(' ').next().unwrap_or(name);
    json!({ "name": name, "in": "header", "required": false, "description": about, "schema": schema })
}

/// `{id}` of a key.
pub(super) fn key_id_in_path() -> Value {
    in_path("id", "The key's id.", &json!({ "type": "string", "pattern": KEY_ID }))
}

/// `{id}` of an owner.
pub(super) fn owner_id_in_path() -> Value {
    in_path("id", "The owner's id: `owner.id` of a key.", &owner_id())
}

/// `{name}` of a plan.
pub(super) fn plan_in_path() -> Value {
    in_path("name", "The name of the plan.", &plan_name())
}

/// `{original}`
pub(super) fn original() -> Value {
    in_path("original", "The path of the client's request, with all its segments.", &json!({ "type": "string" }))
}

/// `{file}`
pub(super) fn file() -> Value {
    in_path("file", "The name of the file.", &json!({ "type": "string", "enum": super::page::FILES }))
}

/// `{code}`
pub(super) fn problem_code() -> Value {
    let codes: Vec<&str> = catalog::ENTRIES.iter().map(|entry| entry.code).collect();
    in_path("code", "The last segment of the problem's `type`.", &json!({ "type": "string", "enum": codes }))
}

fn in_path(name: &str, about: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema })
}
