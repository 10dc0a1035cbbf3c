//! All plans.

use actix_web::{HttpRequest, web::Data};
use askama::Template;

use super::view::PlanView;
use crate::{
    console::{
        access::{form::Form, paging::Paging, visitor::Visitor},
        fault::{Answer, Fault, shown},
        frame::Frame,
        services::Console,
        texts::EN,
    },
    domain::plan::PlanName,
};

/// The number of plans on a page.
const ON_A_PAGE: u32 = 50;
/// How many owners of a plan are counted: enough to tell a plan of few from one of many, and so few that the counts of
/// a whole page take some milliseconds.
pub(super) const COUNTED: u32 = 1_000;
/// The name that this list's cursors are sealed with.
const LIST: &str = "console plans";

#[derive(Template)]
#[template(path = "plans/list.html")]
struct PlansPage {
    frame: Frame,
    plans: Vec<Row>,
    next: Option<String>,
}

struct Row {
    plan: PlanView,
    owners: Owners,
}

/// How many owners are on a plan.
pub(super) struct Owners {
    pub(super) count: u32,
    /// Whether there may be more.
    pub(super) is_more: bool,
}

impl From<u32> for Owners {
    fn from(count: u32) -> Self {
        Self { count, is_more: count >= COUNTED }
    }
}

/// `GET /console/plans`
pub(in crate::console) async fn list(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    visitor.demand_administrator()?;
    let query = Form::of_query(&request);
    let paging = Paging::of(&request, &console, LIST, ON_A_PAGE);
    let (plans, next) = paging.found(&query, console.plans.plans(&paging.page)).await?;
    let names: Vec<PlanName> = plans.iter().map(|plan| plan.name.clone()).collect();
    let owners = console.plans.owners_on(&names, COUNTED).await;
    let owners = owners.map_err(|error| Fault::outage(&request, &error))?;
    let rows = plans.iter().zip(owners);
    let plans = rows.map(|(plan, owners)| Row { plan: plan.into(), owners: owners.into() }).collect();
    shown(&PlansPage { frame: visitor.frame("plans", EN.plans), plans, next })
}
