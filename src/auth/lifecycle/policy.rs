//! The operator's policies, the owner's plan, and the rights that nobody may pass on without having them.

use std::time::Duration;

use time::OffsetDateTime;

use super::{Caller, Lifecycle};
use crate::{
    auth::Undecided,
    domain::{
        api_key::Environment,
        key_record::ManagedKey,
        ledger::{Refusal, Violation},
        owner::Owner,
        plan::Plan,
        scope::{ADMIN_SCOPE, Scopes, catalogue::DescribedScope, is_reserved},
    },
};

/// What somebody can give to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer<'a> {
    /// The scopes of the catalogue.
    pub scopes: Vec<OfferedScope<'a>>,
    /// Whether there can be other scopes.
    pub other_scopes: bool,
    /// The longest lifetime; `None`: unlimited.
    pub longest_life: Option<Duration>,
    /// The environments.
    pub environments: Vec<Environment>,
}

/// A scope of the catalogue, for somebody who may give it to a key or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedScope<'a> {
    /// The scope with its meaning.
    pub described: &'a DescribedScope,
    /// Why it can't be given; `None`: it can.
    pub refusal: Option<Violation>,
}

impl Lifecycle {
    /// Whether a key may be created like this, or changed to this. `before`: its previous state, or its predecessor;
    /// `plan`: its owner's. Policies and plans apply to what a change adds, not to what the key already has.
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
        violations.extend(self.unknown_scopes(key, before));
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

    /// Scopes that the catalogue does not have, if only those are allowed. A successor keeps what its predecessor had:
    /// a key that leaked has to be replaced, whatever the catalogue says now.
    fn unknown_scopes(&self, key: &ManagedKey, before: Option<&ManagedKey>) -> Vec<Violation> {
        if !self.policy.refuse_unknown_scopes {
            return Vec::new();
        }
        let none = Scopes::default();
        let added = key.record.scopes.beyond(before.map_or(&none, |before| &before.record.scopes));
        let unknown = added.filter(|scope| !self.policy.catalogue.knows(scope) && *scope != ADMIN_SCOPE);
        unknown.map(|scope| Violation::UnknownScope(scope.to_owned())).collect()
    }

    /// What this caller can give to a key of this owner. Without an owner, no plan is considered.
    ///
    /// # Errors
    /// [`Undecided`] if the store could not say what the owner's plan allows.
    pub async fn offer(&self, owner: Option<&Owner>, caller: &Caller) -> Result<Offer<'_>, Undecided> {
        let plan = match owner {
            Some(owner) => self.plans.allotment(owner, &caller.reach).await?.plan.map(|(plan, _)| plan),
            None => None,
        };
        let scopes = self.policy.catalogue.as_slice().iter().map(|described| {
            let scope = described.scope.as_str();
            let not_in_plan = || plan.as_ref().and_then(|plan| not_in_plan(scope, plan));
            OfferedScope { described, refusal: scope_violation(scope, caller).or_else(not_in_plan) }
        });
        let environments = plan.as_ref().and_then(|plan| plan.content.caps.environments.clone());
        Ok(Offer {
            scopes: scopes.collect(),
            other_scopes: !self.policy.refuse_unknown_scopes,
            longest_life: self.longest_life(plan.as_ref()),
            environments: environments.unwrap_or_else(|| Environment::ALL.to_vec()),
        })
    }

    /// Whether the caller may rotate this key: its successor grants its scopes, in its environment, to whoever rotates
    /// it. An owner's plan does not keep administrators from replacing a key that leaked by one like it.
    pub(super) fn allow_successor(
        &self,
        old: &ManagedKey,
        plan: Option<&Plan>,
        caller: &Caller,
    ) -> Result<(), Refusal> {
        let mut violations = scope_violations(&old.record.scopes, &Scopes::default(), caller);
        let binding = plan.filter(|_| caller.reach.owner().is_some());
        violations.extend(binding.into_iter().flat_map(|plan| plan_violations(plan, old, None)));
        if violations.is_empty() { Ok(()) } else { Err(Refusal::Against(violations)) }
    }

    /// Whether a rotation may ask for this grace period: so long, the old key and the new one count as one.
    pub(super) fn allow_grace_period(&self, asked: Option<Duration>) -> Result<(), Refusal> {
        let longest = self.policy.max_rotation_grace;
        match asked {
            Some(asked) if asked > longest => Err(Refusal::Against(vec![Violation::GracePeriodTooLong(longest)])),
            _ => Ok(()),
        }
    }

    /// The expiry of a key if none was chosen: none, or the latest that the configuration and the owner's plan allow.
    pub(super) fn latest_end(&self, plan: Option<&Plan>, now: OffsetDateTime) -> Option<OffsetDateTime> {
        after(now, self.longest_life(plan)?)
    }

    fn longest_life(&self, plan: Option<&Plan>) -> Option<Duration> {
        let of_plan = plan.and_then(|plan| plan.content.caps.max_lifetime);
        self.policy.max_lifetime.into_iter().chain(of_plan).min()
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
pub(super) fn adds_anything(key: &ManagedKey, before: &ManagedKey) -> bool {
    key.record.id != before.record.id
        || is_wider(key, before)
        || key.record.scopes.beyond(&before.record.scopes).next().is_some()
}

/// A successor has a lifetime of its own, so it counts as later.
fn ends_later(key: &ManagedKey, before: &ManagedKey) -> bool {
    key.record.id != before.record.id || key.record.outlasts(&before.record)
}

/// The instant after `span`; `None` beyond the last possible date.
pub(super) fn after(now: OffsetDateTime, span: Duration) -> Option<OffsetDateTime> {
    now.checked_add(span.try_into().ok()?)
}

fn scope_violations(asked: &Scopes, before: &Scopes, caller: &Caller) -> Vec<Violation> {
    asked.beyond(before).filter_map(|scope| scope_violation(scope, caller)).collect()
}

/// Why this caller can't give a scope to a key, whoever owns it.
fn scope_violation(scope: &str, caller: &Caller) -> Option<Violation> {
    if scope == ADMIN_SCOPE {
        return Some(Violation::ScopeNotForKeys(scope.to_owned()));
    }
    let held = caller.scopes.as_ref().is_none_or(|own| own.contains(scope));
    let must_be_held = caller.scope_bearing || is_reserved(scope);
    (must_be_held && !held).then(|| Violation::ScopeNotHeld(scope.to_owned()))
}

/// Why keys of owners on a plan can't be given a scope.
fn not_in_plan(scope: &str, plan: &Plan) -> Option<Violation> {
    let is_allowed = plan.content.caps.scopes.as_ref().is_none_or(|allowed| allowed.contains(scope));
    (!is_allowed).then(|| Violation::ScopeNotInPlan { scope: scope.to_owned(), plan: plan.name.clone() })
}

/// What a plan has against the scopes and the environment of a key. `had`: the key before, if it keeps what it had.
fn plan_violations(plan: &Plan, key: &ManagedKey, had: Option<&ManagedKey>) -> Vec<Violation> {
    let (none, record) = (Scopes::default(), &key.record);
    let added = record.scopes.beyond(had.map_or(&none, |had| &had.record.scopes));
    let mut violations: Vec<_> = added.filter_map(|scope| not_in_plan(scope, plan)).collect();
    if let Some(allowed) = &plan.content.caps.environments
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
        plan::{Caps, PlanContent},
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
