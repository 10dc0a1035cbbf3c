//! The check of an API key: parse, look up, verify the secret, apply the key's rules.

use std::{future::Future, net::IpAddr, sync::Arc};

use time::OffsetDateTime;
use tokio::{runtime::Handle, sync::Semaphore};

use super::{
    cache::{Examined, KeyCache},
    cold_check::{ColdChecks, KeyRows, SingleFlight},
    hasher::Hasher,
    last_uses::LastUses,
    rehash::Rehasher,
};
use crate::auth::{
    Checked, Undecided,
    batch_reader::BatchReader,
    clock,
    coherence::Freshness,
    counts::{CheckCounts, Counted, Outcome, Way},
    occupancy::Occupancy,
};
use crate::{
    config::Checks,
    domain::{
        api_key::{KeyId, Keyring, PresentedKey},
        denial::Denial,
        key_record::KeyRecord,
        ports::keys::KeyStore,
        principal::Principal,
        verdict::Verdict,
    },
};

/// Checks API keys.
pub struct KeyChecker {
    keyring: Arc<Keyring>,
    freshness: Arc<Freshness>,
    cold: Arc<ColdChecks>,
    uses: Arc<LastUses>,
    counts: CheckCounts,
    max_cold: usize,
}

impl KeyChecker {
    /// A checker for the keys in `store`. It trusts its cache as far as `freshness` allows, and runs first checks on
    /// `runtime`.
    pub fn new(
        keyring: Arc<Keyring>,
        store: Arc<dyn KeyStore>,
        hasher: Arc<Hasher>,
        freshness: Arc<Freshness>,
        uses: Arc<LastUses>,
        settings: &Checks,
        runtime: Handle,
    ) -> Self {
        let cold = Arc::new(ColdChecks {
            keyring: Arc::clone(&keyring),
            reader: BatchReader::start(KeyRows(Arc::clone(&store)), settings.max_cold, &runtime),
            rehasher: Rehasher::start(Arc::clone(&hasher), store, &runtime),
            hasher,
            cache: KeyCache::new(settings.cached_keys),
            freshness: Arc::clone(&freshness),
            admission: Arc::new(Semaphore::new(settings.max_cold)),
            in_flight: SingleFlight::default(),
            runtime,
        });
        Self { keyring, freshness, cold, uses, counts: CheckCounts::new(Counted::Keys), max_cold: settings.max_cold }
    }

    /// Decides whether `text` is a key that is valid at `now` for a client at `address`. A text that is not our key is
    /// denied without a query and without a hash; a known key is decided without I/O.
    ///
    /// # Errors
    /// [`Undecided`] if memory has no answer, and the store or the hasher fails.
    pub fn check<'a>(
        &'a self,
        text: &'a [u8],
        now: OffsetDateTime,
        address: Option<IpAddr>,
    ) -> Checked<Result<Verdict, Undecided>, impl Future<Output = Result<Verdict, Undecided>>> {
        match self.examine(text) {
            Checked::Now(examined) => Checked::Now(examined.map(|examined| self.verdict(examined, now, address))),
            Checked::Later(waiting) => Checked::Later(async move { Ok(self.verdict(waiting.await?, now, address)) }),
        }
    }

    /// Whether `text` is an authentic key, even if it is revoked, expired or used from another address. Sufficient only
    /// for revoking it.
    ///
    /// # Errors
    /// As for [`check`](Self::check).
    pub async fn check_holder(&self, text: &[u8]) -> Result<Verdict, Undecided> {
        Ok(match self.examine(text).await? {
            Examined::No(denial, way) => Verdict::Denied(self.refuse(denial, way)),
            Examined::Proven(record, way) => {
                self.counts.count(Outcome::Granted, way);
                Verdict::Granted(Principal::proven_key(record))
            }
        })
    }

    /// What is known about `text`, independent of its use.
    ///
    /// # Errors
    /// As for [`check`](Self::check).
    pub fn examine<'a>(
        &'a self,
        text: &'a [u8],
    ) -> Checked<Result<Examined, Undecided>, impl Future<Output = Result<Examined, Undecided>>> {
        match self.recall(text) {
            Ok(examined) => Checked::Now(Ok(examined)),
            Err(presented) => Checked::Later(async move {
                let found = self.cold.find_out(&presented).await;
                let (finding, way) = found.inspect_err(|_| self.counts.count(Outcome::Undecided, Way::None))?;
                Ok(finding.examined(way))
            }),
        }
    }

    /// Uses an authentic key now, from `address`. Every use passes through this function, at every entry point, so
    /// costs and counters of a use belong here. `way`: how the key was found authentic. `refusal` returns the reason
    /// against this use; without one, the key is used.
    pub fn use_key<R>(
        &self,
        record: &KeyRecord,
        way: Way,
        now: OffsetDateTime,
        address: Option<IpAddr>,
        refusal: impl FnOnce(&KeyRecord) -> Result<(), R>,
    ) -> Result<(), R> {
        if let Err(reason) = refusal(record) {
            self.counts.count(Outcome::Denied, way);
            return Err(reason);
        }
        self.counts.count(Outcome::Granted, way);
        self.uses.note(record, now, address);
        Ok(())
    }

    /// Refuses a text that is no valid key.
    pub fn refuse(&self, denial: Denial, way: Way) -> Denial {
        self.counts.count(Outcome::Denied, way);
        denial
    }

    /// How many keys were checked.
    pub fn counts(&self) -> &CheckCounts {
        &self.counts
    }

    /// How full the memory of keys is.
    pub fn occupancy(&self) -> Occupancy {
        self.cold.cache.occupancy()
    }

    /// The first checks under way or waiting.
    pub fn first_checks(&self) -> usize {
        self.max_cold.saturating_sub(self.cold.admission.available_permits())
    }

    /// Whether a text has the form of our keys, without checking its tag.
    pub fn is_key(&self, text: &[u8]) -> bool {
        self.keyring.form(text).is_ok()
    }

    /// The id of a key with a valid tag; `None` for any other text.
    pub fn name_of(&self, text: &[u8]) -> Option<KeyId> {
        self.keyring.parse(text).ok().map(|presented| presented.id)
    }

    /// The answer from memory, or the parsed key if memory has none.
    fn recall<'a>(&self, text: &'a [u8]) -> Result<Examined, PresentedKey<'a>> {
        let Ok(form) = self.keyring.form(text) else {
            return Ok(Examined::No(Denial::KeyMalformed, Way::Tag));
        };
        let believed = self.cold.cache.believed(form.id, &self.freshness, clock::now());
        // If exactly this text was verified before, its tag need not be checked, which would cost more than everything
        // else.
        if let Some(finding) = &believed
            && let Some(record) = finding.proven(&form.proof)
        {
            return Ok(Examined::Proven(Arc::clone(record), Way::Memory));
        }
        let Ok(presented) = self.keyring.recognise(form) else {
            return Ok(Examined::No(Denial::KeyMalformed, Way::Tag));
        };
        match believed {
            Some(finding) if finding.is_about(&presented.proof) => Ok(finding.examined(Way::Memory)),
            _ => Err(presented),
        }
    }

    /// The key's own rules depend on time and address, so they are applied to every request.
    fn verdict(&self, examined: Examined, now: OffsetDateTime, address: Option<IpAddr>) -> Verdict {
        let (record, way) = match examined {
            Examined::No(denial, way) => return Verdict::Denied(self.refuse(denial, way)),
            Examined::Proven(record, way) => (record, way),
        };
        match self.use_key(&record, way, now, address, |record| record.refusal(now, address).map_or(Ok(()), Err)) {
            Ok(()) => Verdict::Granted(Principal::proven_key(record)),
            Err(denial) => Verdict::Denied(denial),
        }
    }
}
