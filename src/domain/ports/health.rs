//! The port to the health of the store.

use async_trait::async_trait;

use super::StoreError;

/// The health of the store.
#[async_trait]
pub trait Health: Send + Sync {
    /// Whether the store answers and its schema is as new as this program.
    ///
    /// # Errors
    /// [`StoreError`] if it does not answer.
    async fn is_ready(&self) -> Result<bool, StoreError>;
}
