//! Revokes a key, also for those who hold it, and need not be its owner: whoever has found one can stop it. A key that is
//! revoked still does that, so what its holder repeats must cost nobody anything.

use std::{sync::Arc, time::Duration};

use time::OffsetDateTime;
use tokio::time::timeout;

use super::{Applied, Caller, Done, Lifecycle, Propagated, recent::Recent};
use crate::{
    auth::{Undecided, clock, coherence::MonotonicTime},
    domain::{
        api_key::KeyId,
        key_record::KeyRecord,
        ports::{Busy, StoreError},
        precondition::Preconditions,
        revocation::{KeyRevocation, Revoked},
        text::ChangeReason,
    },
    turns::Turns,
};

/// How long a revocation waits for another one with the same key. No longer than one for a connection by default.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long it is remembered that every replica has confirmed a revocation, and of how many keys: some 100 bytes each.
const CONFIRMED_REMEMBERED: Duration = Duration::from_secs(60);
const CONFIRMED_MAX: usize = 10_000;

/// The keys that their holders are revoking, or have revoked a moment ago.
pub struct HeldKeys {
    turns: Arc<Turns<KeyId>>,
    /// What this replica has revoked, and every replica has confirmed since.
    confirmed: Recent<KeyId, Confirmed>,
}

#[derive(Clone, Copy)]
struct Confirmed {
    revoked: Revoked,
    propagated: Propagated,
    /// Since when this is known.
    since: MonotonicTime,
}

/// A key that its holder has revoked.
#[derive(Clone, Copy, Debug)]
pub struct RevokedByHolder {
    /// The key.
    pub key: Revoked,
    /// Whether every replica had confirmed it before, so that nothing was done.
    pub is_repeated: bool,
}

impl Default for HeldKeys {
    fn default() -> Self {
        Self { turns: Turns::new(), confirmed: Recent::new(CONFIRMED_MAX) }
    }
}

impl Lifecycle {
    /// Revokes a key. When this returns, no replica accepts it.
    ///
    /// # Errors
    /// [`Undecided`] if the key may not be revoked, or not on every replica. A retry is safe.
    pub async fn revoke(
        self: &Arc<Self>,
        id: KeyId,
        reason: Option<ChangeReason>,
        caller: Caller,
        now: OffsetDateTime,
    ) -> Done<Applied<Revoked>> {
        self.revoke_if(id, reason, Preconditions::default(), caller, now).await
    }

    /// The same, if the key meets these preconditions.
    ///
    /// # Errors
    /// As for [`revoke`](Self::revoke).
    pub async fn revoke_if(
        self: &Arc<Self>,
        id: KeyId,
        reason: Option<ChangeReason>,
        preconditions: Preconditions,
        caller: Caller,
        now: OffsetDateTime,
    ) -> Done<Applied<Revoked>> {
        let revocation = KeyRevocation { id, reason, preconditions, is_by_holder: false, at: now };
        self.propagate(revocation, caller.reach, caller.author, |lifecycle, revocation, by| {
            lifecycle.ledger.revoke(revocation, by)
        })
        .await
    }

    /// Revokes a key for whoever holds it, if it meets these preconditions. When this returns, no replica accepts it.
    /// `caller`: with the reach of the key's owner.
    ///
    /// A revocation is announced even if the key is revoked, because whoever did that may have failed after the commit,
    /// while waiting for the replicas. Only what this replica itself knows to be confirmed by all of them since the
    /// commit is not announced again, for a minute.
    ///
    /// # Errors
    /// [`Undecided`] if the key may not be revoked, or not on every replica. A retry is safe.
    pub async fn revoke_held(
        self: &Arc<Self>,
        key: &KeyRecord,
        reason: Option<ChangeReason>,
        preconditions: Preconditions,
        caller: Caller,
        now: OffsetDateTime,
    ) -> Done<Applied<RevokedByHolder>> {
        let (lifecycle, id, is_revoked, arrived) = (Arc::clone(self), key.id, key.revoked_at.is_some(), clock::now());
        let work = async move {
            let turn = timeout(PATIENCE, lifecycle.held.turns.take(id, 1)).await;
            let _turn = turn.map_err(|_| Undecided::Store(StoreError::Busy(Busy::Key)))?;
            // The row has to know of it, too, unless it was read before: a restored database may have forgotten it.
            let confirmed = |before: &Confirmed| (is_revoked || before.since >= arrived).then_some(*before);
            if let Some(before) = lifecycle.held.confirmed.recall(&id, now, confirmed) {
                let outcome = RevokedByHolder { key: before.revoked, is_repeated: true };
                let demanded = preconditions.demand(before.revoked.version);
                return Ok(demanded.map(|()| Applied { outcome, propagated: before.propagated }));
            }
            let revocation = KeyRevocation { id, reason, preconditions, is_by_holder: true, at: now };
            let revoked = lifecycle
                .propagated(&revocation, &caller.reach, &caller.author, |lifecycle, revocation, by| {
                    lifecycle.ledger.revoke(revocation, by)
                })
                .await?;
            Ok(revoked.map(|Applied { outcome: revoked, propagated }| {
                let confirmed = Confirmed { revoked, propagated, since: clock::now() };
                lifecycle.held.confirmed.remember(id, confirmed, now + CONFIRMED_REMEMBERED, now);
                Applied { outcome: RevokedByHolder { key: revoked, is_repeated: false }, propagated }
            }))
        };
        self.to_its_end(work).await
    }
}
