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
    expiry::ExpiryChoice,
    fields,
    rotation::Rotation,
    scopes::ScopeChoice,
    view::{Event, KeyView},
};
use crate::{
    console::{
        access::{
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

/// The actions of the forms of credits. Their fields have other names than those of the form for changes.
const CREDITS: [&str; 2] = ["credits", "top_up"];
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
    rotation: Option<Rotation>,
    chart: Chart,
    events: Vec<Event>,
    /// What the form for changes offers.
    scopes: ScopeChoice,
    expiry: ExpiryChoice,
    /// What the fields of credits have, if none were sent.
    given: Form,
    /// The form of this page that was sent and can't be done.
    sent: Option<&'a Form>,
    /// Makes repeating the forms for rotations and top-ups harmless.
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

    /// What is wrong with a field of the forms of credits.
    fn problem(&self, name: &str) -> Option<String> {
        CREDITS.iter().find_map(|action| self.wrong_in(action, name))
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

    /// What stands in a field of the form for changes, or of those of credits.
    fn value(&self, name: &str) -> String {
        if let Some(sent) = kept(self.sent, &["edit"]).filter(|sent| sent.has(name)) {
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
            _ => kept(self.sent, &CREDITS).filter(|sent| sent.has(name)).unwrap_or(&self.given).shown(name),
        }
    }
}

/// What was sent and have something wrong, so that nobody has to write them again. Not if somebody else has
/// changed the key meanwhile: then it is to be looked at first.
fn kept<'a>(sent: Option<&'a Form>, actions: &[&str]) -> Option<&'a Form> {
    let is_one = |form: &Form| form.text("action").is_some_and(|action| actions.contains(&action));
    sent.filter(|form| is_one(form) && form.problems().of("form").is_none())
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
    let period = usage::period(granularity(Form::of_query(request).text("by")), now);
    let counted = UsageFilter { key: Some(id), owner, ..UsageFilter::default() };
    let report = console.usage.usage(&UsageQuery { period, filter: counted, groups: None }, reach).await;
    let offer = console.lifecycle.offer(Some(&key.record.owner), &caller).await;
    let offer = offer.map_err(|error| Fault::outage(request, &error))?;
    let has: BTreeSet<&str> = key.record.scopes.iter().collect();
    let edited = kept(sent, &["edit"]);
    let chosen = edited.filter(|sent| sent.has("scopes")).map_or_else(|| has.clone(), fields::chosen);
    let end = edited.map(|sent| sent.shown("expiry")).unwrap_or_default();
    let view = KeyView::new(&key, console.issuer.keyring.prefix(), now);
    let title = view.name.clone().unwrap_or_else(|| view.short.clone());
    let page = KeyPage {
        frame: visitor.frame(area.here(), title),
        area: area.path(),
        is_all: area == Area::All,
        key: view,
        limits: limits::of_key(request, console, &key, reach).await?,
        credits: key.credits.as_ref().map(CreditsView::from),
        may_give: key.credits.as_ref().is_none_or(|credits| credits::may_change(credits, reach.role())),
        rotation: Rotation::of(request, console, &key, reach, now).await?,
        chart: Chart::new(period, report.map_err(outage)?),
        events: events.items.iter().map(Event::from).collect(),
        scopes: ScopeChoice::new(&offer, &chosen, &has),
        expiry: ExpiryChoice::new(offer.longest_life, true, &end),
        given: Form::filled(credits::fields(key.credits.as_ref().map(|credits| &credits.rules))),
        sent,
        once: new_once(),
    };
    let status = if sent.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(render(status, &page))
}
