//! The keys of an issuer that must be fetched: at start, periodically in the background, and when a token names an
//! unknown key. Reading them costs one atomic load, and no lock is held during a fetch.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use rand::RngExt;
use tokio::sync::watch;
use tracing::Instrument;

use super::{
    jwk::{Source, Unusable},
    key_set::{KeySet, ReadKeySet, tell},
};
use crate::{
    auth::{Undecided, clock, coherence::MonotonicTime, jwt::algorithm::SignatureAlgorithm},
    domain::ports::key_sets::{FetchError, FetchedKeySet, KeySetSource},
    telemetry::{metrics::counting::Counter, outage::Trouble, steps::beginning},
};

/// An issuer can't make us fetch more often, whatever its `Cache-Control` says.
const REFRESH_MIN: Duration = Duration::from_secs(60);
/// The pause after a failed fetch, doubled up to the refresh interval.
const RETRY_MIN: Duration = Duration::from_secs(1);

/// When to fetch, and how long to use the result.
#[derive(Clone, Debug)]
pub struct RemoteKeysSettings {
    /// The maximum interval between fetches: a key that the issuer has removed verifies nothing after that.
    pub refresh: Duration,
    /// Tokens with unknown keys cause at most one fetch in this time.
    pub cool_down: Duration,
    /// How long the last good keys are used while the issuer is unreachable.
    pub keep: Duration,
}

/// The last fetched keys of an issuer.
pub struct RemoteKeys {
    issuer: String,
    source: Box<dyn KeySetSource>,
    allowed: Vec<SignatureAlgorithm>,
    settings: RemoteKeysSettings,
    current: ArcSwapOption<Fetched>,
    demand: watch::Sender<Demand>,
    fetched: Counter,
    failed: Counter,
    unknown_keys: Counter,
}

/// The state of an issuer's keys, for operators.
pub struct RemoteKeysState<'a> {
    /// The name of the issuer.
    pub issuer: &'a str,
    /// How long ago the keys were fetched; `None` if they never were.
    pub age: Option<Duration>,
    /// The successful fetches.
    pub fetched: u64,
    /// The failed fetches.
    pub failed: u64,
    /// The tokens that named a key which the issuer did not have.
    pub unknown_keys: u64,
}

/// Whether somebody needs a fetch now.
struct Demand {
    /// True from the request until a fetch that began after it has ended.
    open: bool,
    /// When a token last requested a fetch. Other fetches do not count: a new key must work immediately, even if the
    /// keys were just refreshed.
    last: Option<MonotonicTime>,
}

struct Fetched {
    keys: CurrentKeys,
    /// A hash of what the keys verify, independent of their order.
    fingerprint: [u8; 32],
    /// When the keys become too old to be used.
    until: MonotonicTime,
}

/// The current keys.
#[derive(Clone)]
pub(in crate::auth::jwt) struct CurrentKeys {
    pub(in crate::auth::jwt) set: Arc<KeySet>,
    /// Incremented with each different set, so that it identifies the set that has verified a token.
    pub(in crate::auth::jwt) version: u64,
}

/// The last logged state of unused keys. Each fetch returns them again, possibly in another order.
#[derive(Default, PartialEq)]
struct Reported {
    unusable: Vec<(Option<Box<str>>, Unusable)>,
    unread: usize,
}

impl Reported {
    fn tell(&mut self, issuer: &str, read: &ReadKeySet) {
        let mut unusable: Vec<_> = read.unusable.iter().map(|unused| (unused.kid.clone(), unused.why)).collect();
        unusable.sort_unstable();
        let now = Self { unusable, unread: read.unread };
        if *self != now {
            tell(issuer, read);
            *self = now;
        }
    }
}

impl RemoteKeys {
    /// Keys that are not fetched yet; [`run`](Self::run) fetches them.
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
            // The first fetch is requested by every token that arrives before it ends.
            demand: watch::channel(Demand { open: true, last: None }).0,
            fetched: Counter::default(),
            failed: Counter::default(),
            unknown_keys: Counter::default(),
        }
    }

    /// The name of the issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether any fetch has succeeded.
    pub fn have_come(&self) -> bool {
        self.current.load().is_some()
    }

    /// Fetches once, to see whether it works.
    ///
    /// # Errors
    /// [`FetchError`] with advice for the operator.
    pub async fn try_once(&self) -> Result<(), FetchError> {
        self.fetch(&mut Reported::default()).await.map(drop)
    }

    /// The state, for operators.
    pub fn state(&self) -> RemoteKeysState<'_> {
        let now = clock::now();
        let fetched_at =
            |fetched: &Arc<Fetched>| fetched.until.as_nanos().saturating_sub(self.settings.keep.as_nanos() as u64);
        let fetched_at = self.current.load().as_ref().map(fetched_at);
        RemoteKeysState {
            issuer: &self.issuer,
            age: fetched_at.map(|at| Duration::from_nanos(now.as_nanos().saturating_sub(at))),
            fetched: self.fetched.get(),
            failed: self.failed.get(),
            unknown_keys: self.unknown_keys.get(),
        }
    }

    /// Fetches for ever. Only this task fetches, so there is never more than one fetch at a time.
    pub async fn run(self: Arc<Self>) {
        let mut retry = RETRY_MIN;
        let mut told = Reported::default();
        let trouble = Trouble::default();
        let mut demand = self.demand.subscribe();
        loop {
            let wanted = demand.borrow().open;
            let step = beginning!("key_set_fetch", issuer = self.issuer);
            let pause = match self.fetch(&mut told).instrument(step).await {
                Ok(pause) => {
                    self.fetched.increment();
                    let issuer = &self.issuer;
                    trouble.is_over(|lasted_ms| tracing::info!(issuer, lasted_ms, "fetched an issuer's keys again"));
                    retry = RETRY_MIN;
                    pause
                }
                Err(FetchError(error)) => {
                    self.failed.increment();
                    trouble.tell(&error, |repeated| {
                        let issuer = &self.issuer;
                        tracing::warn!(issuer, error, repeated, "could not fetch an issuer's keys; trying again");
                    });
                    // Randomized, so that replicas do not fetch simultaneously.
                    let pause = retry.mul_f64(rand::rng().random_range(0.5..1.0));
                    retry = (retry * 2).min(self.settings.refresh);
                    pause
                }
            };
            // A request during the fetch may concern a change after the issuer's response.
            if wanted {
                self.demand.send_modify(|demand| demand.open = false);
            }
            let demanded = async { demand.wait_for(|demand| demand.open).await.map(drop) };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = demanded => {}
            }
        }
    }

    /// Fetches once. An invalid response leaves the last good keys in place.
    async fn fetch(&self, told: &mut Reported) -> Result<Duration, FetchError> {
        let FetchedKeySet { address, body, max_age } = self.source.fetch().await?;
        let read = KeySet::read(&body, Source::Remote)
            .map_err(|what| FetchError(format!("{address} answered with {what}")))?;
        told.tell(&self.issuer, &read);
        let keys = read.keys.only(&self.allowed);
        if keys.is_empty() {
            return Err(FetchError(format!("the set at {address} holds no key that can be used")));
        }
        let fingerprint = keys.fingerprint();
        let before = self.current.load();
        let keys = match &*before {
            // The same keys: tokens verified with them stay verified.
            Some(before) if before.fingerprint == fingerprint => before.keys.clone(),
            before => {
                let version = before.as_ref().map_or(0, |before| before.keys.version + 1);
                CurrentKeys { set: Arc::new(keys), version }
            }
        };
        let until = clock::now().after(self.settings.keep);
        self.current.store(Some(Arc::new(Fetched { keys, fingerprint, until })));
        Ok(max_age
            .unwrap_or(self.settings.refresh)
            .clamp(REFRESH_MIN.min(self.settings.refresh), self.settings.refresh))
    }

    /// The current keys. If there are none, requests a fetch, because the next attempt may be far away.
    pub(in crate::auth::jwt) fn current(&self) -> Result<CurrentKeys, Undecided> {
        match &*self.current.load() {
            Some(fetched) if clock::now() < fetched.until => Ok(fetched.keys.clone()),
            _ => {
                self.ask();
                Err(Undecided::IssuerKeys(self.issuer.clone()))
            }
        }
    }

    /// Whether this version of the keys is current at `now`.
    pub(in crate::auth::jwt) fn are_still(&self, version: u64, now: MonotonicTime) -> bool {
        let current = self.current.load();
        current.as_ref().is_some_and(|fetched| fetched.keys.version == version && now < fetched.until)
    }

    /// A token names a key that is unknown. Waits for a fetch, unless a token caused one so recently that another would
    /// bring nothing new.
    pub(in crate::auth::jwt) async fn fetch_anew(&self) {
        self.unknown_keys.increment();
        if self.ask() {
            // A fetch is bounded in time; it fails to end only when the process does.
            let _ = self.demand.subscribe().wait_for(|demand| !demand.open).await;
        }
    }

    /// Requests a fetch, at most once per cool-down. Returns whether one is pending.
    fn ask(&self) -> bool {
        let now = clock::now();
        self.demand.send_if_modified(|demand| {
            let cools_down = demand.last.is_some_and(|last| now < last.after(self.settings.cool_down));
            let asks = !demand.open && !cools_down;
            if asks {
                *demand = Demand { open: true, last: Some(now) };
            }
            asks
        });
        self.demand.borrow().open
    }
}
