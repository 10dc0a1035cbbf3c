//! One key.

use std::collections::BTreeSet;

use actix_web::{
    HttpRequest,
    web::{Data, Path},
};
use askama::Template;
use time::OffsetDateTime;

use super::{
    expiry::ExpiryChoice,
    fields,
    rotation::{GracePeriod, Rotation},
    scopes::ScopeChoice,
    view::{Event, KeyView},
};
use crate::{
    console::{
        access::{
            fields::Fields,
            form::{Form, new_once},
            visitor::{Area, Visitor},
        },
        allowance::{
            credits::{self, CreditsView},
            limits::{self, LimitView},
        },
        chart::{Chart, granularity},
        fault::{Answer, Fault},
        frame::{Frame, render},
        services::Console,
        usage,
    },
    domain::{
        api_key::KeyId,
        listing::{EventFilter, Page},
        usage::{UsageFilter, UsageQuery},
    },
};

/// The number of events that the page of a key has.
const EVENTS: u32 = 20;

#[derive(Template)]
#[template(path = "keys/one.html")]
struct KeyPage<'a> {
    frame: Frame,
    area: &'static str,
    is_all: bool,
    key: KeyView,
    limits: Vec<LimitView>,
    credits: Option<CreditsView>,
    /// What is left of the credits that all keys of the owner share.
    shared_credits: Option<u64>,
    /// Whether whoever is signed in may change the credits.
    may_give: bool,
    rotation: Option<Rotation>,
    grace_periods: Vec<GracePeriod>,
    chart: Chart,
    events: Vec<Event>,
    /// What the form for changes offers.
    scopes: ScopeChoice,
    expiry: ExpiryChoice,
    fields: Fields<'a>,
    /// Makes repeating the forms for rotations and for top-ups harmless. One of them is no repetition of the other.
    once_of_rotation: String,
    once: String,
    /// Whether the owner is disabled.
    is_disabled: bool,
}

/// `GET /console/keys/{id}`
pub(in crate::console) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    id: Path<String>,
) -> Answer {
    page(&request, &console, &visitor, key_id(&id)?, None).await
}

pub(super) fn key_id(text: &str) -> Result<KeyId, Fault> {
    text.parse().map_err(|_| Fault::NotFound)
}

/// The page of a key. `sent`: the form that it has sent and that can't be done.
pub(super) async fn page(
    request: &HttpRequest,
    console: &Console,
    visitor: &Visitor,
    id: KeyId,
    sent: Option<&Form>,
) -> Answer {
    let (area, now) = (Area::of(request), OffsetDateTime::now_utc());
    let caller = visitor.caller(area)?;
    let reach = &caller.reach;
    let outage = |error| Fault::outage(request, &error);
    let key = console.ledger.show(id, reach).await.map_err(outage)?.ok_or(Fault::NotFound)?;
    let owner = Some(key.record.owner.clone());
    let filter = EventFilter { owner: owner.clone(), key: Some(id), ..EventFilter::default() };
    let events = console.ledger.events(&filter, &Page { after: None, limit: EVENTS }, reach).await.map_err(outage)?;
    let events: Vec<Event> = events.items.into_iter().map(Event::new).collect();
    let period = usage::period(granularity(Form::of_query(request).text("by")), now);
    let counted = UsageFilter { key: Some(id), owner, ..UsageFilter::default() };
    let query = UsageQuery { period, filter: counted, groups: None };
    let report = usage::report(request, console, &query, reach).await;
    let offer = console.lifecycle.offer(Some(&key.record.owner), &caller).await;
    let offer = offer.map_err(|error| Fault::outage(request, &error))?;
    let allotment = console.plans.allotment(&key.record.owner, reach).await.map_err(outage)?;
    let given = fields::filled(&key);
    let fields = Fields::new(&given, sent);
    let has: BTreeSet<&str> = key.record.scopes.iter().collect();
    let chosen = fields.kept().filter(|sent| sent.has("scopes")).map_or_else(|| has.clone(), fields::chosen);
    let view = KeyView::new(&key, console.issuer.keyring.prefix(), now);
    let title = view.name.clone().unwrap_or_else(|| view.short.clone());
    let page = KeyPage {
        frame: visitor.frame(area.here(), title).of_mistakes(fields.mistakes()),
        area: area.path(),
        is_all: area == Area::All,
        key: view,
        limits: limits::of_key(request, console, &key, &allotment.limits).await?,
        credits: key.credits.as_ref().map(CreditsView::from),
        shared_credits: allotment.credits.map(|credits| credits.remaining),
        may_give: key.credits.as_ref().is_none_or(|credits| credits::may_change(credits, reach.role())),
        rotation: Rotation::of(request, console, &key, reach, now).await?,
        grace_periods: GracePeriod::up_to(console.lifecycle.policy.max_rotation_grace),
        chart: Chart::new(period, report?),
        events,
        scopes: ScopeChoice::new(&offer, &chosen, &has),
        expiry: ExpiryChoice::new(offer.longest_life, true, &fields.value("expiry")),
        fields,
        once_of_rotation: new_once(),
        once: new_once(),
        is_disabled: console.ledger.is_disabled(&key.record.owner).await.map_err(outage)?,
    };
    Ok(render(page.fields.status(), &page))
}
