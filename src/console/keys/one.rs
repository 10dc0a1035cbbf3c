//! One key.

use actix_web::{
    HttpRequest,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;
use time::OffsetDateTime;

use super::view::{Event, KeyView};
use crate::{
    console::{
        access::{
            form::{Form, new_once},
            visitor::{Area, Visitor},
        },
        allowance::{
            credits::{self, CreditsView},
            limits::{LimitView, views},
        },
        chart::{Chart, granularity},
        confirmed,
        fault::{Answer, Fault},
        frame::{Frame, render},
        services::Console,
        texts::EN,
        usage,
    },
    domain::{
        api_key::KeyId,
        limits::Holder,
        listing::{EventFilter, Page},
        usage::{UsageFilter, UsageQuery},
    },
};

/// The number of events that the page of a key has.
const EVENTS: u32 = 20;

#[derive(Template)]
#[template(path = "key.html")]
struct KeyPage<'a> {
    frame: Frame,
    area: &'static str,
    is_all: bool,
    key: KeyView,
    limits: Vec<LimitView>,
    credits: Option<CreditsView>,
    /// Whether whoever is signed in may change the credits.
    may_give: bool,
    /// Makes repeating a top-up harmless.
    once: String,
    chart: Chart,
    events: Vec<Event>,
    /// What the forms have: the key's credits, or what was sent and refused.
    values: &'a Form,
}

impl KeyPage<'_> {
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

/// `GET /console/keys/{id}`
pub(in crate::console) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    id: Path<String>,
) -> Answer {
    let query = Form::of_query(&request);
    let notice = query.text("done").and_then(|word| told(word, &query));
    page(&request, &console, &visitor, key_id(&id)?, None, notice).await
}

pub(super) fn key_id(text: &str) -> Result<KeyId, Fault> {
    text.parse().map_err(|_| Fault::NotFound)
}

/// The page of a key, with a form that was refused.
pub(super) async fn page(
    request: &HttpRequest,
    console: &Console,
    visitor: &Visitor,
    id: KeyId,
    refused: Option<&Form>,
    notice: Option<String>,
) -> Answer {
    let (area, now) = (Area::of(request), OffsetDateTime::now_utc());
    let reach = visitor.caller(area)?.reach;
    let outage = |error| Fault::outage(request, &error);
    let key = console.ledger.show(id, &reach).await.map_err(outage)?.ok_or(Fault::NotFound)?;
    let owner = Some(key.record.owner.clone());
    let filter = EventFilter { owner: owner.clone(), key: Some(id), ..EventFilter::default() };
    let events = console.ledger.events(&filter, &Page { after: None, limit: EVENTS }, &reach).await.map_err(outage)?;
    let period = usage::period(granularity(Form::of_query(request).text("by")), now);
    let counted = UsageFilter { key: Some(id), owner, ..UsageFilter::default() };
    let report = console.usage.usage(&UsageQuery { period, filter: counted, groups: None }, &reach).await;
    let taken = console.reports.taken(Holder::of_key(id), &reach).await.map_err(outage)?;
    let view = KeyView::new(&key, console.issuer.keyring.prefix(), now);
    let title = view.name.clone().unwrap_or_else(|| view.short.clone());
    let filled = Form::filled(credits::fields(key.credits.as_ref().map(|credits| &credits.rules)));
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = KeyPage {
        frame: visitor.frame(area.here(), title).telling(notice),
        area: area.path(),
        is_all: area == Area::All,
        key: view,
        limits: views(&key.record.limits, &taken, now),
        credits: key.credits.as_ref().map(CreditsView::from),
        may_give: key.credits.as_ref().is_none_or(|credits| credits::may_change(credits, reach.role())),
        once: new_once(),
        chart: Chart::new(period, report.map_err(outage)?),
        events: events.items.iter().map(Event::from).collect(),
        values: refused.unwrap_or(&filled),
    };
    Ok(render(status, &page))
}

/// What a change before this page has done.
fn told(word: &str, query: &Form) -> Option<String> {
    let what = match word {
        "edit" | "credits" | "remove_credits" => EN.edited,
        "top_up" => EN.topped_up,
        "disable" => EN.disabled,
        "enable" => EN.enabled,
        "revoke" => EN.revoked,
        _ => return None,
    };
    Some(confirmed::told(what, query))
}
