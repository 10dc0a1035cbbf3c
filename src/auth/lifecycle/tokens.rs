//! Revokes tokens before they expire.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{Applied, Lifecycle, propagation::unrefused};
use crate::{
    auth::Undecided,
    domain::{audit::Author, ledger::Reach, token::TokenRevocation},
};

impl Lifecycle {
    /// Revokes tokens, for a caller with this reach. When this returns, no replica accepts any of them. The outcome is
    /// the instant before which the subject's tokens are refused, if tokens of a subject were revoked.
    ///
    /// # Errors
    /// [`Undecided`] if they may still be accepted, at least on some replica. A retry is safe.
    pub async fn revoke_tokens(
        self: &Arc<Self>,
        revocation: TokenRevocation,
        reach: Reach,
        author: Author,
    ) -> Result<Applied<Option<OffsetDateTime>>, Undecided> {
        let Ok(revoked) = self
            .propagate(revocation, reach, author, |lifecycle, revocation, by| {
                unrefused(lifecycle.ledger.revoke_tokens(revocation, by))
            })
            .await?;
        Ok(revoked)
    }
}
