//! The list of keys, and its export.
//!
//! - `find`: what people type into search fields, which may be a key
//! - `matching`: what is done to all keys that a query selects
//! - `selection`: which keys a query selects

mod find;
mod matching;
mod selection;

use actix_web::{HttpRequest, HttpResponse, http::header::CONTENT_DISPOSITION, web::Data};
use askama::Template;
use time::OffsetDateTime;

use self::selection::Chosen;
pub(in crate::console) use self::{
    find::{find, search},
    matching::revoke_matching,
    selection::selection,
};
use super::{
    sparkline::{self, Sparkline},
    view::KeyView,
};
use crate::{
    console::{
        access::{
            fields::Fields,
            form::{Form, go_to},
            paging::Paging,
            visitor::{Area, Visitor},
        },
        fault::{Answer, Fault, shown},
        frame::{Frame, When},
        services::Console,
        texts::{EN, WHY_NOT},
    },
    domain::{
        api_key::KeyId,
        csv,
        key_record::ManagedKey,
        ledger::Reach,
        listing::{KeyFilter, KeyOrder, Listed, Page},
        ports::StoreError,
    },
};

/// The number of keys on a page.
const ON_A_PAGE: u32 = 50;
/// The most that one export has.
const EXPORTED: u32 = 1_000;
/// The number of keys that are read at once for an export.
const READ_AT_ONCE: u32 = 250;
/// The number of pages that are read for the first keys of a list: keys that a search finds may be few among many.
const PAGES: usize = 10;

#[derive(Template)]
#[template(path = "keys/list.html")]
struct KeysPage<'a> {
    frame: Frame,
    area: &'static str,
    is_all: bool,
    /// Whether whoever is signed in is disabled.
    is_disabled: bool,
    keys: Vec<(KeyView, Sparkline)>,
    filter: Chosen,
    fields: Fields<'a>,
    /// The scopes that are described, to choose among.
    catalogue: Vec<String>,
    /// The address of the next page.
    next: Option<String>,
    export: String,
}

/// `GET /console`
pub(in crate::console) async fn home(visitor: Visitor) -> Answer {
    Ok(go_to(if visitor.is_administrator() { "/console/overview" } else { "/console/keys" }))
}

/// `GET` of what takes forms only, as by a reload after a sign-in: to where everybody begins.
pub(in crate::console) async fn to_home() -> Answer {
    Ok(go_to("/console"))
}

/// The same for forms of a list: to the list.
pub(in crate::console) async fn to_list(request: HttpRequest) -> Answer {
    Ok(go_to(Area::of(&request).path()))
}

/// `GET /console/keys`, `GET /console/all/keys`
pub(in crate::console) async fn list(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    let area = Area::of(&request);
    let reach = visitor.caller(area)?.reach;
    let mut form = Form::of_query(&request);
    let now = OffsetDateTime::now_utc();
    let (filter, order) = selection(&mut form, &reach, now);
    let prefix = console.issuer.keyring.prefix();
    let list = name(order);
    let paging = Paging::of(&request, &console, &list, ON_A_PAGE);
    let listed = console.ledger.list(&filter, order, &paging.page, &reach, now);
    let (keys, next) = paging.found(&form, listed).await?;
    let ids: Vec<KeyId> = keys.iter().map(|key| key.record.id).collect();
    let uses = sparkline::of_keys(&request, &console, &ids, &reach, now).await?;
    let keys = keys.iter().map(|key| KeyView::new(key, prefix, now)).zip(uses).collect();
    let export = format!("{}/export?{}", area.path(), request.query_string());
    let is_disabled = match &reach {
        Reach::Own(owner) => {
            console.ledger.is_disabled(owner).await.map_err(|error| Fault::outage(&request, &error))?
        }
        Reach::Any => false,
    };
    let title = if area == Area::All { EN.all_keys } else { EN.keys };
    let frame = visitor.frame(area.here(), title).telling(form.complaint());
    let filter = Chosen::of(&form, &filter, &reach);
    let scopes = console.lifecycle.policy.catalogue.as_slice().iter();
    shown(&KeysPage {
        frame,
        area: area.path(),
        is_all: area == Area::All,
        is_disabled,
        keys,
        filter,
        fields: Fields::of(&form),
        catalogue: scopes.map(|one| one.scope.to_string()).collect(),
        next,
        export,
    })
}

/// The name that this list's cursors are sealed with.
fn name(order: KeyOrder) -> String {
    format!("console keys by {} {}", order.sort.as_str(), order.descending)
}

/// `GET /console/keys/export`: the keys that a query selects, without secrets.
pub(in crate::console) async fn export(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    let area = Area::of(&request);
    let reach = visitor.caller(area)?.reach;
    let mut form = Form::of_query(&request);
    let now = OffsetDateTime::now_utc();
    let (filter, order) = selection(&mut form, &reach, now);
    form.refuse_problems()?;
    let all = (&filter, order, &reach);
    let found = first_keys(&console, all, EXPORTED, READ_AT_ONCE, now).await;
    let Listed { items, next } = found.map_err(|error| Fault::outage(&request, &error))?;
    // Nobody should take a few of the keys for all of them.
    if next.is_some() && items.len() < EXPORTED as usize {
        return Err(Fault::Refused(WHY_NOT.too_many_to_export.to_owned()));
    }
    Ok(as_csv(&items))
}

/// The first keys of a list, at most `most`, and whether there may be more; without their metadata, which are the
/// largest part of a key, so that little waits for the next page.
async fn first_keys(
    console: &Console,
    (filter, order, reach): (&KeyFilter, KeyOrder, &Reach),
    most: u32,
    at_once: u32,
    now: OffsetDateTime,
) -> Result<Listed<KeyView>, StoreError> {
    let prefix = console.issuer.keyring.prefix();
    let view = |key: ManagedKey| KeyView { metadata: String::new(), ..KeyView::new(&key, prefix, now) };
    let mut found = Listed::none();
    for _ in 0..PAGES {
        let page = Page { after: found.next, limit: at_once };
        let listed = console.ledger.list(filter, order, &page, reach, now).await?;
        found.items.extend(listed.items.into_iter().map(view));
        found.next = listed.next;
        if found.next.is_none() || found.items.len() >= most as usize {
            break;
        }
    }
    found.items.truncate(most as usize);
    Ok(found)
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
            key.owner_text.clone(),
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
