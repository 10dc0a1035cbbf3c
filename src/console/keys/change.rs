//! What is done to one key.

use std::time::Duration;

use actix_web::{
    HttpRequest,
    web::{Bytes, Data, Path},
};
use futures_util::future::LocalBoxFuture;
use time::OffsetDateTime;

use super::{
    create::made,
    fields,
    one::{key_id, page},
    view::{complain, refusal},
};
use crate::{
    auth::lifecycle::{self, Applied, Caller, Edit, KeyTopUp, Rotation, Switch},
    console::{
        access::{
            form::Form,
            notice::{Done, Notice},
            visitor::{Area, Visitor},
        },
        allowance::credits,
        fault::{Answer, Fault},
        services::Console,
        texts::WHY_NOT,
    },
    domain::{api_key::KeyId, key_record::ManagedKey, ledger::Refusal, precondition::Preconditions},
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
    if action != "edit" {
        visitor.demand_fresh()?;
    }
    let (lifecycle, once) = (&console.lifecycle, form.once(&request, &body, &visitor));
    // What is to be done if nothing is wrong with the form.
    let (done, change): (Done, LocalBoxFuture<'_, lifecycle::Done<Applied<ManagedKey>>>) = match action.as_str() {
        "edit" => {
            let edit = fields::edit(&mut form, now);
            // Read before the change, which is refused if the key is another one by then.
            let key = console.ledger.show(id, &caller.reach).await;
            let key = key.map_err(|error| Fault::outage(&request, &error))?;
            if form.problems().is_empty() && key.is_some_and(|key| edit.widens(&key, &caller)) {
                visitor.demand_fresh()?;
            }
            (Done::Edited, Box::pin(lifecycle.edit(id, edit, form.version()?, caller, now)))
        }
        "disable" | "enable" => {
            let switch = Switch { enabled: action == "enable", reason: form.parsed("reason") };
            let done = if switch.enabled { Done::Enabled } else { Done::Disabled };
            (done, Box::pin(lifecycle.switch(id, switch, Preconditions::default(), caller, now)))
        }
        "revoke" => (Done::Revoked, Box::pin(lifecycle.revoke(id, form.parsed("reason"), caller, now))),
        "credits" | "remove_credits" => {
            let asked = (action == "credits").then(|| credits::asked(&mut form));
            let edit = Edit { credits: Some(asked), ..Edit::default() };
            (Done::Edited, Box::pin(lifecycle.edit(id, edit, form.version()?, caller, now)))
        }
        "top_up" => {
            let (top_up, granted, reason) = credits::top_up(&mut form);
            let Some(top_up) = top_up else { return page(&request, &console, &visitor, id, Some(&form)).await };
            let order = KeyTopUp { id, top_up, granted, reason, once };
            (Done::ToppedUp, Box::pin(lifecycle.top_up(order, caller, now)))
        }
        "rotate" => {
            let grace = form.text("grace").and_then(|text| text.parse().ok()).filter(|grace| GRACE.contains(grace));
            let Some(grace) = grace else {
                form.problem("grace", WHY_NOT.no_grace);
                return page(&request, &console, &visitor, id, Some(&form)).await;
            };
            let (grace_period, preconditions) = (Some(Duration::from_secs(grace)), Preconditions::default());
            let rotation = Rotation { id, grace_period, expiry: None, preconditions, request: once };
            return rotate(&request, &console, &visitor, &mut form, rotation, caller, now).await;
        }
        _ => return Err(Fault::NotFound),
    };
    if !form.problems().is_empty() {
        return page(&request, &console, &visitor, id, Some(&form)).await;
    }
    match change.await.map_err(|error| Fault::outage(&request, &error))? {
        Ok(Applied { propagated, .. }) => {
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
    form: &mut Form,
    rotation: Rotation,
    caller: Caller,
    now: OffsetDateTime,
) -> Answer {
    let (id, outage) = (rotation.id, |error| Fault::outage(request, &error));
    if let Some(repeatable) = rotation.request.clone() {
        let before = console.issuer.rotated_before(id, repeatable, caller.clone(), now).await;
        match before.map_err(outage)? {
            Ok(Some(before)) => return Ok(made(request, console, visitor, before.new, Some(&before.old), now)),
            Ok(None) => {}
            Err(refused) => return refused_page(request, console, visitor, id, form, &refused).await,
        }
    }
    match console.issuer.rotate(rotation, caller, now).await.map_err(outage)? {
        Ok(rotated) => Ok(made(request, console, visitor, rotated.new, Some(&rotated.old), now)),
        Err(refused) => refused_page(request, console, visitor, id, form, &refused).await,
    }
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
    page(request, console, visitor, id, Some(form)).await
}
