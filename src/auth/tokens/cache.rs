//! The tokens that this replica has verified. Whether it may believe that they were not ended since is
//! [`Freshness`]'s word.

use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use quick_cache::{
    Weighter,
    sync::{Cache, DefaultLifecycle},
};
use siphasher::sip128::SipHasher24;
use time::OffsetDateTime;

use crate::auth::{
    clock,
    coherence::{FillTicket, Freshness, MonotonicTime},
    jwt::VerifiedToken,
};
use crate::domain::{principal::TokenIdentity, token::TokenRecords};

/// From before the read of a token's two rows: whether what was read may still be believed.
#[derive(Clone, Copy)]
pub(crate) struct Tickets {
    records: TokenRecords,
    token: Option<FillTicket>,
    subject: FillTicket,
}

impl Tickets {
    /// To be taken before the read begins.
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

/// What stands for a token in memory, so that a copy of the memory holds none: 128 bits of SipHash-2-4 under a key that
/// this process has made for itself. All of it, for it is taken for the token
/// (`docs/decisions/0023-a-known-key-need-not-show-its-tag.md`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenDigest(u128);

/// A token that was good, and had not been ended.
struct Good {
    token: VerifiedToken,
    tickets: Tickets,
}

/// Good tokens by their digest, as many as there is room for. An entry must be asked for twice before it can displace
/// one that is in use (a form of CLOCK-Pro), so tokens that are shown once do not purge those of the sessions.
pub(crate) struct TokenCache {
    digester: SipHasher24,
    tokens: Cache<TokenDigest, Arc<Good>, ByRoom, BuildHasherDefault<DigestHasher>>,
}

/// How much room a token takes, in tokens of the usual size: one with many scopes takes that of several, so that the
/// memory is bounded whatever issuers write into them.
#[derive(Clone)]
struct ByRoom;

/// What the identity of a token of the usual size holds beside itself: issuer, subject twice, a few scopes. In bytes.
const USUAL_BYTES: usize = 256;

impl Weighter<TokenDigest, Arc<Good>> for ByRoom {
    fn weight(&self, _: &TokenDigest, good: &Arc<Good>) -> u64 {
        1 + (good.token.identity().bytes_besides() / USUAL_BYTES) as u64
    }
}

/// Takes a part of the digest: without the key, nobody can choose tokens whose digests collide or lie close together.
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
    /// Room for `entries` tokens of the usual size. The system gives the memory only as it is used.
    pub(crate) fn new(entries: usize) -> Self {
        let (hasher, lifecycle) = (BuildHasherDefault::default(), DefaultLifecycle::default());
        Self {
            digester: SipHasher24::new_with_key(&rand::random()),
            tokens: Cache::with(entries, entries as u64, ByRoom, hasher, lifecycle),
        }
    }

    pub(crate) fn digest(&self, token: &[u8]) -> TokenDigest {
        TokenDigest(self.digester.hash(token).as_u128())
    }

    /// Whose token this is, if it was good, and what was known of it then may be answered from memory at `now`.
    pub(crate) fn believed(
        &self,
        digest: &TokenDigest,
        freshness: &Freshness,
        now: OffsetDateTime,
    ) -> Option<Arc<TokenIdentity>> {
        let good = self.tokens.get(digest)?;
        // After the request has come: that is what a lease asks of it.
        let instant = clock::now();
        let is_good = good.token.is_still_good(now, instant) && good.tickets.may_be_believed(freshness, instant);
        is_good.then(|| Arc::clone(good.token.identity()))
    }

    /// Keeps a token that is good, unless something may have ended it since the read behind `tickets` began.
    pub(crate) fn keep(&self, digest: TokenDigest, token: VerifiedToken, tickets: Tickets, freshness: &Freshness) {
        if tickets.are_current(freshness) {
            self.tokens.insert(digest, Arc::new(Good { token, tickets }));
        }
    }
}
