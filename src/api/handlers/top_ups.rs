//! The routes that top up the credits of keys and of owners.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data, Path},
};

use super::{
    keys::{key_id, log_key_change, shown},
    owner_limits::ChangedOwnerLimits,
};
use crate::{
    api::{
        services::{Services, unavailable},
        wire::{
            confirmation::log_change,
            credits,
            failure::{Answer, Reason},
            request::{
                bodies::TOP_UP,
                fields::{Fields, parsed},
                idempotency,
            },
            times::now,
        },
    },
    auth::lifecycle::{Caller, KeyTopUp},
    domain::{
        limits::{TopUp, TopUpOperation},
        owner_limits::{OwnerCredits, OwnerLimitsChange},
        precondition::Preconditions,
        text::ChangeReason,
    },
};

/// `POST /v1/keys/{id}/credits`: answers once every replica applies the change.
pub(crate) async fn key(
    request: HttpRequest,
    caller: Caller,
    services: Data<Services>,
    id: Path<String>,
    body: Bytes,
) -> Answer {
    let (id, now) = (key_id(&id)?, now());
    let (top_up, reason) = read_top_up(&request, &body)?;
    let once = idempotency::of(&request, &caller, &body)?;
    let key_top_up = KeyTopUp { id, top_up, granted: None, reason, once };
    let changed = services.lifecycle.top_up(key_top_up, caller, now).await;
    let changed = changed.map_err(unavailable(&request, "top up a key"))??;
    log_key_change(&request, &changed, "top up a key");
    Ok(shown(&services, &changed.outcome, now))
}

/// `POST /v1/admin/owners/{id}/credits`: the same for the credits that all keys of an owner share.
pub(crate) async fn owner(
    request: HttpRequest,
    caller: Caller,
    services: Data<Services>,
    id: Path<String>,
    body: Bytes,
) -> Answer {
    let owner = services.owner_to_change(&id)?;
    let (top_up, reason) = read_top_up(&request, &body)?;
    let once = idempotency::of(&request, &caller, &body)?;
    let change = OwnerLimitsChange {
        owner: owner.clone(),
        limits: None,
        credits: OwnerCredits::TopUp(top_up),
        reason,
        once,
        preconditions: Preconditions::default(),
        granted: None,
        at: now(),
    };
    let limited = services.lifecycle.limit_owner(change, caller).await;
    let limited = limited.map_err(unavailable(&request, "top up an owner"))??;
    log_change(&request, &limited.propagated, |took_ms, replicas_confirmed, replicas_expired| {
        let owner = id.as_str();
        tracing::info!(owner, took_ms, replicas_confirmed, replicas_expired, "topped up an owner");
    });
    Ok(HttpResponse::Ok().json(ChangedOwnerLimits::new(&owner, &limited)))
}

fn read_top_up(request: &HttpRequest, body: &Bytes) -> Result<(TopUp, Option<ChangeReason>), Reason> {
    let mut fields = Fields::of(request, body, TOP_UP)?;
    let operation: Option<TopUpOperation> = fields.require("operation", parsed);
    let sum = fields.require("amount", |value| credits::balance(&value));
    let reason = fields.take("reason", parsed);
    let top_up = operation.zip(sum).and_then(|(operation, sum)| match operation.with(sum) {
        Ok(top_up) => Some(top_up),
        Err(error) => {
            fields.problem("amount", "invalid", error.to_string());
            None
        }
    });
    fields.finish(top_up.map(|top_up| (top_up, reason)))
}
