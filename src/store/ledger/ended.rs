//! Deletes old data: keys that ended long ago, and old months of the audit.

use std::time::Duration;

use super::Store;
use crate::{
    domain::ports::StoreError,
    store::{rows::interval, schema::limit_lock_waits},
};

impl Store {
    pub(super) async fn forget_keys(&self, keep: Duration, most: u32) -> Result<Option<u32>, StoreError> {
        let mut connection = self.requests.acquire().await?;
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        let query = sqlx::query_scalar!("SELECT forget_ended_keys($1, $2)", interval(keep), most);
        let forgotten = query.fetch_one(&mut *connection).await?;
        connection.finish().await?;
        Ok(forgotten.map(i32::unsigned_abs))
    }

    pub(super) async fn see_to_audit_months(&self) -> Result<(), StoreError> {
        let mut connection = self.requests.acquire().await?;
        connection.begin().await?;
        limit_lock_waits(&mut connection).await?;
        sqlx::query!("SELECT keep_audit_months()").fetch_one(&mut *connection).await?;
        Ok(connection.finish().await?)
    }
}
