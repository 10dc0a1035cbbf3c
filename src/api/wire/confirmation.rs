//! What responses say of a change that every replica applies.

use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::lifecycle::Propagated;

/// How the change reached every replica.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Confirmation {
    /// Replicas that confirmed the change, including the one that answers.
    #[schema(minimum = 1)]
    pub(crate) replicas_confirmed: usize,
    /// Replicas that did not confirm the change, and were waited for until their lease expired.
    pub(crate) replicas_expired: usize,
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
