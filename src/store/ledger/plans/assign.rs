//! Puts owners on plans.

use serde_json::{Map, json};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Store, assigned_plan, credits::follow_plan};
use crate::{
    domain::{
        audit::Action,
        ledger::{ChangeContext, Event, Refusal},
        owner::Owner,
        plan::{AssignedBy, AssignedPlan, PlanName},
        plan_changes::{OnWordOf, PlanAssigned, PlanAssignment, PlanRefusal},
        ports::StoreError,
    },
    store::ledger::{audit, lock_owner, owners::announce_keys_of},
};

/// The plan of an owner, and what is known of claims.
pub(super) struct Current {
    assigned: Option<AssignedPlan>,
    /// When the newest token was issued whose claim was followed, also if it is not the owner's plan any more.
    claimed_at: Option<OffsetDateTime>,
}

impl Current {
    /// Whether somebody else has had the last word.
    fn overrules(&self, on_word_of: OnWordOf) -> bool {
        let by_administrator = self.assigned.as_ref().is_some_and(|current| current.by == AssignedBy::Administrator);
        match on_word_of {
            OnWordOf::Administrator => false,
            OnWordOf::Token(issued_at) => by_administrator || issued_at < self.claimed_at,
        }
    }

    /// Whether the assignment would change the row.
    pub(super) fn differs(&self, assignment: &PlanAssignment) -> bool {
        let issued_at = match assignment.on_word_of {
            OnWordOf::Administrator => None,
            OnWordOf::Token(at) => at,
        };
        let is_same =
            |current: &AssignedPlan| assignment.plan.as_ref() == Some(&current.plan) && self.claimed_at == issued_at;
        !self.overrules(assignment.on_word_of) && !self.assigned.as_ref().is_some_and(is_same)
    }
}

impl Store {
    /// Announces an administrator's assignment even if nothing changes, because whoever made it earlier may have failed
    /// after the commit, while waiting for the replicas.
    pub(super) async fn assign(
        &self,
        assignment: &PlanAssignment,
        by: ChangeContext<'_>,
    ) -> Result<Result<PlanAssigned, PlanRefusal>, StoreError> {
        let PlanAssignment { owner, plan, on_word_of, instead_of, reason, at } = assignment;
        let mut seat = self.to_change(by.reach, by.author).await?;
        seat.connection.begin().await?;
        let transaction = &mut *seat.connection;
        lock_owner(transaction, owner).await?;
        let current = current(transaction, owner).await?;
        if current.overrules(*on_word_of) {
            return Ok(Ok(PlanAssigned { plan: current.assigned, changed: false }));
        }
        let on_now = current.assigned.as_ref().map(|current| &current.plan);
        if instead_of.as_ref().is_some_and(|expected| expected.as_ref() != on_now) {
            return Ok(Err(Refusal::VersionMismatch.into()));
        }
        if let Some(plan) = plan
            && !exists(transaction, plan).await?
        {
            return Ok(Err(PlanRefusal::NotFound));
        }
        let assigned = plan.clone().map(|plan| AssignedPlan { plan, by: said_by(*on_word_of) });
        write(transaction, assignment).await?;
        if let (OnWordOf::Administrator, Some(claimed_at)) = (on_word_of, current.claimed_at) {
            remember_claim(transaction, owner, claimed_at, *at).await?;
        }
        // The lock of the new plan as well, so that its credits are those of a change before, or are changed by one
        // after.
        lock_owner(transaction, owner).await?;
        let before = current.assigned;
        let is_other = before.as_ref().map(|before| &before.plan) != plan.as_ref();
        let credits = follow_plan(transaction, assignment, is_other).await?;
        let changed = before != assigned || credits.is_some();
        if changed {
            let name = |plan: &Option<AssignedPlan>| plan.as_ref().map(|plan| plan.plan.as_str().to_owned());
            let by_whom = |plan: &Option<AssignedPlan>| plan.as_ref().map(|plan| plan.by.as_str());
            let mut changes = json!({
                "plan": { "from": name(&before), "to": name(&assigned) },
                "assignedBy": { "from": by_whom(&before), "to": by_whom(&assigned) },
            });
            if let Some(credits) = credits {
                changes["credits"] = credits;
            }
            let mut details = Map::from_iter([("changes".to_owned(), changes)]);
            details.extend(reason.as_ref().map(|reason| ("reason".to_owned(), reason.as_str().into())));
            let event = Event { action: Action::OwnerPlanChanged, details };
            audit::write(transaction, *at, &[], owner, by.author, &event).await?;
        }
        announce_keys_of(transaction, owner, by.mark).await?;
        seat.connection.finish().await?;
        Ok(Ok(PlanAssigned { plan: assigned, changed }))
    }
}

fn said_by(on_word_of: OnWordOf) -> AssignedBy {
    match on_word_of {
        OnWordOf::Administrator => AssignedBy::Administrator,
        OnWordOf::Token(_) => AssignedBy::Claim,
    }
}

/// The assignment of an owner. The result stays true while the owner is locked.
pub(super) async fn current(connection: &mut PgConnection, owner: &Owner) -> Result<Current, StoreError> {
    let query = sqlx::query!(
        r#"SELECT plan AS "plan?", assigned_by AS "assigned_by?", greatest(claim_issued_at, plan_claimed_at) AS claimed_at
           FROM (VALUES ($1::text, $2::text)) AS asked (issuer, subject)
           LEFT JOIN owner_plans USING (issuer, subject) LEFT JOIN owner_limits USING (issuer, subject)"#,
        &*owner.issuer,
        &*owner.subject,
    );
    let row = query.fetch_one(connection).await?;
    let assigned = match (&row.plan, &row.assigned_by) {
        (Some(plan), Some(by)) => Some(assigned_plan(plan, by)?),
        _ => None,
    };
    Ok(Current { assigned, claimed_at: row.claimed_at })
}

/// Keeps when the newest claim was made, of which the owner's plan says nothing from now on: an older token must not
/// bring back an earlier plan once an administrator has nothing against claims any more.
async fn remember_claim(
    connection: &mut PgConnection,
    owner: &Owner,
    claimed_at: OffsetDateTime,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query!(
        "INSERT INTO owner_limits (issuer, subject, limits, plan_claimed_at, updated_at) VALUES ($1, $2, '[]', $3, $4)
         ON CONFLICT (issuer, subject) DO UPDATE SET plan_claimed_at = excluded.plan_claimed_at",
        &*owner.issuer,
        &*owner.subject,
        claimed_at,
        at,
    );
    query.execute(connection).await.map(drop)
}

/// Whether there is such a plan, which isn't deleted until the transaction ends.
async fn exists(connection: &mut PgConnection, plan: &PlanName) -> Result<bool, sqlx::Error> {
    let query =
        sqlx::query_scalar!(r#"SELECT true AS "is_there!" FROM plans WHERE name = $1 FOR KEY SHARE"#, plan.as_str());
    Ok(query.fetch_optional(connection).await?.is_some())
}

/// An owner on no plan has no row.
async fn write(connection: &mut PgConnection, assignment: &PlanAssignment) -> Result<(), sqlx::Error> {
    let PlanAssignment { owner, plan, on_word_of, at, .. } = assignment;
    let (issuer, subject) = (&*owner.issuer, &*owner.subject);
    let Some(plan) = plan else {
        let query = sqlx::query!("DELETE FROM owner_plans WHERE issuer = $1 AND subject = $2", issuer, subject);
        return query.execute(connection).await.map(drop);
    };
    let issued_at = match on_word_of {
        OnWordOf::Administrator => None,
        OnWordOf::Token(issued_at) => *issued_at,
    };
    let query = sqlx::query!(
        "INSERT INTO owner_plans (issuer, subject, plan, assigned_by, claim_issued_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (issuer, subject) DO UPDATE
         SET plan = excluded.plan, assigned_by = excluded.assigned_by, claim_issued_at = excluded.claim_issued_at,
             updated_at = excluded.updated_at",
        issuer,
        subject,
        plan.as_str(),
        said_by(*on_word_of).as_str(),
        issued_at,
        at,
    );
    query.execute(connection).await.map(drop)
}
