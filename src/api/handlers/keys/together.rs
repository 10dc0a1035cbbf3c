//! Revokes many keys at once, for administrators.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::CACHE_CONTROL,
    web::{Bytes, Data},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{list, now, representation::Confirmation, requests};
use crate::{
    api::{
        access::root_span::in_request,
        services::{Services, unavailable},
        wire::{
            failure::{Failure, Reason},
            fields::{Fields, parsed, text, wrong},
        },
    },
    auth::lifecycle::Editor,
    domain::{key_record::KeyState, listing::KeyFilter, text::ChangeReason},
};

/// The result of revoking many keys; no replica accepts any of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct RevokedTogether {
    /// The number of revoked keys.
    revoked: u64,
    #[serde(flatten)]
    confirmation: Confirmation,
}

/// `POST /v1/admin/keys/revoke`
pub(in crate::api) async fn revoke_together(
    request: HttpRequest,
    editor: Editor,
    services: Data<Services>,
    body: Bytes,
) -> Result<HttpResponse, Failure> {
    let fail = |reason: Reason| Failure::new(request.path(), reason);
    let now = now();
    let fields = Fields::of(&request, &body).map_err(fail)?;
    let (filter, reason) = which(fields).map_err(fail)?;
    let revoked = services.lifecycle.revoke_many(filter, reason, editor, now).await;
    let revoked = revoked.map_err(|undecided| unavailable(&request, &undecided, "revoke keys"))?;
    in_request(&request, || tracing::info!(count = revoked.count, "revoked keys"));
    let confirmation = Confirmation::new(&revoked.everywhere);
    let answer = RevokedTogether { revoked: revoked.count, confirmation };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(answer))
}

/// The conditions that select keys for revocation.
const CONDITIONS: [&str; 7] = ["owner", "state", "environment", "name", "tag", "expiringBefore", "createdSince"];

/// Requires at least one condition, so that a forgotten one does not revoke every key.
pub(in crate::api) fn which(mut fields: Fields) -> Result<(KeyFilter, Option<ChangeReason>), Reason> {
    let by_text = |read: fn(&str) -> Result<_, String>| {
        move |value: Value| read(&text(value)?).or_else(|detail| wrong("invalid", detail))
    };
    // A program whose owner variable happens to be null does not mean every owner.
    fields.refuse_null(&CONDITIONS);
    let filter = KeyFilter {
        owner: fields.take("owner", |value| list::owner(&text(value)?).or_else(|detail| wrong("invalid", detail))),
        states: fields
            .take("state", |value| {
                let text = text(value)?;
                let known =
                    KeyState::ALL.into_iter().find(|state| state.as_str() == text && *state != KeyState::Revoked);
                known.map_or_else(|| wrong("invalid", "active, disabled or expired"), |state| Ok(vec![state]))
            })
            .unwrap_or_default(),
        environment: fields.take("environment", parsed),
        name: fields.take("name", parsed),
        tag: fields.take("tag", parsed),
        expiring_before: fields.take("expiringBefore", by_text(requests::instant)),
        created_since: fields.take("createdSince", by_text(requests::instant)),
        ..KeyFilter::default()
    };
    let reason = fields.take("reason", parsed);
    let has_condition = filter.owner.is_some() || filter.narrows();
    if !has_condition && fields.are_sound() {
        fields.problem("owner", "required", "name an owner, or another condition");
    }
    fields.finish(Some((filter, reason)))
}
