//! What people type into search fields. A field is sent as a form, and the browser is then led to the list: so a key
//! that somebody looks for by its whole text never stands in an address, which others keep. It is read and forgotten.

use actix_web::{
    HttpRequest,
    web::{Bytes, Data},
};
use time::OffsetDateTime;

use super::{PAGES, READ_AT_ONCE};
use crate::{
    console::{
        access::{
            form::{Form, go_to},
            in_query,
            notice::{Done, Notice},
            visitor::{Area, Visitor},
        },
        fault::{Answer, Fault},
        frame::marked,
        services::Console,
        texts::WHY_NOT,
    },
    domain::{
        api_key::{KeyId, ShownKey},
        ledger::Reach,
        listing::{KeyFilter, KeyOrder, Page, Place},
        ports::StoreError,
    },
};

/// How much of what was looked for in vain is told.
const SOUGHT_MAX: usize = 100;

/// The lists with a search field.
const LISTS: [&str; 4] = ["/console/keys", "/console/all/keys", "/console/owners", "/console/audit"];

/// `POST /console/search`: to the list that the form names, with the conditions of the form, or to the key whose text
/// is among them.
pub(in crate::console) async fn search(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    body: Bytes,
) -> Answer {
    let form = Form::of_search(&request, &body, &visitor)?;
    let list = LISTS.into_iter().find(|list| form.text("to") == Some(list)).ok_or(Fault::NotFound)?;
    let prefix = console.issuer.keyring.prefix();
    if let Some(text) = form.values().find(|text| prefix.begins_a_secret_in(text)) {
        let area = if visitor.is_administrator() { Area::All } else { Area::Own };
        return to_key(&request, &console, &visitor, area, text).await;
    }
    let is_all = list == Area::All.path() || form.text("all").is_some();
    let area = if is_all { Area::All } else { Area::Own };
    let mut conditions = Vec::new();
    for (name, value) in form.conditions(&["to"]) {
        let mut value = value.to_owned();
        let shown = prefix.read_shown(&value).filter(|shown| shown.environment.is_some());
        if let Some(shown) = shown.filter(|_| matches!(name, "search" | "key")) {
            let reach = visitor.caller(area)?.reach;
            match shown_so(&console, &shown, &reach).await.map_err(|error| Fault::outage(&request, &error))? {
                Found::One(id) if name == "search" => return Ok(go_to(&format!("{}/{id}", area.path()))),
                Found::One(id) => value = id.to_string(),
                Found::Several => return Err(Fault::Refused(WHY_NOT.several_begin_so.to_owned())),
                Found::None => {}
            }
        }
        conditions.push(format!("{}={}", in_query(name), in_query(&value)));
    }
    Ok(go_to(&if conditions.is_empty() { list.to_owned() } else { format!("{list}?{}", conditions.join("&")) }))
}

/// `POST /console/find`: a key by its id, its beginning, or its whole text. For administrators.
pub(in crate::console) async fn find(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    body: Bytes,
) -> Answer {
    let form = Form::of_search(&request, &body, &visitor)?;
    visitor.demand_administrator()?;
    to_key(&request, &console, &visitor, Area::All, form.text("key").unwrap_or_default()).await
}

async fn to_key(request: &HttpRequest, console: &Console, visitor: &Visitor, area: Area, text: &str) -> Answer {
    let (keyring, text, reach) = (&console.issuer.keyring, text.trim(), visitor.caller(area)?.reach);
    let outage = |error| Fault::outage(request, &error);
    if let Ok(form) = keyring.form(text.as_bytes()) {
        // The tag is of the whole text, so it proves the secret and the environment.
        let Ok(key) = keyring.recognise(form) else { return Err(Fault::Refused(WHY_NOT.not_genuine.to_owned())) };
        let found = console.ledger.show(key.id, &reach).await.map_err(outage)?;
        let found = found.ok_or_else(|| Fault::NoSuchKey(WHY_NOT.no_key_with_this_text.to_owned()))?;
        let address = format!("{}/{}", area.path(), found.record.id);
        return Ok(visitor.go_to_telling(&address, &Notice::of(Done::Found)));
    }
    if keyring.prefix().begins_a_secret_in(text) {
        return Err(Fault::Refused(WHY_NOT.part_of_a_key.to_owned()));
    }
    let found = match keyring.prefix().read_shown(text) {
        Some(shown) => shown_so(console, &shown, &reach).await.map_err(outage)?,
        None => Found::None,
    };
    match found {
        Found::One(id) => Ok(go_to(&format!("{}/{id}", area.path()))),
        Found::Several => Err(Fault::Refused(WHY_NOT.several_begin_so.to_owned())),
        Found::None => {
            let sought: String = marked(text).chars().take(SOUGHT_MAX).collect();
            Err(Fault::NoSuchKey(format!("{} {sought}", WHY_NOT.no_key_like)))
        }
    }
}

/// The keys that are shown in a way.
enum Found {
    None,
    One(KeyId),
    /// Several, or more than were looked at.
    Several,
}

async fn shown_so(console: &Console, shown: &ShownKey, reach: &Reach) -> Result<Found, StoreError> {
    if let Some(id) = shown.whole() {
        let key = console.ledger.show(id, reach).await?;
        let key = key.filter(|key| shown.is(id, key.record.environment));
        return Ok(key.map_or(Found::None, |_| Found::One(id)));
    }
    let Some(ids) = shown.ids() else { return Ok(Found::None) };
    let filter = KeyFilter { owner: reach.owner().cloned(), environment: shown.environment, ..KeyFilter::default() };
    let (mut after, mut found) = (Some(Place::from(ids.end().as_uuid())), Found::None);
    let now = OffsetDateTime::now_utc();
    for _ in 0..PAGES {
        let page = Page { after, limit: READ_AT_ONCE };
        let listed = console.ledger.list(&filter, KeyOrder::NEWEST_FIRST, &page, reach, now).await?;
        for key in &listed.items {
            let id = key.record.id;
            if id < *ids.start() {
                return Ok(found);
            }
            if shown.is(id, key.record.environment) {
                match found {
                    Found::None => found = Found::One(id),
                    Found::One(_) | Found::Several => return Ok(Found::Several),
                }
            }
        }
        // Where the next page begins, there may be no key that begins so any more, however few this one had.
        match listed.next {
            Some(next) if next.id >= ids.start().as_uuid() => after = Some(next),
            _ => return Ok(found),
        }
    }
    Ok(Found::Several)
}
