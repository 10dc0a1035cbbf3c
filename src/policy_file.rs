//! The adapter for the policy file: reloads it when it changes, and on SIGHUP.
//!
//! The text is compared, not the modification time or the name: a ConfigMap changes by a symbolic link two levels
//! above, and an editor replaces the file. A change takes effect once two consecutive reads have the same text, so that
//! a partially written file is not used.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use time::OffsetDateTime;
use tokio::{
    signal::unix::Signal,
    time::{MissedTickBehavior, interval},
};

use crate::{
    config::{PolicyFile, PolicySource},
    domain::policy::Policy,
    telemetry::metrics::counting::Counter,
};

/// The polling interval: half of the second within which a change must be noticed. Each poll costs one read.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The maximum number of problems in one log line.
const PROBLEMS_TOLD: usize = 20;

/// When the policy in effect was read, and how often a change of the file could not be.
pub struct PolicyCounts {
    loaded_at: AtomicI64,
    failures: Counter,
}

impl Default for PolicyCounts {
    fn default() -> Self {
        let counts = Self { loaded_at: AtomicI64::new(0), failures: Counter::default() };
        counts.loaded_now();
        counts
    }
}

impl PolicyCounts {
    /// When the policy in effect was read, in seconds since 1970.
    pub fn loaded_at(&self) -> i64 {
        self.loaded_at.load(Relaxed)
    }

    /// How often the file was invalid or could not be read.
    pub fn failures(&self) -> u64 {
        self.failures.get()
    }

    fn loaded_now(&self) {
        self.loaded_at.store(OffsetDateTime::now_utc().unix_timestamp(), Relaxed);
    }
}

/// Keeps a policy in sync with its file.
pub struct PolicyWatch {
    source: PolicySource,
    current: Arc<ArcSwap<Policy>>,
    hang_up: Signal,
    counts: Arc<PolicyCounts>,
    /// The last text that was evaluated, valid or not; `None` if the file could not be read.
    settled: Option<String>,
}

impl PolicyWatch {
    /// Watches the file that this policy was read from. A SIGHUP means to read it again.
    pub fn new(file: PolicyFile, hang_up: Signal) -> Self {
        let PolicyFile { source, text, policy } = file;
        let current = Arc::new(ArcSwap::from_pointee(policy));
        Self { source, current, hang_up, counts: Arc::default(), settled: Some(text) }
    }

    /// What is counted, for operators.
    pub fn counts(&self) -> Arc<PolicyCounts> {
        Arc::clone(&self.counts)
    }

    /// The current policy.
    pub fn current(&self) -> Arc<ArcSwap<Policy>> {
        Arc::clone(&self.current)
    }

    /// Watches for ever.
    pub async fn run(mut self) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = self.settled.clone();
        loop {
            tokio::select! {
                Some(()) = self.hang_up.recv() => {
                    let found = self.look().await;
                    before = found.as_ref().ok().cloned();
                    self.settle(found).await;
                }
                _ = looks.tick() => {
                    let found = self.look().await;
                    let text = found.as_ref().ok().cloned();
                    if text != self.settled && text == before {
                        self.settle(found).await;
                    }
                    before = text;
                }
            }
        }
    }

    /// Reads the current content of the file.
    async fn look(&self) -> io::Result<String> {
        let source = self.source.clone();
        run_blocking(move || source.read()).await?
    }

    /// Applies the content if it is valid; otherwise keeps the last valid policy.
    async fn settle(&mut self, found: io::Result<String>) {
        self.settled = found.as_ref().ok().cloned();
        let source = self.source.clone();
        let read = match found {
            Ok(text) => run_blocking(move || source.parse(&text)).await,
            Err(error) => Err(error),
        };
        let path = self.source.path.display();
        match read {
            Ok(Ok(policy)) => {
                tracing::info!(%path, rules = policy.rules().len(), "reloaded the policy file");
                self.current.store(Arc::new(policy));
                self.counts.loaded_now();
            }
            Ok(Err(problems)) => {
                self.counts.failures.increment();
                let problems = problems.lines();
                let told = problems.iter().take(PROBLEMS_TOLD).map(String::as_str).collect::<Vec<_>>().join("; ");
                let count = problems.len();
                tracing::error!(%path, count, "the policy file is invalid; the previous policy stays in effect: {told}");
            }
            Err(error) => {
                self.counts.failures.increment();
                tracing::error!(%path, %error, "the policy file cannot be read; the previous policy stays in effect")
            }
        }
    }
}

/// Where no policy file is set, a SIGHUP ends nothing either, and whoever sends one is told so.
pub async fn tell_of_hang_ups(mut hang_up: Signal) {
    while hang_up.recv().await.is_some() {
        tracing::info!(
            "SIGHUP: there is nothing to read again, because no policy file is set (authorize.policy_file); other settings \
             are read at the start only"
        );
    }
}

/// Runs outside of the threads that serve requests: the file may be on a slow disk, and parsing ten thousand rules
/// takes a while.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}
