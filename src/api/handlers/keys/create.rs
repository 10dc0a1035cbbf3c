//! Create and rotate keys.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::LOCATION,
    web::{Bytes, Data, Path},
};
use time::OffsetDateTime;

use super::{
    conditions_of_change, etag, key_id, now,
    representation::{CreatedKey, RotatedKey},
    requests,
};
use crate::{
    api::{
        access::root_span::in_request,
        services::{Services, unavailable},
        wire::{confirmation::log_change, failure::Answer, request::idempotency},
    },
    auth::lifecycle::{Caller, Issued, Rotated, Rotation},
    domain::key_record::ManagedKey,
};

/// `POST /v1/keys`
pub(crate) async fn create(request: HttpRequest, caller: Caller, services: Data<Services>, body: Bytes) -> Answer {
    let now = now();
    let idempotent = idempotency::of(&request, &caller, &body)?;
    if let Some(idempotent) = &idempotent {
        let before = services.issuer.issued_before(idempotent, &caller, now).await;
        if let Some(before) = before.map_err(unavailable(&request, "look for an earlier request"))? {
            return Ok(known(&services, &*before?, now));
        }
    }
    let new_key = requests::new_key(&request, &body, caller.reach.owner(), now)?;
    let issued = services.issuer.issue(new_key, idempotent.as_ref(), &caller, now).await;
    let issued = issued.map_err(unavailable(&request, "issue a key"))?;
    match issued.map_err(|refusal| requests::as_sent(refusal.into(), &body))? {
        Issued::Now(new) => {
            in_request(&request, || tracing::info!(key_id = %new.key.record.id, "issued a key"));
            let location = format!("{}/{}", request.path(), new.key.record.id);
            Ok(HttpResponse::Created()
                .insert_header(etag(&new.key, now))
                .insert_header((LOCATION, location))
                .json(CreatedKey::new(*new, services.issuer.keyring.prefix())))
        }
        Issued::Before(key) => Ok(known(&services, &key, now)),
    }
}

/// A key that an earlier, identical request created.
fn known(services: &Services, key: &ManagedKey, now: OffsetDateTime) -> HttpResponse {
    let known = CreatedKey::known(key, services.issuer.keyring.prefix(), now);
    HttpResponse::Ok().insert_header(etag(key, now)).json(known)
}

/// `POST /v1/keys/{id}/rotate`
pub(crate) async fn rotate(
    request: HttpRequest,
    caller: Caller,
    services: Data<Services>,
    id: Path<String>,
    body: Bytes,
) -> Answer {
    let (id, now) = (key_id(&id)?, now());
    let idempotent = idempotency::of(&request, &caller, &body)?;
    if let Some(idempotent) = &idempotent {
        let before = services.issuer.rotated_before(id, idempotent.clone(), caller.clone(), now).await;
        if let Some(before) = before.map_err(unavailable(&request, "look for an earlier request"))?? {
            return Ok(rotated_as(&services, before, now));
        }
    }
    let (grace_period, expiry) = requests::rotation(&request, &body, now)?;
    let preconditions = conditions_of_change(&request)?;
    let rotation = Rotation { id, grace_period, expiry, preconditions, request: idempotent };
    let rotated = services.issuer.rotate(rotation, caller, now).await;
    let rotated = rotated.map_err(unavailable(&request, "rotate a key"))?;
    let rotated = rotated.map_err(|refusal| requests::as_sent(refusal.into(), &body))?;
    log_change(&request, &rotated.propagated, |took_ms, replicas_confirmed, replicas_expired| {
        let successor = rotated.new.key().record.id;
        tracing::info!(key_id = %id, %successor, took_ms, replicas_confirmed, replicas_expired, "rotated a key");
    });
    Ok(rotated_as(&services, rotated, now))
}

fn rotated_as(services: &Services, rotated: Rotated, now: OffsetDateTime) -> HttpResponse {
    let mut response = match rotated.new {
        Issued::Now(_) => HttpResponse::Created(),
        Issued::Before(_) => HttpResponse::Ok(),
    };
    let prefix = services.issuer.keyring.prefix();
    response.insert_header(etag(rotated.new.key(), now)).json(RotatedKey::new(rotated, prefix, now))
}
