//! Revokes all keys that a query selects, after showing which these are.

use actix_web::{
    HttpRequest,
    http::StatusCode,
    web::{Bytes, Data},
};
use askama::Template;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{
    super::view::KeyView,
    first_keys,
    selection::{Chosen, selection},
};
use crate::{
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
    domain::{
        api_key::KeyId,
        key_record::KeyState,
        ledger::Reach,
        listing::{KeyFilter, KeyOrder},
        ports::StoreError,
    },
    telemetry::outage::millis,
};

/// The most keys that are revoked by one form. Whoever means more can do it by the API, or in several steps.
const MOST: u32 = 10_000;
/// The number of keys that are shown before.
const SHOWN: u32 = 20;

#[derive(Template)]
#[template(path = "keys/matching.html")]
struct MatchingPage<'a> {
    frame: Frame,
    area: &'static str,
    is_all: bool,
    conditions: Chosen,
    fields: Fields<'a>,
    keys: Vec<KeyView>,
    count: usize,
    /// Says which keys these are.
    digest: String,
    /// Whether there are more keys than are shown.
    has_others: bool,
    /// Whether there are others than when it was asked before.
    has_changed: bool,
}

/// `POST /console/keys/matching`: shows which keys it would revoke, and when that is confirmed, revokes them.
pub(in crate::console) async fn revoke_matching(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    body: Bytes,
) -> Answer {
    let (area, now) = (Area::of(&request), OffsetDateTime::now_utc());
    let mut form = Form::of(&request, &body, &visitor)?;
    let caller = visitor.caller(area)?;
    let outage = |error| Fault::outage(&request, &error);
    let (filter, _) = selection(&mut form, &caller.reach, now);
    let reason = form.parsed("reason");
    form.refuse_problems()?;
    // A forgotten condition must not revoke every key.
    if !filter.has_condition(&caller.reach) {
        return Err(Fault::Refused(WHY_NOT.no_condition.to_owned()));
    }
    visitor.demand_fresh()?;
    let ids = console.ledger.living(&filter, MOST + 1, &caller.reach, now).await.map_err(outage)?;
    if ids.is_empty() {
        return Err(Fault::Refused(WHY_NOT.nothing_matches.to_owned()));
    }
    if ids.len() > MOST as usize {
        return Err(Fault::Refused(format!("{} {MOST}+. {} {MOST}.", EN.would_be_revoked, WHY_NOT.most_at_once)));
    }
    let (count, digest) = (ids.len(), digest(&ids));
    // Whoever was asked about other keys has not confirmed these, and no key that comes meanwhile is revoked.
    let confirmed = form.text("confirmed");
    if confirmed == Some(&*digest) {
        let conditions = filter.to_string();
        let revoked = console.lifecycle.revoke_in_bulk(filter, Some(ids), reason, caller, now).await;
        let revoked = revoked.map_err(|error| Fault::outage(&request, &error))?;
        let ((replicas_confirmed, replicas_expired), took) = (revoked.propagated.replicas(), revoked.propagated.took);
        let (count, filter, took_ms) = (revoked.outcome, conditions.as_str(), millis(took));
        console.gate.host.in_request(&request, &mut || {
            tracing::info!(count, filter, took_ms, replicas_confirmed, replicas_expired, "revoked keys");
        });
        let notice = Notice::counted_everywhere(Done::Keys, revoked.outcome, &revoked.propagated);
        return Ok(visitor.go_to_telling(area.path(), &notice));
    }
    let keys = some(&console, &filter, &caller.reach, now).await.map_err(outage)?;
    let page = MatchingPage {
        has_others: count > keys.len(),
        frame: visitor.frame(area.here(), format!("{} {count}", EN.revoke_several)),
        area: area.path(),
        is_all: area == Area::All,
        conditions: Chosen::of(&form, &filter, &caller.reach),
        fields: Fields::of(&form),
        keys,
        count,
        digest,
        has_changed: confirmed.is_some(),
    };
    Ok(render(StatusCode::OK, &page))
}

/// Stands for these keys in a form. The form is this visitor's own, so nobody else can have made one up.
fn digest(ids: &[KeyId]) -> String {
    let mut hash = Sha256::new();
    for id in ids {
        hash.update(id.as_uuid());
    }
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

/// Some of the keys that would be revoked.
async fn some(
    console: &Console,
    filter: &KeyFilter,
    reach: &Reach,
    now: OffsetDateTime,
) -> Result<Vec<KeyView>, StoreError> {
    let mut living = filter.clone();
    if living.states.is_empty() {
        living.states = KeyState::ALL.into_iter().filter(|state| *state != KeyState::Revoked).collect();
    }
    let found = first_keys(console, (&living, KeyOrder::NEWEST_FIRST, reach), SHOWN, SHOWN, now).await?;
    Ok(found.items)
}
