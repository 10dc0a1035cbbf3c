//! The list of owners for administrators. There is no table of owners: an owner is anybody who has a key, is disabled,
//! or is on a plan.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    domain::{
        ledger::Reach,
        listing::{KeyCounts, Listed, OwnerDisabled, OwnerFilter, OwnerStanding, Page, Place},
        owner::Owner,
        plan::PlanName,
        ports::StoreError,
        text::{ChangeReason, SearchText},
    },
    store::{
        Store,
        ledger::{conditions::with_state, plans::assigned_plan},
        rows::ActorColumns,
    },
};

/// The number of owners that a query examines for a filter. The list continues after them.
const LOOKED_AT: u32 = 500;
/// The number of newest keys that are counted: for each owner on a page, and for a single requested owner.
const COUNTED_OF_EACH: i64 = 1000;
const COUNTED_OF_ONE: i64 = 10_000;
/// Separates issuer and subject in a position. Neither contains it.
const BETWEEN: char = '\0';

/// A found owner.
struct Row {
    issuer: String,
    subject: String,
    disabled_at: Option<OffsetDateTime>,
    reason: Option<String>,
    actor_kind: Option<String>,
    actor_issuer: Option<String>,
    actor_subject: Option<String>,
    actor_key_id: Option<Uuid>,
    plan: Option<String>,
    assigned_by: Option<String>,
    /// Whether the filter matches the owner.
    is_named: bool,
}

impl Store {
    pub(in crate::store::ledger) async fn list_owners(
        &self,
        filter: &OwnerFilter,
        page: &Page,
        now: OffsetDateTime,
    ) -> Result<Listed<OwnerStanding>, StoreError> {
        let mut seat = self.to_read(&Reach::Any).await?;
        let (issuer, subject) =
            page.after.as_ref().and_then(|place| place.value.split_once(BETWEEN)).unwrap_or_default();
        let search = filter.search.as_ref().map(SearchText::like_pattern);
        let steps = match (filter.disabled, &search) {
            (None, None) => page.limit + 1,
            _ => LOOKED_AT.max(page.limit + 1),
        };
        let looked_at = if let Some(plan) = &filter.plan {
            owners_on(&mut seat.connection, plan, (issuer, subject), filter.disabled, search.as_deref(), steps).await?
        } else if filter.disabled == Some(true) {
            disabled_owners(&mut seat.connection, (issuer, subject), search.as_deref(), steps).await?
        } else {
            all_owners(&mut seat.connection, (issuer, subject), filter.disabled, search.as_deref(), steps).await?
        };
        let there_are_more = looked_at.len() == steps as usize;
        let last = looked_at.last().filter(|_| there_are_more).map(|row| place(&row.issuer, &row.subject));
        let named: Vec<Row> = looked_at.into_iter().filter(|row| row.is_named).collect();
        let Listed { items, next } = Listed::of(named, page.limit, last, |row: &Row| place(&row.issuer, &row.subject));
        let items = with_counts(&mut seat.connection, items, COUNTED_OF_EACH, now).await?;
        Ok(Listed { items, next })
    }

    pub(in crate::store::ledger) async fn one_owner(
        &self,
        owner: &Owner,
        now: OffsetDateTime,
    ) -> Result<Option<OwnerStanding>, StoreError> {
        let mut seat = self.to_read(&Reach::Any).await?;
        let query = sqlx::query_as!(
            Row,
            r#"SELECT wanted.issuer AS "issuer!", wanted.subject AS "subject!", disabled_at AS "disabled_at?",
                      reason AS "reason?", actor_kind AS "actor_kind?", actor_issuer AS "actor_issuer?",
                      actor_subject AS "actor_subject?", actor_key_id AS "actor_key_id?", plan AS "plan?",
                      assigned_by AS "assigned_by?", true AS "is_named!"
               FROM (SELECT $1::text AS issuer, $2::text AS subject) AS wanted
               LEFT JOIN disabled_owners USING (issuer, subject) LEFT JOIN owner_plans USING (issuer, subject)
               WHERE disabled_at IS NOT NULL OR plan IS NOT NULL OR EXISTS (SELECT FROM api_keys WHERE issuer = $1 AND subject = $2)"#,
            &*owner.issuer,
            &*owner.subject,
        );
        let found = query.fetch_optional(&mut *seat.connection).await?;
        let found = with_counts(&mut seat.connection, found.into_iter().collect(), COUNTED_OF_ONE, now).await?;
        Ok(found.into_iter().next())
    }
}

fn place(issuer: &str, subject: &str) -> Place {
    Place { id: Uuid::nil(), value: format!("{issuer}{BETWEEN}{subject}") }
}

/// The next owners, by jumping along the indexes from one to the next, so that the keys in between are skipped.
async fn all_owners(
    connection: &mut PgConnection,
    (issuer, subject): (&str, &str),
    disabled: Option<bool>,
    search: Option<&str>,
    steps: u32,
) -> Result<Vec<Row>, sqlx::Error> {
    let query = sqlx::query_as!(
        Row,
        r#"WITH RECURSIVE walk AS (
               SELECT $1::text AS issuer, $2::text AS subject, 0::bigint AS step
               UNION ALL
               SELECT next.issuer, next.subject, walk.step + 1
               FROM walk CROSS JOIN LATERAL (
                   SELECT candidate.issuer, candidate.subject
                   FROM ((SELECT api_keys.issuer, api_keys.subject FROM api_keys
                          WHERE (api_keys.issuer, api_keys.subject) > (walk.issuer, walk.subject)
                          ORDER BY api_keys.issuer, api_keys.subject LIMIT 1)
                         UNION ALL
                         (SELECT disabled.issuer, disabled.subject FROM disabled_owners AS disabled
                          WHERE (disabled.issuer, disabled.subject) > (walk.issuer, walk.subject)
                          ORDER BY disabled.issuer, disabled.subject LIMIT 1)
                         UNION ALL
                         (SELECT planned.issuer, planned.subject FROM owner_plans AS planned
                          WHERE (planned.issuer, planned.subject) > (walk.issuer, walk.subject)
                          ORDER BY planned.issuer, planned.subject LIMIT 1)) AS candidate
                   ORDER BY candidate.issuer, candidate.subject LIMIT 1) AS next
               WHERE walk.step < $3)
           SELECT walk.issuer AS "issuer!", walk.subject AS "subject!", disabled_at AS "disabled_at?",
                  reason AS "reason?", actor_kind AS "actor_kind?", actor_issuer AS "actor_issuer?",
                  actor_subject AS "actor_subject?", actor_key_id AS "actor_key_id?", plan AS "plan?",
                  assigned_by AS "assigned_by?",
                  (($4::boolean IS NULL OR $4 = (disabled_at IS NOT NULL))
                   AND ($5::text IS NULL OR walk.subject ILIKE $5 OR walk.issuer ILIKE $5)) AS "is_named!"
           FROM walk LEFT JOIN disabled_owners USING (issuer, subject) LEFT JOIN owner_plans USING (issuer, subject)
           WHERE walk.step > 0 ORDER BY walk.step"#,
        issuer,
        subject,
        i64::from(steps),
        disabled,
        search,
    );
    query.fetch_all(connection).await
}

/// The same for disabled owners, who have a table.
async fn disabled_owners(
    connection: &mut PgConnection,
    (issuer, subject): (&str, &str),
    search: Option<&str>,
    steps: u32,
) -> Result<Vec<Row>, sqlx::Error> {
    let query = sqlx::query_as!(
        Row,
        r#"SELECT issuer, subject, disabled_at AS "disabled_at?", reason, actor_kind, actor_issuer, actor_subject,
                  actor_key_id, plan AS "plan?", assigned_by AS "assigned_by?",
                  ($3::text IS NULL OR subject ILIKE $3 OR issuer ILIKE $3) AS "is_named!"
           FROM disabled_owners LEFT JOIN owner_plans USING (issuer, subject)
           WHERE (issuer, subject) > ($1, $2) ORDER BY issuer, subject LIMIT $4"#,
        issuer,
        subject,
        search,
        i64::from(steps),
    );
    query.fetch_all(connection).await
}

/// The same for owners on a plan, along the index of those.
async fn owners_on(
    connection: &mut PgConnection,
    plan: &PlanName,
    (issuer, subject): (&str, &str),
    disabled: Option<bool>,
    search: Option<&str>,
    steps: u32,
) -> Result<Vec<Row>, sqlx::Error> {
    let query = sqlx::query_as!(
        Row,
        r#"SELECT issuer AS "issuer!", subject AS "subject!", disabled_at AS "disabled_at?", reason AS "reason?",
                  actor_kind AS "actor_kind?", actor_issuer AS "actor_issuer?", actor_subject AS "actor_subject?",
                  actor_key_id AS "actor_key_id?", plan AS "plan?", assigned_by AS "assigned_by?",
                  (($4::boolean IS NULL OR $4 = (disabled_at IS NOT NULL))
                   AND ($5::text IS NULL OR subject ILIKE $5 OR issuer ILIKE $5)) AS "is_named!"
           FROM owner_plans LEFT JOIN disabled_owners USING (issuer, subject)
           WHERE plan = $6 AND (issuer, subject) > ($1, $2) ORDER BY issuer, subject LIMIT $3"#,
        issuer,
        subject,
        i64::from(steps),
        disabled,
        search,
        plan.as_str(),
    );
    query.fetch_all(connection).await
}

/// Adds the numbers of the owners' newest keys, by state.
async fn with_counts(
    connection: &mut PgConnection,
    owners: Vec<Row>,
    counted: i64,
    now: OffsetDateTime,
) -> Result<Vec<OwnerStanding>, StoreError> {
    let issuers: Vec<String> = owners.iter().map(|row| row.issuer.clone()).collect();
    let subjects: Vec<String> = owners.iter().map(|row| row.subject.clone()).collect();
    let disabled: Vec<bool> = owners.iter().map(|row| row.disabled_at.is_some()).collect();
    let query = with_state!(sqlx::query!(
        [] r#"SELECT counts.active AS "active!", counts.disabled AS "disabled!", counts.expired AS "expired!",
                  counts.revoked AS "revoked!", counts.of_all AS "of_all!"
           FROM unnest($1::text[], $2::text[], $3::boolean[]) WITH ORDINALITY
                AS owner (issuer, subject, is_disabled, position)
           CROSS JOIN LATERAL (
               SELECT count(*) FILTER (WHERE state = 'active' AND place <= $5::bigint) AS active,
                      count(*) FILTER (WHERE state = 'disabled' AND place <= $5::bigint) AS disabled,
                      count(*) FILTER (WHERE state = 'expired' AND place <= $5::bigint) AS expired,
                      count(*) FILTER (WHERE state = 'revoked' AND place <= $5::bigint) AS revoked,
                      count(*) AS of_all
               FROM (SELECT "#,
        "owner.is_disabled",
        "$4",
        "AS state, row_number() OVER (ORDER BY id DESC) AS place
                     FROM api_keys WHERE api_keys.issuer = owner.issuer AND api_keys.subject = owner.subject
                     ORDER BY id DESC LIMIT $5::bigint + 1) AS newest) AS counts
           ORDER BY owner.position",
        &issuers,
        &subjects,
        &disabled,
        now,
        counted,
    ));
    let counts = query.fetch_all(connection).await?;
    let number = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    let standings = owners.into_iter().zip(counts).map(|(row, counts)| {
        let keys = KeyCounts {
            active: number(counts.active),
            disabled: number(counts.disabled),
            expired: number(counts.expired),
            revoked: number(counts.revoked),
            complete: counts.of_all <= counted,
        };
        row.standing(keys)
    });
    standings.collect()
}

impl Row {
    fn standing(self, keys: KeyCounts) -> Result<OwnerStanding, StoreError> {
        let actor = ActorColumns {
            kind: self.actor_kind,
            issuer: self.actor_issuer,
            subject: self.actor_subject,
            key: self.actor_key_id,
        };
        let by = actor.read().map_err(|kind| {
            StoreError::Corrupt(format!("disabled_owners {} {}: actor {kind}", self.issuer, self.subject))
        })?;
        let reason = self.reason.map(ChangeReason::from_stored);
        let disabled = self.disabled_at.map(|at| OwnerDisabled { at, reason, by });
        let plan = match (self.plan, self.assigned_by) {
            (Some(plan), Some(by)) => Some(assigned_plan(&plan, &by)?),
            _ => None,
        };
        let owner = Owner { issuer: self.issuer.into(), subject: self.subject.into() };
        Ok(OwnerStanding { owner, disabled, plan, keys })
    }
}
