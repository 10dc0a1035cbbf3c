//! The check of a token: from memory, or by verifying it and looking up whether it was revoked.

use std::{
    collections::{BTreeSet, HashMap},
    future::Future,
    sync::Arc,
};

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio::{runtime::Handle, sync::Semaphore};
use tracing::Instrument;

use super::cache::{Tickets, TokenCache, TokenDigest};
use crate::auth::{
    Checked, Undecided,
    batch_reader::{BatchReader, Rows},
    coherence::{Freshness, RecordId},
    jwt::TokenVerifier,
    metrics::{CheckCounts, Counted, Outcome, Way},
    occupancy::Occupancy,
};
use crate::domain::{
    denial::{Denial, TokenFault},
    ports::{StoreError, ended_tokens::EndedTokens},
    principal::Principal,
    token::{TokenEnd, TokenRecords, TokenStanding},
    verdict::Verdict,
};
use crate::telemetry::steps::step;

/// Checks tokens.
pub struct TokenChecker {
    verifier: TokenVerifier,
    cache: TokenCache,
    freshness: Arc<Freshness>,
    reader: BatchReader<TokenRows>,
    /// One permit for each check that may wait for the store.
    admission: Semaphore,
    max_cold: usize,
    counts: CheckCounts,
}

/// The limits on cached tokens and concurrent lookups.
#[derive(Clone, Copy, Debug)]
pub struct TokenRoom {
    /// `jwt.cached_tokens`.
    pub cached: usize,
    /// `checks.max_cold`.
    pub max_cold: usize,
}

impl TokenChecker {
    /// A checker for the tokens that `verifier` accepts, unless `ends` has a revocation. It trusts its cache as far as
    /// `freshness` allows, and reads on `runtime`.
    pub fn new(
        verifier: TokenVerifier,
        ends: Arc<dyn EndedTokens>,
        freshness: Arc<Freshness>,
        room: TokenRoom,
        runtime: &Handle,
    ) -> Self {
        Self {
            verifier,
            cache: TokenCache::new(room.cached),
            freshness,
            reader: BatchReader::start(TokenRows(ends), room.max_cold, runtime),
            admission: Semaphore::new(room.max_cold),
            max_cold: room.max_cold,
            counts: CheckCounts::new(Counted::Tokens),
        }
    }

    /// The verifier with the issuers.
    pub fn verifier(&self) -> &TokenVerifier {
        &self.verifier
    }

    /// The number of tokens that were verified, because memory did not know them.
    pub fn verified(&self) -> u64 {
        self.counts.all().filter(|checked| checked.way != "memory").map(|checked| checked.count).sum()
    }

    /// How many tokens were checked.
    pub fn counts(&self) -> &CheckCounts {
        &self.counts
    }

    /// How full the memory of tokens is.
    pub fn occupancy(&self) -> Occupancy {
        self.cache.occupancy()
    }

    /// The tokens whose rows are being read or waited for.
    pub fn first_checks(&self) -> usize {
        self.max_cold.saturating_sub(self.admission.available_permits())
    }

    /// Decides whether `token` is valid at `now`. A token with an invalid signature or invalid claims is denied without
    /// a query; a known one is decided without I/O.
    ///
    /// # Errors
    /// [`Undecided`] if the keys of its issuer are not available, or if memory has no answer and the store could not
    /// answer either.
    pub fn check<'a>(
        &'a self,
        token: &'a [u8],
        now: OffsetDateTime,
    ) -> Checked<Result<Verdict, Undecided>, impl Future<Output = Result<Verdict, Undecided>>> {
        let digest = self.cache.digest(token);
        match self.recall(&digest, now) {
            Some(verdict) => Checked::Now(Ok(verdict)),
            None => Checked::Later(self.find_out(token, digest, now)),
        }
    }

    fn recall(&self, digest: &TokenDigest, now: OffsetDateTime) -> Option<Verdict> {
        let identity = self.cache.believed(digest, &self.freshness, now)?;
        self.counts.count(Outcome::Granted, Way::Memory);
        Some(Verdict::Granted(Principal::proven_token(identity)))
    }

    async fn find_out(&self, token: &[u8], digest: TokenDigest, now: OffsetDateTime) -> Result<Verdict, Undecided> {
        let found =
            self.verify_and_read(token, digest, now).instrument(step!("cold_check", credential = "token")).await;
        let (outcome, way) = match &found {
            Ok((Verdict::Granted(_), way)) => (Outcome::Granted, *way),
            Ok((Verdict::Denied(_) | Verdict::Limited(_) | Verdict::OwnerDisabled(_), way)) => (Outcome::Denied, *way),
            Err(_) => (Outcome::Undecided, Way::None),
        };
        self.counts.count(outcome, way);
        Ok(found?.0)
    }

    /// The signature is verified first, so that a stranger's token costs no query.
    async fn verify_and_read(
        &self,
        token: &[u8],
        digest: TokenDigest,
        now: OffsetDateTime,
    ) -> Result<(Verdict, Way), Undecided> {
        let denied = |fault: TokenFault, way| Ok((Verdict::Denied(Denial::Token(fault)), way));
        let verified = match self.verifier.verify(token, now).await? {
            Ok(verified) => verified,
            Err(fault) => return denied(fault, Way::Signature),
        };
        // The read begins after this request arrived, so no lease is needed to trust it.
        let tickets = Tickets::take(verified.records(), &self.freshness);
        let standing = self.standing(verified.records()).await?;
        if let Some(fault) = standing.refusal(verified.issued_at()) {
            return denied(fault, Way::Row);
        }
        let identity = Arc::clone(verified.identity());
        // The token is refused, so it is not cached.
        if identity.disabled {
            return Ok((Verdict::OwnerDisabled(identity), Way::Row));
        }
        self.cache.keep(digest, verified, tickets, &self.freshness);
        Ok((Verdict::Granted(Principal::proven_token(identity)), Way::Row))
    }

    async fn standing(&self, records: TokenRecords) -> Result<TokenStanding, Undecided> {
        let _permit = self.admission.try_acquire().map_err(|_| Undecided::Busy)?;
        Ok(self.reader.read(records).await?.unwrap_or_default())
    }
}

/// The rows that revoke tokens.
struct TokenRows(Arc<dyn EndedTokens>);

#[async_trait]
impl Rows for TokenRows {
    /// Fewer than for keys, because these rows are shorter and read faster.
    const BATCHES_AT_ONCE: usize = 2;

    type Id = TokenRecords;
    type Row = TokenStanding;

    async fn find(&self, ids: &[TokenRecords]) -> Result<HashMap<TokenRecords, TokenStanding>, StoreError> {
        // Many tokens may have the same subject.
        let records: BTreeSet<RecordId> = ids.iter().copied().flat_map(TokenRecords::ids).collect();
        let records: Vec<RecordId> = records.into_iter().collect();
        let ends: HashMap<RecordId, TokenEnd> = self.0.find_ends(&records).await?.into_iter().collect();
        let not_before = |record: &RecordId| match ends.get(record) {
            Some(TokenEnd::NotBefore(instant)) => Some(*instant),
            _ => None,
        };
        let standing = |of: &TokenRecords| TokenStanding {
            revoked: of.token.is_some_and(|token| ends.contains_key(&token)),
            not_before: not_before(&of.subject),
        };
        Ok(ids.iter().map(|id| (*id, standing(id))).collect())
    }
}
