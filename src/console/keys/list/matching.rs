//! Revokes all keys that a query selects, after showing which these are.

use actix_web::{
    HttpRequest,
    http::StatusCode,
    web::{Bytes, Data},
};
use askama::Template;
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
        texts::EN,
    },
    domain::{
        key_record::KeyState,
        ledger::Reach,
        listing::{KeyFilter, KeyOrder},
        ports::StoreError,
    },
    telemetry::outage::millis,
};

/// The most keys that are revoked by one form. Whoever means more can do it by the API, or in several steps.
const MOST: u64 = 10_000;
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
    count: u64,
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
        return Err(Fault::Refused(EN.no_condition.to_owned()));
    }
    visitor.demand_fresh()?;
    let count = console.ledger.count_living(&filter, &caller.reach, now).await.map_err(outage)?;
    if count == 0 {
        return Err(Fault::Refused(EN.nothing_matches.to_owned()));
    }
    if count > MOST {
        return Err(Fault::Refused(format!("{} {count}. {} {MOST}.", EN.would_be_revoked, EN.most_at_once)));
    }
    // Whoever has seen other keys has not confirmed these.
    let confirmed = form.text("confirmed");
    if confirmed.is_some_and(|seen| seen == count.to_string()) {
        let conditions = filter.to_string();
        let revoked = console.lifecycle.revoke_in_bulk(filter, reason, caller, now).await;
        let revoked = revoked.map_err(|error| Fault::outage(&request, &error))?;
        let ((replicas_confirmed, replicas_expired), took) = (revoked.propagated.replicas(), revoked.propagated.took);
        let (count, filter, took_ms) = (revoked.count, conditions.as_str(), millis(took));
        console.gate.host.in_request(&request, &mut || {
            tracing::info!(count, filter, took_ms, replicas_confirmed, replicas_expired, "revoked keys");
        });
        let notice = Notice::counted_everywhere(Done::Keys, revoked.count, &revoked.propagated);
        return Ok(visitor.go_to_telling(area.path(), &notice));
    }
    let keys = some(&console, &filter, &caller.reach, now).await.map_err(outage)?;
    let page = MatchingPage {
        has_others: count > keys.len() as u64,
        frame: visitor.frame(area.here(), EN.are_you_sure),
        area: area.path(),
        is_all: area == Area::All,
        conditions: Chosen::of(&form, &filter, &caller.reach),
        fields: Fields::of(&form),
        keys,
        count,
        has_changed: confirmed.is_some(),
    };
    Ok(render(StatusCode::OK, &page))
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
    let prefix = console.issuer.keyring.prefix();
    let found = first_keys(console, (&living, KeyOrder::NEWEST_FIRST, reach), SHOWN, SHOWN, now).await?;
    Ok(found.items.iter().map(|key| KeyView::new(key, prefix, now)).collect())
}
