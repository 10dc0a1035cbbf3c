//! One key.

use std::collections::BTreeSet;

use actix_web::{
    HttpRequest,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;
use time::OffsetDateTime;

use super::{
    create::once,
    expiry::ExpiryChoice,
    fields,
    left::{self, LimitLeft},
    rotation::Rotation,
    scopes::ScopeChoice,
    view::{Event, KeyView},
};
use crate::{
    console::{
        access::{
            form::Form,
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
    /// What the form for changes offers.
    scopes: ScopeChoice,
    expiry: ExpiryChoice,
    /// The form of this page that was sent and can't be done.
    sent: Option<&'a Form>,
    /// Makes repeating the form for rotations harmless.
    once: String,
}

impl KeyPage<'_> {
    /// What is wrong with a field of the form with this action.
    fn wrong_in(&self, action: &str, name: &str) -> Option<String> {
        self.sent.filter(|form| form.text("action") == Some(action))?.problems().of(name)
    }

    /// What is wrong with a field of the form for changes.
    fn wrong(&self, name: &str) -> Option<String> {
        self.wrong_in("edit", name)
    }

    /// What is wrong with no field of these forms.
    fn wrong_at_all(&self) -> Option<String> {
        let problems = self.sent?.problems();
        problems.of("form").or_else(|| problems.of("environment"))
    }

    /// Whether a form was sent and can't be done.
    fn is_sent(&self, action: &str) -> bool {
        self.sent.is_some_and(|form| form.text("action") == Some(action))
    }

    /// What stands in a field of the form for changes.
    fn value(&self, name: &str) -> String {
        if let Some(sent) = kept(self.sent).filter(|sent| sent.has(name)) {
            return sent.shown(name);
        }
        let key = &self.key;
        match name {
            "version" => key.version.to_string(),
            "name" => key.name.clone().unwrap_or_default(),
            "description" => key.description.clone().unwrap_or_default(),
            "allowed_ips" => key.allowed_ips.join(" "),
            "limits" => key.limits.join(" "),
            "metadata" => key.metadata.clone(),
            _ => String::new(),
        }
    }
}

/// The changes that were sent and have something wrong, so that nobody has to write them again. Not if somebody else has
/// changed the key meanwhile: then it is to be looked at first.
fn kept(sent: Option<&Form>) -> Option<&Form> {
    sent.filter(|form| form.text("action") == Some("edit") && form.problems().of("form").is_none())
}

/// `GET /console/keys/{id}`
pub(in crate::console) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    id: Path<String>,
) -> Answer {
    let told = Told { notice: visitor.told(), sent: None };
    page(&request, &console, &visitor, key_id(&id)?, &told, StatusCode::OK).await
}

/// What the page says besides the key.
#[derive(Default)]
pub(super) struct Told<'a> {
    pub(super) notice: Option<String>,
    /// The form of this page that was sent and can't be done.
    pub(super) sent: Option<&'a Form>,
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
    let caller = visitor.caller(area)?;
    let reach = &caller.reach;
    let key = console.ledger.show(id, reach).await.map_err(|error| Fault::outage(request, &error))?;
    let key = key.ok_or(Fault::NotFound)?;
    let filter = EventFilter { owner: Some(key.record.owner.clone()), key: Some(id), ..EventFilter::default() };
    let events = console.ledger.events(&filter, &Page { after: None, limit: EVENTS }, reach).await;
    let events = events.map_err(|error| Fault::outage(request, &error))?;
    let period = usage::period(granularity(Form::of_query(request).text("by")), now);
    let counted = UsageFilter { key: Some(id), owner: Some(key.record.owner.clone()), ..UsageFilter::default() };
    let report = console.usage.usage(&UsageQuery { period, filter: counted, groups: None }, reach).await;
    let chart = Chart::new(period, report.map_err(|error| Fault::outage(request, &error))?);
    let limits = left::limits(request, console, &key, reach).await?;
    let rotation = Rotation::of(request, console, &key, reach, now).await?;
    let offer = console.lifecycle.offer(Some(&key.record.owner), &caller).await;
    let offer = offer.map_err(|error| Fault::outage(request, &error))?;
    let has: BTreeSet<&str> = key.record.scopes.iter().collect();
    let chosen = kept(told.sent).filter(|sent| sent.has("scopes")).map_or_else(|| has.clone(), fields::chosen);
    let scopes = ScopeChoice::new(&offer, &chosen, &has);
    let end = kept(told.sent).map(|sent| sent.shown("expiry")).unwrap_or_default();
    let expiry = ExpiryChoice::new(offer.longest_life, true, &end);
    let key = KeyView::new(&key, console.issuer.keyring.prefix(), now);
    let title = key.name.clone().unwrap_or_else(|| key.short.clone());
    let frame = visitor.frame(area.here(), title).telling(told.notice.clone());
    let events = events.items.iter().map(Event::from).collect();
    let is_all = area == Area::All;
    let (area, sent, once) = (area.path(), told.sent, once());
    let page = KeyPage { frame, area, is_all, key, limits, rotation, chart, events, scopes, expiry, sent, once };
    Ok(render(status, &page))
}
