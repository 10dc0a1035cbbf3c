//! The keys of an issuer that have to be fetched: at start, again and again in the background, and when a
//! token names one that is not known. Reading them costs one atomic load, and no lock is held while they
//! are fetched.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use rand::RngExt;
use tokio::sync::{Notify, watch};

use super::{
    SignatureAlgorithm,
    key_set::{KeySet, Source},
};
use crate::{
    auth::{Undecided, clock, coherence::MonotonicTime},
    domain::ports::{FetchError, FetchedKeySet, KeySetSource},
};

/// An issuer cannot make us ask more often, whatever its `Cache-Control` says.
const REFRESH_MIN: Duration = Duration::from_secs(60);
/// After a failed fetch, doubled up to the refresh interval.
const RETRY_MIN: Duration = Duration::from_secs(1);

/// When to fetch, and for how long what was fetched is used.
#[derive(Clone, Debug)]
pub struct RemoteKeysSettings {
    /// At the latest after so long, keys are fetched again: a key that an issuer has taken away verifies nothing
    /// after that.
    pub refresh: Duration,
    /// Tokens with unknown keys cause at most one fetch in so long.
    pub cool_down: Duration,
    /// For so long the last good keys are used while the issuer cannot be reached.
    pub keep: Duration,
}

/// An issuer's keys, as they were fetched last.
pub struct RemoteKeys {
    issuer: String,
    source: Box<dyn KeySetSource>,
    allowed: Vec<SignatureAlgorithm>,
    settings: RemoteKeysSettings,
    current: ArcSwapOption<Fetched>,
    /// Nanoseconds of [`clock::now`] at the end of the last fetch; 0 before the first.
    last_attempt: AtomicU64,
    /// Somebody needs them fetched now.
    wanted: Notify,
    /// Counts fetches.
    attempts: watch::Sender<u64>,
}

struct Fetched {
    keys: Arc<KeySet>,
    /// From then on they are too old to be used.
    until: MonotonicTime,
}

impl RemoteKeys {
    /// Keys that are not fetched yet; [`run`](Self::run) does that.
    pub fn new(
        issuer: String,
        source: Box<dyn KeySetSource>,
        allowed: Vec<SignatureAlgorithm>,
        settings: RemoteKeysSettings,
    ) -> Self {
        Self {
            issuer,
            source,
            allowed,
            settings,
            current: ArcSwapOption::empty(),
            last_attempt: AtomicU64::new(0),
            wanted: Notify::new(),
            attempts: watch::channel(0).0,
        }
    }

    /// Whether the issuer has ever answered with keys.
    pub fn have_come(&self) -> bool {
        self.current.load().is_some()
    }

    /// Fetches for ever: the only one who does, so there is never more than one fetch under way.
    pub async fn run(self: Arc<Self>) {
        let mut retry = RETRY_MIN;
        loop {
            let pause = match self.fetch().await {
                Ok(pause) => {
                    retry = RETRY_MIN;
                    pause
                }
                Err(FetchError(error)) => {
                    tracing::warn!(issuer = self.issuer, error, "could not fetch an issuer's keys; trying again");
                    // Not all replicas at the same time.
                    let pause = retry.mul_f64(rand::rng().random_range(0.5..1.0));
                    retry = (retry * 2).min(self.settings.refresh);
                    pause
                }
            };
            self.last_attempt.store(clock::now().as_nanos(), Ordering::Relaxed);
            self.attempts.send_modify(|attempts| *attempts += 1);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    /// A broken answer leaves the last good keys in their place.
    async fn fetch(&self) -> Result<Duration, FetchError> {
        let FetchedKeySet { json, max_age } = self.source.fetch().await?;
        let read = KeySet::read(&json, Source::Remote).map_err(|error| FetchError(error.to_string()))?;
        for (place, why) in &read.unusable {
            tracing::warn!(issuer = self.issuer, place, %why, "a key of an issuer is not used");
        }
        let keys = read.keys.only(&self.allowed);
        if keys.is_empty() {
            return Err(FetchError("the set holds no key that can be used".to_owned()));
        }
        let until = clock::now().after(self.settings.keep);
        self.current.store(Some(Arc::new(Fetched { keys: Arc::new(keys), until })));
        Ok(max_age
            .unwrap_or(self.settings.refresh)
            .clamp(REFRESH_MIN.min(self.settings.refresh), self.settings.refresh))
    }

    /// The keys.
    pub(super) fn current(&self) -> Result<Arc<KeySet>, Undecided> {
        match &*self.current.load() {
            Some(fetched) if clock::now() < fetched.until => Ok(Arc::clone(&fetched.keys)),
            _ => Err(Undecided::IssuerKeys(self.issuer.clone())),
        }
    }

    /// Waits for a fetch, unless there was one so short a time ago that another would tell nothing new.
    pub(super) async fn fetched_anew(&self) -> bool {
        let last = MonotonicTime::from_nanos(self.last_attempt.load(Ordering::Relaxed));
        if clock::now() < last.after(self.settings.cool_down) {
            return false;
        }
        let mut attempts = self.attempts.subscribe();
        self.wanted.notify_one();
        // A fetch is bounded in time.
        attempts.changed().await.is_ok()
    }
}
