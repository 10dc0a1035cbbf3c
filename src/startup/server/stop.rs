//! How a replica stops.

use std::{future::Future, pin::pin, time::Duration};

use tokio::{sync::watch, time::timeout};

use crate::{api::Readiness, telemetry::outage::millis};

/// The time limit for everything else, if it is told to hurry.
const HURRY_TIMEOUT: Duration = Duration::from_secs(1);

/// How to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// First be unready for `server.unready_period`, so that load balancers stop sending requests.
    AfterUnready,
    /// Start draining immediately: no load balancer uses this replica.
    AtOnce,
}

/// What was ordered so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Run,
    Stop(Stop),
    /// Without waiting for requests under way.
    Hurry,
}

/// Tells a replica to stop, and to hurry.
pub struct Stopper(watch::Sender<Order>);

/// What a replica is told.
#[derive(Clone)]
pub struct StopOrders(watch::Receiver<Order>);

impl Stopper {
    /// Both ends.
    pub fn new() -> (Self, StopOrders) {
        let (sender, receiver) = watch::channel(Order::Run);
        (Self(sender), StopOrders(receiver))
    }

    /// The first order begins a stop like this. Any further one hurries it.
    pub fn order(&self, stop: Stop) {
        self.0.send_modify(|order| *order = if *order == Order::Run { Order::Stop(stop) } else { Order::Hurry });
    }
}

impl StopOrders {
    /// Waits for the first order.
    pub async fn stop(&mut self) -> Stop {
        match self.wait_for(|order| order != Order::Run).await {
            Order::Stop(stop) => stop,
            Order::Run | Order::Hurry => Stop::AtOnce,
        }
    }

    /// Waits for another order.
    pub(super) async fn hurry(&mut self) {
        self.wait_for(|order| order == Order::Hurry).await;
    }

    /// For ever, if nobody is left who orders anything.
    async fn wait_for(&mut self, wanted: impl Fn(Order) -> bool) -> Order {
        match self.0.wait_for(|order| wanted(*order)).await {
            Ok(order) => *order,
            Err(_) => std::future::pending().await,
        }
    }
}

/// Waits until it is time to drain.
pub(super) async fn drain(orders: &mut StopOrders, readiness: &Readiness, unready_period: Duration) {
    let stop = orders.stop().await;
    readiness.stop();
    if stop == Stop::AfterUnready {
        let unready_ms = millis(unready_period);
        tracing::info!(unready_ms, "stopping: unready first, then draining");
        tokio::select! {
            () = tokio::time::sleep(unready_period) => {}
            () = orders.hurry() => {}
        }
    }
}

/// Does this to its end, or for a second after it is told to hurry: what the replica has in hand of limits is given
/// back by then, if the database answers.
pub(super) async fn hurried(end: impl Future<Output = ()>, orders: &mut StopOrders) {
    let mut end = pin!(end);
    tokio::select! {
        () = &mut end => return,
        () = orders.hurry() => {}
    }
    tracing::warn!("stopping at once, because it was told to stop again: requests under way are cut off");
    if timeout(HURRY_TIMEOUT, end).await.is_err() {
        tracing::warn!("could not give back or write everything before the end; other replicas may wait for its lease");
    }
}
