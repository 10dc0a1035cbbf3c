//! The schemas of request bodies. They are written by hand, as their readers are. Tests compare the names, and the
//! limits are the readers' constants.

use serde_json::{Value, json};

use super::{
    parameters::several,
    schema::{NO_NUL, line, owner_id, reference},
};
use crate::{
    api::handlers::{keys::requests::SECONDS_MAX, verify::CHECKS_MAX},
    domain::{
        key_record::{ALLOWED_IPS_MAX, KeyState},
        metadata::{METADATA_MAX_BYTES, METADATA_MAX_DEPTH},
        owner::IDENTIFIER_MAX_BYTES,
        scope::{SCOPE_MAX_BYTES, SCOPES_MAX},
        text::{DESCRIPTION_MAX, NAME_MAX, REASON_MAX},
    },
};

/// A required body.
pub(super) fn body(schema: &str) -> Value {
    json!({ "required": true, "content": { "application/json": content(schema) } })
}

/// An optional body.
pub(super) fn optional_body(schema: &str) -> Value {
    json!({ "required": false, "content": { "application/json": content(schema) } })
}

/// A merge patch (RFC 7396), which may also be sent as plain JSON.
pub(super) fn merge_patch(schema: &str) -> Value {
    let content = content(schema);
    json!({ "required": true, "content": { "application/merge-patch+json": content, "application/json": content } })
}

/// A form.
pub(super) fn form(schema: &str) -> Value {
    json!({ "required": true, "content": { "application/x-www-form-urlencoded": { "schema": reference(schema) } } })
}

fn content(schema: &str) -> Value {
    json!({
        "schema": reference(schema),
        "examples": { "usual": { "value": example(schema) } },
    })
}

fn reference_or_null(name: &str) -> Value {
    json!({ "anyOf": [reference(name), { "type": "null" }] })
}

fn example(schema: &str) -> Value {
    match schema {
        "NewKey" => json!({
            "name": "billing worker",
            "environment": "test",
            "scopes": ["orders:read"],
            "expiresIn": 7_776_000,
            "metadata": { "team": "payments" },
            "allowedIps": ["192.0.2.0/24"],
        }),
        "NewKeyOfAnOwner" => json!({ "owner": { "subject": "alice" }, "name": "billing worker" }),
        "KeyPatch" => json!({ "name": "billing worker 2", "metadata": { "team": null } }),
        "Rotation" => json!({ "gracePeriod": 86_400 }),
        "Question" => {
            json!({ "key": "keyward_live_01gk8yGvWq3Zr0Xb7LmT2c", "scopes": ["orders:read"], "explain": true })
        }
        "Conditions" => json!({ "name": "billing worker", "environment": "test", "reason": "left the company" }),
        "Nothing" => json!({}),
        "EndOfTokens" => json!({ "issuer": "https://login.example.com/", "subject": "auth0|5f7c8ec7c33c6c004bbafe82" }),
        _ => json!({ "reason": "left the company" }),
    }
}

/// The schemas of all bodies, by name.
pub(super) fn schemas() -> impl Iterator<Item = (String, Value)> {
    let bodies = [
        ("NewKey", new_key()),
        ("NewKeyOfAnOwner", new_key_of_an_owner()),
        ("WhichOwner", which_owner()),
        ("KeyPatch", key_patch()),
        ("Rotation", rotation()),
        ("Conditions", conditions()),
        ("EndOfTokens", end_of_tokens()),
        ("Reason", object(&json!({ "reason": or_null(line(REASON_MAX)) }))),
        ("Nothing", object(&json!({}))),
        ("Notes", notes()),
        ("TokenForm", token_form()),
    ];
    let bodies = bodies.into_iter().chain(questions());
    let bodies = bodies.map(|(name, schema)| (name.to_owned(), schema));
    bodies.chain((0..METADATA_MAX_DEPTH).map(|levels| (format!("NoteOf{levels}Levels"), note(levels))))
}

/// An object with exactly these members.
fn object(properties: &Value) -> Value {
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// The same schema, or `null`, which is the same as an absent member.
fn or_null(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"], "null"]);
    schema
}

fn new_key() -> Value {
    let mut schema = object(&json!({
        "name": or_null(line(NAME_MAX)),
        "description": or_null(line(DESCRIPTION_MAX)),
        "environment": reference_or_null("Environment"),
        "scopes": scopes(),
        "metadata": reference("Notes"),
        "allowedIps": allowed_ips(),
        "expiresAt": expires_at(),
        "expiresIn": seconds(1, "Lifetime of the key, in seconds."),
        "enabled": or_null(json!({ "type": "boolean", "default": true })),
    }));
    schema["not"] = both_expiries();
    schema
}

fn new_key_of_an_owner() -> Value {
    let mut schema = new_key();
    schema["properties"]["owner"] = reference("WhichOwner");
    schema["required"] = json!(["owner"]);
    schema
}

/// An owner: by id, or by issuer and subject. Who sends what an answer shows of an owner sends all three.
fn which_owner() -> Value {
    let text = json!({ "type": "string", "maxLength": IDENTIFIER_MAX_BYTES, "pattern": NO_NUL });
    let mut by_name = object(&json!({ "id": owner_id(), "issuer": or_null(text.clone()), "subject": text }));
    by_name["properties"]["id"]["description"] = json!("If it is given, too, it must be the id of that owner.");
    by_name["properties"]["subject"]["minLength"] = json!(1);
    by_name["required"] = json!(["subject"]);
    by_name["description"] = json!(format!("Each at most {IDENTIFIER_MAX_BYTES} bytes of UTF-8."));
    let mut by_id = object(&json!({ "id": owner_id() }));
    by_id["required"] = json!(["id"]);
    json!({ "anyOf": [owner_id(), by_name, by_id], "description": "Whose: `owner` of a key, its id alone, or issuer and subject." })
}

fn key_patch() -> Value {
    let mut schema = object(&json!({
        "name": or_null(line(NAME_MAX)),
        "description": or_null(line(DESCRIPTION_MAX)),
        "scopes": scopes(),
        "metadata": {
            "type": ["object", "null"],
            "additionalProperties": true,
            "description": "Merged into the metadata recursively. The limits of `Notes` apply to the result.",
        },
        "allowedIps": allowed_ips(),
        "expiresAt": expires_at(),
        "expiresIn": seconds(1, "Lifetime of the key from now, in seconds."),
        "enabled": or_null(json!({ "type": "boolean" })),
    }));
    schema["not"] = both_expiries();
    schema
}

fn rotation() -> Value {
    let mut schema = object(&json!({
        "gracePeriod": seconds(0, "How long the old key keeps working, in seconds; 0 ends it immediately."),
        "expiresAt": expires_at(),
        "expiresIn": seconds(1, "Lifetime of the new key, in seconds."),
    }));
    schema["not"] = both_expiries();
    schema
}

/// A check of one key, or of many. Each alternative has a name, so that client generators produce named types.
fn questions() -> [(&'static str, Value); 4] {
    let address = [json!({ "type": "string", "format": "ipv4" }), json!({ "type": "string", "format": "ipv6" })];
    let mut item = object(&json!({
        "key": { "type": "string" },
        "scopes": scopes(),
        "environment": reference_or_null("Environment"),
        "clientAddress": { "anyOf": [address[0], address[1], { "type": "null" }] },
    }));
    item["required"] = json!(["key"]);
    let explain =
        or_null(json!({ "type": "boolean", "default": false, "description": "List every reason for a refusal." }));
    let mut one = item.clone();
    one["properties"]["explain"] = explain.clone();
    let items = reference("QuestionOfMany");
    let checks = json!({ "type": "array", "minItems": 1, "maxItems": CHECKS_MAX, "items": items });
    let mut many = object(&json!({ "checks": checks, "explain": explain }));
    many["required"] = json!(["checks"]);
    let either = json!({ "oneOf": [reference("OneQuestion"), reference("ManyQuestions")] });
    [("Question", either), ("OneQuestion", one), ("ManyQuestions", many), ("QuestionOfMany", item)]
}

/// Unknown members are ignored (RFC 6749 §3.2).
fn token_form() -> Value {
    let address = [json!({ "type": "string", "format": "ipv4" }), json!({ "type": "string", "format": "ipv6" })];
    json!({
        "type": "object",
        "required": ["token"],
        "properties": {
            "token": { "type": "string", "minLength": 1, "description": "An API key, or a JWT." },
            "client_id": { "type": "string", "description": "Ignored: `client_secret` identifies the client." },
            "client_secret": {
                "type": "string",
                "description": "An API key with the scope `keyward:verify`, if no header carries a credential.",
            },
            "token_type_hint": {
                "type": "string",
                "description": "Ignored: the kind is recognised from the token itself.",
            },
            "client_address": {
                "anyOf": address,
                "description": "Our own: from where the token came, an IP address. A key with `allowedIps` is active only if it is given and one of those.",
            },
        },
    })
}

fn conditions() -> Value {
    let states: Vec<_> = KeyState::ALL.iter().filter(|state| **state != KeyState::Revoked).collect();
    let states: Vec<_> = states.into_iter().map(|state| state.as_str()).collect();
    let one = json!({ "type": "string", "enum": states });
    let state = json!({
        "anyOf": [
            { "type": "string", "pattern": several(&states) },
            { "type": "array", "minItems": 1, "maxItems": KeyState::ALL.len(), "items": one },
        ],
        "example": "active,expired",
    });
    let instant = || json!({ "type": "string", "format": "date-time" });
    let conditions = json!({
        "owner": reference("WhichOwner"),
        "state": state,
        "environment": reference("Environment"),
        "name": line(NAME_MAX),
        "search": line(NAME_MAX),
        "scope": { "type": "string", "pattern": r"^[!#-\[\]-~]{1,128}$" },
        "tag": { "type": "string", "pattern": r"^[^:\u0000]+:[^\u0000]*$" },
        "expiringBefore": instant(),
        "createdSince": instant(),
        "unusedSince": instant(),
    });
    let names = conditions.as_object().into_iter().flat_map(|members| members.keys());
    let one_at_least: Vec<_> = names.map(|name| json!({ "required": [name] })).collect();
    let mut schema = object(&conditions);
    schema["properties"]["reason"] = or_null(line(REASON_MAX));
    let about = "Revoke nothing, and tell how many keys there are.";
    schema["properties"]["dryRun"] = or_null(json!({ "type": "boolean", "default": false, "description": about }));
    schema["anyOf"] = one_at_least.into();
    schema
}

fn end_of_tokens() -> Value {
    let name = |shortest: usize, about: &str| {
        let mut schema = json!({ "type": "string", "maxLength": IDENTIFIER_MAX_BYTES, "pattern": NO_NUL });
        schema["minLength"] = json!(shortest);
        schema["description"] = json!(format!("{about} At most {IDENTIFIER_MAX_BYTES} bytes of UTF-8."));
        or_null(schema)
    };
    let instant = |about: &str| or_null(json!({ "type": "string", "format": "date-time", "description": about }));
    let mut schema = object(&json!({
        "issuer": name(
            0,
            "The tokens' `iss`, compared exactly; empty for tokens without one. May be absent only if the \
            configuration has exactly one issuer.",
        ),
        "tokenId": name(1, "The `jti` of the token."),
        "subject": name(1, "The `sub` of the tokens."),
        "notBefore": instant(
            "Tokens issued before this instant are revoked, and tokens without `iat`. The default is now.",
        ),
        "expiresAt": instant(
            "When the token expires, if that may be later than the longest lifetime of the issuer's tokens. Must be in \
            the future.",
        ),
        "reason": or_null(line(REASON_MAX)),
    }));
    let given = |name: &str| json!({ "required": [name], "properties": { name: { "type": "string" } } });
    schema["oneOf"] = json!([
        { "allOf": [given("tokenId")], "not": { "anyOf": [given("subject"), given("notBefore")] } },
        { "allOf": [given("subject")], "not": { "anyOf": [given("tokenId"), given("expiresAt")] } },
    ]);
    schema
}

fn scopes() -> Value {
    let scope = json!({
        "type": "string",
        "minLength": 1,
        "maxLength": SCOPE_MAX_BYTES,
        "pattern": r"^[!#-\[\]-~]+$",
    });
    json!({ "type": ["array", "null"], "maxItems": SCOPES_MAX, "items": scope })
}

fn allowed_ips() -> Value {
    let kinds = ["ipv4", "ipv6", "ip-network"].map(|format| json!({ "type": "string", "format": format }));
    json!({
        "type": ["array", "null"],
        "maxItems": ALLOWED_IPS_MAX,
        "items": { "anyOf": kinds },
        "description": "Addresses and networks, such as 192.0.2.0/24, that the key may be used from; if empty, from \
        anywhere.",
    })
}

fn expires_at() -> Value {
    or_null(json!({ "type": "string", "format": "date-time", "description": "When the key expires: in the future." }))
}

fn seconds(fewest: u64, about: &str) -> Value {
    or_null(json!({ "type": "integer", "minimum": fewest, "maximum": SECONDS_MAX, "description": about }))
}

/// Both at once are forbidden. `null` is the same as absent.
fn both_expiries() -> Value {
    let values = json!({ "expiresAt": { "type": "string" }, "expiresIn": { "type": "integer" } });
    json!({ "required": ["expiresAt", "expiresIn"], "properties": values })
}

fn notes() -> Value {
    let mut notes = note(METADATA_MAX_DEPTH);
    notes["type"] = json!(["object", "null"]);
    notes["description"] = json!(format!(
        "At most {METADATA_MAX_BYTES} bytes of compact JSON with every number written out, {METADATA_MAX_DEPTH} levels \
         deep. Numbers are returned exactly as they were sent."
    ));
    notes
}

/// A value with at most this many levels. Each keyword constrains values of one type and ignores others.
fn note(levels: usize) -> Value {
    let Some(below) = levels.checked_sub(1) else {
        return json!({ "type": ["string", "number", "boolean", "null"], "pattern": NO_NUL });
    };
    let inner = reference(&format!("NoteOf{below}Levels"));
    json!({
        "pattern": NO_NUL,
        "items": inner,
        "propertyNames": { "pattern": NO_NUL },
        "additionalProperties": inner,
    })
}
