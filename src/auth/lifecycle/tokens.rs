//! Revokes tokens before they expire.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{Lifecycle, Propagated, Watch};
use crate::{
    auth::Undecided,
    domain::{audit::Author, ledger::Reach, token::TokenRevocation},
};

/// Revoked tokens that no replica accepts.
#[derive(Clone, Copy, Debug)]
pub struct EndedEverywhere {
    /// The instant before which the subject's tokens are refused, if tokens of a subject were revoked.
    pub not_before: Option<OffsetDateTime>,
    /// How the change reached every replica.
    pub propagated: Propagated,
}

impl Lifecycle {
    /// Revokes tokens, for a caller with this reach. When this returns, no replica accepts any of them.
    ///
    /// # Errors
    /// [`Undecided`] if they may still be accepted, at least on some replica. A retry is safe.
    pub async fn revoke_tokens(
        self: &Arc<Self>,
        revocation: TokenRevocation,
        reach: Reach,
        author: Author,
    ) -> Result<EndedEverywhere, Undecided> {
        let lifecycle = Arc::clone(self);
        let work = async move {
            let watch = Watch::begin(lifecycle.link.as_ref());
            let by = watch.together(&reach, &author);
            let not_before = lifecycle.ledger.revoke_tokens(&revocation, by).await?;
            Ok(EndedEverywhere { not_before, propagated: watch.settled().await })
        };
        self.to_its_end(work).await
    }
}
