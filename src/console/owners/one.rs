//! An owner's page.

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use askama::Template;
use time::OffsetDateTime;

use super::list::Row;
use crate::{
    console::{
        access::{
            form::{Form, new_once},
            visitor::Visitor,
        },
        allowance::{
            credits::{self, CreditsView},
            limits::{self, LimitView, views},
        },
        confirmed,
        fault::{Answer, Fault},
        frame::{Frame, render},
        keys::Event,
        services::Console,
        texts::EN,
    },
    domain::{
        ledger::Reach,
        limits::Holder,
        listing::{EventFilter, OwnerStanding, Page},
        owner::Owner,
        owner_id,
        plan::AssignedPlan,
    },
};

/// The number of events that the page has.
const EVENTS: u32 = 10;
/// The number of plans that are offered; any other can be written.
const OFFERED: u32 = 100;

#[derive(Template)]
#[template(path = "owner.html")]
struct OwnerPage<'a> {
    frame: Frame,
    owner: Row,
    /// All limits that bind the owner, with those of the plan.
    limits: Vec<LimitView>,
    credits: Option<CreditsView>,
    /// The names of plans.
    plans: Vec<String>,
    /// The version of the owner's own limits and rules of credits.
    version: i64,
    /// Makes repeating a top-up harmless.
    once: String,
    events: Vec<Event>,
    is_all: bool,
    /// What the forms have: the owner's limits, or what was sent and refused.
    values: &'a Form,
}

impl OwnerPage<'_> {
    fn value(&self, name: &str) -> String {
        self.values.shown(name)
    }

    fn problem(&self, name: &str) -> Option<&str> {
        self.values.problem_of(name)
    }

    /// Whether one of these fields was refused, so that its form is shown open.
    fn is_wrong(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.problem(name).is_some())
    }
}

/// `GET /console/owners/one?id=…`
pub(in crate::console) async fn show(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    visitor.demand_administrator()?;
    let query = Form::of_query(&request);
    let told = query.text("done").and_then(|word| told(word, &query));
    page(&request, &console, &visitor, &asked(&request)?, None, told).await
}

fn told(word: &str, query: &Form) -> Option<String> {
    match word {
        "disable" => Some(EN.owner_disabled.to_owned()),
        "enable" => Some(EN.owner_enabled.to_owned()),
        "plan" | "limits" | "credits" => Some(confirmed::told(EN.edited, query)),
        "top_up" => Some(confirmed::told(EN.topped_up, query)),
        _ => None,
    }
}

/// The owner whom the address names.
pub(super) fn asked(request: &HttpRequest) -> Result<Owner, Fault> {
    Form::of_query(request).text("id").and_then(owner_id::read).ok_or(Fault::NotFound)
}

/// The page of an owner, with a form that was refused.
pub(super) async fn page(
    request: &HttpRequest,
    console: &Console,
    visitor: &Visitor,
    owner: &Owner,
    refused: Option<&Form>,
    told: Option<String>,
) -> Answer {
    let (outage, now) = (|error| Fault::outage(request, &error), OffsetDateTime::now_utc());
    let standing = console.ledger.owner(owner, now).await.map_err(outage)?;
    let own = console.ledger.owner_limits(owner).await.map_err(outage)?;
    let allotment = console.plans.allotment(owner, &Reach::Any).await.map_err(outage)?;
    let taken = console.reports.taken(Holder::of_owner(owner), &Reach::Any).await.map_err(outage)?;
    let plans = console.plans.plans(&Page { after: None, limit: OFFERED }).await.map_err(outage)?;
    let filter = EventFilter { owner: Some(owner.clone()), ..EventFilter::default() };
    let events = console.ledger.events(&filter, &Page { after: None, limit: EVENTS }, &Reach::Any).await;
    let standing = standing.unwrap_or_else(|| OwnerStanding {
        plan: allotment.plan.as_ref().map(|(plan, by)| AssignedPlan { plan: plan.name.clone(), by: *by }),
        ..OwnerStanding::without_keys(owner.clone())
    });
    let row = Row::from(&standing);
    let mut filled = credits::fields(own.credits.as_ref().map(|credits| &credits.rules));
    filled.push(("limits", limits::line(&own.limits)));
    filled.push(("plan", row.plan.clone().unwrap_or_default()));
    let filled = Form::filled(filled);
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = OwnerPage {
        frame: visitor.frame("owners", row.name.clone()).telling(told),
        limits: views(&allotment.limits, &taken, now),
        credits: own.credits.as_ref().map(CreditsView::from),
        plans: plans.items.iter().map(|plan| plan.name.to_string()).collect(),
        version: own.version().get(),
        once: new_once(),
        events: events.map_err(outage)?.items.iter().map(Event::from).collect(),
        is_all: true,
        owner: row,
        values: refused.unwrap_or(&filled),
    };
    Ok(render(status, &page))
}
