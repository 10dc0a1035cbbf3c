//! `/v1/keys`: what a key's owner does with it.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::CACHE_CONTROL,
    web::{Data, Path},
};
use serde::Serialize;
use time::OffsetDateTime;

use super::{
    Services,
    failure::{Failure, Reason},
    root_span::in_request,
};
use crate::{
    auth::{coherence::Settled, lifecycle::RevokedEverywhere},
    domain::{api_key::KeyId, ports::Revoke, principal::Principal},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RevokedKey {
    id: String,
    #[serde(with = "time::serde::rfc3339")]
    revoked_at: OffsetDateTime,
    /// Replicas that have said that they refuse the key now, this one among them.
    replicas_confirmed: usize,
    /// Replicas that said nothing until they could not have accepted it any more.
    replicas_expired: usize,
    /// From the commit until no replica accepts the key.
    took_ms: f64,
}

impl RevokedKey {
    fn new(id: KeyId, revoked: &RevokedEverywhere) -> Self {
        let (confirmed, expired) = match revoked.settled {
            Settled::Heard { confirmed, expired } => (confirmed, expired),
            // Nobody was heard, so all that could have accepted it were waited for.
            Settled::Unheard => (0, 0),
        };
        Self {
            id: id.to_string(),
            revoked_at: revoked.at,
            replicas_confirmed: confirmed + 1,
            replicas_expired: expired,
            took_ms: (revoked.took.as_secs_f64() * 1e6).round() / 1e3,
        }
    }
}

/// `DELETE /v1/keys/{id}`: ends a key of the bearer's. When the answer comes, no replica accepts it.
pub(super) async fn revoke(
    request: HttpRequest,
    principal: Principal,
    services: Data<Services>,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let fail = |reason| Failure::new(request.path(), reason);
    // What is no id is the id of no key.
    let id: KeyId = id.parse().map_err(|_| fail(Reason::NotFound))?;
    let revoke = Revoke { id, owner: Some(principal.owner().clone()), reason: None, at: OffsetDateTime::now_utc() };
    let revoked = services.lifecycle.revoke(revoke).await.map_err(|undecided| {
        in_request(&request, || {
            tracing::error!(error = %undecided, key_id = %id, "could not revoke a key everywhere; answering 503");
        });
        fail(Reason::Unavailable)
    })?;
    let revoked = revoked.ok_or_else(|| fail(Reason::NotFound))?;
    in_request(&request, || {
        tracing::info!(key_id = %id, took = ?revoked.took, settled = ?revoked.settled, "revoked a key");
    });
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(RevokedKey::new(id, &revoked)))
}
