//! Owners of keys, for administrators.

use actix_web::{
    HttpRequest,
    http::StatusCode,
    web::{Bytes, Data},
};
use askama::Template;
use time::OffsetDateTime;

use super::{
    access::{
        form::{Form, Problems},
        notice::{Done, Notice},
        visitor::{Area, Visitor},
    },
    fault::{Answer, Fault, shown},
    frame::{Frame, When, next_page, render},
    keys::{credits, owner_name},
    services::Console,
    texts::EN,
};
use crate::domain::{
    ledger::OwnerSwitch,
    listing::{Listed, OwnerFilter, OwnerStanding, Page, cursor},
    owner::Owner,
    owner_id,
};

/// The number of owners on a page.
const ON_A_PAGE: u32 = 50;
/// The name that this list's cursors are sealed with.
const LIST: &str = "console owners";

struct Row {
    id: String,
    name: String,
    plan: Option<String>,
    disabled: Option<When>,
    reason: Option<String>,
    active: u32,
    others: u32,
    is_complete: bool,
}

impl From<&OwnerStanding> for Row {
    fn from(standing: &OwnerStanding) -> Self {
        let keys = &standing.keys;
        Self {
            id: owner_id::write(&standing.owner),
            name: owner_name(&standing.owner),
            plan: standing.plan.as_ref().map(|assigned| assigned.plan.to_string()),
            disabled: standing.disabled.as_ref().map(|disabled| disabled.at.into()),
            reason: standing.disabled.as_ref().and_then(|disabled| Some(disabled.reason.as_ref()?.as_str().to_owned())),
            active: keys.active,
            others: keys.disabled + keys.expired + keys.revoked,
            is_complete: keys.complete,
        }
    }
}

#[derive(Template)]
#[template(path = "owners.html")]
struct OwnersPage {
    frame: Frame,
    owners: Vec<Row>,
    search: String,
    /// What is wrong with the conditions.
    wrong: Problems,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "owner.html")]
struct OwnerPage {
    frame: Frame,
    owner: Row,
    limits: Vec<String>,
    credits: Option<String>,
    /// What is wrong with the form that was sent.
    wrong: Problems,
}

/// `GET /console/owners`
pub(super) async fn list(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    visitor.demand_administrator()?;
    let mut query = Form::of_query(&request);
    let filter =
        OwnerFilter { disabled: query.parsed("disabled"), search: query.parsed("search"), plan: query.parsed("plan") };
    let keyring = &console.issuer.keyring;
    let after = query.text("cursor").and_then(|text| cursor::read(keyring, LIST, text));
    let page = Page { after, limit: ON_A_PAGE };
    let complaint = query.complaint();
    let listed = match complaint {
        Some(_) => Listed::none(),
        None => {
            let listed = console.ledger.owners(&filter, &page, OffsetDateTime::now_utc()).await;
            listed.map_err(|error| Fault::outage(&request, &error))?
        }
    };
    let next = listed.next.as_ref().map(|place| next_page(&request, keyring, LIST, place));
    let owners = listed.items.iter().map(Row::from).collect();
    let frame = visitor.frame("owners", EN.owners).telling(complaint);
    let (search, wrong) = (query.shown("search"), query.problems().clone());
    shown(&OwnersPage { frame, owners, search, wrong, next })
}

/// `GET /console/owners/one?id=…`
pub(super) async fn show(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    page(&request, &console, &visitor, Problems::default(), StatusCode::OK).await
}

/// The page of an owner. `wrong`: what is wrong with the form that it has sent.
async fn page(
    request: &HttpRequest,
    console: &Console,
    visitor: &Visitor,
    wrong: Problems,
    status: StatusCode,
) -> Answer {
    visitor.demand_administrator()?;
    let query = Form::of_query(request);
    let owner = asked(&query)?;
    let outage = |error| Fault::outage(request, &error);
    let standing = console.ledger.owner(&owner, OffsetDateTime::now_utc()).await.map_err(outage)?;
    let allowance = console.ledger.owner_limits(&owner).await.map_err(outage)?;
    let owner = Row::from(&standing.unwrap_or_else(|| OwnerStanding::without_keys(owner)));
    let credits = allowance.credits.as_ref().map(credits);
    let limits = allowance.limits.as_slice().iter().map(ToString::to_string).collect();
    let frame = visitor.frame("owners", owner.name.clone()).telling(visitor.told());
    Ok(render(status, &OwnerPage { frame, owner, limits, credits, wrong }))
}

/// `POST /console/owners/one?id=…`: disables or enables an owner.
pub(super) async fn switch(request: HttpRequest, console: Data<Console>, visitor: Visitor, body: Bytes) -> Answer {
    let mut form = Form::of(&request, &body, &visitor)?;
    visitor.demand_fresh()?;
    let caller = visitor.caller(Area::All)?;
    let owner = asked(&Form::of_query(&request))?;
    let disabled = match form.text("action") {
        Some("disable") => true,
        Some("enable") => false,
        _ => return Err(Fault::NotFound),
    };
    let id = owner_id::write(&owner);
    let switch = OwnerSwitch { owner, disabled, reason: form.parsed("reason"), at: OffsetDateTime::now_utc() };
    if !form.problems().is_empty() {
        return page(&request, &console, &visitor, form.problems().clone(), StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    let switched = console.lifecycle.switch_owner(switch, caller.reach, caller.author).await;
    let switched = switched.map_err(|error| Fault::outage(&request, &error))?;
    let done = if disabled { Done::OwnerDisabled } else { Done::OwnerEnabled };
    let notice = Notice::propagated(done, &switched.propagated);
    Ok(visitor.go_to_telling(&format!("/console/owners/one?id={id}"), &notice))
}

fn asked(query: &Form) -> Result<Owner, Fault> {
    query.text("id").and_then(owner_id::read).ok_or(Fault::NotFound)
}
