//! Keys that ended long ago.

use std::time::Duration;

use sqlx::postgres::types::PgInterval;

use super::Store;
use crate::domain::ports::StoreError;

impl Store {
    pub(super) async fn forget_keys(&self, keep: Duration, most: u32) -> Result<Option<u32>, StoreError> {
        let microseconds = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
        let keep = PgInterval { months: 0, days: 0, microseconds };
        let mut connection = self.requests.acquire().await?;
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        let query = sqlx::query_scalar!("SELECT forget_ended_keys($1, $2)", keep, most);
        Ok(query.fetch_one(&mut *connection).await?.map(i32::unsigned_abs))
    }
}
