//! A plan, and what is done to it.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data},
};
use askama::Template;
use time::OffsetDateTime;

use super::{
    fields,
    list::{COUNTED, Owners},
    view::{PlanView, complain_of_plan},
};
use crate::{
    auth::lifecycle::Applied,
    console::{
        access::{
            fields::Fields,
            form::Form,
            notice::{Done, Notice},
            visitor::{Area, Visitor},
        },
        fault::{Answer, Fault},
        frame::{Frame, render},
        services::Console,
    },
    domain::{
        plan::PlanName,
        plan_changes::{PlanChanged, PlanDeletion, PlanRefusal},
    },
};

/// The page of a plan, or of a new one.
#[derive(Template)]
#[template(path = "plans/one.html")]
pub(super) struct PlanPage<'a> {
    pub(super) frame: Frame,
    pub(super) fields: Fields<'a>,
    /// The plan, and how many owners are on it.
    pub(super) plan: Option<(PlanView, Owners)>,
}

/// The address of a plan's page. In a query, because a plan may be called `..` or `new`.
fn address(plan: &PlanName) -> String {
    format!("/console/plans/one?name={plan}")
}

/// To the page of a plan that was saved.
pub(super) fn saved(visitor: &Visitor, changed: &Applied<PlanChanged>) -> HttpResponse {
    let notice = Notice::propagated(Done::Edited, &changed.propagated);
    visitor.go_to_telling(&address(&changed.outcome.plan.name), &notice)
}

/// `GET /console/plans/one?name=…`
pub(in crate::console) async fn show(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    visitor.demand_administrator()?;
    page(&request, &console, &visitor, named(&request)?, None).await
}

/// The plan that the address names.
fn named(request: &HttpRequest) -> Result<PlanName, Fault> {
    Form::of_query(request).text("name").and_then(|name| name.parse().ok()).ok_or(Fault::NotFound)
}

/// The page of a plan. `sent`: the form that it has sent and that can't be done.
async fn page(
    request: &HttpRequest,
    console: &Console,
    visitor: &Visitor,
    name: PlanName,
    sent: Option<&Form>,
) -> Answer {
    let outage = |error| Fault::outage(request, &error);
    let plan = console.plans.plan(&name).await.map_err(outage)?.ok_or(Fault::NotFound)?;
    let owners = console.plans.owners_on(std::slice::from_ref(&name), COUNTED).await.map_err(outage)?;
    let owners = owners.first().copied().unwrap_or_default().into();
    let given = fields::filled(&plan);
    let fields = Fields::new(&given, sent);
    let frame = visitor.frame("plans", name.to_string()).of_mistakes(fields.mistakes());
    Ok(render(fields.status(), &PlanPage { frame, fields, plan: Some((PlanView::from(&plan), owners)) }))
}

/// `POST /console/plans/one?name=…`: saves or deletes a plan that is still as it was shown.
pub(in crate::console) async fn change(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    body: Bytes,
) -> Answer {
    let mut form = Form::of(&request, &body, &visitor)?;
    let caller = visitor.caller(Area::All)?;
    visitor.demand_fresh()?;
    let (name, at) = (named(&request)?, OffsetDateTime::now_utc());
    let preconditions = form.version()?;
    let outage = |error| Fault::outage(&request, &error);
    let refused = match form.text("action") {
        Some("save") => {
            let change = fields::change(&mut form, name.clone(), preconditions, at);
            if !form.problems().is_empty() {
                return page(&request, &console, &visitor, name, Some(&form)).await;
            }
            match console.lifecycle.change_plan(change, caller).await.map_err(outage)? {
                Ok(changed) => return Ok(saved(&visitor, &changed)),
                Err(refused) => refused,
            }
        }
        Some("delete") => {
            let deletion = PlanDeletion { name: name.clone(), preconditions, at };
            match console.lifecycle.delete_plan(deletion, caller).await.map_err(outage)? {
                // A second click finds none, and that is what was wanted.
                Ok(()) | Err(PlanRefusal::NotFound) => {
                    return Ok(visitor.go_to_telling("/console/plans", &Notice::of(Done::PlanDeleted)));
                }
                Err(refused) => refused,
            }
        }
        _ => return Err(Fault::NotFound),
    };
    if refused == PlanRefusal::NotFound {
        return Err(Fault::NotFound);
    }
    complain_of_plan(&mut form, &refused);
    page(&request, &console, &visitor, name, Some(&form)).await
}
