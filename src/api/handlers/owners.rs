//! `/v1/admin/owners`: find, disable and enable owners.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data, Path},
};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::keys::reason_in_body;
use crate::api::{
    services::{Services, read_failed, unavailable},
    wire::{
        actor::ActorView,
        confirmation::{Confirmation, log_change},
        failure::{Answer, Missing, Reason},
        owner::Owner,
        owner_id, page,
        request::{
            parameters::Parameters,
            queries::{OF_AN_OWNER, OF_OWNERS},
        },
        times::{self, now},
    },
};
use crate::{
    auth::lifecycle::Caller,
    domain::{
        api_key::Keyring,
        ledger::OwnerSwitch,
        listing::{KeyCounts, Listed, OwnerFilter, OwnerStanding, Page},
        owner,
    },
};

/// An owner who is now disabled or enabled on every replica.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SwitchedOwner {
    /// The owner.
    owner: Owner,
    /// Whether all keys of the owner are refused.
    disabled: bool,
    /// Whether this request has changed that. Where it has not, the reason that was given before holds.
    changed: bool,
    /// Why the owner is disabled, if somebody said so: of who disabled the owner first.
    #[schema(required, min_length = 1, max_length = 500)]
    disabled_reason: Option<String>,
    #[serde(flatten)]
    confirmation: Confirmation,
}

/// An owner, with the number of their keys by state.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnerDetails {
    /// The owner.
    owner: Owner,
    /// `disabled` if all keys of the owner are refused, whatever their own state.
    #[schema(value_type = OwnerState)]
    state: &'static str,
    /// Since when the owner is disabled.
    #[serde(serialize_with = "times::optional")]
    #[schema(required)]
    disabled_at: Option<OffsetDateTime>,
    /// The reason for disabling the owner, if one was given.
    #[schema(required, min_length = 1, max_length = 500)]
    disabled_reason: Option<String>,
    /// Who disabled the owner; `null` if an earlier version did.
    #[schema(required)]
    disabled_by: Option<ActorView>,
    /// The name of the plan that the owner is on; `null` for none.
    #[schema(required, pattern = "^[0-9A-Za-z._-]{1,50}$", example = "pro")]
    plan: Option<String>,
    /// The number of the owner's keys by state.
    keys: KeyNumbers,
}

/// The state of an owner, for the schema.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum OwnerState {
    Active,
    Disabled,
}

const ACTIVE: &str = "active";
const DISABLED: &str = "disabled";

/// The number of keys by state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyCounts)]
struct KeyNumbers {
    active: u32,
    disabled: u32,
    expired: u32,
    revoked: u32,
    /// Whether all keys are counted. For an owner with very many keys, only the newest are counted: 1000 in a list,
    /// 10,000 if a single owner is requested.
    complete: bool,
}

/// A page of owners, ordered by issuer and subject.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OwnerList {
    owners: Vec<OwnerDetails>,
    /// The `cursor` of the next page; `null` on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The name that this list's cursors are sealed with.
const LIST: &str = "owners";

/// `GET /v1/admin/owners`
pub(crate) async fn list(request: HttpRequest, services: Data<Services>) -> Answer {
    let keyring = &services.issuer.keyring;
    let (filter, one, page) = selected_owners(&request, keyring)?;
    let listed = match one {
        Some(owner) => services
            .ledger
            .owner(&owner, now())
            .await
            .map(|found| Listed { items: found.into_iter().filter(|found| filter.names(found)).collect(), next: None }),
        None => services.ledger.owners(&filter, &page, now()).await,
    };
    let listed = listed.map_err(read_failed(&request))?;
    let (mut response, next_cursor) = page::begin(&request, keyring, LIST, listed.next);
    Ok(response.json(OwnerList { owners: listed.items.into_iter().map(OwnerDetails::from).collect(), next_cursor }))
}

/// The filter or the single owner, and the page, that a query selects.
pub(crate) fn selected_owners(
    request: &HttpRequest,
    keyring: &Keyring,
) -> Result<(OwnerFilter, Option<owner::Owner>, Page), Reason> {
    let mut parameters = Parameters::of(request, &[OF_OWNERS, OF_AN_OWNER]);
    let page = parameters.page(keyring, LIST);
    let disabled = parameters.take("state", |word| match word {
        ACTIVE => Ok(false),
        DISABLED => Ok(true),
        _ => Err(format!("{ACTIVE} or {DISABLED}")),
    });
    let search = parameters.take_parsed("search");
    let plan = parameters.take_parsed("plan");
    let one = parameters.owner();
    parameters.finish()?;
    Ok((OwnerFilter { disabled, search, plan }, one, page))
}

/// `GET /v1/admin/owners/{id}`
pub(crate) async fn show(request: HttpRequest, services: Data<Services>, id: Path<String>) -> Answer {
    let owner = owner_id::read(&id).ok_or(Reason::NotFound(Missing::Owner))?;
    let found = services.ledger.owner(&owner, now()).await.map_err(read_failed(&request))?;
    let found = found.ok_or(Reason::NotFound(Missing::Owner))?;
    Ok(HttpResponse::Ok().json(OwnerDetails::from(found)))
}

impl From<OwnerStanding> for OwnerDetails {
    fn from(standing: OwnerStanding) -> Self {
        let KeyCounts { active, disabled, expired, revoked, complete } = standing.keys;
        let (at, reason, by) =
            standing.disabled.map_or((None, None, None), |disabled| (Some(disabled.at), disabled.reason, disabled.by));
        Self {
            owner: Owner::new(&standing.owner),
            state: if at.is_some() { DISABLED } else { ACTIVE },
            disabled_at: at,
            disabled_reason: reason.map(|reason| reason.as_str().to_owned()),
            disabled_by: by.map(ActorView::from),
            plan: standing.plan.map(|assigned| assigned.plan.as_str().to_owned()),
            keys: KeyNumbers { active, disabled, expired, revoked, complete },
        }
    }
}

/// `POST /v1/admin/owners/{id}/disable`
pub(crate) async fn disable(
    request: HttpRequest,
    caller: Caller,
    services: Data<Services>,
    id: Path<String>,
    body: Bytes,
) -> Answer {
    switch(&request, caller, &services, &id, &body, true).await
}

/// `POST /v1/admin/owners/{id}/enable`
pub(crate) async fn enable(
    request: HttpRequest,
    caller: Caller,
    services: Data<Services>,
    id: Path<String>,
    body: Bytes,
) -> Answer {
    switch(&request, caller, &services, &id, &body, false).await
}

async fn switch(
    request: &HttpRequest,
    caller: Caller,
    services: &Services,
    id: &str,
    body: &Bytes,
    disabled: bool,
) -> Answer {
    let owner = match services.owner_to_change(id) {
        Ok(owner) => owner,
        // Whoever is known by names that carry a credential can be stopped; nobody else becomes known by them.
        Err(unknown) => {
            let named = owner_id::read(id).ok_or_else(|| unknown.clone())?;
            services.ledger.owner(&named, now()).await.map_err(read_failed(request))?.ok_or(unknown)?.owner
        }
    };
    let reason = reason_in_body(request, body)?;
    let switch = OwnerSwitch { owner: owner.clone(), disabled, reason, at: now() };
    let switched = services.lifecycle.switch_owner(switch, caller.reach, caller.author).await;
    let switched = switched.map_err(unavailable(request, "switch an owner"))?;
    log_change(request, &switched.propagated, |took_ms, replicas_confirmed, replicas_expired| {
        let (owner, changed) = (id, switched.outcome.changed);
        tracing::info!(owner, disabled, changed, took_ms, replicas_confirmed, replicas_expired, "switched an owner");
    });
    let answer = SwitchedOwner {
        owner: Owner::new(&owner),
        disabled,
        changed: switched.outcome.changed,
        disabled_reason: switched.outcome.reason.map(|reason| reason.as_str().to_owned()),
        confirmation: Confirmation::new(&switched.propagated),
    };
    Ok(HttpResponse::Ok().json(answer))
}
