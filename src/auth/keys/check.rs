//! One check of an API key: parse, look up, prove, apply the policy.

use std::{future::Future, net::IpAddr, sync::Arc};

use time::OffsetDateTime;
use tokio::{runtime::Handle, sync::Semaphore};

use super::{
    cache::{Examined, KeyCache},
    cold_check::{ColdChecks, Flights, KeyRows},
    hasher::Hasher,
    last_uses::LastUses,
};
use crate::auth::{Checked, Undecided, batch_reader::BatchReader, clock, coherence::Freshness};
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

    /// What is known of `text`, whatever it is to be used for.
    ///
    /// # Errors
    /// The same as for [`check`](Self::check).
    pub fn examine<'a>(
        &'a self,
        text: &'a [u8],
    ) -> Checked<Result<Examined, Undecided>, impl Future<Output = Result<Examined, Undecided>>> {
        match self.recall(text) {
            Ok(examined) => Checked::Now(Ok(examined)),
            Err(presented) => Checked::Later(async move { Ok(self.cold.find_out(&presented).await?.examined()) }),
        }
    }

    /// What becomes of a proven key that is used now, from `address`. Every use passes here, whichever way it came in: what
    /// a use costs or is counted by belongs here and nowhere else. `refusal` says what speaks against this use; the key is
    /// used if nothing does.
    pub fn use_key<R>(
        &self,
        record: &KeyRecord,
        now: OffsetDateTime,
        address: Option<IpAddr>,
        refusal: impl FnOnce(&KeyRecord) -> Result<(), R>,
    ) -> Result<(), R> {
        refusal(record)?;
        self.uses.note(record, now, address);
        Ok(())
    }

    /// Whether a text has the form of our keys, whoever made it.
    pub fn is_key(&self, text: &[u8]) -> bool {
        self.keyring.form(text).is_ok()
    }

    /// The public name of a key of ours, be it good or not; `None` for any other text.
    pub fn name_of(&self, text: &[u8]) -> Option<KeyId> {
        self.keyring.parse(text).ok().map(|presented| presented.id)
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

    /// The key's own rules depend on time and place, so they are applied on every request.
    fn verdict(&self, examined: Examined, now: OffsetDateTime, address: Option<IpAddr>) -> Verdict {
        let record = match examined {
            Examined::No(denial) => return Verdict::Denied(denial),
            Examined::Proven(record) => record,
        };
        match self.use_key(&record, now, address, |record| record.refusal(now, address).map_or(Ok(()), Err)) {
            Ok(()) => Verdict::Granted(Principal::proven_key(record)),
            Err(denial) => Verdict::Denied(denial),
        }
    }
}
