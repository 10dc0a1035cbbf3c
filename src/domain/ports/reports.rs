//! The port to what pages for people show, and no check needs.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::plan::PlanName;

/// Reads what pages show.
#[async_trait]
pub trait PageReports: Send + Sync {
    /// How many owners are on each of these plans, in this order. Of each, at most `most` are counted.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn owners_on(&self, plans: &[PlanName], most: u32) -> Result<Vec<u32>, StoreError>;
}
