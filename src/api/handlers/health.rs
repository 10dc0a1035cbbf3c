//! Is the process alive, and does this replica want requests?

use actix_web::{HttpResponse, HttpResponseBuilder, http::header::CACHE_CONTROL, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{readiness::DatabaseState, services::Services};

/// `GET /healthz`: the process answers. Restart it when it does not.
pub(crate) async fn healthz() -> HttpResponse {
    answer(&mut HttpResponse::Ok(), &State { status: "ok", database: None, issuers_without_keys: None })
}

/// `GET /readyz`: send requests here, or not. An issuer whose keys have never come makes no replica unready:
/// it would take everybody else's tokens and all keys with it.
pub(crate) async fn readyz(services: Data<Services>) -> HttpResponse {
    let (is_ready, database) = services.readiness.state().await;
    let (mut response, status) =
        if is_ready { (HttpResponse::Ok(), "ready") } else { (HttpResponse::ServiceUnavailable(), "unready") };
    let without_keys = services.gate.tokens.verifier().issuers_without_keys();
    let without_keys = Some(without_keys).filter(|count| *count > 0);
    let database = Some(database).filter(|state| *state != DatabaseState::Ok);
    answer(&mut response, &State { status, database, issuers_without_keys: without_keys })
}

/// How this replica stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Readiness)]
pub(crate) struct State {
    /// `ok`, `ready` or `unready`.
    #[schema(example = "ok")]
    status: &'static str,
    /// What is wrong with the database; missing when nothing is. A replica is ready without it as long as its lease holds, so
    /// alert on this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    database: Option<DatabaseState>,
    /// Issuers whose tokens are answered 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    issuers_without_keys: Option<usize>,
}

fn answer(response: &mut HttpResponseBuilder, state: &State) -> HttpResponse {
    response.insert_header((CACHE_CONTROL, "no-store")).json(state)
}
