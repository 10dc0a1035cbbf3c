//! Changes the limits that all keys of an owner share.

use std::sync::Arc;

use super::{Caller, Done, Lifecycle, Propagated, Watch};
use crate::domain::owner_limits::{OwnerAllowance, OwnerLimitsChange, OwnerLimitsChanged};

/// The limits of an owner after a change that every replica applies.
#[derive(Clone, Debug)]
pub struct LimitedOwner {
    /// What limits the owner.
    pub allowance: OwnerAllowance,
    /// Whether it was the change that made them so.
    pub changed: bool,
    /// How the change reached every replica.
    pub propagated: Propagated,
}

impl Lifecycle {
    /// Changes the limits and the credits that all keys of an owner share, including their future ones. When this
    /// returns, every replica applies the change. For administrators.
    ///
    /// # Errors
    /// [`Undecided`](crate::auth::Undecided) if they may not have been changed, or not on every replica. A retry is
    /// safe.
    pub async fn limit_owner(self: &Arc<Self>, change: OwnerLimitsChange, caller: Caller) -> Done<LimitedOwner> {
        let lifecycle = Arc::clone(self);
        let work = async move {
            let watch = Watch::begin(lifecycle.link.as_ref());
            let by = watch.together(&caller.reach, &caller.author);
            match lifecycle.ledger.change_owner_limits(&change, by).await? {
                Ok(OwnerLimitsChanged { allowance, changed }) => {
                    Ok(Ok(LimitedOwner { allowance, changed, propagated: watch.settled().await }))
                }
                Err(refusal) => Ok(Err(refusal)),
            }
        };
        self.to_its_end(work).await
    }
}
