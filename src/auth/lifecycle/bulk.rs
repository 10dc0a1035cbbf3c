//! Changes to many keys at once: by filter, or by owner.

use std::{sync::Arc, time::Duration};

use time::OffsetDateTime;

use super::{
    Applied, Caller, Lifecycle,
    propagation::{Watch, unrefused},
    recent::Recent,
};
use crate::{
    auth::Undecided,
    domain::{
        api_key::KeyId,
        audit::Author,
        ledger::{OwnerSwitch, OwnerSwitched, Reach},
        listing::KeyFilter,
        owner::Owner,
        principal::TokenIdentity,
        text::ChangeReason,
        token::{TokenRevocation, WhichTokens, remembered_until},
    },
};

/// The number of keys per transaction. Its statements stay far below their time limit.
const TOGETHER: u32 = 500;
/// How long it is remembered that an owner was disabled because of a token, and for how many owners. A client that
/// keeps sending such a token must not cause database work each time.
const STOPPED_REMEMBERED: Duration = Duration::from_secs(60);
const STOPPED_MAX: usize = 1024;

/// The owners that were recently disabled because of a token, with the token's subject.
pub struct OwnersStopped(Recent<(Owner, Box<str>), ()>);

impl Default for OwnersStopped {
    fn default() -> Self {
        Self(Recent::new(STOPPED_MAX))
    }
}

impl OwnersStopped {
    fn is_recent(&self, identity: &TokenIdentity, now: OffsetDateTime) -> bool {
        let key = (identity.owner.clone(), identity.subject.clone());
        self.0.recall(&key, now, |()| Some(())).is_some()
    }

    fn remember(&self, identity: &TokenIdentity, now: OffsetDateTime) {
        let key = (identity.owner.clone(), identity.subject.clone());
        self.0.remember(key, (), now + STOPPED_REMEMBERED, now);
    }
}

impl Lifecycle {
    /// Revokes every key that `filter` matches, if it is `among` these. When this returns, no replica accepts any of
    /// them. The outcome is the number of revoked keys.
    ///
    /// # Errors
    /// [`Undecided`] if some may not be revoked, or not on every replica. A retry is safe.
    pub async fn revoke_in_bulk(
        self: &Arc<Self>,
        filter: KeyFilter,
        among: Option<Vec<KeyId>>,
        reason: Option<ChangeReason>,
        caller: Caller,
        now: OffsetDateTime,
    ) -> Result<Applied<u64>, Undecided> {
        let lifecycle = Arc::clone(self);
        let work =
            async move { lifecycle.revoke_batches(&filter, among.as_deref(), reason.as_ref(), &caller, now).await };
        self.to_its_end(work).await
    }

    /// Replicas apply changes in commit order, so it suffices to wait for the last batch.
    ///
    /// Without an owner, a batch can't see the successor of a key that is being rotated, and finds that key already
    /// revoked when it reaches it. So after a batch that found keys, another one looks at the current state. After an
    /// empty batch, one more follows, because a batch is also empty if all keys that it saw were being rotated.
    async fn revoke_batches(
        &self,
        filter: &KeyFilter,
        among: Option<&[KeyId]>,
        reason: Option<&ChangeReason>,
        caller: &Caller,
        now: OffsetDateTime,
    ) -> Result<Applied<u64>, Undecided> {
        let mut count = 0;
        let mut empty = 0;
        loop {
            let watch = Watch::begin(self.link.as_ref());
            let by = watch.together(&caller.reach, &caller.author);
            let batch = self.ledger.revoke_in_bulk(filter, among, TOGETHER, reason, now, by).await?;
            count += u64::from(batch);
            empty += u32::from(batch == 0);
            if batch < TOGETHER && (filter.owner.is_some() || empty == 2) {
                return Ok(watch.applied(count).await);
            }
        }
    }

    /// Disables or enables an owner, which also applies to their future keys. When this returns, every replica applies
    /// the change.
    ///
    /// # Errors
    /// [`Undecided`] if it may not have been changed, or not on every replica. A retry is safe.
    pub async fn switch_owner(
        self: &Arc<Self>,
        switch: OwnerSwitch,
        reach: Reach,
        author: Author,
    ) -> Result<Applied<OwnerSwitched>, Undecided> {
        let Ok(switched) = self
            .propagate(switch, reach, author, |lifecycle, switch, by| {
                unrefused(lifecycle.ledger.switch_owner(switch, by))
            })
            .await?;
        Ok(switched)
    }

    /// Disables an owner because a token states that they are disabled, and revokes the bearer's earlier tokens, which
    /// are older and state otherwise. A token of theirs is accepted for at most `longest_life`.
    ///
    /// # Errors
    /// [`Undecided`] if the owner's keys may still work.
    pub async fn stop_owner(
        self: &Arc<Self>,
        identity: &TokenIdentity,
        longest_life: Duration,
        author: Author,
        now: OffsetDateTime,
    ) -> Result<(), Undecided> {
        if self.stopped.is_recent(identity, now) {
            return Ok(());
        }
        let (lifecycle, identity) = (Arc::clone(self), identity.clone());
        // Both steps run to the end, even if the bearer disconnects after the first.
        let work = async move {
            let reason: Option<ChangeReason> = "a token of the issuer says so".parse().ok();
            let (owner, reach) = (identity.owner.clone(), Reach::Own(identity.owner.clone()));
            // A refused bearer may return as often as they like, which must not make all replicas read all keys of the
            // owner again. The keys have been refused since the row was committed, so there is nothing to wait for.
            if !lifecycle.ledger.is_disabled(&owner).await? {
                let switch = OwnerSwitch { owner, disabled: true, reason: reason.clone(), at: now };
                lifecycle.switch_owner(switch, reach.clone(), author.clone()).await?;
            }
            // A token without `iat` can't show that another one is older.
            if let Some(not_before) = identity.issued_at {
                let earlier = TokenRevocation {
                    issuer: identity.owner.issuer.clone(),
                    which: WhichTokens::OfSubject { subject: identity.subject.clone(), not_before },
                    reason,
                    at: now,
                    expires_at: remembered_until(now, longest_life),
                };
                lifecycle.revoke_tokens(earlier, reach, author).await?;
            }
            lifecycle.stopped.remember(&identity, now);
            Ok(())
        };
        self.to_its_end(work).await
    }
}
