//! `/v1/admin/owners`: an owner is switched off, and on again.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::CACHE_CONTROL,
    web::{Bytes, Data, Path},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Services,
    failure::{Failure, Reason},
    fields::{Fields, parsed},
    keys::{
        now,
        representation::{Confirmation, Owner},
    },
    owner_id,
    root_span::in_request,
    undone,
};
use crate::{auth::lifecycle::Editor, domain::ledger::OwnerSwitch};

/// An owner whose keys are all refused, or not any more, on every replica.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SwitchedOwner {
    /// Who.
    owner: Owner,
    /// Whether all of the owner's keys are refused.
    disabled: bool,
    #[serde(flatten)]
    confirmation: Confirmation,
}

/// `POST /v1/admin/owners/{id}/disable`
pub(super) async fn disable(
    request: HttpRequest,
    editor: Editor,
    services: Data<Services>,
    id: Path<String>,
    body: Bytes,
) -> Result<HttpResponse, Failure> {
    switch(&request, editor, &services, &id, &body, true).await
}

/// `POST /v1/admin/owners/{id}/enable`
pub(super) async fn enable(
    request: HttpRequest,
    editor: Editor,
    services: Data<Services>,
    id: Path<String>,
    body: Bytes,
) -> Result<HttpResponse, Failure> {
    switch(&request, editor, &services, &id, &body, false).await
}

async fn switch(
    request: &HttpRequest,
    editor: Editor,
    services: &Services,
    id: &str,
    body: &Bytes,
    disabled: bool,
) -> Result<HttpResponse, Failure> {
    let fail = |reason: Reason| Failure::new(request.path(), reason);
    let owner = owner_id::read(id).ok_or_else(|| fail(Reason::NotFound))?;
    let mut fields = Fields::of_optional(request, body).map_err(fail)?;
    let reason = fields.take("reason", parsed);
    fields.finish(Some(())).map_err(fail)?;
    let switch = OwnerSwitch { owner: owner.clone(), disabled, reason, at: now() };
    let switched = services.lifecycle.switch_owner(switch, editor.reach, editor.author).await;
    let everywhere = switched.map_err(|undecided| undone(request, &undecided, "switch an owner"))?;
    in_request(request, || tracing::info!(owner = id, disabled, took = ?everywhere.took, "switched an owner"));
    let answer = SwitchedOwner { owner: Owner::new(&owner), disabled, confirmation: Confirmation::new(&everywhere) };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(answer))
}
