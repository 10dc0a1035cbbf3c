//! The schemas of request bodies, from the tables of their fields.

use serde_json::{Map, Value, json};

use crate::{
    api::wire::request::{
        bodies::{
            BULK_REVOCATION, Body, CHECK, CONDITIONS, CREDITS, HAND_OVER, KEY_PATCH, LIMIT, NEW_KEY,
            NEW_KEY_OF_AN_OWNER, NOTHING, OWNER_LIMITS, OWNER_MEMBERS, OWNER_PLAN, PLAN, PLAN_CREDITS, QUESTION,
            QUESTIONS, REASON_ONLY, REFILL, ROTATION, TOKEN_REVOCATION, TOP_UP,
        },
        schema::{NO_NUL, owner_id, reference},
    },
    domain::{
        metadata::{METADATA_MAX_BYTES, METADATA_MAX_DEPTH},
        owner::IDENTIFIER_MAX_BYTES,
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

fn example(schema: &str) -> Value {
    match schema {
        "NewKey" => json!({
            "name": "billing worker",
            "environment": "test",
            "scopes": ["orders:read"],
            "expiresIn": 7_776_000,
            "metadata": { "team": "payments" },
            "allowedIps": ["192.0.2.0/24"],
            "limits": [{ "name": "minute", "limit": 1000, "window": "1m" }],
        }),
        "NewKeyOfAnOwner" => json!({ "owner": { "subject": "alice" }, "name": "billing worker" }),
        "KeyPatch" => json!({ "name": "billing worker 2", "metadata": { "team": null } }),
        "OwnerLimitsToSet" => json!({ "limits": [{ "name": "day", "limit": 50_000, "window": "day" }] }),
        "PlanToSet" => json!({
            "description": "for customers who pay",
            "limits": [{ "name": "month", "limit": 1_000_000, "window": "month" }],
            "credits": { "amount": 10_000, "max": 20_000, "refill": { "amount": 10_000, "interval": "monthly" } },
            "maxKeys": 50,
            "maxLifetime": 31_536_000,
            "scopes": ["orders:read", "orders:write"],
        }),
        "OwnerPlanToSet" => json!({ "plan": "pro" }),
        "HandOver" => json!({
            "owner": { "issuer": "https://login.example.com/", "subject": "auth0|5f7c8ec7c33c6c004bbafe82" },
            "name": "Alice Liddell",
            "returnTo": "https://app.example.com/settings",
            "lifetime": 900,
        }),
        "TopUp" => json!({ "operation": "add", "amount": 10_000, "reason": "invoice 4711" }),
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
        ("NewKey", with_one_expiry(object(NEW_KEY, &[]))),
        ("NewKeyOfAnOwner", with_one_expiry(object(NEW_KEY_OF_AN_OWNER, &["owner"]))),
        ("OwnerLimitsToSet", object(OWNER_LIMITS, &["limits"])),
        ("PlanToSet", object(PLAN, &[])),
        ("PlanCreditsToSet", object(PLAN_CREDITS, &["amount"])),
        ("OwnerPlanToSet", object(OWNER_PLAN, &["plan"])),
        ("WhichOwner", which_owner()),
        ("CreditsToSet", object(CREDITS, &[])),
        ("RefillToSet", object(REFILL, &["amount", "interval"])),
        ("HandOver", object(HAND_OVER, &["owner"])),
        ("TopUp", object(TOP_UP, &["operation", "amount"])),
        ("LimitToSet", object(LIMIT, &["name", "limit", "window"])),
        ("KeyPatch", with_one_expiry(object(KEY_PATCH, &[]))),
        ("Rotation", with_one_expiry(object(ROTATION, &[]))),
        // A check of one key, or of many. Each alternative has a name, so that client generators produce named types.
        ("Question", json!({ "oneOf": [reference("OneQuestion"), reference("ManyQuestions")] })),
        ("OneQuestion", object(QUESTION, &["key"])),
        ("ManyQuestions", object(QUESTIONS, &["checks"])),
        ("QuestionOfMany", object(CHECK, &["key"])),
        ("Conditions", conditions()),
        ("EndOfTokens", end_of_tokens()),
        ("Reason", object(REASON_ONLY, &[])),
        ("Nothing", object(NOTHING, &[])),
        ("Notes", notes()),
        ("TokenForm", token_form()),
    ];
    let bodies = bodies.into_iter().map(|(name, schema)| (name.to_owned(), schema));
    bodies.chain((0..METADATA_MAX_DEPTH).map(|levels| (format!("NoteOf{levels}Levels"), note(levels))))
}

/// An object with exactly these members.
fn object(body: Body, required: &[&str]) -> Value {
    let properties: Map<_, _> =
        body.iter().copied().flatten().map(|(name, schema)| ((*name).to_owned(), schema())).collect();
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// Forbids both expiries at once. `null` is the same as absent.
fn with_one_expiry(mut schema: Value) -> Value {
    let values = json!({ "expiresAt": { "type": "string" }, "expiresIn": { "type": "integer" } });
    schema["not"] = json!({ "required": ["expiresAt", "expiresIn"], "properties": values });
    schema
}

/// An owner: by id, or by issuer and subject. A client that sends an owner as answers show it sends all three.
fn which_owner() -> Value {
    let mut by_name = object(OWNER_MEMBERS, &["subject"]);
    by_name["description"] = json!(format!("Each at most {IDENTIFIER_MAX_BYTES} bytes of UTF-8."));
    let by_id = object(&[&[("id", owner_id)]], &["id"]);
    json!({ "anyOf": [owner_id(), by_name, by_id], "description": "Whose: `owner` of a key, its id alone, or issuer and subject." })
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
    let mut schema = object(BULK_REVOCATION, &[]);
    let mut names: Vec<_> = CONDITIONS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    schema["anyOf"] = names.into_iter().map(|name| json!({ "required": [name] })).collect();
    schema
}

fn end_of_tokens() -> Value {
    let mut schema = object(TOKEN_REVOCATION, &[]);
    let given = |name: &str| json!({ "required": [name], "properties": { name: { "type": "string" } } });
    schema["oneOf"] = json!([
        { "allOf": [given("tokenId")], "not": { "anyOf": [given("subject"), given("notBefore")] } },
        { "allOf": [given("subject")], "not": { "anyOf": [given("tokenId"), given("expiresAt")] } },
    ]);
    schema
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
