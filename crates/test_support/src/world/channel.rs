//! What Postgres does with NOTIFY and LISTEN, in memory: whatever is sent arrives at every listener,
//! in one order; until the test cuts the line, or swallows the heartbeats.

use std::{
    collections::HashSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use keyward::{
    auth::coherence::{ChangeId, Heartbeat, Holders, Mark, Notification, Records, ReplicaId},
    domain::ports::{
        StoreError,
        announcements::{Announcements, Listener, Listening},
    },
};
use tokio::sync::{mpsc, watch};

use crate::in_time;

pub struct Channel {
    listeners: Mutex<Vec<mpsc::UnboundedSender<Notification>>>,
    heartbeats_come_back: AtomicBool,
    /// Times that somebody has begun to listen.
    listens: watch::Sender<usize>,
    /// The changes that were acknowledged.
    applied: watch::Sender<HashSet<u64>>,
    last_change: AtomicU64,
    last_number: AtomicU64,
}

impl Channel {
    pub fn new(heartbeats_come_back: bool) -> Self {
        Self {
            listeners: Mutex::default(),
            heartbeats_come_back: heartbeats_come_back.into(),
            listens: watch::Sender::new(0),
            applied: watch::Sender::default(),
            last_change: AtomicU64::new(0),
            last_number: AtomicU64::new(0),
        }
    }

    pub fn heartbeats_come_back(&self) -> bool {
        self.heartbeats_come_back.load(Ordering::SeqCst)
    }

    /// Whether the next heartbeats reach their sender.
    pub fn return_heartbeats(&self, come_back: bool) {
        self.heartbeats_come_back.store(come_back, Ordering::SeqCst);
    }

    /// What a trigger does, and then whoever made the change and waits for it.
    pub fn announce(&self, records: Records) -> ChangeId {
        // Far from the random numbers of the replica's own.
        let change = ChangeId(self.last_change.fetch_add(1, Ordering::SeqCst) + 1);
        self.announce_as(records, Some(change));
        change
    }

    /// The same with the number that the replica has chosen, if it waits at all.
    pub fn announce_as(&self, records: Records, change: Option<ChangeId>) {
        let number = self.last_number.fetch_add(1, Ordering::SeqCst) + 1;
        self.deliver(&Notification::Changed { number, records });
        if let Some(change) = change {
            self.deliver(&Notification::Announced { change });
        }
    }

    pub fn deliver(&self, notification: &Notification) {
        let mut listeners = self.listeners.lock().expect("no test panics with it");
        listeners.retain(|listener| listener.send(notification.clone()).is_ok());
    }

    /// Waits until the (only) replica has acknowledged a change.
    pub async fn applied(&self, change: ChangeId) {
        let mut applied = self.applied.subscribe();
        let acknowledged = applied.wait_for(|changes| changes.contains(&change.0));
        in_time("an acknowledgement", acknowledged).await.expect("the channel stands");
    }

    /// Waits until somebody has begun to listen so many times in all.
    pub async fn listening(&self, times: usize) {
        let mut listens = self.listens.subscribe();
        in_time("a listener", listens.wait_for(|count| *count >= times)).await.expect("the channel stands");
    }

    /// Ends every listening connection.
    pub fn cut(&self) {
        self.listeners.lock().expect("no test panics with it").clear();
    }
}

#[async_trait]
impl Announcements for Channel {
    async fn listen(&self, _lease: Duration) -> Result<Listening, StoreError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.listeners.lock().expect("no test panics with it").push(sender);
        self.listens.send_modify(|count| *count += 1);
        Ok(Listening { listener: Box::new(Line(receiver)), holders: Holders::Unlisted(Duration::ZERO), pulse: 0 })
    }

    async fn beat(&self, heartbeat: &Heartbeat, _: Option<u64>) -> Result<u64, StoreError> {
        if self.heartbeats_come_back() {
            self.deliver(&Notification::Heartbeat(*heartbeat));
        }
        Ok(0)
    }

    async fn send(&self, notification: &Notification) -> Result<(), StoreError> {
        self.deliver(notification);
        if let Notification::Applied { changes, .. } = notification {
            self.applied.send_modify(|applied| applied.extend(changes.iter().map(|change| change.0)));
        }
        Ok(())
    }

    /// Here, every acknowledgement is a message.
    async fn acknowledged(&self, _: &[ChangeId]) -> Result<Vec<(ReplicaId, Vec<ChangeId>)>, StoreError> {
        Ok(Vec::new())
    }

    fn mark(&self, change: ChangeId) -> Mark {
        Mark::new(change.0.to_string())
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
