//! How a replica stops.

use std::{future::Future, time::Duration};

use crate::{api::Readiness, telemetry::outage::millis};

/// How to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// First be unready for `server.unready_period`, so that load balancers stop sending requests.
    AfterUnready,
    /// Start draining immediately: no load balancer uses this replica.
    AtOnce,
}

/// Waits until it is time to drain.
pub(super) async fn drain(stop: impl Future<Output = Stop>, readiness: &Readiness, unready_period: Duration) {
    let stop = stop.await;
    readiness.stop();
    if stop == Stop::AfterUnready {
        let unready_ms = millis(unready_period);
        tracing::info!(unready_ms, "stopping: unready first, then draining");
        tokio::time::sleep(unready_period).await;
    }
}
