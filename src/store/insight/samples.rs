//! What operators want to know of the database itself, at a cost that does not depend on how many keys it has.

use std::time::Instant;

use time::OffsetDateTime;

use super::Statement;
use crate::{
    domain::ports::StoreError,
    store::{Store, ledger::conditions::with_state},
};

/// How many pages of the table `api_keys` are read: 8 MiB, or some 10,000 keys. A table that has no more is counted
/// exactly.
const PAGES: f64 = 1024.0;
/// How many keys are looked at that expire within the next days, those that expire first. An index has them in this
/// order.
const EXPIRING_MOST: i64 = 10_000;

/// The keys of each state, those in use that expire soon, and the part of the queue of notifications that is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Active, disabled, expired and revoked keys.
    pub keys: [u64; 4],
    /// Keys that expire within 7 days and were used within 7.
    pub expiring: u64,
    /// From 0 to 1.
    pub queue_usage: f64,
    /// How far the database's clock is ahead of this machine's, in seconds; half the time of the question uncertain.
    pub clock_ahead: f64,
}

impl Store {
    /// Counts the keys by state: all of them, or in a large table those on some pages at random, from which all are
    /// estimated. Whole pages are drawn, so keys of the same time come together, and rare states may be missed.
    ///
    /// # Errors
    /// [`StoreError`] if the database could not answer.
    pub async fn sample(&self) -> Result<Sample, StoreError> {
        let work = async {
            let mut read = self.requests.tentative().await?;
            let size = sqlx::query!(
                r#"SELECT pg_relation_size('api_keys') / current_setting('block_size')::bigint AS "pages!",
                          pg_notification_queue_usage() AS "queue_usage!""#
            );
            let size = size.fetch_one(&mut *read).await?;
            let (before, asked) = (OffsetDateTime::now_utc(), Instant::now());
            let now = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(&mut *read).await?;
            let clock_ahead = (now - before).as_seconds_f64() - asked.elapsed().as_secs_f64() / 2.0;
            let percent = percent_of(size.pages);
            let counted = with_state!(sqlx::query!(
                [] r#"SELECT count(*) FILTER (WHERE state = 'active') AS "active!",
                          count(*) FILTER (WHERE state = 'disabled') AS "disabled!",
                          count(*) FILTER (WHERE state = 'expired') AS "expired!",
                          count(*) FILTER (WHERE state = 'revoked') AS "revoked!"
                   FROM (SELECT "#,
                "disabled_owners.subject IS NOT NULL",
                "now()",
                "AS state
                         FROM api_keys TABLESAMPLE SYSTEM ($1) LEFT JOIN disabled_owners USING (issuer, subject)) AS keys",
                percent,
            ));
            let counted = counted.fetch_one(&mut *read).await?;
            let expiring = sqlx::query_scalar!(
                r#"SELECT count(*) AS "count!"
                   FROM (SELECT id FROM api_keys
                         WHERE LEAST(revoked_at, expires_at) > now()
                           AND LEAST(revoked_at, expires_at) <= now() + interval '7 days' AND enabled
                         ORDER BY LEAST(revoked_at, expires_at) LIMIT $1) AS soon
                   JOIN key_uses ON key_id = id AND last_used_at > now() - interval '7 days'"#,
                EXPIRING_MOST,
            );
            let expiring = expiring.fetch_one(&mut *read).await?;
            read.finish().await?;
            let estimate = |count: i64| (count as f64 * 100.0 / f64::from(percent)).round() as u64;
            let keys = [counted.active, counted.disabled, counted.expired, counted.revoked].map(estimate);
            let expiring = u64::try_from(expiring).unwrap_or_default();
            Ok(Sample { keys, expiring, queue_usage: size.queue_usage, clock_ahead })
        };
        self.tidy_up(Statement::Sample, work).await
    }
}

/// The part of so many pages that is read.
fn percent_of(pages: i64) -> f32 {
    (100.0 * PAGES / (pages as f64).max(PAGES)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_large_the_table_is_about_as_many_pages_are_read() {
        for (pages, expected) in [(0, 100.0), (1, 100.0), (1024, 100.0), (2048, 50.0), (1_024_000, 0.1)] {
            assert_eq!(percent_of(pages), expected, "{pages}");
        }
    }
}
