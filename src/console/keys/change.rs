//! What is done to one key.

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
    rotation::GracePeriod,
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
    domain::{
        api_key::KeyId,
        key_record::ManagedKey,
        ledger::{IdempotentRequest, Refusal},
        limits::{AskedLimits, Limit},
        precondition::Preconditions,
    },
};

/// What is done to the key if nothing is wrong with the form, and what the page says afterwards.
type Change<'a> = LocalBoxFuture<'a, lifecycle::Done<Notice>>;

/// Somebody who asks for something to be done to a key.
struct Asking<'a> {
    request: &'a HttpRequest,
    console: &'a Console,
    visitor: &'a Visitor,
    id: KeyId,
    caller: Caller,
    /// Makes repeating it harmless.
    once: Option<IdempotentRequest>,
    now: OffsetDateTime,
}

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
    let once = form.once(&request, &body, &visitor);
    let asking = Asking { request: &request, console: &console, visitor: &visitor, id, caller, once, now };
    let change = match action.as_str() {
        "edit" => Some(asking.edit(&mut form).await?),
        "disable" | "enable" => Some(asking.switch(&mut form, action == "enable")),
        "revoke" => Some(asking.revoke(&mut form)),
        "credits" | "remove_credits" => Some(asking.give_credits(&mut form, action == "credits")?),
        "top_up" => asking.top_up(&mut form),
        "rotate" => return asking.rotate(&mut form).await,
        _ => return Err(Fault::NotFound),
    };
    let Some(change) = change.filter(|_| form.problems().is_empty()) else {
        return page(&request, &console, &visitor, id, Some(&form)).await;
    };
    match change.await.map_err(|error| Fault::outage(&request, &error))? {
        Ok(notice) => Ok(visitor.go_to_telling(&format!("{}/{id}", area.path()), &notice)),
        Err(refused) => refused_page(&request, &console, &visitor, id, &mut form, &refused).await,
    }
}

/// The change, and what has been done then.
fn telling<'a, T>(
    change: impl Future<Output = lifecycle::Done<Applied<T>>> + 'a,
    done: impl FnOnce(&T) -> Done + 'a,
) -> Change<'a> {
    Box::pin(async move {
        let changed = change.await?;
        Ok(changed.map(|Applied { outcome, propagated }| Notice::propagated(done(&outcome), &propagated)))
    })
}

/// Whether the key has limits that the form does not name.
fn has_others(key: &ManagedKey, asked: &AskedLimits) -> bool {
    let is_asked = |limit: &Limit| asked.iter().any(|one| one.limit.name == limit.name);
    key.record.limits.as_slice().iter().any(|limit| !is_asked(limit))
}

impl<'a> Asking<'a> {
    async fn edit(self, form: &mut Form) -> Result<Change<'a>, Fault> {
        let Self { request, console, visitor, id, caller, now, .. } = self;
        let edit = fields::edit(form, now);
        // Read before the change, which is refused if the key is another one by then.
        let key = console.ledger.show(id, &caller.reach).await.map_err(|error| Fault::outage(request, &error))?;
        if form.problems().is_empty() && key.is_some_and(|key| edit.widens(&key, &caller)) {
            visitor.demand_fresh()?;
        }
        let asked = edit.limits.clone();
        Ok(telling(console.lifecycle.edit(id, edit, form.version()?, caller, now), move |key| {
            if asked.is_some_and(|asked| has_others(key, &asked)) { Done::LimitsStay } else { Done::Edited }
        }))
    }

    fn switch(self, form: &mut Form, enabled: bool) -> Change<'a> {
        let switch = Switch { enabled, reason: form.parsed("reason") };
        let done = if enabled { Done::Enabled } else { Done::Disabled };
        let lifecycle = &self.console.lifecycle;
        telling(lifecycle.switch(self.id, switch, Preconditions::default(), self.caller, self.now), move |_| done)
    }

    fn revoke(self, form: &mut Form) -> Change<'a> {
        let lifecycle = &self.console.lifecycle;
        telling(lifecycle.revoke(self.id, form.parsed("reason"), self.caller, self.now), |_| Done::Revoked)
    }

    /// Gives the key the credits of the form, or none.
    fn give_credits(self, form: &mut Form, any: bool) -> Result<Change<'a>, Fault> {
        let edit = Edit { credits: Some(any.then(|| credits::asked(form))), ..Edit::default() };
        let lifecycle = &self.console.lifecycle;
        Ok(telling(lifecycle.edit(self.id, edit, form.version()?, self.caller, self.now), |_| Done::Edited))
    }

    /// `None`, if the form does not say by how much.
    fn top_up(self, form: &mut Form) -> Option<Change<'a>> {
        let (top_up, granted, reason) = credits::top_up(form);
        let key_top_up = KeyTopUp { id: self.id, top_up: top_up?, granted, reason, once: self.once };
        Some(telling(self.console.lifecycle.top_up(key_top_up, self.caller, self.now), |_| Done::ToppedUp))
    }

    /// Rotates the key, and shows its successor.
    async fn rotate(self, form: &mut Form) -> Answer {
        let Self { request, console, visitor, id, caller, once, now } = self;
        let outage = |error| Fault::outage(request, &error);
        let grace_period = form.text("grace").and_then(GracePeriod::parse);
        let Some(grace_period) = grace_period else {
            form.problem("grace", WHY_NOT.no_grace);
            return page(request, console, visitor, id, Some(form)).await;
        };
        if let Some(repeatable) = once.clone() {
            match console.issuer.rotated_before(id, repeatable, caller.clone(), now).await.map_err(outage)? {
                Ok(Some(before)) => return Ok(made(request, console, visitor, before.new, Some(&before.old), now)),
                Ok(None) => {}
                Err(refused) => return refused_page(request, console, visitor, id, form, &refused).await,
            }
        }
        let (grace_period, preconditions) = (Some(grace_period), Preconditions::default());
        let rotation = Rotation { id, grace_period, expiry: None, preconditions, request: once };
        match console.issuer.rotate(rotation, caller, now).await.map_err(outage)? {
            Ok(rotated) => Ok(made(request, console, visitor, rotated.new, Some(&rotated.old), now)),
            Err(refused) => refused_page(request, console, visitor, id, form, &refused).await,
        }
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
    } else if let (Refusal::TooManyKeys { most, plan }, Some("rotate")) = (refused, form.text("action")) {
        // While an old key goes on, twice as many are allowed: the number that people know is that of the plan.
        let refused = refusal(&Refusal::TooManyKeys { most: most / 2, plan: plan.clone() });
        form.problem("form", format!("{refused}. {}", WHY_NOT.twice_while_rotating));
    } else {
        // The other forms have no field for what a key is.
        form.problem("form", refusal(refused));
    }
    page(request, console, visitor, id, Some(form)).await
}
