//! Keys are shown.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, LINK},
    web::{Data, Path},
};

use super::{
    key_id, now,
    representation::{Key, KeyList},
    requests, shown,
};
use crate::{
    auth::lifecycle::Editor,
    domain::{
        key_record::KeyState,
        ledger::{KeyFilter, Page},
    },
    http::{
        Services,
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
    let id = key_id(&request, &id)?;
    let key = services.lifecycle.show(id, &editor.reach).await.map_err(|error| unread(&request, &error))?;
    let key = key.ok_or_else(|| Failure::new(request.path(), Reason::NotFound))?;
    Ok(shown(&key, now()))
}

/// `GET /v1/keys`
pub(in crate::http) async fn list(
    request: HttpRequest,
    editor: Editor,
    services: Data<Services>,
) -> Result<HttpResponse, Failure> {
    let now = now();
    let mut parameters = Parameters::of(&request);
    let page = parameters.page(&services.issuer.keyring, LIST);
    let mut filter = filter(&mut parameters);
    match editor.reach.owner() {
        Some(owner) => filter.owner = Some(owner.clone()),
        None => filter.owner = parameters.take("owner", owner),
    }
    parameters.finish().map_err(|reason| Failure::new(request.path(), reason))?;
    // One more than asked for tells whether there is a next page.
    let asked = Page { limit: page.limit + 1, ..page };
    let mut keys = services.lifecycle.list(&filter, asked, now).await.map_err(|error| unread(&request, &error))?;
    let more = keys.len() > page.limit as usize;
    keys.truncate(page.limit as usize);
    let last = keys.last().filter(|_| more).map(|key| key.record.id.as_uuid());
    let next_cursor = last.map(|last| parameters::cursor(&services.issuer.keyring, LIST, last));
    let keys = keys.iter().map(|key| Key::new(key, now)).collect();
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    if let Some(cursor) = &next_cursor {
        response.insert_header((LINK, parameters::link_to_next(&request, cursor)));
    }
    Ok(response.json(KeyList { keys, next_cursor }))
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

pub(super) fn owner(text: &str) -> Result<crate::domain::principal::Owner, String> {
    owner_id::read(text).ok_or_else(|| "the id of an owner, as keys show it".to_owned())
}
