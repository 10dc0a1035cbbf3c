//! The port to the store of plans and of who is on them.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{
    ledger::{ChangeContext, Reach},
    listing::{Listed, Page},
    owner::Owner,
    plan::{Allotment, Plan, PlanName},
    plan_changes::{PlanAssigned, PlanAssignment, PlanChange, PlanChanged, PlanDeletion, PlanRefusal},
};

/// The store of plans.
#[async_trait]
pub trait PlanStore: Send + Sync {
    /// Lists plans by name.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn plans(&self, page: &Page) -> Result<Listed<Plan>, StoreError>;

    /// One plan.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn plan(&self, name: &PlanName) -> Result<Option<Plan>, StoreError>;

    /// How many owners are on each of these plans, in this order. Of each, at most `most` are counted.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn owners_on(&self, plans: &[PlanName], most: u32) -> Result<Vec<u32>, StoreError>;

    /// Makes a plan, or replaces what it gives and caps.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been changed.
    async fn change_plan(
        &self,
        change: &PlanChange,
        by: ChangeContext<'_>,
    ) -> Result<Result<PlanChanged, PlanRefusal>, StoreError>;

    /// Deletes a plan that nobody is on.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been deleted.
    async fn delete_plan(
        &self,
        deletion: &PlanDeletion,
        by: ChangeContext<'_>,
    ) -> Result<Result<(), PlanRefusal>, StoreError>;

    /// Whether a token that names this plan, and was issued then, would change anything about its owner.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn would_assign(&self, assignment: &PlanAssignment, reach: &Reach) -> Result<bool, StoreError>;

    /// What an owner is given. `reach`: the caller's.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn allotment(&self, owner: &Owner, reach: &Reach) -> Result<Allotment, StoreError>;

    /// Puts an owner on a plan, or on none. What an administrator has assigned, a token doesn't change, nor does an
    /// older token change what a newer one has.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been assigned.
    async fn assign_plan(
        &self,
        assignment: &PlanAssignment,
        by: ChangeContext<'_>,
    ) -> Result<Result<PlanAssigned, PlanRefusal>, StoreError>;
}
