//! What stands in paths, queries and headers of requests.

use serde_json::{Value, json};

use super::schema::{NO_NUL, line, owner_id, reference};
use crate::{
    api::wire::{
        failure::catalog,
        parameters::{LIMIT_DEFAULT, LIMIT_MAX},
    },
    domain::{audit::Action, key_record::KeyState, listing::KeySort, owner::IDENTIFIER_MAX_BYTES, text},
};

/// How the id of a key is written.
pub(super) const KEY_ID: &str = "^[0-9A-Za-z]{22}$";

/// The parameters of lists of keys; administrators' lists take `owner`, too.
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
/// The same of lists of events.
pub(super) const OF_EVENTS: &[&str] =
    &["limit of events", "cursor of events", "keyId", "actor", "action", "from", "to", "format"];
/// The same of lists of owners, but for [`OF_AN_OWNER`].
pub(super) const OF_OWNERS: &[&str] = &["limit", "cursor of owners", "state of owners", "search of owners"];
/// How administrators name an owner.
pub(super) const OF_AN_OWNER: &[&str] = &["owner", "issuer", "subject"];

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
        "limit of events" => (
            "How many there are on a page: of JSON 25 unless told otherwise, and at most 100; of lines 1000.",
            json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX }),
        ),
        "cursor of owners" => ("Where the page begins: `nextCursor` of the page before.", cursor("owners")),
        "cursor of events" => ("Where the page begins: `nextCursor` of the page before.", cursor("events")),
        "sort" => (
            "The order, with a minus for the last first. Keys of all owners are in that of `createdAt`.",
            json!({ "type": "string", "enum": orders(), "default": "-createdAt" }),
        ),
        "state of keys" => (
            "Only keys in one of these states.",
            json!({ "type": "string", "pattern": several(&KeyState::ALL.map(KeyState::as_str)), "example": "active,expired" }),
        ),
        "state of owners" => (
            "Only owners who are disabled, or only those who are not.",
            json!({ "type": "string", "enum": ["active", "disabled"] }),
        ),
        "search of keys" => {
            ("Only keys with this in their name or description, in letters of either case.", line(text::NAME_MAX))
        }
        "search of owners" => {
            ("Only owners with this in their subject or issuer, in letters of either case.", line(text::NAME_MAX))
        }
        "scope of keys" => (
            "Only keys that carry this scope.",
            json!({ "type": "string", "pattern": r"^[!#-\[\]-~]{1,128}$", "example": "orders:read" }),
        ),
        "unusedSince" => {
            ("Only keys made before, and not used since.", json!({ "type": "string", "format": "date-time" }))
        }
        "issuer" => (
            "Only those of the owner with this issuer, and the `subject`; empty if it is missing.",
            json!({ "type": "string", "maxLength": IDENTIFIER_MAX_BYTES, "pattern": NO_NUL }),
        ),
        "subject" => (
            "Only those of the owner with this subject, and the `issuer`: instead of `owner`.",
            json!({ "type": "string", "minLength": 1, "maxLength": IDENTIFIER_MAX_BYTES, "pattern": NO_NUL }),
        ),
        "actor" => (
            "Only what this one did: the id of an owner, which stands for the issuer and the subject of a token, the id of a \
             key, or `command_line`.",
            json!({ "type": "string", "format": "actor", "example": "command_line" }),
        ),
        "action" => (
            "Only events of one of these kinds.",
            json!({ "type": "string", "pattern": several(&Action::ALL.map(Action::as_str)), "example": "key.created" }),
        ),
        "from" => ("Only events then or later.", json!({ "type": "string", "format": "date-time" })),
        "to" => ("Only events before; later than `from`.", json!({ "type": "string", "format": "date-time" })),
        "format" => {
            ("In which form, whatever `Accept` says.", json!({ "type": "string", "enum": ["json", "csv", "ndjson"] }))
        }
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

/// One of these words, or several with commas between.
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

/// `{code}`
pub(super) fn problem_code() -> Value {
    let codes: Vec<&str> = catalog::ENTRIES.iter().map(|entry| entry.code).collect();
    in_path("code", "The last part of the `type`.", &json!({ "type": "string", "enum": codes }))
}

fn in_path(name: &str, about: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema })
}
