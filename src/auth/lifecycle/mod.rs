//! The life of keys: create, change, rotate, revoke. Reads need no use case: callers ask the [`KeyLedger`].
//!
//! - `issue`: creates keys
//! - `rotate`: rotates keys
//! - `edit`: changes, disables and enables a key
//! - `revoke`: revokes a key, also for whoever holds it
//! - `bulk`: revokes or disables many keys at once: by filter, or by owner
//! - `top_up`: adds to the credits of a key, or sets them
//! - `owner_limits`: limits that all keys of an owner share
//! - `plans`: plans, and who is on them
//! - `tokens`: revokes tokens
//! - `propagation`: makes a change, and waits until every replica applies it
//! - `recent`: a bounded memory of what happened recently
//! - `policy`: the operator's policies, and the rights that nobody may pass on

mod bulk;
mod edit;
mod issue;
mod owner_limits;
mod plans;
mod policy;
mod propagation;
mod recent;
mod revoke;
mod rotate;
mod tokens;
mod top_up;

use std::sync::Arc;

use time::OffsetDateTime;
use tokio::runtime::Handle;
use tracing::Instrument;

use self::propagation::Watch;
pub use self::{
    bulk::OwnersStopped,
    edit::{Edit, Switch},
    issue::{Expiry, Issued, IssuedKey, KeyIssuer, NewKey},
    plans::{ClaimedPlan, ClaimsFollowed},
    policy::{Offer, OfferedScope},
    propagation::{Applied, Done, Propagated},
    revoke::{HeldKeys, RevokedByHolder},
    rotate::{Rotated, Rotation},
    top_up::KeyTopUp,
};
use super::{Undecided, coherence::Link};
use crate::{
    config::KeyPolicy,
    domain::{
        api_key::KeyId,
        audit::Author,
        key_record::ManagedKey,
        ledger::{Change, Decide, Outcome, Quota, Reach, SuccessorProof},
        ports::{ledger::KeyLedger, plans::PlanStore},
        role::Role,
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
    /// The keys that are being revoked, or were recently, by whoever held them.
    pub held: HeldKeys,
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

impl Lifecycle {
    /// Runs `work` to completion even if the caller goes away: a change that was started is finished, and its effect
    /// awaited.
    async fn to_its_end<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = Result<T, Undecided>> + Send + 'static,
    ) -> Result<T, Undecided> {
        self.runtime.spawn(work.instrument(step!("change"))).await.map_err(|_| Undecided::Stopped)?
    }

    /// Changes one key, and waits until every replica applies the change. A change that adds nothing needs no quota,
    /// and so does not wait for others who create keys of the same owner.
    async fn change(
        &self,
        id: KeyId,
        caller: &Caller,
        at: OffsetDateTime,
        decide: &Decide<'_>,
        successor: Option<SuccessorProof<'_>>,
        quota: Option<Quota>,
    ) -> Done<Applied<ManagedKey>> {
        self.apply(Change { successor, quota, ..change_by(caller, id, at, decide) }).await
    }

    /// Makes a change, and waits until every replica applies it. Owners can make only so many in a day.
    async fn apply(&self, change: Change<'_>) -> Done<Applied<ManagedKey>> {
        let watch = Watch::begin(self.link.as_ref());
        let most_in_a_day = self.policy.max_changes_per_day.filter(|_| change.reach.role() == Role::Owner);
        match self.ledger.change(&Change { mark: watch.mark(), most_in_a_day, ..change }).await? {
            Outcome::Changed(key) => Ok(Ok(watch.applied(*key).await)),
            Outcome::Refused(refusal) => Ok(Err(refusal)),
        }
    }
}

/// A change that makes no successor, leaves credits as they are, and gives nobody more than before.
fn change_by<'a>(caller: &'a Caller, id: KeyId, at: OffsetDateTime, decide: &'a Decide<'a>) -> Change<'a> {
    Change {
        id,
        reach: &caller.reach,
        author: &caller.author,
        at,
        decide,
        successor: None,
        with_credits: false,
        once: None,
        quota: None,
        most_in_a_day: None,
        mark: None,
    }
}
