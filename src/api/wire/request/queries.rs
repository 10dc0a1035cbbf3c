//! The parameters of queries, with the schemas of their values. Readers take these parameters and no others, and the
//! OpenAPI document describes them.

use serde_json::{Value, json};

use super::schema::{NO_NUL, instant, line, owner_id, plan_name, reference, several, usage_tag};
use crate::domain::{
    audit::Action,
    key_record::KeyState,
    limits::AMOUNT_MAX,
    listing::{
        KeySort,
        words::{NEVER, YES_OR_NO},
    },
    owner::IDENTIFIER_MAX_BYTES,
    text,
    usage::{GROUPS_DEFAULT, GROUPS_MAX, Granularity, Grouping, UseOutcome},
};

/// The default number of items per page.
pub(crate) const LIMIT_DEFAULT: u32 = 25;
/// The maximum number of items per page.
pub(crate) const LIMIT_MAX: u32 = 100;

/// The name of a parameter, its description, and the schema of its values.
pub(crate) type Parameter = (&'static str, &'static str, fn() -> Value);
/// All parameters of a query, in groups that several queries share.
pub(crate) type Query = &'static [&'static [Parameter]];

/// The parameters of key lists; administrators' lists also take [`OF_AN_OWNER`].
pub(crate) const OF_KEYS: &[Parameter] = &[
    LIMIT,
    ("cursor", CURSOR, || cursor("keys")),
    (
        "sort",
        "The order; a leading minus means descending. Lists over all owners can be sorted only by `createdAt`.",
        || json!({ "type": "string", "enum": orders(), "default": "-createdAt" }),
    ),
    ("state", "Only keys in one of these states.", || {
        json!({
            "type": "string",
            "pattern": several(&KeyState::ALL.map(KeyState::as_str)),
            "example": "active,expired",
        })
    }),
    ("environment", "Only keys of this environment.", || reference("Environment")),
    ("name", "Only keys with exactly this name.", || line(text::NAME_MAX)),
    ("search", "Only keys whose name or description contains this text. Case-insensitive.", || line(text::NAME_MAX)),
    (
        "tag",
        "Only keys whose metadata has this member with this string as its value.",
        || json!({ "type": "string", "pattern": r"^[^:\u0000]+:[^\u0000]*$", "example": "team:payments" }),
    ),
    (
        "scope",
        "Only keys that carry this scope.",
        || json!({ "type": "string", "pattern": r"^[!#-\[\]-~]{1,128}$", "example": "orders:read" }),
    ),
    ("expiringBefore", "Only keys that expire before this instant.", instant),
    ("createdSince", "Only keys created at this instant or later.", instant),
    ("unusedSince", "Only keys created before this instant and not used since.", instant),
    ("usedSince", "Only keys used at this instant or later.", instant),
    ("expires", "Only keys that never expire.", || json!({ "type": "string", "enum": [NEVER] })),
    (
        "limited",
        "`yes`: only keys with a limit or credits, of their own, of their owner or of the owner's plan; `no`: only keys \
         without any.",
        yes_or_no,
    ),
    ("leaked", "`yes`: only keys that were revoked with a reason that contains `leak`; `no`: all others.", yes_or_no),
];

/// The parameters of event lists; administrators' lists also take [`OF_AN_OWNER`].
pub(crate) const OF_EVENTS: &[Parameter] = &[
    (
        "limit",
        "Number of events per page. JSON: 25 by default, at most 100. CSV and NDJSON: 1000.",
        || json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX }),
    ),
    ("cursor", CURSOR, || cursor("events")),
    ("keyId", "Only events about this key.", || json!({ "type": "string", "format": "key-id" })),
    (
        "actor",
        "Only events caused by this actor: the id of an owner (for the issuer and subject of a token), the id of a \
            key, or `command_line`.",
        || json!({ "type": "string", "format": "actor", "example": "command_line" }),
    ),
    (
        "action",
        "Only events of one of these kinds.",
        || json!({ "type": "string", "pattern": several(&Action::ALL.map(Action::as_str)), "example": "key.created" }),
    ),
    ("from", "Only events at this instant or later.", instant),
    ("to", "Only events before this instant. Must be later than `from`.", instant),
    (
        "format",
        "The format of the response. Overrides `Accept`.",
        || json!({ "type": "string", "enum": ["json", "csv", "ndjson"] }),
    ),
];

/// The parameters of every report of usage.
pub(crate) const OF_USAGE: &[Parameter] = &[
    (
        "from",
        "Where the report begins; widened to a whole interval. By default, the report has the last 24 hours, 30 days or 12 \
         months, or, where it looks at each key of all owners, the last 6 hours or 7 days.",
        instant,
    ),
    (
        "to",
        "Where the report ends; widened to a whole interval. Must be later than `from`. By default, the report includes the \
         current interval.",
        instant,
    ),
    (
        "granularity",
        "The length of the intervals, in UTC. A report has at most 1000 of them.",
        || json!({ "type": "string", "enum": Granularity::ALL.map(Granularity::as_str), "default": "day" }),
    ),
    (
        "outcome",
        "Only uses with this outcome.",
        || json!({ "type": "string", "enum": UseOutcome::ALL.map(UseOutcome::as_str) }),
    ),
    (
        "tag",
        "Only uses with this tag; empty for those without one.",
        || json!({ "type": "string", "pattern": usage_tag(0), "example": "search" }),
    ),
    (
        "format",
        "The format of the response. Overrides `Accept`.",
        || json!({ "type": "string", "enum": ["json", "csv"] }),
    ),
];

/// Further parameters of reports that are not about one key; administrators' reports also take [`OF_AN_OWNER`].
pub(crate) const OF_USAGE_GROUPS: &[Parameter] = &[
    ("keyId", "Only uses of this key.", || json!({ "type": "string", "format": "key-id" })),
    (
        "groupBy",
        "Also the sums of the groups with the most uses. CSV has the groups instead of the intervals. `owner` and `plan`, the \
         plan that the owner is on now, are for administrators. Over all owners, these and `key` are possible for at most 7 \
         days, or 6 hours by hour, both widened to whole intervals, and not by month.",
        || json!({ "type": "string", "enum": Grouping::ALL.map(Grouping::as_str) }),
    ),
    (
        "top",
        "The number of groups.",
        || json!({ "type": "integer", "minimum": 1, "maximum": GROUPS_MAX, "default": GROUPS_DEFAULT }),
    ),
];

/// A further parameter of administrators' reports that are not about one key.
pub(crate) const OF_USAGE_PLANS: &[Parameter] = &[(
    "plan",
    "Only uses of keys whose owners are on this plan now, over at most 7 days, or 6 hours by hour, both widened to whole \
     intervals, and not by month, unless an owner or a key is given as well.",
    plan_name,
)];

/// The parameters of owner lists, without [`OF_AN_OWNER`].
pub(crate) const OF_OWNERS: &[Parameter] = &[
    LIMIT,
    ("cursor", CURSOR, || cursor("owners")),
    (
        "state",
        "Only owners who are disabled, or only those who are not.",
        || json!({ "type": "string", "enum": ["active", "disabled"] }),
    ),
    ("search", "Only owners whose subject or issuer contains this text. Case-insensitive.", || line(text::NAME_MAX)),
    ("plan", "Only owners on this plan.", plan_name),
];

/// The parameters of the list of plans.
pub(crate) const OF_PLANS: &[Parameter] = &[LIMIT, ("cursor", CURSOR, || cursor("plans"))];

/// How administrators select an owner.
pub(crate) const OF_AN_OWNER: &[Parameter] = &[
    ("owner", "Only items of this owner: `owner.id` of a key.", owner_id),
    (
        "issuer",
        "Together with `subject`: only items of this owner. An absent issuer is the empty issuer.",
        || json!({ "type": "string", "maxLength": IDENTIFIER_MAX_BYTES, "pattern": NO_NUL }),
    ),
    (
        "subject",
        "Together with `issuer`: only items of this owner. An alternative to `owner`.",
        || json!({ "type": "string", "minLength": 1, "maxLength": IDENTIFIER_MAX_BYTES, "pattern": NO_NUL }),
    ),
];

/// The parameter of revocations.
pub(crate) const OF_REVOCATIONS: &[Parameter] =
    &[("reason", "The reason for the change. It is stored with the key and in the audit log.", || {
        line(text::REASON_MAX)
    })];

/// The parameter of gateways' checks.
pub(crate) const OF_GATEWAYS: &[Parameter] = &[
    (
        "scope",
        "Further scopes that the credential must have, all of them, separated by spaces. Can be repeated.",
        || {
            json!({
                "type": "string",
                "pattern": r"^[!#-\[\]-~]{1,128}( [!#-\[\]-~]{1,128}){0,99}$",
                "example": "orders:read",
            })
        },
    ),
    (
        "cost",
        "What the request uses of each limit on the key and its owner, if that is more than the limit or the policy says.",
        || json!({ "type": "integer", "minimum": 1, "maximum": AMOUNT_MAX, "example": 5 }),
    ),
];

const LIMIT: Parameter = (
    "limit",
    "Number of items per page.",
    || json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT }),
);
const CURSOR: &str = "Where the page begins: `nextCursor` of the previous page.";

fn yes_or_no() -> Value {
    json!({ "type": "string", "enum": YES_OR_NO })
}

/// Every order of keys.
fn orders() -> Vec<String> {
    KeySort::ALL.iter().flat_map(|sort| [sort.as_str().to_owned(), format!("-{}", sort.as_str())]).collect()
}

fn cursor(list: &str) -> Value {
    json!({ "type": "string", "format": format!("cursor-of-{list}") })
}
