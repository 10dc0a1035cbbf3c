//! Reports of usage: hours from `usage_hours`, days and months from `usage_days`.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{
    api_key::KeyId,
    owner::Owner,
    plan::PlanName,
    usage::{
        Granularity, Grouping, KeyDay, Period, TooManyCounts, Usage, UsageFilter, UsageGroup, UsageQuery, UseCounts,
        UseOutcome,
    },
};

/// The counts of all keys together.
const ALL_KEYS: i32 = 0;
/// Any number of counts.
const NO_LIMIT: Option<i64> = None;

/// A `query_as!` of a row type, on the uses that a query reads: `key`, `at`, `outcome`, `tag` and `count`, and whether
/// they have the outcome and the tag that are asked for, for which all others are read, too. There is one statement per
/// access path, each with its own index. The parameters: 1 and 2 the time, 3 whether hours are asked for, 4 and 5 the
/// outcome and the tag, 6 the reader's own, 7 how many counts are read, and the rest those of `$of`.
macro_rules! uses {
    ($row:ident, $select:literal, $of:literal, $order:literal, $query:expr, $own:expr, $most:expr
     $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            $row,
            r#"WITH read AS (
                   SELECT key, hour AS at, outcome, tag, count FROM usage_hours
                   WHERE $3::boolean AND hour >= $1 AND hour < $2 AND "#
                + $of
                + r#"
                   UNION ALL
                   SELECT key, day::timestamp AT TIME ZONE 'UTC', outcome, tag, count FROM usage_days
                   WHERE NOT $3::boolean AND day >= ($1 AT TIME ZONE 'UTC')::date AND day < ($2 AT TIME ZONE 'UTC')::date
                     AND "#
                + $of
                + r#"
                   LIMIT $7),
               uses AS (
                   SELECT *, ($4::smallint IS NULL OR outcome = $4) AND ($5::text IS NULL OR tag = $5) AS is_asked_for
                   FROM read) "#
                + $select
                + $order,
            $query.period.from,
            $query.period.to,
            $query.period.granularity == Granularity::Hour,
            $query.filter.outcome.map(UseOutcome::number),
            $query.filter.tag.as_deref(),
            $own,
            $most
            $(, $argument)*
        )
    };
}

/// Whose uses: one arm for each access path. `$each_key`: whether the uses of all keys are needed one by one. `$most`: how
/// many counts are read of some keys.
macro_rules! of_whom {
    ($connection:expr, $row:ident, $select:literal, $order:literal, $query:expr, $own:expr, $each_key:expr, $most:expr) => {{
        let UsageFilter { key, owner, plan, .. } = &$query.filter;
        let plan = plan.as_ref().map(PlanName::as_str);
        match (key, owner) {
            (Some(key), None) => {
                let query = uses!(
                    $row,
                    $select,
                    "key = (SELECT number FROM usage_keys LEFT JOIN owner_plans USING (issuer, subject)
                                WHERE key_id = $8 AND ($9::text IS NULL OR plan = $9))",
                    $order,
                    $query,
                    $own,
                    Some($most),
                    key.as_uuid(),
                    plan,
                );
                query.fetch_all($connection).await
            }
            (key, Some(owner)) => {
                let query = uses!(
                    $row,
                    $select,
                    "key IN (SELECT number FROM usage_keys LEFT JOIN owner_plans USING (issuer, subject)
                                 WHERE issuer = $8 AND subject = $9 AND ($10::uuid IS NULL OR key_id = $10)
                                   AND ($11::text IS NULL OR plan = $11))",
                    $order,
                    $query,
                    $own,
                    Some($most),
                    &*owner.issuer,
                    &*owner.subject,
                    key.map(|key| key.as_uuid()),
                    plan,
                );
                query.fetch_all($connection).await
            }
            (None, None) if plan.is_some() => {
                let query = uses!(
                    $row,
                    $select,
                    "key IN (SELECT number FROM owner_plans JOIN usage_keys USING (issuer, subject) WHERE plan = $8)",
                    $order,
                    $query,
                    $own,
                    Some($most),
                    plan,
                );
                query.fetch_all($connection).await
            }
            (None, None) if $each_key => {
                uses!($row, $select, "key > $8", $order, $query, $own, NO_LIMIT, ALL_KEYS).fetch_all($connection).await
            }
            (None, None) => {
                uses!($row, $select, "key = $8", $order, $query, $own, NO_LIMIT, ALL_KEYS).fetch_all($connection).await
            }
        }
    }};
}

struct Point {
    start: OffsetDateTime,
    outcome: i16,
    /// None if all that was read has another outcome or tag.
    count: Option<i64>,
    /// How many counts were read.
    counts: i64,
}

struct Group {
    issuer: Option<String>,
    subject: Option<String>,
    plan: Option<String>,
    key_id: Option<Uuid>,
    outcome: Option<i16>,
    tag: Option<String>,
    outcomes: Vec<i16>,
    counts: Vec<i64>,
}

/// The report, unless it reads too many counts of some keys.
pub(super) async fn report(
    connection: &mut PgConnection,
    query: &UsageQuery,
) -> Result<Result<Usage, TooManyCounts>, sqlx::Error> {
    let most = query.most_counts();
    let as_of = sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(&mut *connection).await?;
    let points = of_whom!(
        &mut *connection,
        Point,
        // Added up before the time is cut, which takes as long as all else.
        r#"SELECT date_trunc($6::text, at, 'UTC') AS "start!", outcome AS "outcome!", sum(count)::bigint AS count,
                  sum(counts)::bigint AS "counts!"
           FROM (SELECT at, outcome, sum(count) FILTER (WHERE is_asked_for) AS count, count(*) AS counts
                 FROM uses GROUP BY at, outcome) AS sums "#,
        "GROUP BY 1, 2 ORDER BY 1, 2",
        query,
        query.period.granularity.as_str(),
        false,
        // One more shows that there are too many.
        i64::from(most) + 1
    )?;
    let read: i64 = points.iter().map(|point| point.counts).sum();
    if query.is_of_some_keys() && read > i64::from(most) {
        return Ok(Err(TooManyCounts(most)));
    }
    let mut series: Vec<(OffsetDateTime, UseCounts)> = Vec::new();
    for Point { start, outcome, count, .. } in points {
        let Some(count) = count else { continue };
        if series.last().is_none_or(|(last, _)| *last != start) {
            series.push((start, UseCounts::default()));
        }
        if let Some((_, counts)) = series.last_mut() {
            counts.add(UseOutcome::of_number(outcome), number(count));
        }
    }
    let groups = match query.groups {
        Some((grouping, most)) => groups(connection, query, grouping, most).await?,
        None => Vec::new(),
    };
    Ok(Ok(Usage { as_of, series, groups }))
}

/// The uses of these keys by day.
pub(super) async fn days_of_keys(
    connection: &mut PgConnection,
    keys: &[Uuid],
    period: Period,
) -> Result<Vec<KeyDay>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT key_id, day::timestamp AT TIME ZONE 'UTC' AS "day!",
                  coalesce(sum(count) FILTER (WHERE outcome = $4), 0)::bigint AS "granted!", sum(count)::bigint AS "all!"
           FROM usage_keys JOIN usage_days ON key = number
           WHERE key_id = ANY($1) AND day >= ($2::timestamptz AT TIME ZONE 'UTC')::date
             AND day < ($3::timestamptz AT TIME ZONE 'UTC')::date
           GROUP BY key_id, day"#,
        keys,
        period.from,
        period.to,
        UseOutcome::Granted.number(),
    );
    let rows = rows.fetch_all(connection).await?;
    let days = rows.into_iter().map(|row| {
        let granted = number(row.granted);
        KeyDay { key: row.key_id.into(), day: row.day, granted, refused: number(row.all).saturating_sub(granted) }
    });
    Ok(days.collect())
}

async fn groups(
    connection: &mut PgConnection,
    query: &UsageQuery,
    grouping: Grouping,
    most: u32,
) -> Result<Vec<UsageGroup>, sqlx::Error> {
    // The word and the number in one parameter, because both are the reader's own.
    let own = vec![grouping.as_str().to_owned(), most.to_string()];
    let rows = of_whom!(
        connection,
        Group,
        // Added up before the groups are told apart, for the same reason.
        r#", of_keys AS (SELECT key, outcome, tag, sum(count)::bigint AS count
                        FROM uses WHERE is_asked_for GROUP BY key, outcome, tag),
           sums AS (
               SELECT CASE WHEN ($6::text[])[1] = 'owner' THEN owners.issuer END AS group_issuer,
                      CASE WHEN ($6::text[])[1] = 'owner' THEN owners.subject END AS group_subject,
                      CASE WHEN ($6::text[])[1] = 'plan' THEN coalesce(owner_plans.plan, '') END AS group_plan,
                      CASE WHEN ($6::text[])[1] = 'key' THEN uses.key END AS group_key,
                      CASE WHEN ($6::text[])[1] = 'outcome' THEN uses.outcome END AS group_outcome,
                      CASE WHEN ($6::text[])[1] = 'tag' THEN uses.tag END AS group_tag,
                      uses.outcome, sum(uses.count)::bigint AS count
               FROM of_keys AS uses
                    LEFT JOIN usage_keys AS owners ON ($6::text[])[1] IN ('owner', 'plan') AND owners.number = uses.key
                    LEFT JOIN owner_plans ON ($6::text[])[1] = 'plan'
                        AND owner_plans.issuer = owners.issuer AND owner_plans.subject = owners.subject
               GROUP BY 1, 2, 3, 4, 5, 6, 7),
           groups AS (
               SELECT group_issuer, group_subject, group_plan, group_key, group_outcome, group_tag,
                      array_agg(outcome ORDER BY outcome) AS outcomes, array_agg(count ORDER BY outcome) AS counts,
                      sum(count) AS sum
               FROM sums GROUP BY 1, 2, 3, 4, 5, 6
               ORDER BY sum DESC, 1, 2, 3, 4, 5, 6 LIMIT ($6::text[])[2]::integer)
           SELECT coalesce(group_issuer, keys.issuer) AS issuer, coalesce(group_subject, keys.subject) AS subject, group_plan AS plan, keys.key_id AS "key_id?",
                  group_outcome AS outcome, group_tag AS tag, outcomes AS "outcomes!", counts AS "counts!"
           FROM groups LEFT JOIN usage_keys AS keys ON keys.number = group_key "#,
        "ORDER BY sum DESC, group_issuer, group_subject, group_plan, group_key, group_outcome, group_tag",
        query,
        &own,
        grouping.is_by_key(),
        i64::from(query.most_counts())
    )?;
    Ok(rows.into_iter().map(UsageGroup::from).collect())
}

impl From<Group> for UsageGroup {
    fn from(row: Group) -> Self {
        let mut counts = UseCounts::default();
        for (outcome, count) in row.outcomes.into_iter().zip(row.counts) {
            counts.add(UseOutcome::of_number(outcome), number(count));
        }
        let owner = row.issuer.zip(row.subject);
        Self {
            owner: owner.map(|(issuer, subject)| Owner { issuer: issuer.into(), subject: subject.into() }),
            plan: row.plan,
            key: row.key_id.map(KeyId::from),
            outcome: row.outcome.and_then(UseOutcome::of_number),
            tag: row.tag,
            counts,
        }
    }
}

fn number(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}
