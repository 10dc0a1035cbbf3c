//! The keys of an issuer that have to be fetched: at start, again and again in the background, and when a
//! token names one that is not known. Reading them costs one atomic load, and no lock is held while they
//! are fetched.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use rand::RngExt;
use tokio::sync::watch;

use super::{
    jwk::{Source, Unusable},
    key_set::{KeySet, ReadKeySet, tell},
};
use crate::{
    auth::{Undecided, clock, coherence::MonotonicTime, jwt::algorithm::SignatureAlgorithm},
    domain::ports::{FetchError, FetchedKeySet, KeySetSource},
    telemetry::outage::Trouble,
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
    demand: watch::Sender<Demand>,
}

/// Whether somebody needs the keys fetched now.
struct Demand {
    /// From the asking until a fetch has ended that began after it.
    open: bool,
    /// When a token asked last. Fetches that no token asked for don't count: a new key must work at once
    /// although the keys have just been refreshed.
    last: Option<MonotonicTime>,
}

struct Fetched {
    keys: CurrentKeys,
    /// What they verify: the same keys may come in another order.
    fingerprint: [u8; 32],
    /// From then on they are too old to be used.
    until: MonotonicTime,
}

/// The keys of now.
#[derive(Clone)]
pub(in crate::auth::jwt) struct CurrentKeys {
    pub(in crate::auth::jwt) set: Arc<KeySet>,
    /// Counts the different sets that have come, so that what one of them has verified is known to be so.
    pub(in crate::auth::jwt) version: u64,
}

/// What was told last of the keys that are not used: each fetch brings them again, perhaps in another order.
#[derive(Default, PartialEq)]
struct Told {
    unusable: Vec<(Option<Box<str>>, Unusable)>,
    unread: usize,
}

impl Told {
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
            // The first fetch is wanted by all tokens that come before it has ended.
            demand: watch::channel(Demand { open: true, last: None }).0,
        }
    }

    /// Whether the issuer has ever answered with keys.
    pub fn have_come(&self) -> bool {
        self.current.load().is_some()
    }

    /// Fetches for ever: the only one who does, so there is never more than one fetch under way.
    pub async fn run(self: Arc<Self>) {
        let mut retry = RETRY_MIN;
        let mut told = Told::default();
        let trouble = Trouble::default();
        let mut demand = self.demand.subscribe();
        loop {
            let wanted = demand.borrow().open;
            let pause = match self.fetch(&mut told).await {
                Ok(pause) => {
                    let issuer = &self.issuer;
                    trouble.is_over(|lasted_ms| tracing::info!(issuer, lasted_ms, "fetched an issuer's keys again"));
                    retry = RETRY_MIN;
                    pause
                }
                Err(FetchError(error)) => {
                    trouble.tell(&error, |repeated| {
                        let issuer = &self.issuer;
                        tracing::warn!(issuer, error, repeated, "could not fetch an issuer's keys; trying again");
                    });
                    // Not all replicas at the same time.
                    let pause = retry.mul_f64(rand::rng().random_range(0.5..1.0));
                    retry = (retry * 2).min(self.settings.refresh);
                    pause
                }
            };
            // A demand that came during the fetch may be about what the issuer has changed since it answered.
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

    /// A broken answer leaves the last good keys in their place.
    async fn fetch(&self, told: &mut Told) -> Result<Duration, FetchError> {
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
            // The same keys again: what they have verified stays verified.
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

    /// The keys. Where there are none, the next try may be far away, so they are asked for.
    pub(in crate::auth::jwt) fn current(&self) -> Result<CurrentKeys, Undecided> {
        match &*self.current.load() {
            Some(fetched) if clock::now() < fetched.until => Ok(fetched.keys.clone()),
            _ => {
                self.ask();
                Err(Undecided::IssuerKeys(self.issuer.clone()))
            }
        }
    }

    /// Whether the keys of `now` are those of this version.
    pub(in crate::auth::jwt) fn are_still(&self, version: u64, now: MonotonicTime) -> bool {
        let current = self.current.load();
        current.as_ref().is_some_and(|fetched| fetched.keys.version == version && now < fetched.until)
    }

    /// Waits for a fetch, unless a token caused one so short a time ago that another would tell nothing new.
    pub(in crate::auth::jwt) async fn fetch_anew(&self) {
        if self.ask() {
            // A fetch is bounded in time. It fails to end only when the process does.
            let _ = self.demand.subscribe().wait_for(|demand| !demand.open).await;
        }
    }

    /// Wants a fetch, at most once in a cool-down; gives whether one is awaited.
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
