//! Whether the store can be worked with.

use async_trait::async_trait;

use super::StoreError;

/// Whether the store can be worked with.
#[async_trait]
pub trait Health: Send + Sync {
    /// Whether it answers and its schema is as new as this program.
    ///
    /// # Errors
    /// [`StoreError`] when it does not answer.
    async fn is_ready(&self) -> Result<bool, StoreError>;
}
