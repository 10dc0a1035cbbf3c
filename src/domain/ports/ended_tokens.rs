//! What checks need of where ended tokens are kept.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{coherence::RecordId, token::TokenEnd};

/// What checks need of where it is kept which tokens were ended.
#[async_trait]
pub trait EndedTokens: Send + Sync {
    /// Those of these rows that are there, in any order. Read in a transaction that begins after the call, from a server
    /// that was still the primary afterwards.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    async fn find_ends(&self, records: &[RecordId]) -> Result<Vec<(RecordId, TokenEnd)>, StoreError>;
}
