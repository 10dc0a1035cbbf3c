//! The list of keys, and its export.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::CONTENT_DISPOSITION,
    web::{Bytes, Data},
};
use askama::Template;
use time::OffsetDateTime;

use super::view::KeyView;
use crate::{
    console::{
        access::{
            form::{Form, go_to},
            visitor::{Area, Visitor},
        },
        fault::{Answer, Fault, shown},
        frame::{Frame, When, next_page},
        services::Console,
        texts::EN,
    },
    domain::{
        api_key::KeyId,
        csv,
        key_record::{KeyState, ManagedKey},
        ledger::Reach,
        listing::{KeyFilter, KeyOrder, Listed, Page, cursor},
    },
};

/// The number of keys on a page.
const ON_A_PAGE: u32 = 50;
/// The most that one export has.
const EXPORTED: u32 = 1_000;
/// The number of keys that are read at once for an export.
const READ_AT_ONCE: u32 = 250;

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    frame: Frame,
    area: &'static str,
    is_all: bool,
    keys: Vec<KeyView>,
    filter: Filter,
    /// The address of the next page.
    next: Option<String>,
    export: String,
}

/// The conditions as they were chosen.
struct Filter {
    search: String,
    state: String,
    environment: String,
    tag: String,
    scope: String,
    owner: String,
    sort: String,
    is_narrow: bool,
}

/// `GET /console`
pub(in crate::console) async fn home(_: Visitor) -> Answer {
    Ok(go_to("/console/keys"))
}

/// `GET /console/keys`, `GET /console/all/keys`
pub(in crate::console) async fn list(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    let area = Area::of(&request);
    let reach = visitor.caller(area)?.reach;
    let mut form = Form::of_query(&request);
    let now = OffsetDateTime::now_utc();
    let (filter, order) = selection(&mut form, &reach);
    let prefix = console.issuer.keyring.prefix();
    let after = form.text("cursor").and_then(|text| cursor::read(&console.issuer.keyring, &name(order), text));
    let page = Page { after, limit: ON_A_PAGE };
    let complaint = form.complaint();
    let listed = match complaint {
        Some(_) => Listed::none(),
        None => {
            let listed = console.ledger.list(&filter, order, &page, &reach, now).await;
            listed.map_err(|error| Fault::outage(&request, &error))?
        }
    };
    let keys = listed.items.iter().map(|key| KeyView::new(key, prefix, now)).collect();
    let keyring = &console.issuer.keyring;
    let next = listed.next.as_ref().map(|place| next_page(&request, keyring, &name(order), place));
    let export = format!("{}/export?{}", area.path(), request.query_string());
    let title = if area == Area::All { EN.all_keys } else { EN.keys };
    let is_narrow = complaint.is_some()
        || KeyFilter { owner: None, ..filter.clone() }.narrows()
        || (reach == Reach::Any && filter.owner.is_some());
    let notice = complaint.or_else(|| form.text("done").map(done));
    let frame = visitor.frame(area.here(), title).telling(notice);
    let filter = Filter {
        search: form.shown("search"),
        state: form.shown("state"),
        environment: form.shown("environment"),
        tag: form.shown("tag"),
        scope: form.shown("scope"),
        owner: form.shown("owner"),
        sort: form.shown("sort"),
        is_narrow,
    };
    shown(&KeysPage { frame, area: area.path(), is_all: area == Area::All, keys, filter, next, export })
}

/// The keys that a query selects, and their order. Conditions that make no sense are problems of the form.
fn selection(form: &mut Form, reach: &Reach) -> (KeyFilter, KeyOrder) {
    let owner = form.owner(reach);
    let order = form.parsed("sort").filter(|order: &KeyOrder| order.is_possible(owner.as_ref()));
    let state = form.read("state", |word| {
        let known = KeyState::ALL.into_iter().find(|state| state.as_str() == word);
        known.ok_or_else(|| EN.no_such_state.to_owned())
    });
    let days_ago = |form: &mut Form, name| {
        let days: Option<u16> = form.parsed(name);
        days.map(|days| OffsetDateTime::now_utc() - time::Duration::days(days.into()))
    };
    let filter = KeyFilter {
        owner,
        states: state.into_iter().collect(),
        environment: form.parsed("environment"),
        name: None,
        search: form.parsed("search"),
        tag: form.parsed("tag"),
        scope: form.parsed("scope"),
        expiring_before: form
            .parsed("expiring_days")
            .map(|days: u16| OffsetDateTime::now_utc() + time::Duration::days(days.into())),
        created_since: days_ago(form, "created_days"),
        unused_since: days_ago(form, "unused_days"),
        used_since: days_ago(form, "used_days"),
    };
    (filter, order.unwrap_or(KeyOrder::NEWEST_FIRST))
}

/// The name that this list's cursors are sealed with.
fn name(order: KeyOrder) -> String {
    format!("console keys by {} {}", order.sort.as_str(), order.descending)
}

/// What has been done before this page, in a number that only counts.
fn done(count: &str) -> String {
    let count: u32 = count.parse().unwrap_or_default();
    format!("{} {count}", EN.done)
}

/// `GET /console/keys/export`: the keys that a query selects, without secrets.
pub(in crate::console) async fn export(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    let area = Area::of(&request);
    let reach = visitor.caller(area)?.reach;
    let mut form = Form::of_query(&request);
    let now = OffsetDateTime::now_utc();
    let (filter, order) = selection(&mut form, &reach);
    form.refuse_problems()?;
    let (mut keys, mut after): (Vec<ManagedKey>, _) = (Vec::new(), None);
    while keys.len() < EXPORTED as usize {
        let page = Page { after, limit: READ_AT_ONCE };
        let listed = console.ledger.list(&filter, order, &page, &reach, now).await;
        let listed = listed.map_err(|error| Fault::outage(&request, &error))?;
        keys.extend(listed.items);
        after = listed.next;
        if after.is_none() {
            break;
        }
    }
    let prefix = console.issuer.keyring.prefix();
    let views: Vec<_> = keys.iter().map(|key| KeyView::new(key, prefix, now)).collect();
    Ok(as_csv(&views))
}

/// Keys as a file for spreadsheets (RFC 4180).
pub(super) fn as_csv(keys: &[KeyView]) -> HttpResponse {
    let header =
        ["id", "start", "name", "environment", "state", "owner", "scopes", "created_at", "last_used_at", "expires_at"];
    let mut text = csv::line(&header);
    for key in keys {
        let time = |when: &Option<When>| when.as_ref().map(|when| when.iso.clone()).unwrap_or_default();
        text += &csv::line(&[
            key.id.clone(),
            key.start.clone(),
            key.name.clone().unwrap_or_default(),
            key.environment.to_owned(),
            key.state.to_owned(),
            key.owner.clone(),
            key.scopes.join(" "),
            key.created.iso.clone(),
            time(&key.last_used),
            time(&key.expires),
        ]);
    }
    HttpResponse::Ok()
        .content_type(csv::CSV)
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"keys.csv\""))
        .body(text)
}

/// `POST /console/find`: a key by its id, its beginning, or its whole text, which is read and forgotten. For administrators.
pub(in crate::console) async fn find(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    body: Bytes,
) -> Answer {
    let form = Form::of(&request, &body, &visitor)?;
    visitor.demand_administrator()?;
    let text = form.text("key").unwrap_or_default();
    let keyring = &console.issuer.keyring;
    let whole = keyring.form(text.as_bytes()).ok().map(|form| form.id);
    let id: Option<KeyId> = whole.or_else(|| text.rsplit('_').next().and_then(|id| id.parse().ok()));
    match id {
        Some(id) => {
            let found = console.ledger.show(id, &Reach::Any).await.map_err(|error| Fault::outage(&request, &error))?;
            found.map(|key| go_to(&format!("{}/{}", Area::All.path(), key.record.id))).ok_or(Fault::NotFound)
        }
        None => Err(Fault::NotFound),
    }
}
