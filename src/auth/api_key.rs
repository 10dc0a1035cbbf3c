//! One check of an API key: parse, look up, prove, apply the policy.

use std::sync::Arc;

use time::OffsetDateTime;
use tokio::{runtime::Handle, sync::Semaphore};

use super::{
    Undecided,
    cache::KeyCache,
    clock,
    coherence::Freshness,
    cold_check::{ColdChecks, Flights},
    hasher::Hasher,
    key_reader::KeyReader,
};
use crate::{
    config::Checks,
    domain::{
        api_key::{Keyring, PresentedKey},
        ports::KeyStore,
        verdict::{Denial, Verdict},
    },
};

/// Decides whether a key is good.
pub struct KeyChecker {
    keyring: Arc<Keyring>,
    freshness: Arc<Freshness>,
    cold: Arc<ColdChecks>,
}

impl KeyChecker {
    /// A checker of the keys in `store`, which believes its memory as far as `freshness` allows. What
    /// memory cannot answer is worked on by `runtime`.
    pub fn new(
        keyring: Arc<Keyring>,
        store: Arc<dyn KeyStore>,
        hasher: Arc<Hasher>,
        freshness: Arc<Freshness>,
        settings: &Checks,
        runtime: Handle,
    ) -> Self {
        let cold = Arc::new(ColdChecks {
            keyring: Arc::clone(&keyring),
            reader: KeyReader::start(Arc::clone(&store), settings.max_cold, &runtime),
            store,
            hasher,
            cache: KeyCache::new(settings.cached_keys),
            freshness: Arc::clone(&freshness),
            admission: Arc::new(Semaphore::new(settings.max_cold)),
            flights: Flights::default(),
            runtime,
        });
        Self { keyring, freshness, cold }
    }

    /// Decides whether `text` is a key that is good at `now`. A key that is not ours is denied
    /// without a query and without a hash; one that is known is decided without any I/O.
    ///
    /// # Errors
    /// [`Undecided`] when memory cannot answer, and the store or the hasher could not either.
    pub async fn check(&self, text: &[u8], now: OffsetDateTime) -> Result<Verdict, Undecided> {
        match self.recall(text, now) {
            Ok(verdict) => Ok(verdict),
            Err(presented) => Ok(self.cold.find_out(&presented).await?.verdict(now)),
        }
    }

    /// The same without waiting for anything; `None` where memory cannot answer, and [`check`](Self::check) must.
    pub fn check_from_memory(&self, text: &[u8], now: OffsetDateTime) -> Option<Verdict> {
        self.recall(text, now).ok()
    }

    /// What memory says of a text, or the key in it that it says nothing of.
    fn recall<'a>(&self, text: &'a [u8], now: OffsetDateTime) -> Result<Verdict, PresentedKey<'a>> {
        let Ok(presented) = self.keyring.parse(text) else {
            return Ok(Verdict::Denied(Denial::KeyMalformed));
        };
        match self.cold.cache.believed(presented.id, &self.freshness, clock::now()) {
            Some(finding) if finding.is_about(&presented.proof) => Ok(finding.verdict(now)),
            _ => Err(presented),
        }
    }
}
