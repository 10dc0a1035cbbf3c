//! A place where work waits until the test lets it go on.

use tokio::sync::watch;

use crate::in_time;

/// Open at first.
pub struct Gate {
    open: watch::Sender<bool>,
    arrived: watch::Sender<usize>,
}

impl Gate {
    pub fn new() -> Self {
        Self { open: watch::Sender::new(true), arrived: watch::Sender::new(0) }
    }

    pub fn close(&self) {
        self.arrived.send_replace(0);
        self.open.send_replace(false);
    }

    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until `count` have come since the gate was closed.
    pub async fn has_stopped(&self, count: usize) {
        let mut arrived = self.arrived.subscribe();
        in_time("work at the gate", arrived.wait_for(|arrived| *arrived >= count)).await.expect("the gate stands");
    }

    /// For the work.
    pub async fn pass(&self) {
        let mut open = self.open.subscribe();
        self.arrived.send_modify(|arrived| *arrived += 1);
        open.wait_for(|open| *open).await.expect("the gate stands");
    }
}
