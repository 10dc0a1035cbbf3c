//! One key.

use actix_web::{
    HttpRequest,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;
use time::OffsetDateTime;

use super::{
    left::{self, LimitLeft},
    rotation::Rotation,
    view::{Event, KeyView},
};
use crate::{
    console::{
        access::{
            form::{Form, Problem},
            visitor::{Area, Visitor},
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
#[template(path = "key.html")]
struct KeyPage<'a> {
    frame: Frame,
    area: &'static str,
    is_all: bool,
    key: KeyView,
    limits: Vec<LimitLeft>,
    rotation: Option<Rotation>,
    chart: Chart,
    events: Vec<Event>,
    problems: &'a [Problem],
}

impl KeyPage<'_> {
    fn problem(&self, name: &str) -> Option<&str> {
        self.problems.iter().find(|problem| problem.name == name).map(|problem| &*problem.text)
    }
}

/// `GET /console/keys/{id}`
pub(in crate::console) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    id: Path<String>,
) -> Answer {
    let told = Told { notice: visitor.told(), problems: &[] };
    page(&request, &console, &visitor, key_id(&id)?, &told, StatusCode::OK).await
}

/// What the page says besides the key.
#[derive(Default)]
pub(super) struct Told<'a> {
    pub(super) notice: Option<String>,
    pub(super) problems: &'a [Problem],
}

pub(super) fn key_id(text: &str) -> Result<KeyId, Fault> {
    text.parse().map_err(|_| Fault::NotFound)
}

/// The page of a key.
pub(super) async fn page(
    request: &HttpRequest,
    console: &Console,
    visitor: &Visitor,
    id: KeyId,
    told: &Told<'_>,
    status: StatusCode,
) -> Answer {
    let (area, now) = (Area::of(request), OffsetDateTime::now_utc());
    let reach = visitor.caller(area)?.reach;
    let key = console.ledger.show(id, &reach).await.map_err(|error| Fault::outage(request, &error))?;
    let key = key.ok_or(Fault::NotFound)?;
    let filter = EventFilter { owner: Some(key.record.owner.clone()), key: Some(id), ..EventFilter::default() };
    let events = console.ledger.events(&filter, &Page { after: None, limit: EVENTS }, &reach).await;
    let events = events.map_err(|error| Fault::outage(request, &error))?;
    let period = usage::period(granularity(Form::of_query(request).text("by")), now);
    let counted = UsageFilter { key: Some(id), owner: Some(key.record.owner.clone()), ..UsageFilter::default() };
    let report = console.usage.usage(&UsageQuery { period, filter: counted, groups: None }, &reach).await;
    let chart = Chart::new(period, report.map_err(|error| Fault::outage(request, &error))?);
    let limits = left::limits(request, console, &key, &reach).await?;
    let rotation = Rotation::of(request, console, &key, &reach, now).await?;
    let key = KeyView::new(&key, console.issuer.keyring.prefix(), now);
    let title = key.name.clone().unwrap_or_else(|| key.short.clone());
    let frame = visitor.frame(area.here(), title).telling(told.notice.clone());
    let events = events.items.iter().map(Event::from).collect();
    let is_all = area == Area::All;
    let (area, problems) = (area.path(), told.problems);
    Ok(render(status, &KeyPage { frame, area, is_all, key, limits, rotation, chart, events, problems }))
}
