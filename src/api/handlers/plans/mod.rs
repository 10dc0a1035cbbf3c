//! `/v1/admin/plans`: what owners are given, and what their keys may be. Who is on a plan is in `owners`.

mod owners;
mod representation;

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ETAG, HeaderName},
    web::{Bytes, Data, Path},
};
use serde_json::Value;

#[cfg(test)]
pub(crate) use self::owners::asked as asked_of_an_owner;
pub use self::representation::{OwnerPlan, Plan};
pub(crate) use self::{
    owners::{assign, show_of_owner, show_own},
    representation::{AssignedPlan, ChangedPlan, OwnPlan, PlanList},
};
use super::keys::{Conditions, Read, requests};
use crate::{
    api::{
        access::root_span::in_request,
        services::{Services, read_failed, unavailable},
        wire::{
            confirmation::log_change,
            credits,
            failure::{Answer, FieldError, Missing, Reason},
            limits, page,
            request::{
                bodies::{PLAN, PLAN_CREDITS},
                fields::{self, Fields, invalid, parsed, whole_number},
                parameters::Parameters,
                queries::OF_PLANS,
            },
            times::now,
        },
    },
    auth::lifecycle::Caller,
    domain::{
        api_key::{Environment, Keyring},
        limits::AskedLimits,
        listing::Page,
        plan::{self, Caps, InvalidCap, InvalidPlanName, PlanCredits, PlanName},
        plan_changes::{PlanChange, PlanDeletion, PlanDid},
        text::KeyDescription,
    },
};

/// The name that this list's cursors are sealed with.
const LIST: &str = "plans";

/// `GET /v1/admin/plans`
pub(crate) async fn list(request: HttpRequest, services: Data<Services>) -> Answer {
    let keyring = &services.issuer.keyring;
    let page = selected_plans(&request, keyring)?;
    let listed = services.plans.plans(&page).await.map_err(read_failed(&request))?;
    let (mut response, next_cursor) = page::begin(&request, keyring, LIST, listed.next);
    Ok(response.json(PlanList { plans: listed.items.iter().map(Plan::new).collect(), next_cursor }))
}

/// The page that a query selects.
pub(crate) fn selected_plans(request: &HttpRequest, keyring: &Keyring) -> Result<Page, Reason> {
    let mut parameters = Parameters::of(request, &[OF_PLANS]);
    let page = parameters.page(keyring, LIST);
    parameters.finish()?;
    Ok(page)
}

/// `GET /v1/admin/plans/{name}`
pub(crate) async fn show(request: HttpRequest, services: Data<Services>, name: Path<String>) -> Answer {
    let name = read_name(&name)?;
    let conditions = Conditions::of(&request)?;
    let plan = services.plans.plan(&name).await.map_err(read_failed(&request))?;
    let plan = plan.ok_or(Reason::NotFound(Missing::Plan))?;
    Ok(match conditions.of_read(&plan.version().to_string())? {
        Read::NotModified => HttpResponse::NotModified().insert_header(etag(&plan)).finish(),
        Read::Shown => HttpResponse::Ok().insert_header(etag(&plan)).json(Plan::new(&plan)),
    })
}

/// `PUT /v1/admin/plans/{name}`: answers once every replica applies the plan to everybody who is on it.
pub(crate) async fn replace(
    request: HttpRequest,
    caller: Caller,
    services: Data<Services>,
    name: Path<String>,
    body: Bytes,
) -> Answer {
    let name: PlanName = name.parse().map_err(|invalid: InvalidPlanName| {
        Reason::InvalidParameters(vec![FieldError::of_parameter("name", "invalid", invalid.to_string())])
    })?;
    let preconditions = Conditions::of(&request)?.of_change();
    let mut fields = Fields::of(&request, &body, PLAN)?;
    fields.take_read_only("name", &name.as_str().into());
    fields.ignore(&["updatedAt"]);
    let (description, limits, credits, caps) = content(fields)?;
    let change = PlanChange { name, description, limits, credits, caps, preconditions, at: now() };
    let changed = services.lifecycle.change_plan(change, caller).await;
    let changed = changed.map_err(unavailable(&request, "change a plan"))??;
    log_change(&request, &changed.propagated, |took_ms, replicas_confirmed, replicas_expired| {
        let plan = changed.outcome.plan.name.as_str();
        let (created, changed) = (changed.outcome.did == PlanDid::Create, changed.outcome.did != PlanDid::Nothing);
        tracing::info!(plan, created, changed, took_ms, replicas_confirmed, replicas_expired, "changed a plan");
    });
    let mut response = match changed.outcome.did {
        PlanDid::Create => HttpResponse::Created(),
        PlanDid::Change | PlanDid::Nothing => HttpResponse::Ok(),
    };
    let tag = etag(&changed.outcome.plan);
    Ok(response.insert_header(tag).json(ChangedPlan::new(&changed)))
}

/// `DELETE /v1/admin/plans/{name}`
pub(crate) async fn delete(
    request: HttpRequest,
    caller: Caller,
    services: Data<Services>,
    name: Path<String>,
) -> Answer {
    let name = read_name(&name)?;
    let preconditions = Conditions::of(&request)?.of_change();
    let deletion = PlanDeletion { name: name.clone(), preconditions, at: now() };
    let deleted = services.lifecycle.delete_plan(deletion, caller).await;
    deleted.map_err(unavailable(&request, "delete a plan"))??;
    in_request(&request, || tracing::info!(plan = name.as_str(), "deleted a plan"));
    Ok(HttpResponse::NoContent().finish())
}

/// A name that no plan can have is answered like an unknown one.
fn read_name(text: &str) -> Result<PlanName, Reason> {
    text.parse().map_err(|_| Reason::NotFound(Missing::Plan))
}

fn etag(plan: &plan::Plan) -> (HeaderName, String) {
    (ETAG, format!("\"{}\"", plan.version()))
}

/// What a plan gives and caps, from a body.
pub(crate) fn content(
    mut fields: Fields,
) -> Result<(Option<KeyDescription>, AskedLimits, Option<PlanCredits>, Caps), Reason> {
    let description = fields.take("description", parsed);
    let limits = fields.take("limits", limits::asked_of_owner);
    let credits = fields.take("credits", plan_credits);
    let caps = Caps {
        max_keys: fields.take("maxKeys", most_keys),
        max_lifetime: fields.take("maxLifetime", lifetime),
        scopes: fields.take("scopes", requests::scopes),
        environments: fields.take("environments", environments),
    };
    fields.finish(Some((description, limits.unwrap_or_default(), credits, caps)))
}

fn plan_credits(value: Value) -> fields::Read<PlanCredits> {
    let mut fields = Fields::within(fields::object(value)?, String::new(), PLAN_CREDITS);
    let amount = fields.require("amount", |value| credits::balance(&value));
    let max = fields.take("max", |value| credits::amount(&value));
    let refill = fields.take("refill", credits::refill);
    fields.finish_within(amount.map(|amount| PlanCredits { amount, max, refill }))
}

fn most_keys(value: Value) -> fields::Read<u32> {
    cap(whole_number(&value).ok_or(InvalidCap::Keys).and_then(Caps::most_keys))
}

fn lifetime(value: Value) -> fields::Read<Duration> {
    cap(whole_number(&value).ok_or(InvalidCap::Lifetime).and_then(Caps::longest))
}

fn environments(value: Value) -> fields::Read<Vec<Environment>> {
    cap(Caps::only(&fields::list::<Environment>(value, Environment::ALL.len(), parsed)?))
}

fn cap<T>(read: Result<T, InvalidCap>) -> fields::Read<T> {
    read.or_else(|error| invalid("invalid", error.to_string()))
}
