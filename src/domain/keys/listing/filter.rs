//! Which keys a list has.

use std::fmt;

use time::OffsetDateTime;

use super::{KeyTag, words};
use crate::domain::{
    api_key::Environment,
    escape::escaped,
    key_record::KeyState,
    ledger::Reach,
    owner::Owner,
    owner_id,
    scope::Scope,
    text::{KeyName, SearchText},
    timestamp,
};

const OWNER: &str = "owner";

/// A filter for keys. Conditions that are `None` or empty match every key.
#[derive(Clone, Debug, Default)]
pub struct KeyFilter {
    /// Keys of this owner.
    pub owner: Option<Owner>,
    /// Keys in one of these states.
    pub states: Vec<KeyState>,
    /// Keys of this environment.
    pub environment: Option<Environment>,
    /// Keys with exactly this name.
    pub name: Option<KeyName>,
    /// Keys whose name or description contains this text, case-insensitively.
    pub search: Option<SearchText>,
    /// Keys whose metadata has this member with this value.
    pub tag: Option<KeyTag>,
    /// Keys with this scope.
    pub scope: Option<Scope>,
    /// Keys that expire before this instant.
    pub expiring_before: Option<OffsetDateTime>,
    /// Keys created at or after this instant.
    pub created_since: Option<OffsetDateTime>,
    /// Keys created before this instant and not used since.
    pub unused_since: Option<OffsetDateTime>,
    /// Keys used at or after this instant.
    pub used_since: Option<OffsetDateTime>,
    /// Keys without an expiry.
    pub never_expires: bool,
    /// Keys whose use something bounds (`true`), or nothing: neither a limit nor credits, of their own, of their owner,
    /// or of the owner's plan.
    pub limited: Option<bool>,
    /// Keys that were revoked because they leaked (`true`), or others. A reason that has `leak` in it says so.
    pub leaked: Option<bool>,
}

impl KeyFilter {
    /// Whether the filter has a condition besides the owner.
    pub fn narrows(&self) -> bool {
        self.conditions().any(|(name, _)| name != OWNER)
    }

    /// Whether the filter has a condition besides the reach of whoever asks.
    pub fn has_condition(&self, reach: &Reach) -> bool {
        self.narrows() || (*reach == Reach::Any && self.owner.is_some())
    }

    /// The conditions, as in a list's query.
    fn conditions(&self) -> impl Iterator<Item = (&'static str, String)> {
        let Self {
            owner,
            states,
            environment,
            name,
            search,
            tag,
            scope,
            expiring_before,
            created_since,
            unused_since,
            used_since,
            never_expires,
            limited,
            leaked,
        } = self;
        let yes_or_no = |yes: &bool| words::YES_OR_NO[usize::from(!yes)].to_owned();
        let states: Vec<_> = states.iter().map(|state| state.as_str()).collect();
        let all = [
            (OWNER, owner.as_ref().map(owner_id::write)),
            ("state", (!states.is_empty()).then(|| states.join(","))),
            ("environment", environment.map(|environment| environment.as_str().to_owned())),
            ("name", name.as_ref().map(|name| name.as_str().to_owned())),
            ("search", search.as_ref().map(|text| text.as_str().to_owned())),
            ("tag", tag.as_ref().map(|tag| format!("{}:{}", tag.name, tag.value))),
            ("scope", scope.as_ref().map(ToString::to_string)),
            ("expiringBefore", expiring_before.map(timestamp::write)),
            ("createdSince", created_since.map(timestamp::write)),
            ("unusedSince", unused_since.map(timestamp::write)),
            ("usedSince", used_since.map(timestamp::write)),
            ("expires", never_expires.then(|| words::NEVER.to_owned())),
            ("limited", limited.as_ref().map(yes_or_no)),
            ("leaked", leaked.as_ref().map(yes_or_no)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

/// Writes the conditions for the log.
impl fmt::Display for KeyFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.conditions().map(|(name, value)| format!("{name}={}", escaped(&value))).collect();
        formatter.write_str(&all.join("&"))
    }
}
