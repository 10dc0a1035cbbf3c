//! Which keys a list shows: what a query selects, and the conditions as they were chosen.

use time::{Duration, OffsetDateTime};

use crate::{
    console::{
        access::{form::Form, labels::label},
        texts::WHY_NOT,
    },
    domain::{
        key_record::KeyState,
        ledger::Reach,
        listing::{KeyFilter, KeyOrder, words},
    },
};

/// The conditions of a list, by the names of their fields. Those after the first few are seldom needed.
const CONDITIONS: [&str; 14] = [
    "search",
    "state",
    "environment",
    "tag",
    "scope",
    "owner",
    "sort",
    "expires",
    "expiring_days",
    "used_days",
    "unused_days",
    "created_days",
    "limited",
    "leaked",
];
const FIRST: usize = 7;

/// The conditions as they were chosen.
pub(super) struct Chosen {
    values: Vec<Condition>,
    /// Whether they leave any key out.
    pub(super) is_narrow: bool,
    /// Whether one of them makes no sense, so that nothing was looked for.
    pub(super) is_wrong: bool,
}

/// A condition as it was chosen.
pub(super) struct Condition {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) value: String,
}

impl Chosen {
    /// The conditions in a query, which selects these keys.
    pub(super) fn of(form: &Form, filter: &KeyFilter, reach: &Reach) -> Self {
        let chosen = |name| Condition { name, label: label(name).unwrap_or(name), value: form.shown(name) };
        Self {
            values: CONDITIONS.into_iter().map(chosen).collect(),
            is_narrow: filter.has_condition(reach) || form.complaint().is_some(),
            is_wrong: form.complaint().is_some(),
        }
    }

    /// Whether there is one of those that are seldom needed.
    pub(super) fn has_more(&self) -> bool {
        self.values[FIRST..].iter().any(|one| !one.value.is_empty())
    }

    /// Those that were given, without the order.
    pub(super) fn given(&self) -> impl Iterator<Item = &Condition> {
        self.values.iter().filter(|one| !one.value.is_empty() && one.name != "sort")
    }
}

/// The keys that a query selects, and their order. Conditions that make no sense are problems of the form.
pub(in crate::console) fn selection(form: &mut Form, reach: &Reach, now: OffsetDateTime) -> (KeyFilter, KeyOrder) {
    let owner = form.owner(reach);
    let order = form.parsed("sort").filter(|order: &KeyOrder| order.is_possible(owner.as_ref()));
    let state = form.read("state", |word| KeyState::of(word).ok_or_else(|| WHY_NOT.no_such_state.to_owned()));
    let days = |form: &mut Form, name| {
        let read = |text: &str| text.parse::<u16>().map_err(|_| WHY_NOT.no_days.to_owned());
        form.read(name, read).map(|days| Duration::days(days.into()))
    };
    let filter = KeyFilter {
        owner,
        states: state.into_iter().collect(),
        environment: form.parsed("environment"),
        name: None,
        search: form.parsed("search"),
        tag: form.parsed("tag"),
        scope: form.parsed("scope"),
        expiring_before: days(form, "expiring_days").map(|days| now + days),
        created_since: days(form, "created_days").map(|days| now - days),
        unused_since: days(form, "unused_days").map(|days| now - days),
        used_since: days(form, "used_days").map(|days| now - days),
        never_expires: form.read("expires", words::never).is_some(),
        limited: form.read("limited", words::yes_or_no),
        leaked: form.read("leaked", words::yes_or_no),
    };
    (filter, order.unwrap_or(KeyOrder::NEWEST_FIRST))
}
