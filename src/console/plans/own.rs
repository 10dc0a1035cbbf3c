//! What whoever is signed in is given: their plan, and the limits and credits that all of their keys share.

use actix_web::{HttpRequest, web::Data};
use askama::Template;

use super::view::PlanView;
use crate::console::{
    access::visitor::{Area, Visitor},
    allowance::{
        credits::CreditsView,
        limits::{self, LimitView},
    },
    fault::{Answer, Fault, shown},
    frame::Frame,
    services::Console,
    texts::EN,
};

#[derive(Template)]
#[template(path = "plans/own.html")]
struct OwnPlanPage {
    frame: Frame,
    plan: Option<PlanView>,
    limits: Vec<LimitView>,
    credits: Option<CreditsView>,
}

/// `GET /console/plan`
pub(in crate::console) async fn show_own(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    let owner = &visitor.session.person.owner;
    let reach = visitor.caller(Area::Own)?.reach;
    let outage = |error| Fault::outage(&request, &error);
    let allotment = console.plans.allotment(owner, &reach).await.map_err(outage)?;
    shown(&OwnPlanPage {
        frame: visitor.frame("plan", EN.your_plan),
        plan: allotment.plan.as_ref().map(|(plan, _)| plan.into()),
        limits: limits::of_owner(&request, &console, owner, &allotment.limits).await?,
        credits: allotment.credits.as_ref().map(CreditsView::from),
    })
}
