//! `/v1/admin/owners/{id}/plan` and `/v1/plan`: who is on which plan.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data, Path},
};

use super::representation::{AssignedPlan, OwnPlan, OwnerPlan};
use crate::{
    api::{
        services::{Services, read_failed, unavailable},
        wire::{
            confirmation::log_change,
            failure::{Answer, FieldError, Missing, Reason},
            owner_id,
            request::{
                bodies::OWNER_PLAN,
                fields::{Fields, parsed},
            },
            times::now,
        },
    },
    auth::lifecycle::Caller,
    domain::{
        ledger::Reach,
        plan::PlanName,
        plan_changes::{OnWordOf, PlanAssignment, PlanRefusal},
        principal::Principal,
    },
};

/// `GET /v1/plan`
pub(crate) async fn show_own(request: HttpRequest, principal: Principal, services: Data<Services>) -> Answer {
    let owner = principal.owner();
    let allotment = services.plans.allotment(owner, &Reach::Own(owner.clone())).await;
    Ok(HttpResponse::Ok().json(OwnPlan::new(&allotment.map_err(read_failed(&request))?)))
}

/// `GET /v1/admin/owners/{id}/plan`
pub(crate) async fn show_of_owner(request: HttpRequest, services: Data<Services>, id: Path<String>) -> Answer {
    let owner = owner_id::read(&id).ok_or(Reason::NotFound(Missing::Owner))?;
    let allotment = services.plans.allotment(&owner, &Reach::Any).await.map_err(read_failed(&request))?;
    Ok(HttpResponse::Ok().json(OwnerPlan::new(&owner, &allotment)))
}

/// `PUT /v1/admin/owners/{id}/plan`: answers once every replica applies the plan.
pub(crate) async fn assign(
    request: HttpRequest,
    caller: Caller,
    services: Data<Services>,
    id: Path<String>,
    body: Bytes,
) -> Answer {
    let owner = services.owner_to_change(&id)?;
    let plan = asked(&request, &body)?;
    let (on_word_of, reason) = (OnWordOf::Administrator, None);
    let assignment = PlanAssignment { owner: owner.clone(), plan, on_word_of, instead_of: None, reason, at: now() };
    let planned = services.lifecycle.assign_plan(assignment, caller.reach, caller.author).await;
    let planned = planned.map_err(unavailable(&request, "assign a plan"))?.map_err(|refusal| match refusal {
        PlanRefusal::NotFound => {
            Reason::InvalidFields(vec![FieldError::of_field("/plan", "unknown_plan", "there is no such plan")])
        }
        refusal => refusal.into(),
    })?;
    log_change(&request, &planned.propagated, |took_ms, replicas_confirmed, replicas_expired| {
        let (owner, changed) = (id.as_str(), planned.outcome.changed);
        let plan = planned.outcome.plan.as_ref().map(|assigned| assigned.plan.as_str());
        tracing::info!(owner, plan, changed, took_ms, replicas_confirmed, replicas_expired, "assigned a plan");
    });
    Ok(HttpResponse::Ok().json(AssignedPlan::new(&owner, &planned)))
}

/// The plan in a body, which must name one or say `null`: a plan that was left out by mistake must not take one away.
pub(crate) fn asked(request: &HttpRequest, body: &Bytes) -> Result<Option<PlanName>, Reason> {
    let mut fields = Fields::of(request, body, OWNER_PLAN)?;
    let is_there = fields.has("plan");
    let plan = fields.take_nullable("plan", parsed);
    if !is_there {
        fields.problem("plan", "required", "must be there: a name, or null");
    }
    fields.finish(plan)
}
