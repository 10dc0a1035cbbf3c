//! What people read instead of the names of fields, where a page says of several fields at once what is wrong with
//! them.

use crate::console::texts::EN;

/// The conditions of lists, and what forms send besides.
const LABELS: [(&str, &str); 39] = [
    ("search", EN.search),
    ("state", EN.state),
    ("environment", EN.environment),
    ("tag", EN.tag),
    ("scope", EN.scope),
    ("owner", EN.owner),
    ("sort", EN.sort),
    ("expires", EN.expires),
    ("expiring_days", EN.expiring_days),
    ("used_days", EN.used_days),
    ("unused_days", EN.unused_days),
    ("created_days", EN.created_days),
    ("limited", EN.limited),
    ("leaked", EN.leaked),
    ("plan", EN.plan),
    ("disabled", EN.is_disabled),
    ("action", EN.what),
    ("key", EN.key),
    ("reason", EN.reason),
    ("name", EN.name),
    ("description", EN.description),
    ("scopes", EN.scopes),
    ("expiry", EN.expires),
    ("expires_on", EN.date),
    ("allowed_ips", EN.addresses),
    ("limits", EN.limits),
    ("metadata", EN.metadata),
    ("owner_issuer", EN.owner_issuer),
    ("owner_subject", EN.owner_subject),
    ("grace", EN.old_ends),
    ("operation", EN.operation),
    ("amount", EN.amount),
    ("credits", EN.balance),
    ("credits_max", EN.credits_max),
    ("refill_every", EN.refill_every),
    ("refill_amount", EN.refill_amount),
    ("refill_day", EN.refill_day),
    ("max_keys", EN.max_keys),
    ("max_lifetime", EN.max_lifetime),
];

/// The label of a field; `None` for one that no page shows.
pub(crate) fn label(name: &str) -> Option<&'static str> {
    LABELS.into_iter().find(|(known, _)| *known == name).map(|(_, label)| label)
}

/// The name itself, if pages show a field of this name.
pub(crate) fn shown_field(name: &str) -> Option<&'static str> {
    LABELS.into_iter().find(|(known, _)| *known == name).map(|(known, _)| known)
}
