//! Plans, and who is on them: the tables `plans` and `owner_plans`.
//!
//! - `change`: makes, changes and deletes plans
//! - `assign`: puts owners on them
//! - `credits`: gives owners the credits of their plan, and changes and takes them

mod assign;
mod change;
mod credits;

use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{super::rows::refill, Statement, Store, owners::limits};
use crate::domain::{
    ledger::{ChangeContext, Reach},
    limits::Limits,
    listing::{Listed, Page, Place},
    owner::Owner,
    plan::{Allotment, AssignedBy, AssignedPlan, Caps, Plan, PlanContent, PlanCredits, PlanName},
    plan_changes::{PlanAssigned, PlanAssignment, PlanChange, PlanChanged, PlanDeletion, PlanRefusal},
    ports::{StoreError, plans::PlanStore},
    scope::Scopes,
    text::KeyDescription,
};

#[async_trait]
impl PlanStore for Store {
    async fn plans(&self, page: &Page) -> Result<Listed<Plan>, StoreError> {
        self.within_deadline(Statement::ListPlans, self.list_plans(page)).await
    }

    async fn plan(&self, name: &PlanName) -> Result<Option<Plan>, StoreError> {
        let work = async {
            let mut seat = self.to_read(&Reach::Any).await?;
            one_plan(&mut seat.connection, name).await
        };
        self.within_deadline(Statement::ShowPlan, work).await
    }

    async fn owners_on(&self, plans: &[PlanName], most: u32) -> Result<Vec<u32>, StoreError> {
        let names: Vec<String> = plans.iter().map(|plan| plan.as_str().to_owned()).collect();
        let work = async {
            let mut seat = self.to_read(&Reach::Any).await?;
            let query = sqlx::query_scalar!(
                r#"SELECT (SELECT count(*) FROM (SELECT FROM owner_plans WHERE plan = named.name LIMIT $2) AS counted) AS "count!"
                   FROM unnest($1::text[]) WITH ORDINALITY AS named (name, place) ORDER BY place"#,
                &names,
                i64::from(most),
            );
            Ok(query.fetch_all(&mut *seat.connection).await?)
        };
        let counts = self.within_deadline(Statement::CountPlanOwners, work).await?;
        Ok(counts.into_iter().map(|count| u32::try_from(count).unwrap_or_default()).collect())
    }

    async fn change_plan(
        &self,
        change: &PlanChange,
        by: ChangeContext<'_>,
    ) -> Result<Result<PlanChanged, PlanRefusal>, StoreError> {
        self.within_deadline(Statement::ChangePlan, self.replace_plan(change, by)).await
    }

    async fn delete_plan(
        &self,
        deletion: &PlanDeletion,
        by: ChangeContext<'_>,
    ) -> Result<Result<(), PlanRefusal>, StoreError> {
        self.within_deadline(Statement::DeletePlan, self.remove_plan(deletion, by)).await
    }

    async fn would_assign(&self, assignment: &PlanAssignment, reach: &Reach) -> Result<bool, StoreError> {
        let work = async {
            let mut seat = self.to_read(reach).await?;
            Ok(assign::current(&mut seat.connection, &assignment.owner).await?.differs(assignment))
        };
        self.within_deadline(Statement::ShowOwnerPlan, work).await
    }

    async fn allotment(&self, owner: &Owner, reach: &Reach) -> Result<Allotment, StoreError> {
        let work = async {
            let mut seat = self.to_read(reach).await?;
            let plan = plan_and_by(&mut seat.connection, owner).await?;
            let own = limits::current(&mut seat.connection, owner).await?.allowance;
            let limits = match &plan {
                Some((plan, _)) => own.limits.over(&plan.content.limits),
                None => own.limits,
            };
            Ok(Allotment { plan, limits, credits: own.credits })
        };
        self.within_deadline(Statement::ShowOwnerPlan, work).await
    }

    async fn assign_plan(
        &self,
        assignment: &PlanAssignment,
        by: ChangeContext<'_>,
    ) -> Result<Result<PlanAssigned, PlanRefusal>, StoreError> {
        self.within_deadline(Statement::AssignPlan, self.assign(assignment, by)).await
    }
}

impl Store {
    async fn list_plans(&self, page: &Page) -> Result<Listed<Plan>, StoreError> {
        let mut seat = self.to_read(&Reach::Any).await?;
        let after = page.after.as_ref().map_or("", |place| &place.value);
        let query = plan_rows!("FROM plans WHERE name > $1 ORDER BY name LIMIT $2", after, i64::from(page.limit) + 1,);
        let rows = query.fetch_all(&mut *seat.connection).await?;
        let found = rows.into_iter().map(Plan::try_from).collect::<Result<_, _>>()?;
        let place = |plan: &Plan| Place { id: Uuid::nil(), value: plan.name.as_str().to_owned() };
        Ok(Listed::of(found, page.limit, None, place))
    }
}

/// The columns of a plan.
struct PlanRow {
    name: String,
    description: Option<String>,
    limits: String,
    max_keys: Option<i32>,
    max_lifetime: Option<i64>,
    scopes: Option<Vec<String>>,
    environments: Option<Vec<String>>,
    credits_amount: Option<i64>,
    credits_max: Option<i64>,
    refill_amount: Option<i64>,
    refill_every: Option<String>,
    refill_day: Option<i32>,
    updated_at: OffsetDateTime,
    /// Only for the plan of an owner.
    assigned_by: Option<String>,
}

/// A `query_as!` for [`PlanRow`]s with the given rest of the statement.
macro_rules! plan_rows {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        plan_rows!(@ "NULL::text", $rest $(, $argument)*)
    };
    (@ $assigned_by:literal, $rest:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            crate::store::ledger::plans::PlanRow,
            r#"SELECT plans.name AS "name!", plans.description AS "description?", plans.limits::text AS "limits!",
                      plans.max_keys AS "max_keys?", plans.max_lifetime AS "max_lifetime?", plans.scopes AS "scopes?",
                      plans.environments AS "environments?",
                      plans.credits_amount AS "credits_amount?", plans.credits_max AS "credits_max?",
                      plans.refill_amount AS "refill_amount?", plans.refill_every AS "refill_every?",
                      plans.refill_day AS "refill_day?", plans.updated_at AS "updated_at!", "#
                + $assigned_by
                + r#" AS "assigned_by?" "#
                + $rest
            $(, $argument)*
        )
    };
}
use plan_rows;

impl TryFrom<PlanRow> for Plan {
    type Error = StoreError;

    fn try_from(row: PlanRow) -> Result<Self, StoreError> {
        let corrupt = |what: String| StoreError::Corrupt(format!("plans {}: {what}", row.name));
        let scopes = row.scopes.as_ref().map(|scopes| Scopes::parse(scopes.iter().map(String::as_str)));
        let environments = row.environments.as_ref().map(|names| names.iter().map(|name| name.parse()).collect());
        let caps = Caps {
            max_keys: row.max_keys.and_then(|most| most.try_into().ok()),
            max_lifetime: row.max_lifetime.and_then(|seconds| Some(Duration::from_secs(seconds.try_into().ok()?))),
            scopes: scopes.transpose().map_err(|error| corrupt(error.to_string()))?,
            environments: environments.transpose().map_err(|error| corrupt(format!("environment {error}")))?,
        };
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        let refill = refill(row.refill_amount, row.refill_every.as_deref(), row.refill_day).map_err(corrupt)?;
        let credits = |amount| PlanCredits { amount: count(amount), max: row.credits_max.map(count), refill };
        let content = PlanContent {
            credits: row.credits_amount.map(credits),
            limits: Limits::from_stored(&row.limits).map_err(|error| corrupt(format!("limits: {error}")))?,
            description: row.description.clone().map(KeyDescription::from_stored),
            caps,
        };
        let name = PlanName::from_stored(&row.name).map_err(|error| corrupt(format!("name {error}")))?;
        Ok(Self { name, content, updated_at: row.updated_at })
    }
}

async fn one_plan(connection: &mut PgConnection, name: &PlanName) -> Result<Option<Plan>, StoreError> {
    let query = plan_rows!("FROM plans WHERE name = $1", name.as_str());
    query.fetch_optional(connection).await?.map(Plan::try_from).transpose()
}

/// The plan of an owner. The result stays true while the owner is locked.
pub(super) async fn plan_of(connection: &mut PgConnection, owner: &Owner) -> Result<Option<Plan>, StoreError> {
    Ok(plan_and_by(connection, owner).await?.map(|(plan, _)| plan))
}

async fn plan_and_by(connection: &mut PgConnection, owner: &Owner) -> Result<Option<(Plan, AssignedBy)>, StoreError> {
    let query = plan_rows!(
        @ "owner_plans.assigned_by",
        "FROM owner_plans JOIN plans ON plans.name = owner_plans.plan WHERE issuer = $1 AND subject = $2",
        &*owner.issuer,
        &*owner.subject
    );
    let Some(row) = query.fetch_optional(connection).await? else { return Ok(None) };
    let by = assigned_by(row.assigned_by.as_deref())?;
    Ok(Some((row.try_into()?, by)))
}

/// An assignment from the columns `plan` and `assigned_by`.
pub(super) fn assigned_plan(plan: &str, by: &str) -> Result<AssignedPlan, StoreError> {
    let corrupt = |error| StoreError::Corrupt(format!("owner_plans: the name {error}"));
    let plan = PlanName::from_stored(plan).map_err(corrupt)?;
    Ok(AssignedPlan { plan, by: assigned_by(Some(by))? })
}

fn assigned_by(word: Option<&str>) -> Result<AssignedBy, StoreError> {
    word.and_then(AssignedBy::of).ok_or_else(|| StoreError::Corrupt(format!("owner_plans: assigned by {word:?}")))
}
