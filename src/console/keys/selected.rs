//! What is done to several keys that were selected in a list.

use actix_web::{
    HttpRequest,
    http::StatusCode,
    web::{Bytes, Data},
};
use askama::Template;
use time::OffsetDateTime;

use super::{
    list::as_csv,
    one::key_id,
    view::{KeyView, refusal},
};
use crate::{
    auth::lifecycle::Switch,
    console::{
        access::{
            fields::Fields,
            form::Form,
            notice::{Done, Notice},
            visitor::{Area, Visitor},
        },
        fault::{Answer, Fault},
        frame::{Frame, render},
        services::Console,
        texts::{EN, WHY_NOT},
    },
    domain::{api_key::KeyId, ledger::Refusal, precondition::Preconditions},
};

/// The most keys that can be selected: those of a page.
const MOST: usize = 50;

#[derive(Template)]
#[template(path = "keys/selected.html")]
struct SelectedPage<'a> {
    frame: Frame,
    area: &'static str,
    action: String,
    keys: Vec<KeyView>,
    /// The keys that could not be changed, and why.
    refused: Vec<(String, String)>,
    fields: Fields<'a>,
}

/// `POST /console/keys/selected`: asks whether the action is meant, and then does it.
pub(in crate::console) async fn change_selected(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    body: Bytes,
) -> Answer {
    let (area, now) = (Area::of(&request), OffsetDateTime::now_utc());
    let mut form = Form::of(&request, &body, &visitor)?;
    let ids: Vec<KeyId> = form.all("key").take(MOST).map(key_id).collect::<Result<_, _>>()?;
    if ids.is_empty() {
        return Err(Fault::Refused(WHY_NOT.nothing_selected.to_owned()));
    }
    let action = form.text("action").unwrap_or_default().to_owned();
    let caller = visitor.caller(area)?;
    let mut keys = Vec::new();
    for id in &ids {
        let key = console.ledger.show(*id, &caller.reach).await.map_err(|error| Fault::outage(&request, &error))?;
        keys.push(KeyView::new(&key.ok_or(Fault::NotFound)?, console.issuer.keyring.prefix(), now));
    }
    match action.as_str() {
        "export" => return Ok(as_csv(&keys)),
        "disable" | "revoke" => visitor.demand_fresh()?,
        _ => return Err(Fault::NotFound),
    }
    let reason = form.parsed("reason");
    let confirm = |keys, refused, status| {
        let what = if action == "revoke" { EN.revoke_several } else { EN.disable_several };
        let title = format!("{what} {}", ids.len());
        let fields = Fields::of(&form);
        let frame = visitor.frame(area.here(), title).of_mistakes(fields.mistakes());
        render(status, &SelectedPage { frame, area: area.path(), action: action.clone(), keys, refused, fields })
    };
    if form.text("confirmed").is_none() || !form.problems().is_empty() {
        return Ok(confirm(keys, Vec::new(), Fields::of(&form).status()));
    }
    let (mut count, mut already, mut refused) = (0, 0, Vec::new());
    let done = if action == "revoke" { Done::Keys } else { Done::KeysDisabled };
    // What is so before changes nothing that matters: an administrator makes a key theirs that its owner has disabled.
    let is_so = |key: &KeyView| {
        let stays = key.is_disabled() && (area == Area::Own || key.is_disabled_by_administrator());
        key.is_revoked() || (done == Done::KeysDisabled && stays)
    };
    for (id, key) in ids.iter().copied().zip(&keys) {
        let changed = if action == "revoke" {
            let revoked = console.lifecycle.revoke(id, Clone::clone(&reason), caller.clone(), now).await;
            revoked.map(|revoked| revoked.map(drop))
        } else {
            let switch = Switch { enabled: false, reason: Clone::clone(&reason) };
            let switched = console.lifecycle.switch(id, switch, Preconditions::default(), caller.clone(), now).await;
            switched.map(|switched| switched.map(drop))
        };
        match changed.map_err(|error| Fault::outage(&request, &error))? {
            Ok(_) if !is_so(key) => count += 1,
            Ok(_) | Err(Refusal::KeyRevoked) => already += 1,
            Err(why) => refused.push((key.name.as_ref().unwrap_or(&key.short).clone(), refusal(&why))),
        }
    }
    if refused.is_empty() {
        Ok(visitor.go_to_telling(area.path(), &Notice::counted(done, count).with_already(already)))
    } else {
        Ok(confirm(keys, refused, StatusCode::CONFLICT))
    }
}
