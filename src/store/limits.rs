//! The counters of limits.

use async_trait::async_trait;
use sqlx::types::Uuid;
use time::OffsetDateTime;

use super::{Statement, Store, rows::refill};
use crate::domain::{
    limits::Holder,
    ports::{
        StoreError,
        limits::{
            CountedLimit, CreditGrant, CreditOutcome, CreditRequest, LimitStore, SettledSlices, SliceGrant,
            SliceRequest, SliceReturn,
        },
    },
};

/// The number of counters that are shown at once: of a key and its owner, more than they have.
const COUNTED_MAX: i64 = 100;

#[async_trait]
impl LimitStore for Store {
    /// One statement, and so one transaction. The rows are complete once the server has committed, and none of its
    /// timeouts ends a commit (decision 62).
    async fn take_slices(&self, requests: &[SliceRequest]) -> Result<Vec<SliceGrant>, StoreError> {
        let numbers = |of: fn(&SliceRequest) -> u64| -> Vec<i64> {
            requests.iter().map(|request| i64::try_from(of(request)).unwrap_or(i64::MAX)).collect()
        };
        let holders: Vec<Uuid> = requests.iter().map(|request| Uuid::from_u128(request.holder.as_u128())).collect();
        let names: Vec<String> = requests.iter().map(|request| request.name.as_str().to_owned()).collect();
        let periods: Vec<i32> = requests.iter().map(|request| request.period).collect();
        let work = async {
            let mut connection = self.requests.tentative().await?;
            let query = sqlx::query!(
                r#"SELECT place AS "place!", granted AS "granted!", remaining AS "remaining!", ends AS "ends!",
                          decided_at AS "decided_at!"
                   FROM take_slices($1, $2, $3, $4, $5, $6, $7) ORDER BY place"#,
                &holders,
                &names,
                &periods,
                &numbers(|request| request.amount),
                &numbers(|request| request.least),
                &numbers(|request| request.need),
                &numbers(|request| request.want),
            );
            let rows = query.fetch_all(&mut *connection).await?;
            connection.finish().await?;
            Ok(rows)
        };
        let rows = self.within_deadline(Statement::TakeSlices, work).await?;
        if rows.len() != requests.len() {
            return Err(StoreError::Corrupt("take_slices did not answer every request".to_owned()));
        }
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        let grants = rows.into_iter().map(|row| SliceGrant {
            granted: count(row.granted),
            left: count(row.remaining),
            ends: row.ends,
            at: row.decided_at,
        });
        Ok(grants.collect())
    }

    async fn return_slices(&self, returns: &[SliceReturn]) -> Result<(), StoreError> {
        let holders: Vec<Uuid> = returns.iter().map(|part| Uuid::from_u128(part.holder.as_u128())).collect();
        let names: Vec<String> = returns.iter().map(|part| part.name.as_str().to_owned()).collect();
        let periods: Vec<i32> = returns.iter().map(|part| part.period).collect();
        let ends: Vec<OffsetDateTime> = returns.iter().map(|part| part.ends).collect();
        let amounts: Vec<i64> = returns.iter().map(|part| i64::try_from(part.amount).unwrap_or(i64::MAX)).collect();
        let work = async {
            let mut connection = self.requests.tentative().await?;
            // Locked in the order in which slices are taken.
            let query = sqlx::query!(
                r#"WITH locked AS (
                       SELECT counts.holder, counts.name, counts.period, given.amount
                       FROM limit_counts AS counts
                           JOIN unnest($1::uuid[], $2::text[], $3::integer[], $4::timestamptz[], $5::bigint[])
                               AS given (holder, name, period, ends, amount)
                           ON counts.holder = given.holder AND counts.name = given.name COLLATE "C"
                              AND counts.period = given.period
                       WHERE counts.window_ends = given.ends
                       ORDER BY counts.holder, counts.name, counts.period
                       FOR UPDATE OF counts
                   )
                   UPDATE limit_counts AS counts SET taken = greatest(counts.taken - locked.amount, 0)
                   FROM locked
                   WHERE counts.holder = locked.holder AND counts.name = locked.name AND counts.period = locked.period"#,
                &holders,
                &names,
                &periods,
                &ends,
                &amounts,
            );
            query.execute(&mut *connection).await?;
            Ok(connection.finish().await?)
        };
        self.within_deadline(Statement::ReturnSlices, work).await
    }

    async fn counted(&self, holders: &[Holder]) -> Result<Vec<CountedLimit>, StoreError> {
        let holders: Vec<Uuid> = holders.iter().map(|holder| Uuid::from_u128(holder.as_u128())).collect();
        let work = async {
            let mut connection = self.requests.acquire().await?;
            let query = sqlx::query!(
                "SELECT holder, name, period, taken, window_ends FROM limit_counts
                 WHERE holder = ANY($1) AND window_ends > now() LIMIT $2",
                &holders,
                COUNTED_MAX,
            );
            Ok(query.fetch_all(&mut *connection).await?)
        };
        let rows = self.within_deadline(Statement::ShowLimits, work).await?;
        let counted = rows.into_iter().map(|row| CountedLimit {
            holder: Holder::from_u128(row.holder.as_u128()),
            name: row.name,
            period: row.period,
            taken: u64::try_from(row.taken).unwrap_or_default(),
            ends: row.window_ends,
        });
        Ok(counted.collect())
    }

    async fn forget_counters(&self, after: Holder, most: u32) -> Result<(Option<Holder>, u64), StoreError> {
        let work = async {
            let mut connection = self.requests.acquire().await?;
            let after = Uuid::from_u128(after.as_u128());
            let last = sqlx::query_scalar!(
                "SELECT holder FROM limit_counts WHERE holder > $1 ORDER BY holder OFFSET $2::integer - 1 LIMIT 1",
                after,
                i32::try_from(most).unwrap_or(i32::MAX),
            );
            let last = last.fetch_optional(&mut *connection).await?;
            // An hour, because the clock may be set back, and because a row in use is cheaper to keep. Rows that a
            // replica takes from are left to it.
            let query = sqlx::query!(
                "DELETE FROM limit_counts WHERE (holder, name, period) IN
                     (SELECT holder, name, period FROM limit_counts
                      WHERE holder > $1 AND ($2::uuid IS NULL OR holder <= $2) AND window_ends < now() - interval '1 hour'
                      FOR UPDATE SKIP LOCKED)",
                after,
                last,
            );
            let deleted = query.execute(&mut *connection).await?.rows_affected();
            connection.finish().await?;
            Ok((last.map(|holder| Holder::from_u128(holder.as_u128())), deleted))
        };
        self.tidy_up(Statement::ForgetCounters, work).await
    }

    async fn exchange_credits(&self, requests: &[CreditRequest]) -> Result<Vec<CreditGrant>, StoreError> {
        let numbers = |of: fn(&CreditRequest) -> u64| -> Vec<i64> {
            requests.iter().map(|request| i64::try_from(of(request)).unwrap_or(i64::MAX)).collect()
        };
        let holders: Vec<Uuid> = requests.iter().map(|request| Uuid::from_u128(request.holder.as_u128())).collect();
        let work = async {
            let mut connection = self.requests.tentative().await?;
            let query = sqlx::query!(
                r#"SELECT place AS "place!", outcome AS "outcome!", given.granted AS "granted!",
                          given.remaining AS "remaining!", elsewhere AS "elsewhere!", given.next_refill AS "next_refill?",
                          decided_at AS "decided_at!", rules.max AS "max?", rules.refill_amount AS "refill_amount?",
                          rules.refill_every AS "refill_every?", rules.refill_day AS "refill_day?"
                   FROM exchange_credits($1, $2, $3, $4, $5, $6, $7, $8, $9) AS given
                       LEFT JOIN credits AS rules ON rules.holder = ($2::uuid[])[place::integer]
                   ORDER BY place"#,
                Uuid::from_u128(self.id.0),
                &holders,
                &numbers(|request| request.purse),
                &numbers(|request| request.message),
                &numbers(|request| request.used),
                &numbers(|request| request.in_hand),
                &numbers(|request| request.least),
                &numbers(|request| request.need),
                &numbers(|request| request.want),
            );
            let rows = query.fetch_all(&mut *connection).await?;
            connection.finish().await?;
            Ok(rows)
        };
        let rows = self.within_deadline(Statement::ExchangeCredits, work).await?;
        if rows.len() != requests.len() {
            return Err(StoreError::Corrupt("exchange_credits did not answer every request".to_owned()));
        }
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        let grants = rows.into_iter().map(|row| {
            let unknown = || StoreError::Corrupt(format!("exchange_credits: outcome {}", row.outcome));
            Ok(CreditGrant {
                outcome: CreditOutcome::of(&row.outcome).ok_or_else(unknown)?,
                refill: refill(row.refill_amount, row.refill_every.as_deref(), row.refill_day)
                    .map_err(|what| StoreError::Corrupt(format!("credits: {what}")))?,
                max: row.max.map(count),
                granted: count(row.granted),
                left: count(row.remaining),
                elsewhere: count(row.elsewhere),
                next_refill: row.next_refill,
                at: row.decided_at,
            })
        });
        grants.collect()
    }

    async fn settle_silent_slices(&self, after: Holder, most: u32) -> Result<SettledSlices, StoreError> {
        let work = async {
            let mut connection = self.requests.acquire().await?;
            let query = sqlx::query!(
                r#"SELECT last_holder, slices AS "slices!", credits_settled AS "credits_settled!"
                   FROM settle_silent_slices($1, $2)"#,
                Uuid::from_u128(after.as_u128()),
                i32::try_from(most).unwrap_or(i32::MAX),
            );
            let settled = query.fetch_one(&mut *connection).await?;
            connection.finish().await?;
            Ok(settled)
        };
        let settled = self.tidy_up(Statement::SettleSlices, work).await?;
        Ok(SettledSlices {
            last: settled.last_holder.map(|holder| Holder::from_u128(holder.as_u128())),
            slices: u64::try_from(settled.slices).unwrap_or_default(),
            credits: u64::try_from(settled.credits_settled).unwrap_or_default(),
        })
    }
}
