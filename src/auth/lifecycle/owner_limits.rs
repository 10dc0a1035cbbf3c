//! Changes the limits that all keys of an owner share.

use std::sync::Arc;

use super::{Applied, Caller, Done, Lifecycle};
use crate::domain::owner_limits::{OwnerLimitsChange, OwnerLimitsChanged};

impl Lifecycle {
    /// Changes the limits and the credits that all keys of an owner share, including their future ones. When this
    /// returns, every replica applies the change. For administrators.
    ///
    /// # Errors
    /// [`Undecided`](crate::auth::Undecided) if they may not have been changed, or not on every replica. A retry is
    /// safe.
    pub async fn limit_owner(
        self: &Arc<Self>,
        change: OwnerLimitsChange,
        caller: Caller,
    ) -> Done<Applied<OwnerLimitsChanged>> {
        self.propagate(change, caller.reach, caller.author, |lifecycle, change, by| {
            lifecycle.ledger.change_owner_limits(change, by)
        })
        .await
    }
}
