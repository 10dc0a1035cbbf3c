//! Parameters of paths and queries, and request headers.

use serde_json::{Value, json};

use super::schema::{NO_NUL, line, owner_id, reference};
use crate::{
    api::wire::{
        failure::catalog,
        parameters::{LIMIT_DEFAULT, LIMIT_MAX},
    },
    domain::{audit::Action, key_record::KeyState, listing::KeySort, owner::IDENTIFIER_MAX_BYTES, text},
};

/// The pattern of a key's id.
pub(super) const KEY_ID: &str = "^[0-9A-Za-z]{22}$";

/// The parameters of key lists; administrators' lists also take [`OF_AN_OWNER`].
pub(super) const OF_KEYS: &[&str] = &[
    "limit",
    "cursor of keys",
    "sort",
    "state of keys",
    "environment",
    "name",
    "search of keys",
    "tag",
    "scope of keys",
    "expiringBefore",
    "createdSince",
    "unusedSince",
];
/// The parameters of event lists.
pub(super) const OF_EVENTS: &[&str] =
    &["limit of events", "cursor of events", "keyId", "actor", "action", "from", "to", "format"];
/// The parameters of owner lists, without [`OF_AN_OWNER`].
pub(super) const OF_OWNERS: &[&str] = &["limit", "cursor of owners", "state of owners", "search of owners"];
/// How administrators select an owner.
pub(super) const OF_AN_OWNER: &[&str] = &["owner", "issuer", "subject"];

/// Query parameters.
pub(super) fn query(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| one_of_query(name)).collect()
}

fn one_of_query(name: &str) -> Value {
    let (about, schema) = match name {
        "limit" => (
            "Number of items per page.",
            json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT }),
        ),
        "cursor of keys" => ("Where the page begins: `nextCursor` of the previous page.", cursor("keys")),
        "limit of events" => (
            "Number of events per page. JSON: 25 by default, at most 100. CSV and NDJSON: 1000.",
            json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX }),
        ),
        "cursor of owners" => ("Where the page begins: `nextCursor` of the previous page.", cursor("owners")),
        "cursor of events" => ("Where the page begins: `nextCursor` of the previous page.", cursor("events")),
        "sort" => (
            "The order; a leading minus means descending. Lists over all owners can be sorted only by `createdAt`.",
            json!({ "type": "string", "enum": orders(), "default": "-createdAt" }),
        ),
        "state of keys" => (
            "Only keys in one of these states.",
            json!({
                "type": "string",
                "pattern": several(&KeyState::ALL.map(KeyState::as_str)),
                "example": "active,expired",
            }),
        ),
        "state of owners" => (
            "Only owners who are disabled, or only those who are not.",
            json!({ "type": "string", "enum": ["active", "disabled"] }),
        ),
        "search of keys" => {
            ("Only keys whose name or description contains this text. Case-insensitive.", line(text::NAME_MAX))
        }
        "search of owners" => {
            ("Only owners whose subject or issuer contains this text. Case-insensitive.", line(text::NAME_MAX))
        }
        "scope of keys" => (
            "Only keys that carry this scope.",
            json!({ "type": "string", "pattern": r"^[!#-\[\]-~]{1,128}$", "example": "orders:read" }),
        ),
        "unusedSince" => (
            "Only keys created before this instant and not used since.",
            json!({ "type": "string", "format": "date-time" }),
        ),
        "issuer" => (
            "Together with `subject`: only items of this owner. An absent issuer is the empty issuer.",
            json!({ "type": "string", "maxLength": IDENTIFIER_MAX_BYTES, "pattern": NO_NUL }),
        ),
        "subject" => (
            "Together with `issuer`: only items of this owner. An alternative to `owner`.",
            json!({ "type": "string", "minLength": 1, "maxLength": IDENTIFIER_MAX_BYTES, "pattern": NO_NUL }),
        ),
        "actor" => (
            "Only events caused by this actor: the id of an owner (for the issuer and subject of a token), the id of a \
            key, or `command_line`.",
            json!({ "type": "string", "format": "actor", "example": "command_line" }),
        ),
        "action" => (
            "Only events of one of these kinds.",
            json!({ "type": "string", "pattern": several(&Action::ALL.map(Action::as_str)), "example": "key.created" }),
        ),
        "from" => ("Only events at this instant or later.", json!({ "type": "string", "format": "date-time" })),
        "to" => (
            "Only events before this instant. Must be later than `from`.",
            json!({ "type": "string", "format": "date-time" }),
        ),
        "format" => (
            "The format of the response. Overrides `Accept`.",
            json!({ "type": "string", "enum": ["json", "csv", "ndjson"] }),
        ),
        "environment" => ("Only keys of this environment.", reference("Environment")),
        "name" => ("Only keys with exactly this name.", line(text::NAME_MAX)),
        "tag" => (
            "Only keys whose metadata has this member with this string as its value.",
            json!({ "type": "string", "pattern": r"^[^:\u0000]+:[^\u0000]*$", "example": "team:payments" }),
        ),
        "expiringBefore" => {
            ("Only keys that expire before this instant.", json!({ "type": "string", "format": "date-time" }))
        }
        "createdSince" => {
            ("Only keys created at this instant or later.", json!({ "type": "string", "format": "date-time" }))
        }
        "owner" => ("Only items of this owner: `owner.id` of a key.", owner_id()),
        "scope" => (
            "Further scopes that the credential must have, all of them, separated by spaces. Can be repeated.",
            json!({
                "type": "string",
                "pattern": r"^[!#-\[\]-~]{1,128}( [!#-\[\]-~]{1,128}){0,99}$",
                "example": "orders:read",
            }),
        ),
        "keyId" => ("Only events about this key.", json!({ "type": "string", "format": "key-id" })),
        // `reason`, and any name without a description; the tests compare the names with those that are read.
        _ => ("The reason for the change. It is stored with the key and in the audit log.", line(text::REASON_MAX)),
    };
    let name = name.split(' ').next().unwrap_or(name);
    json!({ "name": name, "in": "query", "required": false, "description": about, "schema": schema })
}

/// One of these words, or several separated by commas.
pub(super) fn several(words: &[&str]) -> String {
    let word = format!("({})", words.join("|").replace('.', "\\."));
    format!("^{word}(,{word})*$")
}

/// Every order of keys.
fn orders() -> Vec<String> {
    KeySort::ALL.iter().flat_map(|sort| [sort.as_str().to_owned(), format!("-{}", sort.as_str())]).collect()
}

fn cursor(list: &str) -> Value {
    json!({ "type": "string", "format": format!("cursor-of-{list}") })
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
