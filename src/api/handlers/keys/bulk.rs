//! Revokes many keys at once, for administrators.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{now, requests};
use crate::{
    api::{
        services::{Services, read_failed, unavailable},
        wire::{
            confirmation::{Confirmation, log_change},
            failure::{Answer, Reason},
            request::{
                bodies::{BULK_REVOCATION, CONDITIONS},
                fields::{Fields, Read, boolean, invalid, list, parsed, text},
            },
        },
    },
    auth::lifecycle::Caller,
    domain::{
        key_record::KeyState,
        ledger::Reach,
        listing::{KeyFilter, words},
        text::ChangeReason,
    },
};

/// The result of revoking many keys; no replica accepts any of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevokedTogether {
    /// The number of revoked keys.
    revoked: u64,
    #[serde(flatten)]
    confirmation: Confirmation,
}

/// How many keys the same request would revoke without `dryRun`. None was.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WouldBeRevoked {
    /// `true`: nothing was done.
    dry_run: bool,
    /// The number of revoked keys.
    would_be_revoked: u64,
}

/// The keys to revoke.
pub(crate) struct Selection {
    pub(crate) filter: KeyFilter,
    pub(crate) reason: Option<ChangeReason>,
    /// Only count them.
    pub(crate) dry_run: bool,
}

/// `POST /v1/admin/keys/revoke`
pub(crate) async fn revoke_in_bulk(
    request: HttpRequest,
    caller: Caller,
    services: Data<Services>,
    body: Bytes,
) -> Answer {
    let now = now();
    let Selection { filter, reason, dry_run } = selection(&request, &body)?;
    if dry_run {
        let count = services.ledger.count_living(&filter, &caller.reach, now).await;
        let would_be_revoked = count.map_err(read_failed(&request))?;
        let answer = WouldBeRevoked { dry_run: true, would_be_revoked };
        return Ok(HttpResponse::Ok().json(answer));
    }
    let description = filter.to_string();
    let revoked = services.lifecycle.revoke_in_bulk(filter, None, reason, caller, now).await;
    let revoked = revoked.map_err(unavailable(&request, "revoke keys"))?;
    log_change(&request, &revoked.propagated, |took_ms, replicas_confirmed, replicas_expired| {
        let count = revoked.outcome;
        tracing::info!(count, filter = description, took_ms, replicas_confirmed, replicas_expired, "revoked keys");
    });
    let answer = RevokedTogether { revoked: revoked.outcome, confirmation: Confirmation::new(&revoked.propagated) };
    Ok(HttpResponse::Ok().json(answer))
}

/// Requires at least one condition, so that a forgotten one does not revoke every key.
pub(crate) fn selection(request: &HttpRequest, body: &Bytes) -> Result<Selection, Reason> {
    let mut fields = Fields::of(request, body, BULK_REVOCATION)?;
    // A variable of the client that happens to be null must not mean every owner.
    fields.refuse_null(CONDITIONS.iter().map(|(name, _)| *name));
    let filter = KeyFilter {
        owner: requests::owner(&mut fields),
        states: fields.take("state", states).unwrap_or_default(),
        environment: fields.take("environment", parsed),
        name: fields.take("name", parsed),
        search: fields.take("search", parsed),
        tag: fields.take("tag", parsed),
        scope: fields.take("scope", parsed),
        expiring_before: fields.take("expiringBefore", requests::instant),
        created_since: fields.take("createdSince", requests::instant),
        unused_since: fields.take("unusedSince", requests::instant),
        used_since: fields.take("usedSince", requests::instant),
        never_expires: fields.take("expires", |value| word(value, words::never)).is_some(),
        limited: fields.take("limited", |value| word(value, words::yes_or_no)),
        // Those are revoked already.
        leaked: None,
    };
    let reason = fields.take("reason", parsed);
    let dry_run = fields.take("dryRun", boolean).unwrap_or(false);
    if !filter.has_condition(&Reach::Any) && fields.are_sound() {
        fields.problem("owner", "required", "name an owner, or another condition");
    }
    fields.finish(Some(Selection { filter, reason, dry_run }))
}

/// One state, several with commas between, or a list of them. Keys that are revoked already can't be revoked.
fn states(value: Value) -> Read<Vec<KeyState>> {
    let state = |word: &str| {
        let living = KeyState::of(word).filter(|state| *state != KeyState::Revoked);
        living.map_or_else(|| invalid("invalid", "active, disabled or expired"), Ok)
    };
    match value {
        // An empty list would be no condition, and would revoke keys of every state.
        Value::Array(items) if items.is_empty() => invalid("invalid", "must hold at least one state"),
        Value::Array(_) => list(value, KeyState::ALL.len(), |item| state(&text(item)?)),
        value => text(value)?.split(',').map(state).collect(),
    }
}

/// A word of a list's query.
fn word<T>(value: Value, read: fn(&str) -> Result<T, String>) -> Read<T> {
    read(&text(value)?).or_else(|detail| invalid("invalid", detail))
}
