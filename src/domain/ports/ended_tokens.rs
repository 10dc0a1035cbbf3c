//! The port to the store of revoked tokens, for checks.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{coherence::RecordId, token::TokenEnd};

/// The store of revoked tokens, for checks.
#[async_trait]
pub trait EndedTokens: Send + Sync {
    /// The rows that exist among these, in any order. The read happens in a transaction that begins after the call, on
    /// a server that was still the primary afterwards.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn find_ends(&self, records: &[RecordId]) -> Result<Vec<(RecordId, TokenEnd)>, StoreError>;
}
