//! What the operator allows, and what nobody may pass on without having it.

use std::time::Duration;

use time::OffsetDateTime;

use super::{Editor, Lifecycle};
use crate::domain::{
    key_record::ManagedKey,
    ledger::{Refusal, Violation},
    principal::{ADMIN_SCOPE, Scopes, is_reserved},
};

impl Lifecycle {
    /// Whether a key may be, or become, like this. `before`: what it could do already.
    pub(super) fn allow(
        &self,
        key: &ManagedKey,
        before: &Scopes,
        editor: &Editor,
        now: OffsetDateTime,
    ) -> Result<(), Refusal> {
        let mut violations = scope_violations(&key.record.scopes, before, editor);
        if self.policy.require_name && key.name.is_none() && editor.scopes.is_some() {
            violations.push(Violation::NameRequired);
        }
        if let Some(longest) = self.policy.max_lifetime
            && key.record.expires_at.is_none_or(|end| end - now > longest)
        {
            violations.push(Violation::LifetimeTooLong(longest));
        }
        if violations.is_empty() { Ok(()) } else { Err(Refusal::Against(violations)) }
    }

    /// The successor of a key gives all of its rights to whoever rotates it.
    pub(super) fn allow_successor(&self, rights: &Scopes, editor: &Editor) -> Result<(), Refusal> {
        let violations = scope_violations(rights, &Scopes::default(), editor);
        if violations.is_empty() { Ok(()) } else { Err(Refusal::Against(violations)) }
    }

    /// The end of a key's life where nobody has chosen one: none, or the latest that is allowed.
    pub(super) fn latest_end(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        self.policy.max_lifetime.and_then(|longest| after(now, longest))
    }
}

/// `None` when that is beyond any date.
pub(super) fn after(now: OffsetDateTime, span: Duration) -> Option<OffsetDateTime> {
    now.checked_add(span.try_into().ok()?)
}

fn scope_violations(asked: &Scopes, before: &Scopes, editor: &Editor) -> Vec<Violation> {
    let added = asked.beyond(before);
    let refuse = |scope: &str| {
        if scope == ADMIN_SCOPE {
            return Some(Violation::ScopeNotForKeys(scope.to_owned()));
        }
        let held = editor.scopes.as_ref().is_none_or(|own| own.contains(scope));
        let must_be_held = editor.scope_bearing || is_reserved(scope);
        (must_be_held && !held).then(|| Violation::ScopeNotHeld(scope.to_owned()))
    };
    added.filter_map(refuse).collect()
}
