//! Liveness and readiness.

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{readiness::DatabaseState, services::Services};

/// `GET /healthz`: the process answers. If it does not, restart it.
pub(crate) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(State { status: "ok", database: None, issuers_without_keys: None })
}

/// `GET /readyz`: whether this replica wants requests. An issuer whose keys were never fetched does not make the
/// replica unready, because that would refuse all other issuers' tokens and all keys.
pub(crate) async fn readyz(services: Data<Services>) -> HttpResponse {
    let (is_ready, database) = services.readiness.state().await;
    let (mut response, status) =
        if is_ready { (HttpResponse::Ok(), "ready") } else { (HttpResponse::ServiceUnavailable(), "unready") };
    let without_keys = services.gate.tokens.verifier().issuers_without_keys();
    let without_keys = Some(without_keys).filter(|count| *count > 0);
    let database = Some(database).filter(|state| *state != DatabaseState::Ok);
    response.json(State { status, database, issuers_without_keys: without_keys })
}

/// The state of this replica.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Readiness)]
pub(crate) struct State {
    /// `ok`, `ready` or `unready`.
    #[schema(example = "ok")]
    status: &'static str,
    /// The state of the database; absent if nothing is wrong. Alert on this, because a replica without a database stays
    /// ready as long as its lease is valid. As long as it is, the answer does not wait for the database: it says what
    /// the previous request has found, and looks again for the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    database: Option<DatabaseState>,
    /// The number of issuers whose tokens are answered with 503, because their keys were never fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    issuers_without_keys: Option<usize>,
}
