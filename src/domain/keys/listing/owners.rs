//! Lists of owners, with their keys by state.

use time::OffsetDateTime;

use crate::domain::{
    audit::Actor,
    owner::Owner,
    plan::{AssignedPlan, PlanName},
    text::{ChangeReason, SearchText},
};

/// A filter for owners.
#[derive(Clone, Debug, Default)]
pub struct OwnerFilter {
    /// Only disabled owners (`true`), or only others (`false`).
    pub disabled: Option<bool>,
    /// Owners whose subject or issuer contains this text, case-insensitively.
    pub search: Option<SearchText>,
    /// Only owners on this plan.
    pub plan: Option<PlanName>,
}

impl OwnerFilter {
    /// Whether this owner matches.
    pub fn names(&self, standing: &OwnerStanding) -> bool {
        let plan = standing.plan.as_ref().map(|assigned| &assigned.plan);
        self.disabled.is_none_or(|disabled| disabled == standing.disabled.is_some())
            && (self.plan.is_none() || self.plan.as_ref() == plan)
            && self.search.as_ref().is_none_or(|search| {
                search.is_within(&standing.owner.subject) || search.is_within(&standing.owner.issuer)
            })
    }
}

/// An owner, with the number of their keys by state.
#[derive(Clone, Debug)]
pub struct OwnerStanding {
    /// The owner.
    pub owner: Owner,
    /// The circumstances of disabling, if the owner is disabled.
    pub disabled: Option<OwnerDisabled>,
    /// The plan that the owner is on, if there is one.
    pub plan: Option<AssignedPlan>,
    /// The number of the owner's keys by state.
    pub keys: KeyCounts,
}

impl OwnerStanding {
    /// An owner without keys, who is not disabled.
    pub fn without_keys(owner: Owner) -> Self {
        Self { owner, disabled: None, plan: None, keys: KeyCounts { complete: true, ..KeyCounts::default() } }
    }
}

/// The circumstances in which an owner was disabled.
#[derive(Clone, Debug)]
pub struct OwnerDisabled {
    /// Since when.
    pub at: OffsetDateTime,
    /// The reason, if one was given.
    pub reason: Option<ChangeReason>,
    /// By whom; `None` if an earlier version did not record it.
    pub by: Option<Actor>,
}

/// The number of keys by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyCounts {
    /// Accepted keys.
    pub active: u32,
    /// Keys that are disabled, or whose owner is.
    pub disabled: u32,
    /// Expired keys.
    pub expired: u32,
    /// Revoked keys.
    pub revoked: u32,
    /// Whether all keys are counted. For an owner with very many keys, only the newest are.
    pub complete: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_owner_without_keys_all_are_counted() {
        let owner = Owner { issuer: "".into(), subject: "alice".into() };
        assert!(OwnerStanding::without_keys(owner).keys.complete);
    }
}
