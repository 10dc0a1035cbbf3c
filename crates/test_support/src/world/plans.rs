//! No test here has to do with plans.

use async_trait::async_trait;
use keyward::domain::{
    ledger::{ChangeContext, Reach},
    listing::{Listed, Page},
    owner::Owner,
    plan::{Allotment, Plan, PlanName},
    plan_changes::{PlanAssigned, PlanAssignment, PlanChange, PlanChanged, PlanDeletion, PlanRefusal},
    ports::{StoreError, plans::PlanStore},
};

use super::store::FakeStore;

#[async_trait]
impl PlanStore for FakeStore {
    async fn plans(&self, _: &Page) -> Result<Listed<Plan>, StoreError> {
        unimplemented!()
    }

    async fn plan(&self, _: &PlanName) -> Result<Option<Plan>, StoreError> {
        unimplemented!()
    }

    async fn owners_on(&self, _: &[PlanName], _: u32) -> Result<Vec<u32>, StoreError> {
        unimplemented!()
    }

    async fn change_plan(
        &self,
        _: &PlanChange,
        _: ChangeContext<'_>,
    ) -> Result<Result<PlanChanged, PlanRefusal>, StoreError> {
        unimplemented!()
    }

    async fn delete_plan(&self, _: &PlanDeletion, _: ChangeContext<'_>) -> Result<Result<(), PlanRefusal>, StoreError> {
        unimplemented!()
    }

    async fn would_assign(&self, _: &PlanAssignment, _: &Reach) -> Result<bool, StoreError> {
        unimplemented!()
    }

    async fn allotment(&self, _: &Owner, _: &Reach) -> Result<Allotment, StoreError> {
        unimplemented!()
    }

    async fn assign_plan(
        &self,
        _: &PlanAssignment,
        _: ChangeContext<'_>,
    ) -> Result<Result<PlanAssigned, PlanRefusal>, StoreError> {
        unimplemented!()
    }
}
