//! The cache of verified tokens. [`Freshness`] decides whether they may be assumed not to be revoked.

use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use quick_cache::{Weighter, sync::Cache};
use siphasher::sip128::SipHasher24;
use time::OffsetDateTime;

use crate::auth::{
    clock,
    coherence::{FillTicket, Freshness, MonotonicTime},
    jwt::VerifiedToken,
    occupancy::{CountEvictions, Occupancy},
};
use crate::{
    domain::{principal::TokenIdentity, token::TokenRecords},
    telemetry::metrics::counting::Counter,
};

/// Taken before the read of a token's two rows; decides whether the result may still be trusted.
#[derive(Clone, Copy)]
pub(crate) struct Tickets {
    records: TokenRecords,
    token: Option<FillTicket>,
    subject: FillTicket,
}

impl Tickets {
    /// Must be called before the read begins.
    pub(crate) fn take(records: TokenRecords, freshness: &Freshness) -> Self {
        Self {
            records,
            token: records.token.map(|id| freshness.read_started(id)),
            subject: freshness.read_started(records.subject),
        }
    }

    fn all(&self, holds: impl Fn(&FillTicket, crate::auth::coherence::RecordId) -> bool) -> bool {
        let token = self.token.as_ref().zip(self.records.token);
        token.is_none_or(|(ticket, id)| holds(ticket, id)) && holds(&self.subject, self.records.subject)
    }

    fn may_be_believed(&self, freshness: &Freshness, now: MonotonicTime) -> bool {
        self.all(|ticket, id| freshness.may_believe(ticket, id, now))
    }

    fn are_current(&self, freshness: &Freshness) -> bool {
        self.all(|ticket, id| freshness.is_current(ticket, id))
    }
}

/// Represents a token in the cache, so that a memory dump contains no tokens: 128 bits of SipHash-2-4 under a key that
/// is random per process. The full length, because it is trusted like the token itself
/// (`docs/decisions/0023-a-known-key-need-not-show-its-tag.md`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenDigest(u128);

/// A token that was valid and not revoked.
struct Good {
    token: VerifiedToken,
    tickets: Tickets,
}

/// Valid tokens by their digest, up to the capacity. An entry must be requested twice before it can displace one that
/// is in use (a form of CLOCK-Pro), so tokens that are presented once do not evict those of sessions.
pub(crate) struct TokenCache {
    digester: SipHasher24,
    tokens: Cache<TokenDigest, Arc<Good>, ByRoom, BuildHasherDefault<DigestHasher>, Evictions>,
    evicted: Arc<Counter>,
}

type Evictions = CountEvictions<TokenDigest, Arc<Good>>;

/// The weight of a token, in tokens of the usual size. A token with many scopes counts as several, so that the memory
/// is bounded whatever issuers put into them.
#[derive(Clone)]
struct ByRoom;

/// The heap memory of a usual token's identity, in bytes: issuer, subject twice, a few scopes.
const USUAL_BYTES: usize = 256;

impl Weighter<TokenDigest, Arc<Good>> for ByRoom {
    fn weight(&self, _: &TokenDigest, good: &Arc<Good>) -> u64 {
        1 + (good.token.identity().bytes_besides() / USUAL_BYTES) as u64
    }
}

/// Uses a part of the digest: without the key, nobody can choose tokens with colliding or adjacent digests.
#[derive(Default)]
struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn write(&mut self, _: &[u8]) {
        unreachable!("a digest is one number");
    }

    fn write_u128(&mut self, digest: u128) {
        self.0 = digest as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl TokenCache {
    /// A cache for `entries` tokens of the usual size. The system provides the memory only as it is used.
    pub(crate) fn new(entries: usize) -> Self {
        let evicted = Arc::<Counter>::default();
        let (hasher, lifecycle) = (BuildHasherDefault::default(), CountEvictions::new(Arc::clone(&evicted)));
        Self {
            digester: SipHasher24::new_with_key(&rand::random()),
            tokens: Cache::with(entries, entries as u64, ByRoom, hasher, lifecycle),
            evicted,
        }
    }

    /// How full it is.
    pub(super) fn occupancy(&self) -> Occupancy {
        Occupancy {
            entries: self.tokens.len() as u64,
            used: self.tokens.weight(),
            places: self.tokens.capacity(),
            evicted: self.evicted.get(),
        }
    }

    pub(crate) fn digest(&self, token: &[u8]) -> TokenDigest {
        TokenDigest(self.digester.hash(token).as_u128())
    }

    /// The identity of the token, if it was valid and may be used from memory at `now`.
    pub(crate) fn believed(
        &self,
        digest: &TokenDigest,
        freshness: &Freshness,
        now: OffsetDateTime,
    ) -> Option<Arc<TokenIdentity>> {
        let good = self.tokens.get(digest)?;
        // Read after the request arrived, as the lease requires.
        let instant = clock::now();
        let is_good = good.token.is_still_good(now, instant) && good.tickets.may_be_believed(freshness, instant);
        is_good.then(|| Arc::clone(good.token.identity()))
    }

    /// Stores a valid token, unless something may have revoked it since the read behind `tickets` began.
    pub(crate) fn keep(&self, digest: TokenDigest, token: VerifiedToken, tickets: Tickets, freshness: &Freshness) {
        if tickets.are_current(freshness) {
            self.tokens.insert(digest, Arc::new(Good { token, tickets }));
        }
    }
}
