//! What pages for people show.

use async_trait::async_trait;
use sqlx::types::Uuid;

use super::{Statement, Store};
use crate::domain::{
    ledger::Reach,
    limits::{Holder, LimitName, Taken},
    plan::PlanName,
    ports::{StoreError, reports::PageReports},
};

/// More windows than the limits of a holder have at once, with those that it had before a change.
const MOST_COUNTERS: i64 = 100;

#[async_trait]
impl PageReports for Store {
    async fn owners_on(&self, plans: &[PlanName], most: u32) -> Result<Vec<u32>, StoreError> {
        let names: Vec<String> = plans.iter().map(|plan| plan.as_str().to_owned()).collect();
        let work = async {
            let mut seat = self.to_read(&Reach::Any).await?;
            let query = sqlx::query_scalar!(
                r#"SELECT (SELECT count(*) FROM (SELECT FROM owner_plans WHERE plan = named.name LIMIT $2) AS counted) AS "count!"
                   FROM unnest($1::text[]) WITH ORDINALITY AS named (name, place) ORDER BY place"#,
                &names,
                i64::from(most),
            );
            Ok(query.fetch_all(&mut *seat.connection).await?)
        };
        let counts = self.within_deadline(Statement::CountPlanOwners, work).await?;
        Ok(counts.into_iter().map(|count| u32::try_from(count).unwrap_or_default()).collect())
    }

    async fn taken(&self, holder: Holder, reach: &Reach) -> Result<Vec<Taken>, StoreError> {
        let work = async {
            let mut seat = self.to_read(reach).await?;
            let query = sqlx::query!(
                "SELECT name, period, taken, window_ends FROM limit_counts
                 WHERE holder = $1 AND window_begins <= now() AND window_ends > now() LIMIT $2",
                Uuid::from_u128(holder.as_u128()),
                MOST_COUNTERS,
            );
            Ok(query.fetch_all(&mut *seat.connection).await?)
        };
        let rows = self.within_deadline(Statement::ReadCounters, work).await?;
        let taken = rows.into_iter().map(|row| {
            let name = LimitName::parse(&row.name);
            Ok(Taken {
                name: name.map_err(|error| StoreError::Corrupt(format!("limit_counts: the name {error}")))?,
                period: row.period,
                taken: u64::try_from(row.taken).unwrap_or_default(),
                ends: row.window_ends,
            })
        });
        taken.collect()
    }
}
