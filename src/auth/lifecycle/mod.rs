//! The life of keys: create, change, rotate, revoke. Reads need no use case: callers ask the [`KeyLedger`].
//!
//! - `issue`: creates keys
//! - `rotate`: rotates keys
//! - `edit`: changes, disables, enables and revokes a key
//! - `bulk`: the same for many keys at once: by filter, or by owner
//! - `top_up`: adds to the credits of a key, or sets them
//! - `owner_limits`: limits that all keys of an owner share
//! - `plans`: plans, and who is on them
//! - `tokens`: revokes tokens
//! - `policy`: the operator's policies, and the rights that nobody may pass on

mod bulk;
mod edit;
pub mod ended_keys;
mod issue;
mod owner_limits;
mod plans;
mod policy;
mod rotate;
mod tokens;
mod top_up;

use std::{sync::Arc, time::Duration};

use time::OffsetDateTime;
use tokio::runtime::Handle;
use tracing::Instrument;

pub use self::{
    bulk::{ManyRevoked, OwnersStopped, SwitchedOwner},
    edit::{Edit, Switch},
    issue::{Expiry, Issued, IssuedKey, KeyIssuer, NewKey},
    owner_limits::LimitedOwner,
    plans::{ChangedPlan, ClaimedPlan, ClaimsFollowed, PlannedOwner},
    policy::{Offer, OfferedScope},
    rotate::{Rotated, Rotation},
    tokens::EndedEverywhere,
    top_up::KeyTopUp,
};
use super::{
    Undecided, clock,
    coherence::{Announced, Link, Mark, Settled},
};
use crate::{
    config::KeyPolicy,
    domain::{
        api_key::KeyId,
        audit::Author,
        key_record::ManagedKey,
        ledger::{Change, Decide, Outcome, Quota, Reach, Refusal, SuccessorProof, Together},
        ports::{ledger::KeyLedger, plans::PlanStore},
        scope::Scopes,
    },
    telemetry::steps::step,
};

/// Changes and revokes keys.
pub struct Lifecycle {
    /// The store of keys.
    pub ledger: Arc<dyn KeyLedger>,
    /// The store of plans.
    pub plans: Arc<dyn PlanStore>,
    /// The policy for keys.
    pub policy: KeyPolicy,
    /// The connection to the other replicas; `None` for a process that is not a replica, and waits for leases instead.
    pub link: Option<Arc<Link>>,
    /// Runs changes to completion when their client disconnects.
    pub runtime: Handle,
    /// The owners that were recently disabled because of a token.
    pub stopped: OwnersStopped,
    /// The claims that recently put owners on plans.
    pub followed: ClaimsFollowed,
}

/// The caller of a change: their reach, their scopes, and their identity for the audit.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The keys that they may change.
    pub reach: Reach,
    /// The scopes of their token; `None` for the command line, which may grant any scope.
    pub scopes: Option<Scopes>,
    /// Whether their keys may have only these scopes.
    pub scope_bearing: bool,
    /// The plan that their token claims for its owner, if it does not exist. It is not known what the owner may have.
    pub unknown_plan: Option<Box<str>>,
    /// Their identity for the audit.
    pub author: Author,
}

/// A change that every replica applies.
#[derive(Clone, Copy, Debug)]
pub struct Propagated {
    /// How the change was settled.
    pub settled: Settled,
    /// The time from the commit until it was settled.
    pub took: Duration,
}

impl Propagated {
    /// How many replicas have confirmed the change, this one included, and how many were silent until their lease ended.
    pub fn replicas(&self) -> (usize, usize) {
        match self.settled {
            Settled::Heard { confirmed, expired } => (confirmed + 1, expired),
            // No replica could be heard, so every lease was waited for.
            Settled::Unheard => (1, 0),
        }
    }
}

/// A key after a change that every replica applies.
#[derive(Debug)]
pub struct ChangedKey {
    /// The key.
    pub key: ManagedKey,
    /// How the change reached every replica.
    pub propagated: Propagated,
}

/// The outcome of a change: done or refused. The outer `Err` is an outage.
pub type Done<T> = Result<Result<T, Refusal>, Undecided>;

impl Lifecycle {
    /// Runs `work` to completion even if the caller goes away: a change that was started is finished, and its effect
    /// awaited.
    async fn to_its_end<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = Result<T, Undecided>> + Send + 'static,
    ) -> Result<T, Undecided> {
        self.runtime.spawn(work.instrument(step!("change"))).await.map_err(|_| Undecided::Stopped)?
    }

    /// Changes one key, and waits until every replica applies the change. A change that adds nothing needs no quota, and so
    /// does not wait for others who create keys of the same owner.
    async fn change(
        &self,
        id: KeyId,
        caller: &Caller,
        at: OffsetDateTime,
        decide: &Decide<'_>,
        successor: Option<SuccessorProof<'_>>,
        quota: Option<Quota>,
    ) -> Done<ChangedKey> {
        let (reach, author) = (&caller.reach, &caller.author);
        let (with_credits, once) = (false, None);
        self.apply(Change { id, reach, author, at, decide, successor, with_credits, once, quota, mark: None }).await
    }

    /// Makes a change, and waits until every replica applies it.
    async fn apply(&self, change: Change<'_>) -> Done<ChangedKey> {
        let watch = Watch::begin(self.link.as_ref());
        match self.ledger.change(&Change { mark: watch.mark(), ..change }).await? {
            Outcome::Changed(key) => Ok(Ok(ChangedKey { key: *key, propagated: watch.settled().await })),
            Outcome::Refused(refusal) => Ok(Err(refusal)),
        }
    }
}

/// Follows a change from before its commit until every replica applies it.
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

    /// The circumstances of a change that this follows.
    fn together<'a>(&'a self, reach: &'a Reach, author: &'a Author) -> Together<'a> {
        Together { reach, author, mark: self.mark() }
    }

    /// Must be called as soon as the commit is known.
    async fn settled(self) -> Propagated {
        // Read after the commit, so it is later than the change; that can only lengthen the wait.
        let committed_at = clock::now();
        let settled = match &self.announced {
            Some(announced) => announced.settled(committed_at).instrument(step!("confirmation")).await,
            None => Settled::Unheard,
        };
        let took = Duration::from_nanos(clock::now().as_nanos().saturating_sub(committed_at.as_nanos()));
        Propagated { settled, took }
    }
}
