//! Is the process alive, and does this replica want requests?

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::{HttpResponse, HttpResponseBuilder, http::header::CACHE_CONTROL, web::Data};
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::Services;
use crate::{domain::ports::Health, trouble::Trouble};

/// How long one answer of the database serves. Readiness is public, so it must not be a way to make
/// the database work.
const ANSWER_SERVES: Duration = Duration::from_millis(500);

/// Whether this replica wants requests: the database answers, the schema is up to date, and the
/// process is not about to stop.
pub struct Readiness {
    stopping: AtomicBool,
    store: Arc<dyn Health>,
    trouble: Trouble,
    /// The last answer and when it came. Held while the database is asked, so that many askers cost one query.
    last: Mutex<Option<(Instant, bool)>>,
}

impl Readiness {
    /// Readiness that depends on `store`.
    pub fn new(store: Arc<dyn Health>) -> Self {
        Self { stopping: AtomicBool::new(false), store, trouble: Trouble::default(), last: Mutex::new(None) }
    }

    /// From now on this replica is unready. Requests that come nevertheless are still answered.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    async fn is_ready(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed) && self.store_is_ready().await
    }

    async fn store_is_ready(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, ready)) = *last
            && at.elapsed() < ANSWER_SERVES
        {
            return ready;
        }
        let ready = match self.store.is_ready().await {
            Ok(ready) => {
                self.trouble.is_over();
                ready
            }
            Err(error) => {
                self.trouble.tell(&error, |repeated| tracing::warn!(%error, repeated, "not ready"));
                false
            }
        };
        *last = Some((Instant::now(), ready));
        ready
    }
}

/// `GET /healthz`: the process answers. Restart it when it does not.
pub(super) async fn healthz() -> HttpResponse {
    answer(&mut HttpResponse::Ok(), &State { status: "ok", issuers_without_keys: None })
}

/// `GET /readyz`: send requests here, or not. An issuer whose keys have never come makes no replica unready:
/// it would take everybody else's tokens and all keys with it.
pub(super) async fn readyz(services: Data<Services>) -> HttpResponse {
    let (mut response, status) = if services.readiness.is_ready().await {
        (HttpResponse::Ok(), "ready")
    } else {
        (HttpResponse::ServiceUnavailable(), "unready")
    };
    let without_keys = services.gate.tokens.verifier().issuers_without_keys();
    let without_keys = Some(without_keys).filter(|count| *count > 0);
    answer(&mut response, &State { status, issuers_without_keys: without_keys })
}

/// How this replica stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Readiness)]
pub(super) struct State {
    /// `ok`, `ready` or `unready`.
    #[schema(example = "ok")]
    status: &'static str,
    /// Issuers whose tokens are answered 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    issuers_without_keys: Option<usize>,
}

fn answer(response: &mut HttpResponseBuilder, state: &State) -> HttpResponse {
    response.insert_header((CACHE_CONTROL, "no-store")).json(state)
}
