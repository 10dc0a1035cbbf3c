//! Clients that present keys to each replica without a break, and log what they see.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::{
    client::{Client, as_answer, check_request},
    log::{Answer, Check, Recorder},
};

const CLIENTS_A_REPLICA: usize = 2;
/// After each answer: the machine has other tests to run.
const PAUSE: Duration = Duration::from_millis(5);
/// One request in so many presents a key that was revoked before.
const ONE_IN_SO_MANY: usize = 4;

/// A key that clients know.
#[derive(Clone)]
pub(crate) struct Key {
    /// Its name in the log.
    pub(crate) number: usize,
    pub(crate) text: Arc<str>,
}

/// What the clients present.
#[derive(Clone, Default)]
struct Keys {
    good: Vec<Key>,
    revoked: Vec<Key>,
    stopped: bool,
}

/// The clients. They stop with this value.
pub(crate) struct Load {
    keys: watch::Sender<Keys>,
    recorder: Arc<Recorder>,
    under_way: Arc<AtomicUsize>,
    clients: JoinSet<()>,
}

impl Load {
    /// Clients without keys: they wait.
    pub(crate) fn new(recorder: Arc<Recorder>) -> Self {
        Self { keys: watch::Sender::default(), recorder, under_way: Arc::default(), clients: JoinSet::new() }
    }

    /// Adds the clients of one replica.
    pub(crate) fn add(&mut self, replica: usize, address: watch::Receiver<Option<SocketAddr>>) {
        for _ in 0..CLIENTS_A_REPLICA {
            let caller = Caller {
                replica,
                address: address.clone(),
                recorder: Arc::clone(&self.recorder),
                under_way: Arc::clone(&self.under_way),
            };
            self.clients.spawn(caller.present_for_ever(self.keys.subscribe()));
        }
    }

    /// This key is presented from now on.
    pub(crate) fn present(&self, key: Key) {
        self.keys.send_modify(|keys| keys.good.push(key));
    }

    /// This key is presented less often from now on.
    pub(crate) fn was_revoked(&self, key: &Key) {
        self.keys.send_modify(|keys| {
            keys.good.retain(|good| good.number != key.number);
            keys.revoked.push(key.clone());
        });
    }

    /// Presents nothing any more.
    pub(crate) fn stop(&self) {
        self.keys.send_modify(|keys| keys.stopped = true);
    }

    /// Presents, for the time being, only some of the keys that were revoked last.
    pub(crate) fn start_again(&self, some: usize) {
        self.keys.send_modify(|keys| {
            keys.good.clear();
            keys.revoked.drain(..keys.revoked.len().saturating_sub(some));
            keys.stopped = false;
        });
    }

    /// Sends `count` requests, each on a new connection, and returns when they are sent. What is
    /// answered is logged; the tasks end then.
    pub(crate) async fn ask_anew(
        &self,
        replica: usize,
        address: watch::Receiver<Option<SocketAddr>>,
        key: &Key,
        count: usize,
    ) -> Vec<JoinHandle<()>> {
        let mut asked = Vec::new();
        for _ in 0..count {
            let Some(to) = *address.borrow() else { break };
            let caller = Caller {
                replica,
                address: address.clone(),
                recorder: Arc::clone(&self.recorder),
                under_way: Arc::clone(&self.under_way),
            };
            asked.push(caller.ask_once(to, key).await);
        }
        asked
    }

    /// How many requests have not been answered.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
    }
}

/// One client.
struct Caller {
    replica: usize,
    address: watch::Receiver<Option<SocketAddr>>,
    recorder: Arc<Recorder>,
    under_way: Arc<AtomicUsize>,
}

impl Caller {
    async fn present_for_ever(mut self, mut keys: watch::Receiver<Keys>) {
        let mut client = Client::default();
        for turn in self.replica.. {
            let Ok(address) = self.address.wait_for(Option::is_some).await.map(|address| *address) else { return };
            let key = match keys.wait_for(|keys| keys.any(turn).is_some()).await {
                Ok(keys) => keys.any(turn).cloned(),
                Err(_) => return,
            };
            if let (Some(address), Some(key)) = (address, key) {
                self.present(&mut client, address, &key).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn present(&self, client: &mut Client, address: SocketAddr, key: &Key) {
        let under_way = UnderWay::new(&self.under_way);
        let request = check_request(&key.text);
        let start = self.recorder.now();
        let answer = as_answer(&client.ask(address, &request).await);
        self.log(key.number, start, answer);
        drop(under_way);
    }

    /// Returns when the request is sent.
    async fn ask_once(self, address: SocketAddr, key: &Key) -> JoinHandle<()> {
        let under_way = UnderWay::new(&self.under_way);
        let mut client = Client::default();
        let request = check_request(&key.text);
        let start = self.recorder.now();
        let sent = client.send(address, &request).await;
        let number = key.number;
        tokio::spawn(async move {
            let answer = match sent {
                Ok(()) => as_answer(&client.answer().await),
                Err(_) => Answer::Nothing,
            };
            self.log(number, start, answer);
            drop(under_way);
        })
    }

    fn log(&self, key: usize, start: Duration, answer: Answer) {
        self.recorder.check(Check { key, replica: self.replica, start, end: self.recorder.now(), answer });
    }
}

impl Keys {
    /// One to present, if there is any.
    fn any(&self, turn: usize) -> Option<&Key> {
        if self.stopped {
            return None;
        }
        let revoked = self.good.is_empty() || (turn.is_multiple_of(ONE_IN_SO_MANY) && !self.revoked.is_empty());
        let from = if revoked { &self.revoked } else { &self.good };
        from.get(rand::random_range(0..from.len().max(1)))
    }
}

/// A request that is counted until it is answered.
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
