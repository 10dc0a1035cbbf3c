//! What people type into search fields. A field is sent as a form, and the browser is then led to the list: so a key that
//! somebody looks for by its whole text never stands in an address, which others keep. It is read and forgotten.

use actix_web::{
    HttpRequest,
    web::{Bytes, Data},
};

use crate::{
    console::{
        access::{
            form::{Form, go_to},
            in_query,
            visitor::{Area, Visitor},
        },
        fault::{Answer, Fault},
        services::Console,
        texts::WHY_NOT,
    },
    domain::api_key::KeyId,
};

/// The lists with a search field.
const LISTS: [&str; 4] = ["/console/keys", "/console/all/keys", "/console/owners", "/console/audit"];

/// `POST /console/search`: to the list that the form names, with the conditions of the form, or to the key whose text is among
/// them.
pub(in crate::console) async fn search(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    body: Bytes,
) -> Answer {
    let form = Form::of(&request, &body, &visitor)?;
    let list = LISTS.into_iter().find(|list| form.text("to") == Some(list)).ok_or(Fault::NotFound)?;
    let prefix = console.issuer.keyring.prefix();
    if let Some(text) = form.values().find(|text| prefix.begins_a_secret_in(text)) {
        let area = if visitor.is_administrator() { Area::All } else { Area::Own };
        return to_key(&request, &console, &visitor, area, text).await;
    }
    let conditions = form.conditions(&["to"]).map(|(name, value)| format!("{}={}", in_query(name), in_query(value)));
    let conditions: Vec<_> = conditions.collect();
    Ok(go_to(&if conditions.is_empty() { list.to_owned() } else { format!("{list}?{}", conditions.join("&")) }))
}

/// `POST /console/find`: a key by its id, its beginning, or its whole text. For administrators.
pub(in crate::console) async fn find(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    body: Bytes,
) -> Answer {
    let form = Form::of(&request, &body, &visitor)?;
    visitor.demand_administrator()?;
    to_key(&request, &console, &visitor, Area::All, form.text("key").unwrap_or_default()).await
}

async fn to_key(request: &HttpRequest, console: &Console, visitor: &Visitor, area: Area, text: &str) -> Answer {
    let keyring = &console.issuer.keyring;
    let text = text.trim();
    let whole = keyring.form(text.as_bytes()).ok().map(|form| form.id);
    let id: Option<KeyId> = whole.or_else(|| text.rsplit('_').next().and_then(|id| id.parse().ok()));
    let Some(id) = id else {
        let is_part = keyring.prefix().begins_a_secret_in(text);
        return Err(if is_part { Fault::Refused(WHY_NOT.part_of_a_key.to_owned()) } else { Fault::NotFound });
    };
    let reach = visitor.caller(area)?.reach;
    let found = console.ledger.show(id, &reach).await.map_err(|error| Fault::outage(request, &error))?;
    found.map(|key| go_to(&format!("{}/{}", area.path(), key.record.id))).ok_or(Fault::NotFound)
}
