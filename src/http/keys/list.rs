//! Keys are shown.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, LINK},
    web::{Data, Path},
};

use super::{
    conditions::{self, Conditions, Read},
    etag, key_id, now,
    representation::{Key, KeyList},
    requests, shown,
};
use crate::{
    auth::lifecycle::Editor,
    domain::{
        api_key::Keyring,
        key_record::KeyState,
        ledger::{KeyFilter, Page, Reach},
    },
    http::{
        Services, cursor,
        failure::{Failure, Reason},
        owner_id,
        parameters::{self, Parameters},
        unread,
    },
};

/// What this list's cursors are sealed for.
const LIST: &str = "keys";

/// `GET /v1/keys/{id}`
pub(in crate::http) async fn show(
    request: HttpRequest,
    editor: Editor,
    services: Data<Services>,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let fail = |reason: Reason| Failure::new(request.path(), reason);
    let (id, now) = (key_id(&request, &id)?, now());
    let conditions = Conditions::of(&request).map_err(fail)?;
    let key = services.lifecycle.show(id, &editor.reach).await.map_err(|error| unread(&request, &error))?;
    let key = key.ok_or_else(|| fail(Reason::NotFound))?;
    let tag = conditions::tag(&key, now);
    match conditions.of_read(&tag).map_err(fail)? {
        Read::Shown => Ok(shown(&key, now)),
        Read::NotModified => {
            let mut response = HttpResponse::NotModified();
            Ok(response.insert_header((CACHE_CONTROL, "no-store")).insert_header(etag(&tag)).finish())
        }
    }
}

/// `GET /v1/keys`
pub(in crate::http) async fn list(
    request: HttpRequest,
    editor: Editor,
    services: Data<Services>,
) -> Result<HttpResponse, Failure> {
    let now = now();
    let read = which_keys(Parameters::of(&request), &services.issuer.keyring, &editor.reach);
    let (filter, page) = read.map_err(|reason| Failure::new(request.path(), reason))?;
    // One more than asked for tells whether there is a next page.
    let asked = Page { limit: page.limit + 1, ..page };
    let keys = services.lifecycle.list(&filter, asked, &editor.reach, now).await;
    let mut keys = keys.map_err(|error| unread(&request, &error))?;
    let more = keys.len() > page.limit as usize;
    keys.truncate(page.limit as usize);
    let last = keys.last().filter(|_| more).map(|key| key.record.id.as_uuid());
    let next_cursor = last.map(|last| cursor::write(&services.issuer.keyring, LIST, last));
    let keys = keys.iter().map(|key| Key::new(key, now)).collect();
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    if let Some(cursor) = &next_cursor {
        response.insert_header((LINK, parameters::link_to_next(&request, cursor)));
    }
    Ok(response.json(KeyList { keys, next_cursor }))
}

/// Which keys, and which page of them. Only who reaches any owner's keys may name one.
pub(in crate::http) fn which_keys(
    mut parameters: Parameters,
    keyring: &Keyring,
    reach: &Reach,
) -> Result<(KeyFilter, Page), Reason> {
    let page = parameters.page(keyring, LIST);
    let mut filter = filter(&mut parameters);
    match reach.owner() {
        Some(owner) => filter.owner = Some(owner.clone()),
        None => filter.owner = parameters.take("owner", owner),
    }
    parameters.finish()?;
    Ok((filter, page))
}

/// Which keys, by the parameters that every list of keys has.
fn filter(parameters: &mut Parameters) -> KeyFilter {
    KeyFilter {
        owner: None,
        state: parameters.take("state", |text| {
            let known = KeyState::ALL.into_iter().find(|state| state.as_str() == text);
            known.ok_or_else(|| "active, disabled, expired or revoked".to_owned())
        }),
        environment: parameters.take_parsed("environment"),
        name: parameters.take_parsed("name"),
        tag: parameters.take("tag", tag),
        expiring_before: parameters.take("expiringBefore", requests::instant),
        created_since: parameters.take("createdSince", requests::instant),
    }
}

/// `name:text`
pub(super) fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.is_empty() && !text.contains('\0') => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a member of the metadata and its text, such as team:payments".to_owned()),
    }
}

/// An owner by the word for it.
pub(in crate::http) fn owner(text: &str) -> Result<crate::domain::principal::Owner, String> {
    owner_id::read(text).ok_or_else(|| "the id of an owner, as keys show it".to_owned())
}
