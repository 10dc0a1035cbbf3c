//! Show and list keys.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};

use super::{
    conditions::{self, Conditions, Read},
    etag, key_id, now,
    representation::{Key, KeyList},
    shown,
};
use crate::{
    api::{
        services::{Services, read_failed},
        wire::{
            failure::{Answer, Missing, Reason},
            page,
            request::{
                parameters::Parameters,
                queries::{OF_AN_OWNER, OF_KEYS, Query},
            },
        },
    },
    auth::lifecycle::Caller,
    domain::{
        api_key::{KeyId, Keyring},
        key_record::KeyState,
        ledger::Reach,
        listing::{KeyFilter, KeyOrder, Page, words},
        principal::Principal,
    },
};

/// The name that this list's cursors are sealed with.
const LIST: &str = "keys";

/// `GET /v1/keys/{id}`
pub(crate) async fn show(request: HttpRequest, caller: Caller, services: Data<Services>, id: Path<String>) -> Answer {
    show_it(&request, &services, key_id(&id)?, &caller.reach).await
}

/// `GET /v1/keys/self`: the presented key.
pub(crate) async fn show_self(request: HttpRequest, principal: Principal, services: Data<Services>) -> Answer {
    let Some(record) = principal.key() else { return Err(Reason::Internal) };
    show_it(&request, &services, record.id, &Reach::Own(record.owner.clone())).await
}

async fn show_it(request: &HttpRequest, services: &Services, id: KeyId, reach: &Reach) -> Answer {
    let now = now();
    let conditions = Conditions::of(request)?;
    let key = services.ledger.show(id, reach).await.map_err(read_failed(request))?;
    let key = key.ok_or(Reason::NotFound(Missing::Key))?;
    match conditions.of_read(&conditions::tag(&key, now))? {
        Read::Shown => Ok(shown(services, &key, now)),
        Read::NotModified => Ok(HttpResponse::NotModified().insert_header(etag(&key, now)).finish()),
    }
}

/// `GET /v1/keys`
pub(crate) async fn list(request: HttpRequest, caller: Caller, services: Data<Services>) -> Answer {
    let now = now();
    let keyring = &services.issuer.keyring;
    let (filter, order, page) = selected_keys(&request, keyring, &caller.reach)?;
    let listed = services.ledger.list(&filter, order, &page, &caller.reach, now).await;
    let listed = listed.map_err(read_failed(&request))?;
    let keys = listed.items.iter().map(|key| Key::new(key, keyring.prefix(), now)).collect();
    let (mut response, next_cursor) = page::begin(&request, keyring, &name_of(order), listed.next);
    Ok(response.json(KeyList { keys, next_cursor }))
}

/// The keys, the order and the page that a query selects. Only callers who reach every owner's keys can name an owner.
pub(crate) fn selected_keys(
    request: &HttpRequest,
    keyring: &Keyring,
    reach: &Reach,
) -> Result<(KeyFilter, KeyOrder, Page), Reason> {
    let known: Query = if reach.owner().is_some() { &[OF_KEYS] } else { &[OF_KEYS, OF_AN_OWNER] };
    let mut parameters = Parameters::of(request, known);
    let order = parameters.take_parsed("sort").unwrap_or(KeyOrder::NEWEST_FIRST);
    let page = parameters.page(keyring, &name_of(order));
    let mut filter = filter(&mut parameters);
    match reach.owner() {
        Some(owner) => filter.owner = Some(owner.clone()),
        None => filter.owner = parameters.owner(),
    }
    if !order.is_possible(filter.owner.as_ref()) {
        parameters.problem("sort", "conflict", "keys of all owners are in the order of createdAt: name an owner");
    }
    parameters.finish()?;
    Ok((filter, order, page))
}

/// The name that this list's cursors are sealed with. It includes the order, because a cursor is a different place in
/// another order.
fn name_of(order: KeyOrder) -> String {
    match order {
        KeyOrder::NEWEST_FIRST => LIST.to_owned(),
        KeyOrder { sort, descending } => format!("by {}{} {LIST}", if descending { "-" } else { "" }, sort.as_str()),
    }
}

/// The filter, from the parameters of every list of keys.
fn filter(parameters: &mut Parameters) -> KeyFilter {
    KeyFilter {
        owner: None,
        states: parameters.take_several("state", state).unwrap_or_default(),
        environment: parameters.take_parsed("environment"),
        name: parameters.take_parsed("name"),
        search: parameters.take_parsed("search"),
        tag: parameters.take_parsed("tag"),
        scope: parameters.take_parsed("scope"),
        expiring_before: parameters.take_instant("expiringBefore"),
        created_since: parameters.take_instant("createdSince"),
        unused_since: parameters.take_instant("unusedSince"),
        used_since: parameters.take_instant("usedSince"),
        never_expires: parameters.take("expires", words::never).is_some(),
        limited: parameters.take("limited", words::yes_or_no),
        leaked: parameters.take("leaked", words::yes_or_no),
    }
}

fn state(word: &str) -> Result<KeyState, String> {
    KeyState::of(word)
        .ok_or_else(|| "must be active, disabled, expired or revoked, or several with commas between".to_owned())
}
