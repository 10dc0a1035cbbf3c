//! Many keys at once: by filter, by owner.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use time::OffsetDateTime;

use super::{Editor, Everywhere, Lifecycle, Watch};
use crate::{
    auth::Undecided,
    domain::{
        audit::Author,
        ledger::{OwnerSwitch, OwnerSwitched, Reach},
        listing::KeyFilter,
        owner::Owner,
        ports::StoreError,
        principal::TokenIdentity,
        text::ChangeReason,
        token::{TokenRevocation, WhichTokens, remembered_until},
    },
};

/// Keys that one transaction revokes: its statements stay far below their time limit.
const TOGETHER: u32 = 500;
/// How long it is remembered that an owner's keys were stopped because a token said so, and of how
/// many owners: a client that goes on sending such a token must not make the database work each time.
const STOPPED_REMEMBERED: Duration = Duration::from_secs(60);
const STOPPED_MAX: usize = 1024;

/// What a revocation of many keys has done, everywhere.
#[derive(Clone, Copy, Debug)]
pub struct ManyRevoked {
    /// How many keys it has revoked.
    pub count: u64,
    /// How the last of it became true.
    pub everywhere: Everywhere,
}

/// How an owner stands after a switch, everywhere.
#[derive(Clone, Debug)]
pub struct SwitchedOwner {
    /// Whether it was the switch that made it so.
    pub changed: bool,
    /// Why the owner is switched off, in the words of who did it first.
    pub reason: Option<ChangeReason>,
    /// How it became true.
    pub everywhere: Everywhere,
}

/// Whose keys were stopped lately, because a token said so; and whose token.
#[derive(Default)]
pub struct OwnersStopped(Mutex<HashMap<(Owner, Box<str>), OffsetDateTime>>);

impl OwnersStopped {
    fn is_recent(&self, identity: &TokenIdentity, now: OffsetDateTime) -> bool {
        let stopped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stopped
            .get(&(identity.owner.clone(), identity.subject.clone()))
            .is_some_and(|at| now - *at < STOPPED_REMEMBERED)
    }

    fn remember(&self, identity: &TokenIdentity, now: OffsetDateTime) {
        let mut stopped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stopped.len() >= STOPPED_MAX {
            stopped.retain(|_, at| now - *at < STOPPED_REMEMBERED);
        }
        if stopped.len() < STOPPED_MAX {
            stopped.insert((identity.owner.clone(), identity.subject.clone()), now);
        }
    }
}

impl Lifecycle {
    /// Revokes every key that `filter` names. When this returns, no replica accepts one of them.
    ///
    /// # Errors
    /// [`Undecided`] when some may not be revoked, or not everywhere; asking again is safe.
    pub async fn revoke_many(
        self: &Arc<Self>,
        filter: KeyFilter,
        reason: Option<ChangeReason>,
        editor: Editor,
        now: OffsetDateTime,
    ) -> Result<ManyRevoked, Undecided> {
        let lifecycle = Arc::clone(self);
        let work = async move { lifecycle.revoke_batches(&filter, reason.as_ref(), &editor, now).await };
        self.to_its_end(work).await
    }

    /// How many keys [`revoke_many`](Self::revoke_many) would revoke now.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    pub async fn count_living(
        &self,
        filter: &KeyFilter,
        reach: &Reach,
        now: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        self.ledger.count_living(filter, reach, now).await
    }

    /// Changes become true in the order of their commits, so the last batch is the one to wait for.
    ///
    /// Without an owner, a batch cannot see the successor of a key that is being rotated, and finds that key already revoked
    /// once it gets there. So whatever a batch has found, another one looks at what there is now; and where one has found
    /// nothing, one more, for that is also what it finds if all that it saw was being rotated.
    async fn revoke_batches(
        &self,
        filter: &KeyFilter,
        reason: Option<&ChangeReason>,
        editor: &Editor,
        now: OffsetDateTime,
    ) -> Result<ManyRevoked, Undecided> {
        let mut count = 0;
        let mut empty = 0;
        loop {
            let watch = Watch::begin(self.link.as_ref());
            let by = watch.together(&editor.reach, &editor.author);
            let batch = self.ledger.revoke_together(filter, TOGETHER, reason, now, by).await?;
            count += u64::from(batch);
            empty += u32::from(batch == 0);
            if batch < TOGETHER && (filter.owner.is_some() || empty == 2) {
                return Ok(ManyRevoked { count, everywhere: watch.settled().await });
            }
        }
    }

    /// Switches all keys of an owner, those of the future too. When this returns, that is true everywhere.
    ///
    /// # Errors
    /// [`Undecided`] when it may not be so, or not everywhere; asking again is safe.
    pub async fn switch_owner(
        self: &Arc<Self>,
        switch: OwnerSwitch,
        reach: Reach,
        author: Author,
    ) -> Result<SwitchedOwner, Undecided> {
        let lifecycle = Arc::clone(self);
        let work = async move {
            let watch = Watch::begin(lifecycle.link.as_ref());
            let OwnerSwitched { changed, reason } =
                lifecycle.ledger.switch_owner(&switch, watch.together(&reach, &author)).await?;
            Ok(SwitchedOwner { changed, reason, everywhere: watch.settled().await })
        };
        self.to_its_end(work).await
    }

    /// Stops all keys of an owner of whom a token says that they are disabled, and ends the bearer's earlier tokens,
    /// which say otherwise because they are older. A token of theirs is accepted for `longest_life`, at most.
    ///
    /// # Errors
    /// [`Undecided`] when they may still work.
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
        // Both steps, though the bearer hangs up after the first.
        let work = async move {
            let reason: Option<ChangeReason> = "a token of the issuer says so".parse().ok();
            let (owner, reach) = (identity.owner.clone(), Reach::Own(identity.owner.clone()));
            // Whoever is refused may come back as often as they like, which must not make all replicas read all keys of
            // the owner again. Their keys are refused since the row was committed, so there is nothing to wait for.
            if !lifecycle.ledger.is_disabled(&owner).await? {
                let switch = OwnerSwitch { owner, disabled: true, reason: reason.clone(), at: now };
                lifecycle.switch_owner(switch, reach.clone(), author.clone()).await?;
            }
            // One that does not say when it was issued says of no other that it is older.
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
