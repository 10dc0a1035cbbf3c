//! The check of an API key: parse, look up, verify the secret, apply the key's rules.

use std::{future::Future, net::IpAddr, sync::Arc};

use futures_util::future::Either;
use time::OffsetDateTime;
use tokio::{runtime::Handle, sync::Semaphore};

use super::{
    cache::{Examined, KeyCache, ProvenKey},
    cold_check::{ColdChecks, KeyRows, SingleFlight},
    hasher::Hasher,
    rehash::Rehasher,
    use_outcome::{Charged, Used, judged, used},
};
pub use super::{cold_check::CheckStores, use_outcome::NotUsed};
use crate::{
    auth::{
        Checked, Undecided,
        batch_reader::BatchReader,
        clock,
        coherence::{Freshness, MonotonicTime},
        limits::{credit_exchange::CreditExchange, limiter::Limiter, metrics::LimitCounts},
        metrics::{CheckCounts, Counted, Outcome, Way},
        occupancy::Occupancy,
        usage::{KeyUses, writer::UsageWriter},
    },
    config::Checks,
    domain::{
        api_key::{KeyId, Keyring, PresentedKey},
        denial::Denial,
        key_record::KeyRecord,
        limits::{Allowance, Spending},
        policy::Shown,
        principal::Principal,
        usage::{UsageTag, UseOutcome},
        verdict::Verdict,
    },
};

/// Checks API keys.
pub struct KeyChecker {
    keyring: Arc<Keyring>,
    freshness: Arc<Freshness>,
    cold: Arc<ColdChecks>,
    uses: Arc<UsageWriter>,
    counts: CheckCounts,
    max_cold: usize,
}

impl KeyChecker {
    /// A checker for the keys in `stores`. It trusts its cache as far as `freshness` allows, and runs first checks on
    /// `runtime`.
    pub fn new(
        keyring: Arc<Keyring>,
        stores: CheckStores,
        hasher: Arc<Hasher>,
        freshness: Arc<Freshness>,
        uses: Arc<UsageWriter>,
        settings: &Checks,
        runtime: Handle,
    ) -> Self {
        let CheckStores { keys: store, limits } = stores;
        let cold = Arc::new(ColdChecks {
            keyring: Arc::clone(&keyring),
            reader: BatchReader::start(KeyRows(Arc::clone(&store)), settings.max_cold, &runtime),
            rehasher: Rehasher::start(Arc::clone(&hasher), store, &runtime),
            limiter: Limiter::new(limits, settings.max_cold, settings.max_limit_wait, &runtime),
            uses: Arc::clone(&uses),
            hasher,
            cache: KeyCache::new(settings.cached_keys),
            freshness: Arc::clone(&freshness),
            admission: Arc::new(Semaphore::new(settings.max_cold)),
            in_flight: SingleFlight::default(),
            runtime,
        });
        Self { keyring, freshness, cold, uses, counts: CheckCounts::new(Counted::Keys), max_cold: settings.max_cold }
    }

    /// Decides whether `text` is a key that is valid at `now` for a client at `address`, and uses it. A text that is
    /// not our key is denied without a query and without a hash; a known key is decided without I/O, as long as what is
    /// in hand of its limits suffices.
    ///
    /// # Errors
    /// [`Undecided`] if memory has no answer, and the store or the hasher fails.
    pub fn check<'a>(
        &'a self,
        text: &'a [u8],
        now: OffsetDateTime,
        address: Option<IpAddr>,
    ) -> Checked<Result<Verdict, Undecided>, impl Future<Output = Result<Verdict, Undecided>>> {
        self.check_for(text, now, address, Spending::default(), |_| None)
    }

    /// The same for a request that uses more or less of the key's limits than they say, and demands more. `demand`
    /// returns what a valid key lacks; then nothing is taken from its limits.
    ///
    /// # Errors
    /// As for [`check`](Self::check).
    pub fn check_for<'a>(
        &'a self,
        text: &'a [u8],
        now: OffsetDateTime,
        address: Option<IpAddr>,
        spending: Spending<'a>,
        demand: impl Fn(Shown<'_>) -> Option<Denial> + 'a,
    ) -> Checked<Result<Verdict, Undecided>, impl Future<Output = Result<Verdict, Undecided>>> {
        // Read once for a key in memory: it costs as much as a limit.
        let arrived = clock::now();
        match self.examine_at(text, arrived) {
            Checked::Now(Err(undecided)) => Checked::Now(Err(undecided)),
            Checked::Now(Ok(examined)) => match self.verdict(examined, now, arrived, address, spending, demand) {
                Checked::Now(verdict) => Checked::Now(verdict),
                Checked::Later(waiting) => Checked::Later(Either::Left(waiting)),
            },
            Checked::Later(waiting) => Checked::Later(Either::Right(async move {
                let examined = waiting.await?;
                self.verdict(examined, now, clock::now(), address, spending, demand).await
            })),
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
            Examined::Proven(key, way) => {
                self.counts.count(Outcome::Granted, way);
                Verdict::Granted(Principal::proven_key(key.record, Allowance::default()))
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
        self.examine_at(text, clock::now())
    }

    fn examine_at<'a>(
        &'a self,
        text: &'a [u8],
        arrived: MonotonicTime,
    ) -> Checked<Result<Examined, Undecided>, impl Future<Output = Result<Examined, Undecided>>> {
        match self.recall(text, arrived) {
            Ok(examined) => Checked::Now(Ok(examined)),
            Err(presented) => Checked::Later(async move {
                let found = self.cold.find_out(&presented).await;
                let (finding, way) = found.inspect_err(|_| self.counts.count(Outcome::Undecided, Way::None))?;
                Ok(finding.examined(way))
            }),
        }
    }

    /// Uses an authentic key now, from `address`. Every use passes through this function or [`check`](Self::check), at
    /// every entry point. `way`: how the key was found authentic. `refusal` returns the reason against this use, with
    /// all that the caller wants to know of it; without one, it spends of the key's limits, of all or of none.
    ///
    /// # Errors
    /// [`Undecided`] if a limit could not be counted.
    pub fn use_key<'a, R: 'a>(
        &'a self,
        key: ProvenKey,
        way: Way,
        now: OffsetDateTime,
        address: Option<IpAddr>,
        spending: Spending<'a>,
        refusal: impl FnOnce(&KeyRecord) -> Result<(), (Denial, R)>,
    ) -> Checked<Used<Allowance, NotUsed<R>>, impl Future<Output = Used<Allowance, NotUsed<R>>> + 'a> {
        if let Err((denial, reason)) = refusal(&key.record) {
            self.refuse_use(&key.uses, denial, way, now, spending.tag);
            return Checked::Now(Ok(Err(NotUsed::Refused(reason))));
        }
        self.charge(key, way, now, clock::now(), address, spending).map(used)
    }

    /// What is left of the limits on an authentic key, and on its owner.
    pub fn allowance(&self, key: &ProvenKey) -> Allowance {
        key.meters.clone().into()
    }

    /// Looks at an authentic key as if it were used, which its limits don't count.
    ///
    /// # Errors
    /// The reason of `refusal`.
    pub fn look_at_key(
        &self,
        key: &ProvenKey,
        way: Way,
        now: OffsetDateTime,
        address: Option<IpAddr>,
        refusal: impl FnOnce(&KeyRecord) -> Result<(), Denial>,
    ) -> Result<(), Denial> {
        let tag = UsageTag::default();
        refusal(&key.record).map_err(|denial| self.refuse_use(&key.uses, denial, way, now, tag))?;
        self.note(&key.uses, UseOutcome::Granted, way, now, address, tag);
        Ok(())
    }

    /// Charges the use of a key, after everything else has granted it. `arrived`: a time since the request has come.
    fn charge(
        &self,
        key: ProvenKey,
        way: Way,
        now: OffsetDateTime,
        arrived: MonotonicTime,
        address: Option<IpAddr>,
        spending: Spending<'_>,
    ) -> Checked<Charged, impl Future<Output = Charged>> {
        let ProvenKey { record, uses, meters } = key;
        let Spending { tag, used_already, .. } = spending;
        self.cold.limiter.charge(meters, spending, arrived).map(move |charged| {
            match &charged {
                Ok(Ok(_)) if used_already => self.counts.count(Outcome::Granted, way),
                Ok(Ok(_)) => self.note(&uses, UseOutcome::Granted, way, now, address, tag),
                Ok(Err(exceeded)) => {
                    self.refuse_use(&uses, exceeded.into(), way, now, tag);
                }
                Err(_) => self.counts.count(Outcome::Undecided, Way::None),
            }
            charged.map(|charged| charged.map(|allowance| (record, allowance)))
        })
    }

    /// Counts and notes the use of a valid key, which may not suffice for its purpose.
    fn note(
        &self,
        uses: &Arc<KeyUses>,
        outcome: UseOutcome,
        way: Way,
        now: OffsetDateTime,
        address: Option<IpAddr>,
        tag: UsageTag,
    ) {
        self.counts.count(Outcome::Granted, way);
        self.uses.note(uses, outcome, tag, now, address);
    }

    /// Refuses the use of an authentic key.
    fn refuse_use(&self, uses: &Arc<KeyUses>, denial: Denial, way: Way, now: OffsetDateTime, tag: UsageTag) -> Denial {
        self.uses.count(uses, denial.into(), tag, now);
        self.refuse(denial, way)
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

    /// How often limits were applied, and the database was asked for them.
    pub fn limit_counts(&self) -> &Arc<LimitCounts> {
        self.cold.limiter.counts()
    }

    /// The counts of uses.
    pub fn uses(&self) -> &UsageWriter {
        &self.uses
    }

    /// Who gives back the credits that nobody needs.
    pub fn credit_exchange(&self) -> &Arc<CreditExchange> {
        self.cold.limiter.credit_exchange()
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
    fn recall<'a>(&self, text: &'a [u8], arrived: MonotonicTime) -> Result<Examined, PresentedKey<'a>> {
        let Ok(form) = self.keyring.form(text) else {
            return Ok(Examined::No(Denial::KeyMalformed, Way::Tag));
        };
        let believed = self.cold.cache.believed(form.id, &self.freshness, arrived);
        // If exactly this text was verified before, its tag need not be checked, which would cost more than all else.
        let believed = match believed.map(|finding| finding.into_proven(&form.proof)) {
            Some(Ok(key)) => return Ok(Examined::Proven(key, Way::Memory)),
            Some(Err(finding)) => Some(finding),
            None => None,
        };
        let Ok(presented) = self.keyring.recognise(form) else {
            return Ok(Examined::No(Denial::KeyMalformed, Way::Tag));
        };
        match believed {
            Some(finding) if finding.is_about(&presented.proof) => Ok(finding.examined(Way::Memory)),
            _ => Err(presented),
        }
    }

    /// The key's own rules depend on time and address, so they are applied to every request.
    fn verdict(
        &self,
        examined: Examined,
        now: OffsetDateTime,
        arrived: MonotonicTime,
        address: Option<IpAddr>,
        spending: Spending<'_>,
        demand: impl Fn(Shown<'_>) -> Option<Denial>,
    ) -> Checked<Result<Verdict, Undecided>, impl Future<Output = Result<Verdict, Undecided>>> {
        let (key, way) = match examined {
            Examined::No(denial, way) => return Checked::Now(Ok(Verdict::Denied(self.refuse(denial, way)))),
            Examined::Proven(key, way) => (key, way),
        };
        if let Some(denial) = key.record.refusal(now, address) {
            let denial = self.refuse_use(&key.uses, denial, way, now, spending.tag);
            return Checked::Now(Ok(Verdict::Denied(denial)));
        }
        if let Some(denial) = demand(Shown::from(&*key.record)) {
            // The key is valid, but not enough for this request.
            self.note(&key.uses, denial.into(), way, now, address, spending.tag);
            return Checked::Now(Ok(Verdict::Denied(denial)));
        }
        self.charge(key, way, now, arrived, address, spending).map(|charged| charged.map(judged))
    }
}
