//! What stands in paths, queries and headers of requests.

use serde_json::{Value, json};

use super::bodies::{CLEAN, reference};
use crate::{
    domain::text,
    http::parameters::{LIMIT_DEFAULT, LIMIT_MAX},
};

/// How the id of a key is written.
pub(super) const KEY_ID: &str = "^[0-9A-Za-z]{22}$";

/// The parameters of lists of keys; administrators' lists take `owner`, too.
pub(super) const OF_KEYS: &[&str] =
    &["limit", "cursor of keys", "state", "environment", "name", "tag", "expiringBefore", "createdSince"];
/// The same of lists of events.
pub(super) const OF_EVENTS: &[&str] = &["limit", "cursor of events", "keyId"];

/// Parameters of a query.
pub(super) fn query(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| one_of_query(name)).collect()
}

fn one_of_query(name: &str) -> Value {
    let (about, schema) = match name {
        "limit" => (
            "How many there are on a page.",
            json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT }),
        ),
        "cursor of keys" => ("Where the page begins: `nextCursor` of the page before.", cursor("keys")),
        "cursor of events" => ("Where the page begins: `nextCursor` of the page before.", cursor("events")),
        "state" => ("Only keys in this state.", reference("State")),
        "environment" => ("Only keys of this world.", reference("Environment")),
        "name" => ("Only keys of exactly this name.", line(text::NAME_MAX)),
        "tag" => (
            "Only keys whose metadata has this member with this text.",
            json!({ "type": "string", "pattern": r"^[^:\u0000]+:[^\u0000]*$", "example": "team:payments" }),
        ),
        "expiringBefore" => ("Only keys whose life ends before.", json!({ "type": "string", "format": "date-time" })),
        "createdSince" => ("Only keys made then or later.", json!({ "type": "string", "format": "date-time" })),
        "owner" => ("Only those of this owner: `owner.id` of a key.", owner_id()),
        "scope" => (
            "Scopes that the credential must have besides, all of them, with spaces between. May be repeated.",
            json!({
                "type": "string",
                "pattern": r"^[!#-\[\]-~]{1,128}( [!#-\[\]-~]{1,128}){0,99}$",
                "example": "orders:read",
            }),
        ),
        "keyId" => ("Only those about this key.", json!({ "type": "string", "format": "key-id" })),
        // "reason" and what nobody has described; the tests compare the names with those that are read.
        _ => ("Why. It is kept with the key and in the audit log.", line(text::REASON_MAX)),
    };
    let name = name.split(' ').next().unwrap_or(name);
    json!({ "name": name, "in": "query", "required": false, "description": about, "schema": schema })
}

fn cursor(list: &str) -> Value {
    json!({ "type": "string", "format": format!("cursor-of-{list}") })
}

/// One line of text.
pub(super) fn line(longest: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": longest, "pattern": CLEAN })
}

/// An owner in one word.
pub(super) fn owner_id() -> Value {
    json!({ "type": "string", "format": "owner-id" })
}

/// A header.
pub(super) fn header(name: &str) -> Value {
    let (about, schema) = match name {
        "Idempotency-Key" => (
            "A word of the client's own for this request. The same request with the same word makes no second key.",
            json!({ "type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$", "minLength": 1, "maxLength": 255 }),
        ),
        "If-Match" => (
            "Only a key with one of these `ETag`s, or with any (`*`), is shown or changed; otherwise the answer is 412. For \
             a change, the version counts, which is what an `ETag` begins with.",
            json!({ "type": "string", "format": "entity-tags", "minLength": 1, "example": "*" }),
        ),
        "If-None-Match of a key" => (
            "A key with one of these `ETag`s is not shown (304), and not changed (412).",
            json!({ "type": "string", "format": "entity-tags", "minLength": 1 }),
        ),
        _ => ("The `ETag` of the copy that the client has.", json!({ "type": "string" })),
    };
    let name = name.split(' ').next().unwrap_or(name);
    json!({ "name": name, "in": "header", "required": false, "description": about, "schema": schema })
}

/// `{id}` of a key.
pub(super) fn key_id_in_path() -> Value {
    in_path("id", "The key's public name.", &json!({ "type": "string", "pattern": KEY_ID }))
}

/// `{id}` of an owner.
pub(super) fn owner_id_in_path() -> Value {
    in_path("id", "The owner: `owner.id` of a key.", &owner_id())
}

/// `{original}`
pub(super) fn original() -> Value {
    in_path("original", "The client's path, with all its parts.", &json!({ "type": "string" }))
}

/// `{file}`
pub(super) fn file() -> Value {
    in_path("file", "Which part.", &json!({ "type": "string", "enum": super::page::FILES }))
}

fn in_path(name: &str, about: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema })
}
