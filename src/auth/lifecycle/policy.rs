//! The operator's policies, the owner's plan, and the rights that nobody may pass on without having them.

use std::time::Duration;

use time::OffsetDateTime;

use super::{Caller, Lifecycle};
use crate::domain::{
    key_record::ManagedKey,
    ledger::{Refusal, Violation},
    plan::{Caps, Plan},
    scope::{ADMIN_SCOPE, Scopes, is_reserved},
};

impl Lifecycle {
    /// Whether a key may be created like this, or changed to this. `before`: its previous state, or its predecessor; `plan`:
    /// its owner's. Policies and plans apply to what a change adds, not to what the key already has.
    pub(super) fn allow(
        &self,
        key: &ManagedKey,
        before: Option<&ManagedKey>,
        plan: Option<&Plan>,
        caller: &Caller,
    ) -> Result<(), Refusal> {
        if let Some(unknown) = &caller.unknown_plan
            && before.is_none_or(|before| adds_anything(key, before))
        {
            return Err(Refusal::UnknownPlan(unknown.clone()));
        }
        // A caller who only edits a key may leave its scopes unchanged. Widening it requires the same scopes as a
        // rotation, because it gives the key's scopes to somebody who would not have them otherwise.
        let none = Scopes::default();
        let is_widened = |before: &&ManagedKey| caller.reach.owner().is_some() && is_wider(key, before);
        let had = before.filter(|before| !is_widened(before));
        let mut violations = scope_violations(&key.record.scopes, had.map_or(&none, |had| &had.record.scopes), caller);
        let is_renamed = before.is_none_or(|before| before.record.name != key.record.name);
        if self.policy.require_name && key.record.name.is_none() && is_renamed && caller.scopes.is_some() {
            violations.push(Violation::NameRequired);
        }
        let is_longer = before.is_none_or(|before| ends_later(key, before));
        if let Some(longest) = self.policy.max_lifetime.filter(|longest| is_longer && outlives(key, *longest)) {
            violations.push(Violation::LifetimeTooLong { longest, plan: None });
        }
        if let Some(plan) = plan {
            violations.extend(plan_violations(plan, key, had));
            let longest = plan.content.caps.max_lifetime.filter(|longest| is_longer && outlives(key, *longest));
            // The tighter of both is told.
            if let Some(longest) = longest
                && self.policy.max_lifetime.is_none_or(|configured| longest <= configured)
            {
                violations.retain(|violation| !matches!(violation, Violation::LifetimeTooLong { .. }));
                violations.push(Violation::LifetimeTooLong { longest, plan: Some(plan.name.clone()) });
            }
        }
        if violations.is_empty() { Ok(()) } else { Err(Refusal::Against(violations)) }
    }

    /// Whether the caller may rotate this key: its successor grants its scopes, in its environment, to whoever rotates it.
    pub(super) fn allow_successor(
        &self,
        old: &ManagedKey,
        plan: Option<&Plan>,
        caller: &Caller,
    ) -> Result<(), Refusal> {
        let mut violations = scope_violations(&old.record.scopes, &Scopes::default(), caller);
        violations.extend(plan.into_iter().flat_map(|plan| plan_violations(plan, old, None)));
        if violations.is_empty() { Ok(()) } else { Err(Refusal::Against(violations)) }
    }

    /// The expiry of a key if none was chosen: none, or the latest that the configuration and the owner's plan allow.
    pub(super) fn latest_end(&self, plan: Option<&Plan>, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let of_plan = plan.and_then(|plan| plan.content.caps.max_lifetime);
        let longest = self.policy.max_lifetime.into_iter().chain(of_plan).min()?;
        after(now, longest)
    }
}

fn outlives(key: &ManagedKey, longest: Duration) -> bool {
    key.record.expires_at.is_none_or(|end| end - key.created_at > longest)
}

/// Whether the same key works for longer, from more addresses, or again.
fn is_wider(key: &ManagedKey, before: &ManagedKey) -> bool {
    let (is, was) = (&key.record, &before.record);
    is.id == was.id
        && (ends_later(key, before) || is.allowed_ips.reach_beyond(&was.allowed_ips) || (is.enabled && !was.enabled))
}

/// Whether it is another key, a wider one, or one with more scopes.
fn adds_anything(key: &ManagedKey, before: &ManagedKey) -> bool {
    key.record.id != before.record.id
        || is_wider(key, before)
        || key.record.scopes.beyond(&before.record.scopes).next().is_some()
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

/// What a plan has against the scopes and the environment of a key. `had`: the key before, if it keeps what it had.
fn plan_violations(plan: &Plan, key: &ManagedKey, had: Option<&ManagedKey>) -> Vec<Violation> {
    let Caps { scopes, environments, .. } = &plan.content.caps;
    let (none, record) = (Scopes::default(), &key.record);
    let mut violations = Vec::new();
    if let Some(allowed) = scopes {
        let added = record.scopes.beyond(had.map_or(&none, |had| &had.record.scopes));
        let not_in_plan = added.filter(|scope| !allowed.contains(scope));
        violations.extend(
            not_in_plan.map(|scope| Violation::ScopeNotInPlan { scope: scope.to_owned(), plan: plan.name.clone() }),
        );
    }
    if let Some(allowed) = environments
        && had.is_none()
        && !allowed.contains(&record.environment)
    {
        violations.push(Violation::EnvironmentNotInPlan { environment: record.environment, plan: plan.name.clone() });
    }
    violations
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::domain::{
        api_key::{Environment, KeyId},
        key_record::KeyRecord,
        owner::Owner,
        plan::PlanContent,
    };

    fn key(scopes: &[&str]) -> ManagedKey {
        let owner = Owner { issuer: "".into(), subject: "alice".into() };
        let record = KeyRecord::new(KeyId::from(uuid::Uuid::from_u128(1)), owner, Environment::Live);
        let scopes = Scopes::parse(scopes.iter().copied()).expect("scopes");
        ManagedKey::new(KeyRecord { scopes, ..record }, None, datetime!(2026-11-29 12:00 UTC))
    }

    #[test]
    fn a_key_that_keeps_what_it_had_is_within_every_plan() {
        let caps =
            Caps { scopes: Scopes::parse(["a"]).ok(), environments: Some(vec![Environment::Test]), ..Caps::default() };
        let content = PlanContent { caps, ..PlanContent::default() };
        let updated_at = datetime!(2026-11-29 12:00 UTC);
        let plan = Plan { name: "free".parse().expect("a name"), content, updated_at };
        let told = |key: &ManagedKey, had: Option<&ManagedKey>| plan_violations(&plan, key, had).len();
        let old = key(&["a", "b"]);
        assert_eq!(told(&old, Some(&old)), 0);
        assert_eq!(told(&key(&["a"]), Some(&old)), 0);
        assert_eq!(told(&key(&["a", "b", "c"]), Some(&old)), 1);
        assert_eq!(told(&old, None), 2);
        assert_eq!(told(&key(&["a"]), None), 1, "the environment");
    }
}
