//! The operator's policies, and the rights that nobody may pass on without having them.

use std::time::Duration;

use time::OffsetDateTime;

use super::{Caller, Lifecycle};
use crate::domain::{
    key_record::ManagedKey,
    ledger::{Refusal, Violation},
    scope::{ADMIN_SCOPE, Scopes, is_reserved},
};

impl Lifecycle {
    /// Whether a key may be created like this, or changed to this. `before`: its previous state, or its predecessor.
    /// Policies apply to what a change adds, not to what the key already has.
    pub(super) fn allow(&self, key: &ManagedKey, before: Option<&ManagedKey>, caller: &Caller) -> Result<(), Refusal> {
        // A caller who only edits a key may leave its scopes unchanged. Widening it requires the same scopes as a
        // rotation, because it gives the key's scopes to somebody who would not have them otherwise.
        let none = Scopes::default();
        let is_widened = |before: &&ManagedKey| caller.reach.owner().is_some() && is_wider(key, before);
        let had = before.filter(|before| !is_widened(before)).map_or(&none, |before| &before.record.scopes);
        let mut violations = scope_violations(&key.record.scopes, had, caller);
        let is_renamed = before.is_none_or(|before| before.record.name != key.record.name);
        if self.policy.require_name && key.record.name.is_none() && is_renamed && caller.scopes.is_some() {
            violations.push(Violation::NameRequired);
        }
        if let Some(longest) = self.policy.max_lifetime
            && before.is_none_or(|before| ends_later(key, before))
            && key.record.expires_at.is_none_or(|end| end - key.created_at > longest)
        {
            violations.push(Violation::LifetimeTooLong(longest));
        }
        if violations.is_empty() { Ok(()) } else { Err(Refusal::Against(violations)) }
    }

    /// Whether the caller may rotate a key with these scopes: its successor grants all of them to whoever rotates it.
    pub(super) fn allow_successor(&self, rights: &Scopes, caller: &Caller) -> Result<(), Refusal> {
        let violations = scope_violations(rights, &Scopes::default(), caller);
        if violations.is_empty() { Ok(()) } else { Err(Refusal::Against(violations)) }
    }

    /// The expiry of a key if none was chosen: none, or the latest that is allowed.
    pub(super) fn latest_end(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        self.policy.max_lifetime.and_then(|longest| after(now, longest))
    }
}

/// Whether the same key works for longer, from more addresses, or again.
fn is_wider(key: &ManagedKey, before: &ManagedKey) -> bool {
    let (is, was) = (&key.record, &before.record);
    is.id == was.id
        && (ends_later(key, before) || is.allowed_ips.reach_beyond(&was.allowed_ips) || (is.enabled && !was.enabled))
}

/// A successor has a lifetime of its own, so it counts as later.
fn ends_later(key: &ManagedKey, before: &ManagedKey) -> bool {
    key.record.id != before.record.id
        || match (key.record.expires_at, before.record.expires_at) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(end), Some(earlier)) => end > earlier,
        }
}

/// The instant after `span`; `None` beyond the last possible date.
pub(super) fn after(now: OffsetDateTime, span: Duration) -> Option<OffsetDateTime> {
    now.checked_add(span.try_into().ok()?)
}

fn scope_violations(asked: &Scopes, before: &Scopes, caller: &Caller) -> Vec<Violation> {
    let added = asked.beyond(before);
    let refuse = |scope: &str| {
        if scope == ADMIN_SCOPE {
            return Some(Violation::ScopeNotForKeys(scope.to_owned()));
        }
        let held = caller.scopes.as_ref().is_none_or(|own| own.contains(scope));
        let must_be_held = caller.scope_bearing || is_reserved(scope);
        (must_be_held && !held).then(|| Violation::ScopeNotHeld(scope.to_owned()))
    };
    added.filter_map(refuse).collect()
}
