//! What is found out about all keys in the background: the tables `risk_counts` and `busiest_keys`.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use time::{Date, OffsetDateTime};

use super::Statement;
use crate::{
    domain::{
        api_key::KeyId,
        ledger::Reach,
        listing::{KeyCount, Risk},
        owner::Owner,
        ports::{
            StoreError,
            surveys::{BusiestKeys, RiskCount, Surveys},
        },
        usage::{UsageGroup, UseOutcome},
    },
    store::{Store, ledger::list, rows::interval},
};

/// How many keys are kept as the busiest: several times as many as a page shows, because which of them come first may
/// change until they are looked for again.
const BUSIEST_KEPT: usize = 100;

/// How many keys that were ever used one query looks at, in some tens of milliseconds.
const KEYS_OF_A_PART: i64 = 20_000;

#[async_trait]
impl Surveys for Store {
    async fn begin_survey(&self, pause: Duration) -> Result<bool, StoreError> {
        let work = async {
            let mut connection = self.requests.acquire().await?;
            let query =
                sqlx::query!("UPDATE surveys SET due_at = now() + $1::interval WHERE due_at <= now()", interval(pause));
            let begun = query.execute(&mut *connection).await?.rows_affected() > 0;
            connection.finish().await?;
            Ok(begun)
        };
        self.tidy_up(Statement::BeginSurvey, work).await
    }

    async fn end_survey(&self, rest: Duration) -> Result<(), StoreError> {
        let query = sqlx::query!("UPDATE surveys SET due_at = now() + $1::interval", interval(rest));
        self.execute(Statement::EndSurvey, query).await
    }

    async fn count_risk(&self, risk: Risk) -> Result<(), StoreError> {
        let work = async {
            let mut connection = self.requests.acquire().await?;
            let now = sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(&mut *connection).await?;
            let count = list::count(&mut connection, &risk.filter(now), risk.order().descending, now).await?;
            let record = sqlx::query!(
                "INSERT INTO risk_counts (risk, number, complete, counted_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (risk) DO UPDATE
                 SET number = excluded.number, complete = excluded.complete, counted_at = excluded.counted_at",
                risk.as_str(),
                i64::try_from(count.number).unwrap_or(i64::MAX),
                count.complete,
                now,
            );
            record.execute(&mut *connection).await?;
            Ok(connection.finish().await?)
        };
        self.tidy_up(Statement::CountRisk, work).await
    }

    async fn find_busiest(&self) -> Result<(), StoreError> {
        let mut found = Vec::new();
        let mut part = self.busiest_of_part(None, 0).await?;
        while let Part { day, last: Some(last), sums } = part {
            found.extend(sums);
            found.sort_unstable_by_key(|(key, sum)| (Reverse(*sum), *key));
            found.truncate(BUSIEST_KEPT);
            part = self.busiest_of_part(Some(day), last).await?;
        }
        let keys: Vec<i32> = found.into_iter().map(|(key, _)| key).collect();
        let work = async {
            let mut connection = self.requests.acquire().await?;
            connection.begin().await?;
            let record = sqlx::query!(
                "INSERT INTO busiest_keys (day, keys, found_at) VALUES ($1, $2, now())
                 ON CONFLICT (day) DO UPDATE SET keys = excluded.keys, found_at = excluded.found_at",
                part.day,
                &keys,
            );
            record.execute(&mut *connection).await?;
            sqlx::query!("DELETE FROM busiest_keys WHERE day < $1", part.day).execute(&mut *connection).await?;
            Ok(connection.finish().await?)
        };
        self.tidy_up(Statement::FindBusiestKeys, work).await
    }

    async fn risks(&self) -> Result<Vec<RiskCount>, StoreError> {
        let work = async {
            let mut seat = self.to_read(&Reach::Any).await?;
            let query = sqlx::query!("SELECT risk, number, complete, counted_at FROM risk_counts");
            Ok(query.fetch_all(&mut *seat.connection).await?)
        };
        let rows = self.within_deadline(Statement::ReadSurveys, work).await?;
        let counts = rows.into_iter().filter_map(|row| {
            let count = KeyCount { number: number(row.number), complete: row.complete };
            // Of a newer version, perhaps.
            Some(RiskCount { risk: Risk::of(&row.risk)?, count, counted_at: row.counted_at })
        });
        Ok(counts.collect())
    }

    async fn busiest(&self, most: u32) -> Result<Option<BusiestKeys>, StoreError> {
        let work = async {
            let mut seat = self.to_read(&Reach::Any).await?;
            let found = sqlx::query_as!(
                Found,
                "SELECT day, keys, found_at FROM busiest_keys WHERE day = (now() AT TIME ZONE 'UTC')::date"
            );
            let Some(Found { day, keys, found_at }) = found.fetch_optional(&mut *seat.connection).await? else {
                return Ok(None);
            };
            let uses = sqlx::query_as!(
                Uses,
                r#"SELECT key AS "number!", key_id AS "key_id?", issuer AS "issuer?", subject AS "subject?",
                          outcome AS "outcome!", sum(count)::bigint AS "count!"
                   FROM usage_days LEFT JOIN usage_keys ON number = key
                   WHERE key = ANY($1) AND day = $2
                   GROUP BY 1, 2, 3, 4, 5"#,
                &keys,
                day,
            );
            Ok(Some((found_at, uses.fetch_all(&mut *seat.connection).await?)))
        };
        let found = self.within_deadline(Statement::ReadSurveys, work).await?;
        Ok(found.map(|(found_at, uses)| BusiestKeys { keys: first_of(uses, most), found_at }))
    }
}

impl Store {
    /// Those with the most uses on a day (`None`: today) among the keys after this number.
    async fn busiest_of_part(&self, day: Option<Date>, after: i32) -> Result<Part, StoreError> {
        let work = async {
            let mut connection = self.requests.acquire().await?;
            let part = sqlx::query!(
                r#"SELECT coalesce($3, (now() AT TIME ZONE 'UTC')::date) AS "day!",
                          (SELECT max(number) FROM (SELECT number FROM usage_keys WHERE number > $1
                                                    ORDER BY number LIMIT $2) AS those) AS last"#,
                after,
                KEYS_OF_A_PART,
                day,
            );
            let part = part.fetch_one(&mut *connection).await?;
            let query = sqlx::query!(
                r#"SELECT key, sum(count)::bigint AS "sum!" FROM usage_days
                   WHERE day = $1 AND key > $2 AND key <= $3
                   GROUP BY key ORDER BY sum(count) DESC, key LIMIT $4"#,
                part.day,
                after,
                part.last.unwrap_or(after),
                BUSIEST_KEPT as i64,
            );
            let rows = query.fetch_all(&mut *connection).await?;
            let sums = rows.into_iter().map(|row| (row.key, row.sum)).collect();
            connection.finish().await?;
            Ok(Part { day: part.day, last: part.last, sums })
        };
        self.tidy_up(Statement::FindBusiestKeys, work).await
    }
}

/// What was found among some of the keys.
struct Part {
    day: Date,
    /// The last of these keys; `None` if there are none.
    last: Option<i32>,
    /// The sums of uses by key.
    sums: Vec<(i32, i64)>,
}

struct Found {
    day: Date,
    keys: Vec<i32>,
    found_at: OffsetDateTime,
}

struct Uses {
    number: i32,
    key_id: Option<uuid::Uuid>,
    issuer: Option<String>,
    subject: Option<String>,
    outcome: i16,
    count: i64,
}

/// Those with the most uses.
fn first_of(uses: Vec<Uses>, most: u32) -> Vec<UsageGroup> {
    let mut groups: BTreeMap<i32, UsageGroup> = BTreeMap::new();
    for one in uses {
        let group = groups.entry(one.number).or_default();
        group.key = one.key_id.map(KeyId::from);
        let owner = one.issuer.zip(one.subject);
        group.owner = owner.map(|(issuer, subject)| Owner { issuer: issuer.into(), subject: subject.into() });
        group.counts.add(UseOutcome::of_number(one.outcome), number(one.count));
    }
    let mut keys: Vec<_> = groups.into_values().collect();
    keys.sort_by_key(|key| Reverse(key.counts.sum()));
    keys.truncate(most as usize);
    keys
}

fn number(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}
