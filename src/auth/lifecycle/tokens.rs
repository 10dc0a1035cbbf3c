//! Tokens that are ended before they expire.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{Everywhere, Lifecycle, Watch};
use crate::{
    auth::Undecided,
    domain::{audit::Author, token::TokenRevocation},
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
    /// Ends tokens before they expire. When this returns, no replica accepts one of them.
    ///
    /// # Errors
    /// [`Undecided`] when they may still be accepted, or on some replica; asking again is safe.
    pub async fn revoke_tokens(
        self: &Arc<Self>,
        revocation: TokenRevocation,
        author: Author,
    ) -> Result<EndedEverywhere, Undecided> {
        let lifecycle = Arc::clone(self);
        let work = async move {
            let watch = Watch::new(lifecycle.link.as_ref());
            let revoked = lifecycle.ledger.revoke_tokens(&revocation, &author, &|change| watch.begin(change)).await?;
            let everywhere = watch.settled(revoked.change).await;
            Ok(EndedEverywhere { not_before: revoked.not_before, everywhere })
        };
        self.to_its_end(work).await
    }
}
