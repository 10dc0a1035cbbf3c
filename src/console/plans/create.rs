//! A new plan.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data},
};
use time::OffsetDateTime;

use super::{
    fields,
    one::{PlanPage, saved},
    view::complain_of_plan,
};
use crate::{
    console::{
        access::{
            fields::Fields,
            form::Form,
            visitor::{Area, Visitor},
        },
        fault::{Answer, Fault},
        frame::render,
        services::Console,
        texts::{EN, WHY_NOT},
    },
    domain::{
        ledger::Refusal,
        plan_changes::PlanRefusal,
        precondition::{Preconditions, Versions},
    },
};

/// `GET /console/plans/new`
pub(in crate::console) async fn ask(visitor: Visitor) -> Answer {
    visitor.demand_administrator()?;
    // Now, because what is typed before signing in again would be lost.
    visitor.demand_fresh()?;
    Ok(asked(&visitor, &Form::filled(Vec::new())))
}

fn asked(visitor: &Visitor, values: &Form) -> HttpResponse {
    let fields = Fields::of(values);
    let frame = visitor.frame("plans", EN.new_plan).of_mistakes(fields.mistakes());
    render(fields.status(), &PlanPage { frame, fields, plan: None })
}

/// `POST /console/plans`: makes a plan, and leaves one that there is already as it is.
pub(in crate::console) async fn create(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    body: Bytes,
) -> Answer {
    let mut form = Form::of(&request, &body, &visitor)?;
    let caller = visitor.caller(Area::All)?;
    visitor.demand_fresh()?;
    let refuse = |form: &Form| Ok(asked(&visitor, form));
    if form.text("name").is_none() {
        form.problem("name", EN.name_of_plan);
    }
    let Some(name) = form.parsed("name") else { return refuse(&form) };
    let none_yet = Preconditions { only: None, not: Some(Versions::Any) };
    let change = fields::change(&mut form, name, none_yet, OffsetDateTime::now_utc());
    if !form.problems().is_empty() {
        return refuse(&form);
    }
    let changed = console.lifecycle.change_plan(change, caller).await;
    match changed.map_err(|error| Fault::outage(&request, &error))? {
        Ok(changed) => Ok(saved(&visitor, &changed)),
        Err(refused) => {
            match refused {
                PlanRefusal::Refused(Refusal::PreconditionFailed) => form.problem("name", WHY_NOT.plan_is_there),
                refused => complain_of_plan(&mut form, &refused),
            }
            refuse(&form)
        }
    }
}
