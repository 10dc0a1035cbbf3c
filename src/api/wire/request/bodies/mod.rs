//! The fields of request bodies, with the schemas of their values. Readers take these fields and no others, and the
//! OpenAPI document is made from them, with the limits that the readers apply.
//!
//! - `hand_over`: of a request to hand somebody over to the console
//! - `plans`: of plans

mod hand_over;
mod plans;

use serde_json::{Value, json};

pub(crate) use self::{
    hand_over::HAND_OVER,
    plans::{OWNER_PLAN, PLAN, PLAN_CREDITS},
};
use super::schema::{NO_NUL, instant, line, owner_id, reference, several, usage_tag};
use crate::domain::{
    key_record::{ALLOWED_IPS_MAX, KeyState},
    limits::{AMOUNT_MAX, LIMIT_NAME_MAX_BYTES, LIMITS_MAX, OnOutage, RefillInterval, TopUpOperation},
    listing::words::{NEVER, YES_OR_NO},
    owner::IDENTIFIER_MAX_BYTES,
    role::Role,
    scope::{SCOPE_MAX_BYTES, SCOPES_MAX},
    text::{DESCRIPTION_MAX, NAME_MAX, REASON_MAX},
    timestamp::SECONDS_MAX,
};

/// The maximum number of keys that one request checks.
pub(crate) const CHECKS_MAX: usize = 100;

/// The name of a field, and the schema of its values.
pub(crate) type Field = (&'static str, fn() -> Value);
/// All fields of a body, in groups that several bodies share.
pub(crate) type Body = &'static [&'static [Field]];

pub(crate) const NEW_KEY: Body = &[CONTENT, OF_NEW_KEYS];
pub(crate) const NEW_KEY_OF_AN_OWNER: Body = &[CONTENT, OF_NEW_KEYS, OWNER];
pub(crate) const KEY_PATCH: Body = &[CONTENT, OF_PATCHES];
pub(crate) const ROTATION: Body = &[&[
    ("gracePeriod", || {
        // At most what `keys.max_rotation_grace` can be set to.
        or_null(json!({
            "type": "integer",
            "minimum": 0,
            "maximum": 365 * 86_400,
            "description": "How long the old key keeps working, in seconds, at most `keys.max_rotation_grace`; 0 ends \
                            it immediately.",
        }))
    }),
    ("expiresAt", expires_at),
    ("expiresIn", || seconds("Lifetime of the new key, in seconds.")),
]];
pub(crate) const QUESTION: Body = &[ONE_CHECK, EXPLAIN];
pub(crate) const QUESTIONS: Body = &[CHECKS, EXPLAIN];
/// Either of the two.
pub(crate) const VERIFICATION: Body = &[ONE_CHECK, CHECKS, EXPLAIN];
pub(crate) const BULK_REVOCATION: Body = &[CONDITIONS, REASON, DRY_RUN];
pub(crate) const TOKEN_REVOCATION: Body = &[TOKENS, REASON];
pub(crate) const REASON_ONLY: Body = &[REASON];
pub(crate) const NOTHING: Body = &[];
/// An owner within a body, who is not named by the id alone.
pub(crate) const OWNER_MEMBERS: Body = &[&[
    ("id", || described(owner_id(), "If it is given, too, it must be the id of that owner.")),
    ("issuer", || or_null(json!({ "type": "string", "maxLength": IDENTIFIER_MAX_BYTES, "pattern": NO_NUL }))),
    ("subject", || json!({ "type": "string", "minLength": 1, "maxLength": IDENTIFIER_MAX_BYTES, "pattern": NO_NUL })),
]];
/// One of several checks within a body.
pub(crate) const CHECK: Body = &[ONE_CHECK];

pub(crate) const OWNER_LIMITS: Body = &[&[
    ("limits", || list_of_limits(&["array"])),
    ("credits", || {
        credits("The credits that all keys of the owner share; unchanged if absent, and removed by `null`.")
    }),
]];
/// Credits within a body.
pub(crate) const CREDITS: Body = &[&[
    ("remaining", || {
        let about =
            "The balance. Required if there are no credits yet; otherwise, the balance stays as it is without this.";
        or_null(json!({ "type": "integer", "minimum": 0, "maximum": AMOUNT_MAX, "description": about }))
    }),
    ("max", || or_null(amount("A refill adds nothing beyond this. Unchanged if absent, and removed by `null`."))),
    ("refill", || {
        let about = "What is added again and again. Unchanged if absent, and removed by `null`.";
        json!({ "anyOf": [reference("RefillToSet"), { "type": "null" }], "description": about })
    }),
    ("setBy", || {
        set_by("Whose credits they are, as responses show it. By default, those of whoever sets or changes them.")
    }),
]];
/// A refill within credits.
pub(crate) const REFILL: Body = &[&[
    ("amount", || amount("How much is added.")),
    (
        "interval",
        || json!({ "enum": RefillInterval::WORDS, "description": "How often, at the beginning of a day in UTC." }),
    ),
    ("day", || {
        let about = "The day of the month, if it is monthly; beyond the end of a month, its last day. 1 by default.";
        or_null(json!({ "type": "integer", "minimum": 1, "maximum": 31, "description": about }))
    }),
]];
pub(crate) const TOP_UP: Body = &[
    &[
        ("operation", || {
            let about = "`add` to the balance, or `set` it. Setting voids what replicas have of the earlier balance.";
            json!({ "enum": TopUpOperation::WORDS, "description": about })
        }),
        (
            "amount",
            || json!({ "type": "integer", "minimum": 0, "maximum": AMOUNT_MAX, "description": "At least 1 to add." }),
        ),
    ],
    REASON,
];
/// A limit within a body.
pub(crate) const LIMIT: Body = &[&[
    ("name", || json!({ "type": "string", "pattern": format!("^[0-9A-Za-z._-]{{1,{LIMIT_NAME_MAX_BYTES}}}$") })),
    ("limit", || amount("How much may be used in each window.")),
    ("window", || {
        let about = "The window in which it counts: seconds, minutes, hours or days, at most 31 days; or a calendar `day` or \
                     `month` in UTC.";
        json!({ "type": "string", "pattern": "^(day|month|[1-9][0-9]*[smhd])$", "description": about, "example": "1m" })
    }),
    ("cost", || or_null(amount("How much one request uses: at most the limit; 1 by default."))),
    ("onOutage", || {
        let words = OnOutage::ALL.map(|value| json!(value.as_str()));
        let about = "What becomes of requests that can't be counted, because the database does not answer: `refuse` by default.";
        json!({ "enum": [words[0], words[1], null], "description": about })
    }),
    ("setBy", || set_by("Whose limit it is, as responses show it. By default, that of whoever sets or changes it.")),
]];

const CONTENT: &[Field] = &[
    ("name", || or_null(line(NAME_MAX))),
    ("description", || or_null(line(DESCRIPTION_MAX))),
    ("scopes", || {
        let about = "What the key may do. `GET /v1/scopes` lists the scopes that are described, and says whether there can be \
                     others.";
        described(scopes(), about)
    }),
    ("allowedIps", allowed_ips),
    ("limits", limits),
    ("credits", || credits("The credits that requests spend.")),
    ("expiresAt", expires_at),
];
const OF_NEW_KEYS: &[Field] = &[
    ("environment", environment_or_null),
    ("metadata", || reference("Notes")),
    ("expiresIn", || seconds("Lifetime of the key, in seconds.")),
    ("enabled", || or_null(json!({ "type": "boolean", "default": true }))),
];
const OF_PATCHES: &[Field] = &[
    ("metadata", || {
        let about = "Merged into the metadata recursively. The limits of `Notes` apply to the result.";
        json!({ "type": ["object", "null"], "additionalProperties": true, "description": about })
    }),
    ("expiresIn", || seconds("Lifetime of the key from now, in seconds.")),
    ("enabled", || or_null(json!({ "type": "boolean" }))),
];
const OWNER: &[Field] = &[("owner", || reference("WhichOwner"))];

const ONE_CHECK: &[Field] = &[
    ("key", || json!({ "type": "string" })),
    ("scopes", scopes),
    ("environment", environment_or_null),
    ("clientAddress", || {
        let address = ["ipv4", "ipv6"].map(|format| json!({ "type": "string", "format": format }));
        json!({ "anyOf": [address[0], address[1], { "type": "null" }] })
    }),
    ("cost", || {
        let about = "What the check uses of each limit, in place of the limit's own cost. With 0, it looks without using anything.";
        or_null(json!({ "type": "integer", "minimum": 0, "maximum": AMOUNT_MAX, "description": about }))
    }),
    ("tag", || {
        let about = "What the use is called in reports: one of the tags that the setting `usage.tags` declares.";
        or_null(json!({ "type": "string", "pattern": usage_tag(1), "description": about, "example": "search" }))
    }),
];
const CHECKS: &[Field] = &[(
    "checks",
    || json!({ "type": "array", "minItems": 1, "maxItems": CHECKS_MAX, "items": reference("QuestionOfMany") }),
)];
const EXPLAIN: &[Field] = &[("explain", || flag("List every reason for a refusal."))];

/// What selects keys to revoke.
pub(crate) const CONDITIONS: &[Field] = &[
    ("owner", || reference("WhichOwner")),
    ("state", state),
    ("environment", || reference("Environment")),
    ("name", || line(NAME_MAX)),
    ("search", || line(NAME_MAX)),
    ("tag", || json!({ "type": "string", "pattern": r"^[^:\u0000]+:[^\u0000]*$" })),
    ("scope", || json!({ "type": "string", "pattern": r"^[!#-\[\]-~]{1,128}$" })),
    ("expiringBefore", instant),
    ("createdSince", instant),
    ("unusedSince", instant),
    ("usedSince", instant),
    ("expires", || json!({ "type": "string", "enum": [NEVER] })),
    ("limited", || json!({ "type": "string", "enum": YES_OR_NO })),
];
const DRY_RUN: &[Field] = &[("dryRun", || flag("Revoke nothing, and tell how many keys there are."))];
const REASON: &[Field] = &[("reason", || or_null(line(REASON_MAX)))];

const TOKENS: &[Field] = &[
    ("issuer", || {
        let about = "The tokens' `iss`, compared exactly; empty for tokens without one. May be absent only if the \
                     configuration has exactly one issuer.";
        identifier(0, about)
    }),
    ("tokenId", || identifier(1, "The `jti` of the token.")),
    ("subject", || identifier(1, "The `sub` of the tokens.")),
    ("notBefore", || {
        let about = "Tokens issued before this instant are revoked, and tokens without `iat`. The default is now.";
        or_null(described(instant(), about))
    }),
    ("expiresAt", || {
        let about = "When the token expires, if that may be later than the longest lifetime of the issuer's tokens. \
                     Must be in the future.";
        or_null(described(instant(), about))
    }),
];

/// The same schema, or `null`, which is the same as an absent member.
fn or_null(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"], "null"]);
    schema
}

fn described(mut schema: Value, about: &str) -> Value {
    schema["description"] = json!(about);
    schema
}

fn flag(about: &str) -> Value {
    or_null(json!({ "type": "boolean", "default": false, "description": about }))
}

fn environment_or_null() -> Value {
    json!({ "anyOf": [reference("Environment"), { "type": "null" }] })
}

fn identifier(shortest: usize, about: &str) -> Value {
    let schema = json!({
        "type": "string",
        "minLength": shortest,
        "maxLength": IDENTIFIER_MAX_BYTES,
        "pattern": NO_NUL,
        "description": format!("{about} At most {IDENTIFIER_MAX_BYTES} bytes of UTF-8."),
    });
    or_null(schema)
}

/// One state, several with commas between, or a list of them.
fn state() -> Value {
    let states = KeyState::LIVING.map(KeyState::as_str);
    let one = json!({ "type": "string", "enum": states });
    json!({
        "anyOf": [
            { "type": "string", "pattern": several(&states) },
            { "type": "array", "minItems": 1, "maxItems": KeyState::ALL.len(), "items": one },
        ],
        "example": "active,expired",
    })
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

fn limits() -> Value {
    let about = "The limits, each with a name of its own. Those that an administrator has set stay as they are, whatever an \
                 owner sends.";
    described(list_of_limits(&["array", "null"]), about)
}

fn list_of_limits(types: &[&str]) -> Value {
    json!({ "type": types, "maxItems": LIMITS_MAX, "items": reference("LimitToSet") })
}

fn credits(about: &str) -> Value {
    json!({ "anyOf": [reference("CreditsToSet"), { "type": "null" }], "description": about })
}

fn set_by(about: &str) -> Value {
    let words = Role::ALL.map(|role| json!(role.as_str()));
    json!({ "enum": [words[0], words[1], null], "description": about })
}

fn amount(about: &str) -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": AMOUNT_MAX, "description": about })
}

fn expires_at() -> Value {
    or_null(described(instant(), "When the key expires: in the future."))
}

fn seconds(about: &str) -> Value {
    or_null(json!({ "type": "integer", "minimum": 1, "maximum": SECONDS_MAX, "description": about }))
}
