//! What Postgres does with NOTIFY and LISTEN, in memory: whatever is sent arrives at every listener,
//! in one order; until the test cuts the line, or swallows the heartbeats.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use keyward::{
    auth::coherence::{ChangeId, Notification, Records},
    domain::ports::{Announcements, Listener, Listening, StoreError},
};
use tokio::sync::{mpsc, watch};

use super::{eventually, in_time};

pub(crate) struct Channel {
    listeners: Mutex<Vec<mpsc::UnboundedSender<Notification>>>,
    heartbeats_come_back: AtomicBool,
    /// Times that somebody has begun to listen.
    listens: watch::Sender<usize>,
    /// The latest acknowledgement.
    applied: watch::Sender<u64>,
    last_change: AtomicU64,
}

impl Channel {
    pub(crate) fn new(heartbeats_come_back: bool) -> Self {
        Self {
            listeners: Mutex::default(),
            heartbeats_come_back: heartbeats_come_back.into(),
            listens: watch::Sender::new(0),
            applied: watch::Sender::new(0),
            last_change: AtomicU64::new(0),
        }
    }

    pub(crate) fn heartbeats_come_back(&self) -> bool {
        self.heartbeats_come_back.load(Ordering::SeqCst)
    }

    /// Whether the next heartbeats reach their sender.
    pub(crate) fn return_heartbeats(&self, come_back: bool) {
        self.heartbeats_come_back.store(come_back, Ordering::SeqCst);
    }

    /// Names a change that is not announced yet.
    pub(crate) fn next_change(&self) -> ChangeId {
        ChangeId(self.last_change.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// The first change, once there is one.
    pub(crate) async fn first_change(&self) -> ChangeId {
        eventually("a change", || self.last_change().0 > 0).await;
        ChangeId(1)
    }

    /// The latest change that was named.
    pub(crate) fn last_change(&self) -> ChangeId {
        ChangeId(self.last_change.load(Ordering::SeqCst))
    }

    /// What the trigger does.
    pub(crate) fn announce(&self, records: Records) -> ChangeId {
        let change = self.next_change();
        self.deliver(&Notification::Changed { change, records });
        change
    }

    pub(crate) fn deliver(&self, notification: &Notification) {
        let mut listeners = self.listeners.lock().expect("no test panics with it");
        listeners.retain(|listener| listener.send(notification.clone()).is_ok());
    }

    /// Waits until the (only) replica has acknowledged a change.
    pub(crate) async fn applied(&self, change: ChangeId) {
        let mut applied = self.applied.subscribe();
        let acknowledged = applied.wait_for(|up_to| *up_to >= change.0);
        in_time("an acknowledgement", acknowledged).await.expect("the channel stands");
    }

    /// Waits until somebody has begun to listen so many times in all.
    pub(crate) async fn listening(&self, times: usize) {
        let mut listens = self.listens.subscribe();
        in_time("a listener", listens.wait_for(|count| *count >= times)).await.expect("the channel stands");
    }

    /// Ends every listening connection.
    pub(crate) fn cut(&self) {
        self.listeners.lock().expect("no test panics with it").clear();
    }
}

#[async_trait]
impl Announcements for Channel {
    async fn listen(&self, _lease: Duration) -> Result<Listening, StoreError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.listeners.lock().expect("no test panics with it").push(sender);
        self.listens.send_modify(|count| *count += 1);
        Ok(Listening { listener: Box::new(Line(receiver)), longest_lease: Duration::ZERO })
    }

    async fn send(&self, notification: &Notification) -> Result<(), StoreError> {
        let swallowed = matches!(notification, Notification::Heartbeat { .. }) && !self.heartbeats_come_back();
        if !swallowed {
            self.deliver(notification);
        }
        if let Notification::Applied { up_to, .. } = notification {
            self.applied.send_modify(|latest| *latest = (*latest).max(up_to.0));
        }
        Ok(())
    }

    async fn longest_lease(&self) -> Duration {
        Duration::from_secs(60)
    }
}

struct Line(mpsc::UnboundedReceiver<Notification>);

#[async_trait]
impl Listener for Line {
    async fn next(&mut self) -> Result<Notification, StoreError> {
        self.0.recv().await.ok_or_else(|| StoreError::Unavailable("the line was cut".to_owned()))
    }
}
