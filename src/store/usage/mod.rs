//! How often keys are used: the tables `usage_keys`, `usage_hours`, `usage_days` and `usage_writers`, and, in the same
//! transactions, `key_uses`.
//!
//! - `read`: reports

mod read;

use std::time::Duration;

use async_trait::async_trait;
use ipnet::IpNet;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Statement, Store, rows::interval, schema::limit_lock_waits};
use crate::domain::{
    api_key::KeyId,
    ledger::Reach,
    ports::{
        StoreError,
        usage::{HourlyUses, KeyUse, UsageBatch, UsageStore},
    },
    usage::{KeyDay, Period, TooManyCounts, Usage, UsageQuery},
};

#[async_trait]
impl UsageStore for Store {
    async fn write_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        let UsageBatch { number, last_uses, counts } = batch;
        let keys: Vec<Uuid> = last_uses.iter().map(|one| one.key.as_uuid()).collect();
        let times: Vec<OffsetDateTime> = last_uses.iter().map(|one| one.last.at).collect();
        let address = |one: &KeyUse| one.last.from.map(IpNet::from);
        let addresses: Vec<Option<IpNet>> = last_uses.iter().map(address).collect();
        let of_counts = |of: fn(&HourlyUses) -> i64| -> Vec<i64> { counts.iter().map(of).collect() };
        let counted: Vec<Uuid> = counts.iter().map(|one| one.key.as_uuid()).collect();
        let hours: Vec<OffsetDateTime> = counts.iter().map(|one| one.hour).collect();
        let outcomes: Vec<i16> = counts.iter().map(|one| one.outcome.number()).collect();
        let tags: Vec<String> = counts.iter().map(|one| one.tag.clone()).collect();
        let query = sqlx::query!(
            "SELECT write_usage($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            Uuid::from_u128(self.id.0),
            number,
            &keys,
            &times,
            &addresses as &[Option<IpNet>],
            &counted,
            &hours,
            &outcomes,
            &tags,
            &of_counts(|one| i64::from(one.count)),
        );
        let work = async {
            let mut connection = self.requests.acquire().await?;
            query.fetch_one(&mut *connection).await?;
            Ok(connection.finish().await?)
        };
        self.within_deadline(Statement::WriteUsage, work).await
    }

    async fn usage(&self, query: &UsageQuery, reach: &Reach) -> Result<Result<Usage, TooManyCounts>, StoreError> {
        let work = async {
            let mut seat = self.to_read(reach).await?;
            Ok(read::report(&mut seat.connection, query).await?)
        };
        self.within_deadline(Statement::ReadUsage, work).await
    }

    async fn days_of_keys(&self, keys: &[KeyId], period: Period, reach: &Reach) -> Result<Vec<KeyDay>, StoreError> {
        let keys: Vec<Uuid> = keys.iter().map(|key| key.as_uuid()).collect();
        let work = async {
            let mut seat = self.to_read(reach).await?;
            Ok(read::days_of_keys(&mut seat.connection, &keys, period).await?)
        };
        self.within_deadline(Statement::ReadUsage, work).await
    }

    async fn keep_usage_months(
        &self,
        hours: Option<Duration>,
        days: Option<Duration>,
    ) -> Result<Option<u32>, StoreError> {
        let work = async {
            let mut connection = self.requests.acquire().await?;
            connection.begin().await?;
            limit_lock_waits(&mut connection).await?;
            let (hours, days) = (hours.map(interval), days.map(interval));
            let query = sqlx::query_scalar!("SELECT keep_usage_months($1, $2)", hours, days);
            let dropped = query.fetch_one(&mut *connection).await?;
            connection.finish().await?;
            Ok(dropped.map(i32::unsigned_abs))
        };
        self.tidy_up(Statement::KeepUsageMonths, work).await
    }

    async fn forget_usage_keys(&self, after: i32, most: u32) -> Result<Option<i32>, StoreError> {
        let work = async {
            let mut connection = self.requests.acquire().await?;
            let last = sqlx::query_scalar!(
                "SELECT max(number)
                 FROM (SELECT number FROM usage_keys WHERE number > $1 ORDER BY number LIMIT $2::integer) AS those",
                after,
                i32::try_from(most).unwrap_or(i32::MAX),
            );
            let Some(last) = last.fetch_one(&mut *connection).await? else { return Ok(None) };
            let query = sqlx::query!(
                "DELETE FROM usage_keys
                 WHERE number > $1 AND number <= $2
                   AND NOT EXISTS (SELECT FROM api_keys WHERE id = key_id)
                   AND NOT EXISTS (SELECT FROM usage_hours WHERE key = number)
                   AND NOT EXISTS (SELECT FROM usage_days WHERE key = number)",
                after,
                last,
            );
            query.execute(&mut *connection).await?;
            connection.finish().await?;
            Ok(Some(last))
        };
        self.tidy_up(Statement::ForgetUsageKeys, work).await
    }
}
