//! What becomes of keys: issue, change, rotate, revoke.
//!
//! - `issue`: a key is made, and a key gets a successor
//! - `edit`: a key is changed, switched, revoked
//! - `many`: the same for many keys at once: by filter, by owner
//! - `tokens`: tokens are ended
//! - `policy`: what the operator allows, and what nobody may pass on

mod edit;
pub mod ended_keys;
mod issue;
mod many;
mod policy;
mod tokens;

use std::{sync::Arc, time::Duration};

use time::OffsetDateTime;
use tokio::runtime::Handle;

pub use self::{
    edit::{Edit, Switch},
    issue::{Expiry, Issued, Issuer, NewKey, Order, Rotated, Rotation},
    many::{ManyRevoked, OwnersStopped, SwitchedOwner},
    tokens::EndedEverywhere,
};
use super::{
    Undecided, clock,
    coherence::{Announced, Link, Mark, Settled},
};
use crate::{
    config::KeyPolicy,
    domain::{
        api_key::KeyId,
        audit::{AuditEvent, Author},
        key_record::ManagedKey,
        ledger::{Change, Decide, Outcome, Quota, Reach, Refusal, SuccessorProof, Together},
        listing::{EventFilter, KeyFilter, KeyOrder, Listed, OwnerFilter, OwnerStanding, Page},
        owner::Owner,
        ports::{StoreError, ledger::KeyLedger},
        scope::Scopes,
    },
};

/// Changes and ends keys.
pub struct Lifecycle {
    /// Keeps them.
    pub ledger: Arc<dyn KeyLedger>,
    /// What keys may be made.
    pub policy: KeyPolicy,
    /// To the other replicas; `None` for a process that is no replica and waits for leases instead.
    pub link: Option<Arc<Link>>,
    /// Where a change goes on when its client hangs up.
    pub runtime: Handle,
    /// Whose keys were stopped lately, because a token said so.
    pub stopped: OwnersStopped,
}

/// Somebody who changes keys: how far they reach, what they hold, and how they are remembered.
#[derive(Clone, Debug)]
pub struct Editor {
    /// Whose keys they may change.
    pub reach: Reach,
    /// What their token carries; `None` for the command line, which may give any right.
    pub scopes: Option<Scopes>,
    /// Whether a key of theirs may only get those.
    pub scope_bearing: bool,
    /// How they are remembered.
    pub author: Author,
}

/// A change that is true on all replicas.
#[derive(Clone, Copy, Debug)]
pub struct Everywhere {
    /// How it became true everywhere.
    pub settled: Settled,
    /// How long that took, from the commit.
    pub took: Duration,
}

/// A key as it is after a change that is true everywhere.
#[derive(Debug)]
pub struct ChangedKey {
    /// The key.
    pub key: ManagedKey,
    /// How the change became true.
    pub everywhere: Everywhere,
}

/// What was asked for is done, or refused; `Err` outside of it is an outage.
pub type Done<T> = Result<Result<T, Refusal>, Undecided>;

impl Lifecycle {
    /// A key within reach.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    pub async fn show(&self, id: KeyId, reach: &Reach) -> Result<Option<ManagedKey>, StoreError> {
        self.ledger.show(id, reach).await
    }

    /// Keys in this order. `reach`: of who asks.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    pub async fn list(
        &self,
        filter: &KeyFilter,
        order: KeyOrder,
        page: &Page,
        reach: &Reach,
        now: OffsetDateTime,
    ) -> Result<Listed<ManagedKey>, StoreError> {
        self.ledger.list(filter, order, page, reach, now).await
    }

    /// Owners who have keys, or are disabled.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    pub async fn owners(
        &self,
        filter: &OwnerFilter,
        page: &Page,
        now: OffsetDateTime,
    ) -> Result<Listed<OwnerStanding>, StoreError> {
        self.ledger.owners(filter, page, now).await
    }

    /// One of them; `None` for one who neither has a key nor is disabled.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    pub async fn owner(&self, owner: &Owner, now: OffsetDateTime) -> Result<Option<OwnerStanding>, StoreError> {
        self.ledger.owner(owner, now).await
    }

    /// Events, newest first. `reach`: of who asks.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    pub async fn events(
        &self,
        filter: &EventFilter,
        page: &Page,
        reach: &Reach,
    ) -> Result<Listed<AuditEvent>, StoreError> {
        self.ledger.events(filter, page, reach).await
    }

    /// Runs `work` to its end even when whoever waits for it goes away: a change that was begun is
    /// finished, and its effect awaited.
    async fn to_its_end<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = Result<T, Undecided>> + Send + 'static,
    ) -> Result<T, Undecided> {
        self.runtime.spawn(work).await.map_err(|_| Undecided::Stopped)?
    }

    /// Changes one key, and waits until that is true everywhere. What never brings a key to life needs no quota, and
    /// then does not wait for those who make keys of the same owner.
    async fn change(
        &self,
        id: KeyId,
        editor: &Editor,
        at: OffsetDateTime,
        decide: &Decide<'_>,
        successor: Option<SuccessorProof<'_>>,
        quota: Quota,
    ) -> Done<ChangedKey> {
        let (reach, author) = (&editor.reach, &editor.author);
        let watch = Watch::begin(self.link.as_ref());
        let change = Change { id, reach, author, at, decide, successor, quota, mark: watch.mark() };
        match self.ledger.change(&change).await? {
            Outcome::Changed(key) => Ok(Ok(ChangedKey { key: *key, everywhere: watch.settled().await })),
            Outcome::Refused(refusal) => Ok(Err(refusal)),
        }
    }
}

/// Follows a change from before its commit until it is true everywhere.
struct Watch {
    announced: Option<Announced>,
}

impl Watch {
    fn begin(link: Option<&Arc<Link>>) -> Self {
        Self { announced: link.map(Link::announce) }
    }

    fn mark(&self) -> Option<&Mark> {
        self.announced.as_ref().map(Announced::mark)
    }

    /// How a change is made that this follows.
    fn together<'a>(&'a self, reach: &'a Reach, author: &'a Author) -> Together<'a> {
        Together { reach, author, mark: self.mark() }
    }

    /// To be called as soon as the commit is known.
    async fn settled(self) -> Everywhere {
        // Read after the commit, so later than the change; the wait can only get longer by it.
        let committed_at = clock::now();
        let settled = match &self.announced {
            Some(announced) => announced.settled(committed_at).await,
            None => Settled::Unheard,
        };
        let took = Duration::from_nanos(clock::now().as_nanos().saturating_sub(committed_at.as_nanos()));
        Everywhere { settled, took }
    }
}
