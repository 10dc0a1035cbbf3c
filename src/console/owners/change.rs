//! What is done to an owner.

use actix_web::{
    HttpRequest,
    web::{Bytes, Data},
};
use time::OffsetDateTime;

use super::one::{asked, page};
use crate::{
    auth::lifecycle::{Caller, Propagated},
    console::{
        access::{
            form::Form,
            notice::{Done, Notice},
            visitor::{Area, Visitor},
        },
        allowance::{credits, limits},
        fault::{Answer, Fault},
        keys::complain,
        plans::plan_refusal,
        services::Console,
        texts::WHY_NOT,
    },
    domain::{
        credential_in_text::credential_in_names_of,
        ledger::{OwnerSwitch, Refusal},
        owner::Owner,
        owner_id,
        owner_limits::{OwnerCredits, OwnerLimitsChange},
        plan_changes::{OnWordOf, PlanAssignment, PlanRefusal},
        precondition::Preconditions,
    },
};

/// `POST /console/owners/one?id=…`: what `action` says.
pub(in crate::console) async fn change(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    body: Bytes,
) -> Answer {
    let mut form = Form::of(&request, &body, &visitor)?;
    visitor.demand_fresh()?;
    let caller = visitor.caller(Area::All)?;
    let owner = asked(&request)?;
    // The address hides them in base64, and a change would keep them. Whoever is known by such names can be stopped.
    if credential_in_names_of(&owner, &console.issuer.keyring).is_some() {
        let known = console.ledger.owner(&owner, OffsetDateTime::now_utc()).await;
        known.map_err(|error| Fault::outage(&request, &error))?.ok_or(Fault::NotFound)?;
    }
    let address = format!("/console/owners/one?id={}", owner_id::write(&owner));
    let action = form.text("action").unwrap_or_default().to_owned();
    let (done, propagated) = match action.as_str() {
        "disable" => (Done::OwnerDisabled, switch(&request, &console, &mut form, &owner, true, caller).await?),
        "enable" => (Done::OwnerEnabled, switch(&request, &console, &mut form, &owner, false, caller).await?),
        "plan" => (Done::Edited, assign(&request, &console, &mut form, &owner, caller).await?),
        "limits" | "credits" | "remove_credits" | "top_up" => {
            let once = form.once(&request, &body, &visitor).filter(|_| action == "top_up");
            let done = if action == "top_up" { Done::ToppedUp } else { Done::Edited };
            let change = OwnerLimitsChange { once, ..allowance_change(&mut form, &action, &owner)? };
            (done, limit(&request, &console, &mut form, change, caller).await?)
        }
        _ => return Err(Fault::NotFound),
    };
    let Some(propagated) = propagated else {
        return page(&request, &console, &visitor, &owner, Some(&form)).await;
    };
    Ok(visitor.go_to_telling(&address, &Notice::propagated(done, &propagated)))
}

/// Disables or enables the owner. `None`, here and below: what is wrong is recorded in the form.
async fn switch(
    request: &HttpRequest,
    console: &Console,
    form: &mut Form,
    owner: &Owner,
    disabled: bool,
    caller: Caller,
) -> Result<Option<Propagated>, Fault> {
    let reason = form.parsed("reason");
    if !form.problems().is_empty() {
        return Ok(None);
    }
    let switch = OwnerSwitch { owner: owner.clone(), disabled, reason, at: OffsetDateTime::now_utc() };
    let switched = console.lifecycle.switch_owner(switch, caller.reach, caller.author).await;
    let switched = switched.map_err(|error| Fault::outage(request, &error))?;
    Ok(Some(switched.propagated))
}

/// Puts the owner on a plan; on none if the field is empty.
async fn assign(
    request: &HttpRequest,
    console: &Console,
    form: &mut Form,
    owner: &Owner,
    caller: Caller,
) -> Result<Option<Propagated>, Fault> {
    if !form.has("plan") {
        return Err(Fault::NotFound);
    }
    if !form.has("plan_before") {
        return Err(Fault::Refused(WHY_NOT.changed_meanwhile.to_owned()));
    }
    let instead_of = Some(form.parsed("plan_before"));
    let (plan, reason) = (form.parsed("plan"), form.parsed("reason"));
    if !form.problems().is_empty() {
        return Ok(None);
    }
    let (on_word_of, at) = (OnWordOf::Administrator, OffsetDateTime::now_utc());
    let assignment = PlanAssignment { owner: owner.clone(), plan, on_word_of, instead_of, reason, at };
    let planned = console.lifecycle.assign_plan(assignment, caller.reach, caller.author).await;
    match planned.map_err(|error| Fault::outage(request, &error))? {
        Ok(planned) => Ok(Some(planned.propagated)),
        Err(refused) => {
            let is_stale = refused == PlanRefusal::Refused(Refusal::VersionMismatch);
            form.problem(if is_stale { "form" } else { "plan" }, plan_refusal(&refused));
            Ok(None)
        }
    }
}

/// The change that a form of limits or credits asks for.
fn allowance_change(form: &mut Form, action: &str, owner: &Owner) -> Result<OwnerLimitsChange, Fault> {
    let mut change = OwnerLimitsChange {
        owner: owner.clone(),
        limits: None,
        credits: OwnerCredits::Keep,
        reason: form.parsed("reason"),
        once: None,
        preconditions: Preconditions::default(),
        granted: None,
        at: OffsetDateTime::now_utc(),
    };
    match action {
        "top_up" => {
            let (top_up, granted, _) = credits::top_up(form);
            change.credits = top_up.map_or(OwnerCredits::Keep, OwnerCredits::TopUp);
            change.granted = granted;
            return Ok(change);
        }
        "limits" => change.limits = Some(limits::asked(form)),
        "credits" => change.credits = OwnerCredits::Ask(Some(credits::asked(form))),
        _ => change.credits = OwnerCredits::Ask(None),
    }
    // What somebody else has changed since the page was loaded is not undone.
    change.preconditions = form.version()?;
    Ok(change)
}

async fn limit(
    request: &HttpRequest,
    console: &Console,
    form: &mut Form,
    change: OwnerLimitsChange,
    caller: Caller,
) -> Result<Option<Propagated>, Fault> {
    if !form.problems().is_empty() {
        return Ok(None);
    }
    let limited = console.lifecycle.limit_owner(change, caller).await;
    match limited.map_err(|error| Fault::outage(request, &error))? {
        Ok(limited) => Ok(Some(limited.propagated)),
        Err(refused) => {
            complain(form, &refused);
            Ok(None)
        }
    }
}
