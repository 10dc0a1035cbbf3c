//! Tokens that are ended before they expire.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{Everywhere, Lifecycle, Watch};
use crate::{
    auth::Undecided,
    domain::{audit::Author, ledger::Reach, token::TokenRevocation},
};

/// Tokens that no replica accepts any more.
#[derive(Clone, Copy, Debug)]
pub struct EndedEverywhere {
    /// The instant before which those of the subject are refused, where they were ended so.
    pub not_before: Option<OffsetDateTime>,
    /// How that became true.
    pub everywhere: Everywhere,
}

impl Lifecycle {
    /// Ends tokens before they expire, for somebody who reaches so far. When this returns, no replica accepts one of them.
    ///
    /// # Errors
    /// [`Undecided`] when they may still be accepted, or on some replica; asking again is safe.
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
            Ok(EndedEverywhere { not_before, everywhere: watch.settled().await })
        };
        self.to_its_end(work).await
    }
}
