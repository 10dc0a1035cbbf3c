//! What people read instead of the names of fields, where a page says of several fields at once what is wrong with them.

use crate::console::texts::EN;

/// The conditions of lists, and what forms send besides.
const LABELS: [(&str, &str); 19] = [
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
];

/// The label of a field; `None` for one that no page shows.
pub(crate) fn label(name: &str) -> Option<&'static str> {
    LABELS.into_iter().find(|(known, _)| *known == name).map(|(_, label)| label)
}
