//! Plans, and who is on them: by an administrator, or by the claim of a token.

use std::{sync::Arc, time::Duration};

use time::OffsetDateTime;

use super::{Applied, Caller, Done, Lifecycle, propagation::Watch, recent::Recent};
use crate::{
    auth::Undecided,
    domain::{
        audit::Author,
        ledger::Reach,
        owner::Owner,
        plan::PlanName,
        plan_changes::{OnWordOf, PlanAssigned, PlanAssignment, PlanChange, PlanChanged, PlanDeletion, PlanRefusal},
        principal::TokenIdentity,
    },
};

/// How long it is remembered that a claim needs nothing to be done. An administrator's word may end it, which a replica
/// does not hear: a minute is soon enough for a claim to hold again after that, and one question a minute for each
/// owner who manages keys is few.
const FOLLOWED_REMEMBERED: Duration = Duration::from_secs(60);
/// The same for a plan that does not exist, which an operator is about to create.
const UNKNOWN_REMEMBERED: Duration = Duration::from_secs(5);
/// For how many owners. Those who manage keys within a minute, each with some 200 bytes; for more of them, the database
/// is asked each time.
const FOLLOWED_MAX: usize = 10_000;

/// What a token says about the plan of its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimedPlan {
    /// Nothing, or a plan that the owner is on by now, unless somebody else has had the last word.
    Followed,
    /// A plan of this name, which does not exist.
    Unknown(Box<str>),
}

/// The claims that were recently followed.
pub struct ClaimsFollowed(Recent<Owner, Followed>);

struct Followed {
    plan: Box<str>,
    issued_at: Option<OffsetDateTime>,
    is_known: bool,
}

impl Default for ClaimsFollowed {
    fn default() -> Self {
        Self(Recent::new(FOLLOWED_MAX))
    }
}

impl ClaimsFollowed {
    fn recall(&self, identity: &TokenIdentity, plan: &str, now: OffsetDateTime) -> Option<ClaimedPlan> {
        self.0.recall(&identity.owner, now, |followed| {
            let is_same = *followed.plan == *plan && followed.issued_at == identity.issued_at;
            is_same.then(|| if followed.is_known { ClaimedPlan::Followed } else { ClaimedPlan::Unknown(plan.into()) })
        })
    }

    fn remember(&self, identity: &TokenIdentity, plan: &str, claimed: &ClaimedPlan, now: OffsetDateTime) {
        let is_known = *claimed == ClaimedPlan::Followed;
        let until = now + if is_known { FOLLOWED_REMEMBERED } else { UNKNOWN_REMEMBERED };
        let followed = Followed { plan: plan.into(), issued_at: identity.issued_at, is_known };
        self.0.remember(identity.owner.clone(), followed, until, now);
    }
}

impl Lifecycle {
    /// Makes a plan, or replaces what it gives and caps. When this returns, every replica applies it to everybody who
    /// is on it. For administrators.
    ///
    /// # Errors
    /// [`Undecided`] if it may not have been changed, or not on every replica. A retry is safe.
    pub async fn change_plan(
        self: &Arc<Self>,
        change: PlanChange,
        caller: Caller,
    ) -> Done<Applied<PlanChanged>, PlanRefusal> {
        self.propagate(change, caller.reach, caller.author, |lifecycle, change, by| {
            lifecycle.plans.change_plan(change, by)
        })
        .await
    }

    /// Deletes a plan that nobody is on. For administrators.
    ///
    /// # Errors
    /// [`Undecided`] if it may not have been deleted.
    pub async fn delete_plan(self: &Arc<Self>, deletion: PlanDeletion, caller: Caller) -> Done<(), PlanRefusal> {
        let lifecycle = Arc::clone(self);
        let work = async move {
            let watch = Watch::begin(None);
            let by = watch.together(&caller.reach, &caller.author);
            // It is in no replica's memory, because nobody is on it.
            Ok(lifecycle.plans.delete_plan(&deletion, by).await?)
        };
        self.to_its_end(work).await
    }

    /// Puts an owner on a plan, or on none. When this returns, every replica applies it.
    ///
    /// # Errors
    /// [`Undecided`] if it may not have been assigned, or not on every replica. A retry is safe.
    pub async fn assign_plan(
        self: &Arc<Self>,
        assignment: PlanAssignment,
        reach: Reach,
        author: Author,
    ) -> Done<Applied<PlanAssigned>, PlanRefusal> {
        self.propagate(assignment, reach, author, |lifecycle, assignment, by| {
            lifecycle.plans.assign_plan(assignment, by)
        })
        .await
    }

    /// Puts the owner of a token on the plan that it claims, unless an administrator or a newer token has said
    /// otherwise. When this returns, every replica applies it.
    ///
    /// # Errors
    /// [`Undecided`] if it may not have been done.
    pub async fn follow_plan(
        self: &Arc<Self>,
        identity: &TokenIdentity,
        author: Author,
        now: OffsetDateTime,
    ) -> Result<ClaimedPlan, Undecided> {
        let Some(claim) = &identity.plan else { return Ok(ClaimedPlan::Followed) };
        if let Some(claimed) = self.followed.recall(identity, claim, now) {
            return Ok(claimed);
        }
        let unknown = ClaimedPlan::Unknown(claim.clone());
        // What is no name of a plan may still not matter.
        let plan: Option<PlanName> = claim.parse().ok();
        let is_name = plan.is_some();
        let reach = Reach::Own(identity.owner.clone());
        let on_word_of = OnWordOf::Token(identity.issued_at);
        let assignment =
            PlanAssignment { owner: identity.owner.clone(), plan, on_word_of, instead_of: None, reason: None, at: now };
        let claimed = if !self.plans.would_assign(&assignment, &reach).await? {
            ClaimedPlan::Followed
        } else if is_name {
            match self.assign_plan(assignment, reach, author).await? {
                Ok(_) => ClaimedPlan::Followed,
                Err(_) => unknown,
            }
        } else {
            unknown
        };
        self.followed.remember(identity, claim, &claimed, now);
        Ok(claimed)
    }
}
