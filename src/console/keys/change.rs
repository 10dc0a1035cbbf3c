//! What is done to one key.

use std::{num::NonZeroI64, time::Duration};

use actix_web::{
    HttpRequest,
    web::{Bytes, Data, Path},
};
use time::OffsetDateTime;

use super::{
    create::made,
    fields,
    one::{key_id, page},
    view::{complain, refusal},
};
use crate::{
    auth::lifecycle::{ChangedKey, Edit, KeyTopUp, Rotation, Switch},
    console::{
        access::{
            form::Form,
            notice::{Done, Notice},
            visitor::{Area, Visitor},
        },
        allowance::credits,
        fault::{Answer, Fault},
        services::Console,
        texts::EN,
    },
    domain::{
        api_key::KeyId,
        ledger::{IdempotentRequest, Refusal},
        precondition::Preconditions,
    },
};

/// The grace periods that can be chosen, in seconds.
const GRACE: [u64; 5] = [0, 900, 3_600, 21_600, 86_400];

/// `POST /console/keys/{id}`: what `action` says.
pub(in crate::console) async fn change(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    id: Path<String>,
    body: Bytes,
) -> Answer {
    let (area, id, now) = (Area::of(&request), key_id(&id)?, OffsetDateTime::now_utc());
    let mut form = Form::of(&request, &body, &visitor)?;
    let caller = visitor.caller(area)?;
    let action = form.text("action").unwrap_or_default().to_owned();
    let outage = |error| Fault::outage(&request, &error);
    let changed = match action.as_str() {
        "edit" => {
            let edit = fields::edit(&mut form, now);
            if !form.problems().is_empty() {
                return with_problems(&request, &console, &visitor, id, &form).await;
            }
            let preconditions = version(&form)?;
            console.lifecycle.edit(id, edit, preconditions, caller, now).await.map_err(outage)?
        }
        "disable" | "enable" => {
            visitor.demand_fresh()?;
            let switch = Switch { enabled: action == "enable", reason: form.parsed("reason") };
            if !form.problems().is_empty() {
                return with_problems(&request, &console, &visitor, id, &form).await;
            }
            console.lifecycle.switch(id, switch, Preconditions::default(), caller, now).await.map_err(outage)?
        }
        "revoke" => {
            visitor.demand_fresh()?;
            let reason = form.parsed("reason");
            if !form.problems().is_empty() {
                return with_problems(&request, &console, &visitor, id, &form).await;
            }
            console.lifecycle.revoke(id, reason, caller, now).await.map_err(outage)?
        }
        "credits" | "remove_credits" => {
            visitor.demand_fresh()?;
            let asked = (action == "credits").then(|| credits::asked(&mut form));
            if !form.problems().is_empty() {
                return with_problems(&request, &console, &visitor, id, &form).await;
            }
            let edit = Edit { credits: Some(asked), ..Edit::default() };
            console.lifecycle.edit(id, edit, version(&form)?, caller, now).await.map_err(outage)?
        }
        "top_up" => {
            visitor.demand_fresh()?;
            let (top_up, reason) = credits::top_up(&mut form);
            let Some(top_up) = top_up.filter(|_| form.problems().is_empty()) else {
                return with_problems(&request, &console, &visitor, id, &form).await;
            };
            let order = KeyTopUp { id, top_up, reason, once: form.once(&request, &body, &visitor) };
            console.lifecycle.top_up(order, caller, now).await.map_err(outage)?
        }
        "rotate" => {
            visitor.demand_fresh()?;
            let repeatable = form.once(&request, &body, &visitor);
            return rotate(&request, &console, &visitor, id, &mut form, repeatable, now).await;
        }
        _ => return Err(Fault::NotFound),
    };
    match changed {
        Ok(ChangedKey { propagated, .. }) => {
            let done = match action.as_str() {
                "top_up" => Done::ToppedUp,
                "disable" => Done::Disabled,
                "enable" => Done::Enabled,
                "revoke" => Done::Revoked,
                _ => Done::Edited,
            };
            let notice = Notice::propagated(done, &propagated);
            Ok(visitor.go_to_telling(&format!("{}/{id}", area.path()), &notice))
        }
        Err(refused) => refused_page(&request, &console, &visitor, id, &mut form, &refused).await,
    }
}

async fn rotate(
    request: &HttpRequest,
    console: &Console,
    visitor: &Visitor,
    id: KeyId,
    form: &mut Form,
    repeatable: Option<IdempotentRequest>,
    now: OffsetDateTime,
) -> Answer {
    let caller = visitor.caller(Area::of(request))?;
    let outage = |error| Fault::outage(request, &error);
    if let Some(repeatable) = repeatable.clone() {
        let before = console.issuer.rotated_before(id, repeatable, caller.clone(), now).await;
        match before.map_err(outage)? {
            Ok(Some(before)) => return Ok(made(request, console, visitor, before.new, Some(&before.old), now)),
            Ok(None) => {}
            Err(refused) => return refused_page(request, console, visitor, id, form, &refused).await,
        }
    }
    let seconds = form.text("grace").and_then(|text| text.parse().ok()).filter(|seconds| GRACE.contains(seconds));
    let grace_period = seconds.map(Duration::from_secs);
    if grace_period.is_none() {
        form.problem("grace", EN.no_grace);
        return with_problems(request, console, visitor, id, form).await;
    }
    let preconditions = Preconditions::default();
    let rotation = Rotation { id, grace_period, expiry: None, preconditions, request: repeatable };
    match console.issuer.rotate(rotation, caller, now).await.map_err(outage)? {
        Ok(rotated) => Ok(made(request, console, visitor, rotated.new, Some(&rotated.old), now)),
        Err(refused) => refused_page(request, console, visitor, id, form, &refused).await,
    }
}

/// The version that the form was made from: a change that somebody else has made meanwhile is not undone.
fn version(form: &Form) -> Result<Preconditions, Fault> {
    let version: Option<NonZeroI64> = form.text("version").and_then(|text| text.parse().ok());
    version.map(Preconditions::on_version).ok_or_else(|| Fault::Refused(EN.changed_meanwhile.to_owned()))
}

async fn refused_page(
    request: &HttpRequest,
    console: &Console,
    visitor: &Visitor,
    id: KeyId,
    form: &mut Form,
    refused: &Refusal,
) -> Answer {
    if *refused == Refusal::NotFound {
        return Err(Fault::NotFound);
    }
    if form.text("action") == Some("edit") {
        complain(form, refused);
    } else {
        // The other forms have no field for what a key is.
        form.problem("form", refusal(refused));
    }
    with_problems(request, console, visitor, id, form).await
}

async fn with_problems(request: &HttpRequest, console: &Console, visitor: &Visitor, id: KeyId, form: &Form) -> Answer {
    page(request, console, visitor, id, Some(form)).await
}
