//! The list of keys, and its export.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CONTENT_DISPOSITION, CONTENT_TYPE},
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
        frame::Frame,
        services::Console,
        texts::EN,
    },
    domain::{
        api_key::KeyId,
        key_record::{KeyState, ManagedKey},
        ledger::Reach,
        listing::{KeyFilter, KeyOrder, Page, Place, cursor},
        owner_id,
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
    let listed = console.ledger.list(&filter, order, &page, &reach, now).await;
    let listed = listed.map_err(|error| Fault::outage(&request, &error))?;
    let keys = listed.items.iter().map(|key| KeyView::new(key, prefix, now)).collect();
    let next = listed.next.map(|place| next(&request, &console, order, &place));
    let export = format!("{}/export?{}", area.path(), request.query_string());
    let title = if area == Area::All { EN.all_keys } else { EN.keys };
    let frame = visitor.frame(area.here(), title).telling(form.text("done").map(done));
    let is_narrow =
        KeyFilter { owner: None, ..filter.clone() }.narrows() || (reach == Reach::Any && filter.owner.is_some());
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

/// The keys that a query selects, and their order. Conditions that make no sense match nothing less: they are left out.
fn selection(form: &mut Form, reach: &Reach) -> (KeyFilter, KeyOrder) {
    let owner = match reach {
        Reach::Own(owner) => Some(owner.clone()),
        Reach::Any => form.text("owner").and_then(owner_id::read),
    };
    let order = form.parsed("sort").filter(|order: &KeyOrder| order.is_possible(owner.as_ref()));
    let state = form.text("state").and_then(|word| KeyState::ALL.into_iter().find(|state| state.as_str() == word));
    let days_ago = |form: &mut Form, name| {
        let days: Option<i64> = form.parsed(name);
        days.filter(|days| (0..=36_500).contains(days))
            .map(|days| OffsetDateTime::now_utc() - time::Duration::days(days))
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

fn next(request: &HttpRequest, console: &Console, order: KeyOrder, place: &Place) -> String {
    let others = request
        .query_string()
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor=") && !pair.starts_with("done="));
    let query: String = others.map(|pair| format!("{pair}&")).collect();
    format!("{}?{query}cursor={}", request.path(), cursor::write(&console.issuer.keyring, &name(order), place))
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
    Ok(csv(&views))
}

/// Keys as a file for spreadsheets (RFC 4180).
pub(super) fn csv(keys: &[KeyView]) -> HttpResponse {
    let mut text = "id,start,name,environment,state,owner,scopes,created_at,last_used_at,expires_at\r\n".to_owned();
    for key in keys {
        let time =
            |when: &Option<crate::console::frame::When>| when.as_ref().map(|when| when.iso.clone()).unwrap_or_default();
        let cells = [
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
        ];
        text.push_str(&cells.map(|cell| quoted(&cell)).join(","));
        text.push_str("\r\n");
    }
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"keys.csv\""))
        .body(text)
}

/// A cell that a spreadsheet takes for text: one that begins like a formula gets an apostrophe before it.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let mark = if is_formula { "'" } else { "" };
    if is_formula || cell.contains([',', '"', '\r', '\n']) {
        format!("\"{mark}{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_text_for_spreadsheets() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(quoted("=HYPERLINK(1)"), "\"'=HYPERLINK(1)\"");
    }
}
