//! `/v1/admin/owners/{id}/limits`: the limits and the credits that all keys of an owner share.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ETAG, HeaderName},
    web::{Bytes, Data, Path},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::keys::{Conditions, Read};
use crate::{
    api::{
        services::{Services, read_failed, unavailable},
        wire::{
            confirmation::{Confirmation, log_change},
            credits::{self, Credits},
            failure::{Answer, Missing, Reason},
            limits::{self, Limit},
            owner::Owner,
            owner_id,
            request::{bodies::OWNER_LIMITS, fields::Fields},
            times::now,
        },
    },
    auth::lifecycle::{Applied, Caller},
    domain::{
        owner,
        owner_limits::{OwnerAllowance, OwnerCredits, OwnerLimitsChange, OwnerLimitsChanged},
    },
};

/// The limits of an owner.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnerLimits {
    /// The owner.
    owner: Owner,
    /// The limits, which all keys of the owner share.
    #[schema(max_items = 10)]
    limits: Vec<Limit>,
    /// The credits that all keys of the owner share; `null` if there are none.
    #[schema(required)]
    credits: Option<Credits>,
}

/// The limits of an owner, which every replica applies.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangedOwnerLimits {
    #[serde(flatten)]
    limits: OwnerLimits,
    /// Whether this request has changed them.
    changed: bool,
    #[serde(flatten)]
    confirmation: Confirmation,
}

impl OwnerLimits {
    /// These limits of this owner.
    pub fn new(owner: &owner::Owner, allowance: &OwnerAllowance) -> Self {
        Self {
            owner: Owner::new(owner),
            limits: allowance.limits.as_slice().iter().map(Limit::new).collect(),
            credits: allowance.credits.as_ref().map(Credits::new),
        }
    }
}

impl ChangedOwnerLimits {
    pub(super) fn new(owner: &owner::Owner, limited: &Applied<OwnerLimitsChanged>) -> Self {
        Self {
            limits: OwnerLimits::new(owner, &limited.outcome.allowance),
            changed: limited.outcome.changed,
            confirmation: Confirmation::new(&limited.propagated),
        }
    }
}

/// `GET /v1/admin/owners/{id}/limits`
pub(crate) async fn show(request: HttpRequest, services: Data<Services>, id: Path<String>) -> Answer {
    let owner = owner_id::read(&id).ok_or(Reason::NotFound(Missing::Owner))?;
    let conditions = Conditions::of(&request)?;
    let limits = services.ledger.owner_limits(&owner).await.map_err(read_failed(&request))?;
    Ok(match conditions.of_read(&limits.version().to_string())? {
        Read::NotModified => HttpResponse::NotModified().insert_header(etag(&limits)).finish(),
        Read::Shown => HttpResponse::Ok().insert_header(etag(&limits)).json(OwnerLimits::new(&owner, &limits)),
    })
}

/// `PUT /v1/admin/owners/{id}/limits`: answers once every replica applies the limits.
pub(crate) async fn replace(
    request: HttpRequest,
    caller: Caller,
    services: Data<Services>,
    id: Path<String>,
    body: Bytes,
) -> Answer {
    let owner = services.owner_to_change(&id)?;
    let preconditions = Conditions::of(&request)?.of_change();
    let mut fields = Fields::of(&request, &body, OWNER_LIMITS)?;
    fields.take_read_only("owner", &serde_json::to_value(Owner::new(&owner)).unwrap_or_default());
    let asked = fields.require("limits", limits::asked_of_owner);
    let credits = fields.take_nullable("credits", credits::asked);
    let credits = credits.map_or(OwnerCredits::Keep, OwnerCredits::Ask);
    let (asked, credits) = fields.finish(asked.map(|asked| (asked, credits)))?;
    let (limits, reason, once) = (Some(asked), None, None);
    let change = OwnerLimitsChange {
        owner: owner.clone(),
        limits,
        credits,
        reason,
        once,
        preconditions,
        granted: None,
        at: now(),
    };
    let limited = services.lifecycle.limit_owner(change, caller).await;
    let limited = limited.map_err(unavailable(&request, "limit an owner"))??;
    log_change(&request, &limited.propagated, |took_ms, replicas_confirmed, replicas_expired| {
        let (owner, changed) = (id.as_str(), limited.outcome.changed);
        tracing::info!(owner, changed, took_ms, replicas_confirmed, replicas_expired, "limited an owner");
    });
    let answer = ChangedOwnerLimits::new(&owner, &limited);
    Ok(HttpResponse::Ok().insert_header(etag(&limited.outcome.allowance)).json(answer))
}

fn etag(limits: &OwnerAllowance) -> (HeaderName, String) {
    (ETAG, format!("\"{}\"", limits.version()))
}
