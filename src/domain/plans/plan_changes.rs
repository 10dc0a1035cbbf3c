//! Requests to change, delete and assign plans, and their outcomes.

use time::OffsetDateTime;

use crate::domain::{
    ledger::Refusal,
    limits::AskedLimits,
    owner::Owner,
    plan::{AssignedPlan, Caps, Plan, PlanCredits, PlanName},
    precondition::Preconditions,
    text::{ChangeReason, KeyDescription},
};

/// Makes a plan, or replaces what it gives and caps.
#[derive(Clone, Debug)]
pub struct PlanChange {
    /// Its name.
    pub name: PlanName,
    /// Who it is for.
    pub description: Option<KeyDescription>,
    /// The complete new limits.
    pub limits: AskedLimits,
    /// The new credits.
    pub credits: Option<PlanCredits>,
    /// The complete new caps.
    pub caps: Caps,
    /// The preconditions on the plan until now.
    pub preconditions: Preconditions,
    /// The time of the change.
    pub at: OffsetDateTime,
}

/// Why a plan is not changed, deleted or assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanRefusal {
    /// There is no such plan.
    NotFound,
    /// A precondition does not hold, or the limits can't be these.
    Refused(Refusal),
    /// So many owners are on it.
    InUse(u64),
    /// There are as many plans as there may be.
    TooMany,
}

impl From<Refusal> for PlanRefusal {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A plan after a change.
#[derive(Clone, Debug)]
pub struct PlanChanged {
    /// The plan.
    pub plan: Plan,
    /// What the change has done.
    pub did: PlanDid,
}

/// What a change of a plan has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanDid {
    /// It has made the plan.
    Create,
    /// It has changed the plan.
    Change,
    /// The plan was like this before.
    Nothing,
}

/// Puts an owner on a plan, or on none.
#[derive(Clone, Debug)]
pub struct PlanAssignment {
    /// The owner.
    pub owner: Owner,
    /// The plan; `None` takes the owner off any.
    pub plan: Option<PlanName>,
    /// On whose word.
    pub on_word_of: OnWordOf,
    /// The plan that the owner must be on until now, or none; `None` for any.
    pub instead_of: Option<Option<PlanName>>,
    /// The reason, for the audit.
    pub reason: Option<ChangeReason>,
    /// The time of the change.
    pub at: OffsetDateTime,
}

/// On whose word an owner gets a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnWordOf {
    /// An administrator's.
    Administrator,
    /// A token's that was issued then. One without the time counts as the oldest.
    Token(Option<OffsetDateTime>),
}

/// An owner's plan after an assignment.
#[derive(Clone, Debug)]
pub struct PlanAssigned {
    /// The plan, which may be another one if an administrator, or a newer token, has had the last word.
    pub plan: Option<AssignedPlan>,
    /// Whether it was the assignment that changed it.
    pub changed: bool,
}

/// Deletes a plan that nobody is on.
#[derive(Clone, Debug)]
pub struct PlanDeletion {
    /// Its name.
    pub name: PlanName,
    /// The preconditions on the plan.
    pub preconditions: Preconditions,
    /// The time of the deletion.
    pub at: OffsetDateTime,
}
