//! Update, enable, disable and revoke a key.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data, Path},
};
use time::OffsetDateTime;

use super::{
    conditions_of_change, key_id, now,
    representation::{Key, RevokedKey},
    requests, shown,
};
use crate::{
    api::{
        services::{Services, read_failed, unavailable},
        wire::{
            confirmation::log_change,
            failure::{Answer, Missing, Reason},
            request::{
                bodies::{KEY_PATCH, NOTHING, REASON_ONLY},
                fields::{Fields, parsed},
                parameters::Parameters,
                queries::OF_REVOCATIONS,
            },
        },
    },
    auth::lifecycle::{Applied, Caller, Done, Edit, Propagated, RevokedByHolder, Switch},
    domain::{api_key::KeyId, key_record::ManagedKey, ledger::Reach, principal::Principal, text::ChangeReason},
};

/// What is said of a revocation in the log.
pub(crate) const REVOKE: &str = "revoke a key";

/// `PATCH /v1/keys/{id}`
pub(crate) async fn update(
    request: HttpRequest,
    caller: Caller,
    services: Data<Services>,
    id: Path<String>,
    body: Bytes,
) -> Answer {
    let (id, now) = (key_id(&id)?, now());
    let conditions = conditions_of_change(&request)?;
    let edit = edit(&request, &caller, &services, id, &body, now).await?;
    let changed = done(&request, services.lifecycle.edit(id, edit, conditions, caller, now).await, "change a key");
    let changed = changed.map_err(|reason| requests::as_sent(reason, &body))?;
    Ok(shown(&services, &changed.outcome, now))
}

/// The changes that a body asks for. It may send back what it was shown.
async fn edit(
    request: &HttpRequest,
    caller: &Caller,
    services: &Services,
    id: KeyId,
    body: &Bytes,
    now: OffsetDateTime,
) -> Result<Edit, Reason> {
    // Read again afterwards: what a body says takes a hundred times the memory of its text, which must not wait for the
    // database.
    let sends_back = Fields::of(request, body, KEY_PATCH)?.has_any(&requests::READ_ONLY);
    let shown = match sends_back {
        true => Some(services.ledger.show(id, &caller.reach).await.map_err(read_failed(request))?),
        false => None,
    };
    let mut fields = Fields::of(request, body, KEY_PATCH)?;
    if let Some(key) = shown {
        let key = key.ok_or(Reason::NotFound(Missing::Key))?;
        requests::take_shown(&mut fields, &Key::new(&key, services.issuer.keyring.prefix(), now));
    }
    requests::edit(fields, now)
}

/// `POST /v1/keys/{id}/disable`
pub(crate) async fn disable(
    request: HttpRequest,
    caller: Caller,
    services: Data<Services>,
    id: Path<String>,
    body: Bytes,
) -> Answer {
    let id = key_id(&id)?;
    let reason = reason_in_body(&request, &body)?;
    switch(&request, caller, &services, id, Switch { enabled: false, reason }).await
}

/// `POST /v1/keys/{id}/enable`
pub(crate) async fn enable(
    request: HttpRequest,
    caller: Caller,
    services: Data<Services>,
    id: Path<String>,
    body: Bytes,
) -> Answer {
    // The route takes no members, but many clients send an empty object instead of no body.
    Fields::of_optional(&request, &body, NOTHING)?.finish(Some(()))?;
    let id = key_id(&id)?;
    switch(&request, caller, &services, id, Switch { enabled: true, reason: None }).await
}

async fn switch(request: &HttpRequest, caller: Caller, services: &Services, id: KeyId, to: Switch) -> Answer {
    let now = now();
    let conditions = conditions_of_change(request)?;
    let what = if to.enabled { "enable a key" } else { "disable a key" };
    let changed = services.lifecycle.switch(id, to, conditions, caller, now).await;
    let changed = done(request, changed, what)?;
    Ok(shown(services, &changed.outcome, now))
}

/// `DELETE /v1/keys/{id}`: answers once no replica accepts the key.
pub(crate) async fn revoke(
    request: HttpRequest,
    caller: Caller,
    services: Data<Services>,
    id: Path<String>,
    body: Bytes,
) -> Answer {
    let (id, now) = (key_id(&id)?, now());
    let reason = reason_given(&request, &body)?;
    let conditions = conditions_of_change(&request)?;
    let revoked = services.lifecycle.revoke_if(id, reason, conditions, caller, now).await;
    let revoked = revoked.map_err(unavailable(&request, REVOKE))??;
    log_key(&request, id, &revoked.propagated, REVOKE);
    Ok(HttpResponse::Ok().json(RevokedKey::new(&revoked.outcome, &revoked.propagated)))
}

/// `DELETE /v1/keys/self`: revokes the presented key. Anyone who has found a key can revoke it.
pub(crate) async fn revoke_self(
    request: HttpRequest,
    principal: Principal,
    services: Data<Services>,
    body: Bytes,
) -> Answer {
    let Some(record) = principal.key() else { return Err(Reason::Internal) };
    let now = now();
    let reason = reason_given(&request, &body)?;
    let conditions = conditions_of_change(&request)?;
    let caller = Caller {
        reach: Reach::Own(record.owner.clone()),
        scopes: Some(record.scopes.clone()),
        scope_bearing: false,
        unknown_plan: None,
        author: services.gate.author(&request, principal.actor()),
    };
    let revoked = services.lifecycle.revoke_held(record, reason, conditions, caller, now).await;
    let revoked = revoked.map_err(unavailable(&request, REVOKE))??;
    log_held_revocation(&request, &revoked);
    Ok(HttpResponse::Ok().json(RevokedKey::new(&revoked.outcome.key, &revoked.propagated)))
}

/// Logs the change, or returns the reason for the failure.
fn done(
    request: &HttpRequest,
    outcome: Done<Applied<ManagedKey>>,
    what: &'static str,
) -> Result<Applied<ManagedKey>, Reason> {
    let changed = outcome.map_err(unavailable(request, what))??;
    log_key_change(request, &changed, what);
    Ok(changed)
}

/// Logs a revocation with nothing but the key, unless nothing was done: whoever holds a key can repeat that for ever.
pub(crate) fn log_held_revocation(request: &HttpRequest, revoked: &Applied<RevokedByHolder>) {
    let RevokedByHolder { key, is_repeated } = revoked.outcome;
    if !is_repeated {
        log_key(request, key.id, &revoked.propagated, REVOKE);
    }
}

/// Logs a change of a key that every replica applies.
pub(crate) fn log_key_change(request: &HttpRequest, changed: &Applied<ManagedKey>, what: &'static str) {
    log_key(request, changed.outcome.record.id, &changed.propagated, what);
}

fn log_key(request: &HttpRequest, key_id: KeyId, propagated: &Propagated, what: &'static str) {
    log_change(request, propagated, |took_ms, replicas_confirmed, replicas_expired| {
        tracing::info!(%key_id, took_ms, replicas_confirmed, replicas_expired, "did {what}");
    });
}

/// The reason, from the query or the body: some clients can't send a body with `DELETE`, but queries end up in logs.
fn reason_given(request: &HttpRequest, body: &Bytes) -> Result<Option<ChangeReason>, Reason> {
    let in_query = reason_in_query(request)?;
    let mut fields = Fields::of_optional(request, body, REASON_ONLY)?;
    let in_body = fields.take("reason", parsed);
    if in_query.is_some() && in_body.is_some() {
        fields.problem("reason", "conflict", "give the reason in the query or in the body, not in both");
    }
    fields.finish(Some(in_query.or(in_body)))
}

/// `?reason=`
pub(crate) fn reason_in_query(request: &HttpRequest) -> Result<Option<ChangeReason>, Reason> {
    let mut parameters = Parameters::of(request, &[OF_REVOCATIONS]);
    let reason = parameters.take_kept(request, "reason");
    parameters.finish().map(|()| reason)
}

/// The body of a request that can have only a reason.
pub(crate) fn reason_in_body(request: &HttpRequest, body: &Bytes) -> Result<Option<ChangeReason>, Reason> {
    let mut fields = Fields::of_optional(request, body, REASON_ONLY)?;
    let reason = fields.take("reason", parsed);
    fields.finish(Some(reason))
}
