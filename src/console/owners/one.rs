//! An owner's page.

use actix_web::{HttpRequest, web::Data};
use askama::Template;
use time::OffsetDateTime;

use super::list::OwnerView;
use crate::{
    console::{
        access::{
            fields::Fields,
            form::{Form, new_once},
            visitor::Visitor,
        },
        allowance::{
            credits::{self, CreditsView},
            limits::{self, LimitView},
        },
        fault::{Answer, Fault},
        frame::{Frame, render},
        keys::{Event, KeyNames},
        services::Console,
    },
    domain::{
        ledger::Reach,
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
#[template(path = "owners/one.html")]
struct OwnerPage<'a> {
    frame: Frame,
    owner: OwnerView,
    /// All limits that bind the owner, with those of the plan.
    limits: Vec<LimitView>,
    credits: Option<CreditsView>,
    /// The names of plans.
    plans: Vec<String>,
    /// Makes repeating a top-up harmless.
    once: String,
    events: Vec<Event>,
    is_all: bool,
    fields: Fields<'a>,
}

/// `GET /console/owners/one?id=…`
pub(in crate::console) async fn show(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    visitor.demand_administrator()?;
    page(&request, &console, &visitor, &asked(&request)?, None).await
}

/// The owner whom the address names.
pub(super) fn asked(request: &HttpRequest) -> Result<Owner, Fault> {
    Form::of_query(request).text("id").and_then(owner_id::read).ok_or(Fault::NotFound)
}

/// The page of an owner. `sent`: the form that it has sent and that can't be done.
pub(super) async fn page(
    request: &HttpRequest,
    console: &Console,
    visitor: &Visitor,
    owner: &Owner,
    sent: Option<&Form>,
) -> Answer {
    let (outage, now) = (|error| Fault::outage(request, &error), OffsetDateTime::now_utc());
    let standing = console.ledger.owner(owner, now).await.map_err(outage)?;
    let own = console.ledger.owner_limits(owner).await.map_err(outage)?;
    let allotment = console.plans.allotment(owner, &Reach::Any).await.map_err(outage)?;
    let plans = console.plans.plans(&Page { after: None, limit: OFFERED }).await.map_err(outage)?;
    let filter = EventFilter { owner: Some(owner.clone()), ..EventFilter::default() };
    let events = console.ledger.events(&filter, &Page { after: None, limit: EVENTS }, &Reach::Any).await;
    let events: Vec<Event> = events.map_err(outage)?.items.into_iter().map(Event::new).collect();
    let names = KeyNames::of(request, console, events.iter().filter_map(|event| event.key_id), &Reach::Any).await?;
    let standing = standing.unwrap_or_else(|| OwnerStanding {
        plan: allotment.plan.as_ref().map(|(plan, by)| AssignedPlan { plan: plan.name.clone(), by: *by }),
        ..OwnerStanding::without_keys(owner.clone())
    });
    let row = OwnerView::from(&standing);
    let mut given = credits::fields(own.credits.as_ref().map(|credits| &credits.rules));
    given.extend([
        ("version", own.version().to_string()),
        ("limits", limits::line(&own.limits)),
        ("plan", row.plan.clone().unwrap_or_default()),
        ("plan_before", row.plan.clone().unwrap_or_default()),
    ]);
    given.extend(own.credits.as_ref().map(|credits| ("granted", credits.granted.to_string())));
    let given = Form::filled(given);
    let fields = Fields::new(&given, sent);
    let page = OwnerPage {
        frame: visitor.frame("owners", row.name.full.clone()).of_mistakes(fields.mistakes()),
        limits: limits::of_owner(request, console, owner, &allotment.limits).await?,
        credits: own.credits.as_ref().map(CreditsView::from),
        plans: plans.items.iter().map(|plan| plan.name.to_string()).collect(),
        once: new_once(),
        events: events.into_iter().map(|event| event.with_name(&names)).collect(),
        is_all: true,
        owner: row,
        fields,
    };
    Ok(render(page.fields.status(), &page))
}
