//! One check of an API key: parse, look up, prove, apply the policy.

use std::{net::IpAddr, sync::Arc};

use time::OffsetDateTime;
use tokio::{runtime::Handle, sync::Semaphore};

use super::{
    cache::{Examined, KeyCache},
    cold_check::{ColdChecks, Flights, KeyRows},
    hasher::Hasher,
    last_uses::LastUses,
};
use crate::auth::{Undecided, batch_reader::BatchReader, clock, coherence::Freshness};
use crate::{
    config::Checks,
    domain::{
        api_key::{KeyId, Keyring, PresentedKey},
        denial::Denial,
        key_record::KeyRecord,
        ports::KeyStore,
        principal::Principal,
        verdict::Verdict,
    },
};

/// Decides whether a key is good.
pub struct KeyChecker {
    keyring: Arc<Keyring>,
    freshness: Arc<Freshness>,
    cold: Arc<ColdChecks>,
    uses: Arc<LastUses>,
}

impl KeyChecker {
    /// A checker of the keys in `store`, which believes its memory as far as `freshness` allows. What
    /// memory cannot answer is worked on by `runtime`.
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
            store,
            hasher,
            cache: KeyCache::new(settings.cached_keys),
            freshness: Arc::clone(&freshness),
            admission: Arc::new(Semaphore::new(settings.max_cold)),
            flights: Flights::default(),
            runtime,
        });
        Self { keyring, freshness, cold, uses }
    }

    /// Decides whether `text` is a key that is good at `now` for somebody at `address`. A key that is not
    /// ours is denied without a query and without a hash; one that is known is decided without any I/O.
    ///
    /// # Errors
    /// [`Undecided`] when memory cannot answer, and the store or the hasher could not either.
    pub async fn check(&self, text: &[u8], now: OffsetDateTime, address: Option<IpAddr>) -> Result<Verdict, Undecided> {
        Ok(self.judge(self.examine(text).await?, now, address))
    }

    /// The same without waiting for anything; `None` where memory cannot answer, and [`check`](Self::check) must.
    pub fn check_from_memory(&self, text: &[u8], now: OffsetDateTime, address: Option<IpAddr>) -> Option<Verdict> {
        self.recall(text).ok().map(|examined| self.judge(examined, now, address))
    }

    /// Whether `text` is a key at all, be it revoked, expired or used from the wrong place. Good for nothing but
    /// ending it.
    ///
    /// # Errors
    /// The same as for [`check`](Self::check).
    pub async fn check_holder(&self, text: &[u8]) -> Result<Verdict, Undecided> {
        Ok(match self.examine(text).await? {
            Examined::No(denial) => Verdict::Denied(denial),
            Examined::Proven(record) => Verdict::Granted(Principal::proven_key(record)),
        })
    }

    /// What is known of `text`, for a service that wants to know more than yes or no.
    ///
    /// # Errors
    /// The same as for [`check`](Self::check).
    pub async fn examine(&self, text: &[u8]) -> Result<Examined, Undecided> {
        match self.recall(text) {
            Ok(examined) => Ok(examined),
            Err(presented) => Ok(self.cold.find_out(&presented).await?.examined()),
        }
    }

    /// Whether a text has the form of our keys, whoever made it.
    pub fn is_key(&self, text: &[u8]) -> bool {
        self.keyring.form(text).is_ok()
    }

    /// The public name of a key of ours, be it good or not; `None` for any other text.
    pub fn name_of(&self, text: &[u8]) -> Option<KeyId> {
        self.keyring.parse(text).ok().map(|presented| presented.id)
    }

    /// Notes that a service has found the key good.
    pub fn note_use(&self, record: &KeyRecord, now: OffsetDateTime, address: Option<IpAddr>) {
        self.uses.note(record, now, address);
    }

    /// What memory says of a text, or the key in it that it says nothing of.
    fn recall<'a>(&self, text: &'a [u8]) -> Result<Examined, PresentedKey<'a>> {
        let Ok(form) = self.keyring.form(text) else {
            return Ok(Examined::No(Denial::KeyMalformed));
        };
        let believed = self.cold.cache.believed(form.id, &self.freshness, clock::now());
        // Whose very text was proven before need not show the tag again, which costs more than all the rest.
        if let Some(finding) = &believed
            && let Some(record) = finding.proven(&form.proof)
        {
            return Ok(Examined::Proven(Arc::clone(record)));
        }
        let Ok(presented) = self.keyring.recognise(form) else {
            return Ok(Examined::No(Denial::KeyMalformed));
        };
        match believed {
            Some(finding) if finding.is_about(&presented.proof) => Ok(finding.examined()),
            _ => Err(presented),
        }
    }

    /// The policy, which depends on time and place and so is applied on every request.
    fn judge(&self, examined: Examined, now: OffsetDateTime, address: Option<IpAddr>) -> Verdict {
        let record = match examined {
            Examined::No(denial) => return Verdict::Denied(denial),
            Examined::Proven(record) => record,
        };
        if let Some(denial) = record.refusal(now, address) {
            return Verdict::Denied(denial);
        }
        self.uses.note(&record, now, address);
        Verdict::Granted(Principal::proven_key(record))
    }
}
