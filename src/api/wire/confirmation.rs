//! What responses say of a change that every replica applies.

use actix_web::HttpRequest;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{api::access::root_span::in_request, auth::lifecycle::Propagated, telemetry::outage::millis};

/// How the change reached every replica.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Confirmation {
    /// Replicas that confirmed the change, including the one that answers.
    #[schema(minimum = 1)]
    replicas_confirmed: usize,
    /// Replicas that did not confirm the change, and were waited for until their lease expired.
    replicas_expired: usize,
    /// Milliseconds from the commit until every replica applied the change.
    #[schema(minimum = 0)]
    took_ms: f64,
}

impl Confirmation {
    pub(crate) fn new(propagated: &Propagated) -> Self {
        let (replicas_confirmed, replicas_expired) = propagated.replicas();
        Self { replicas_confirmed, replicas_expired, took_ms: (propagated.took.as_secs_f64() * 1e6).round() / 1e3 }
    }
}

/// Logs a change with the numbers of the answer: the milliseconds that it took, how many replicas confirmed it, and how
/// many did not.
pub(crate) fn log_change(request: &HttpRequest, propagated: &Propagated, log: impl FnOnce(u64, usize, usize)) {
    let (replicas_confirmed, replicas_expired) = propagated.replicas();
    in_request(request, || log(millis(propagated.took), replicas_confirmed, replicas_expired));
}
