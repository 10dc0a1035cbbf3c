//! Makes, changes and deletes plans.

use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Store, credits::follow_change, one_plan};
use crate::{
    domain::{
        audit::{Action, Author},
        coherence::Mark,
        ledger::{ChangeContext, Event, Refusal},
        limits::Limits,
        owner::Owner,
        plan::{Caps, PLANS_MAX, Plan, PlanContent, PlanCredits, PlanName},
        plan_changes::{PlanChange, PlanChanged, PlanDeletion, PlanDid, PlanRefusal},
        ports::StoreError,
        precondition::Preconditions,
        role::Role,
        text::KeyDescription,
    },
    store::{
        connections::session_settings::prove,
        ledger::{announce, audit, credits::number},
    },
};

/// How many owners on a plan are counted.
const COUNTED: i64 = 100_000;

impl Store {
    /// Announces the change even if nothing changes, because whoever made it earlier may have failed after the commit,
    /// while waiting for the replicas.
    pub(super) async fn replace_plan(
        &self,
        change: &PlanChange,
        by: ChangeContext<'_>,
    ) -> Result<Result<PlanChanged, PlanRefusal>, StoreError> {
        let mut seat = self.to_change(by.reach, by.author).await?;
        seat.connection.begin().await?;
        let transaction = &mut *seat.connection;
        lock_plans(transaction).await?;
        let before = one_plan(transaction, &change.name).await?;
        if let Err(refusal) = demand(&change.preconditions, before.as_ref()) {
            return Ok(Err(refusal.into()));
        }
        let (none, limits_before) = (Limits::default(), before.as_ref().map(|before| &before.content.limits));
        let limits = match change.limits.applied_to(limits_before.unwrap_or(&none), Role::Administrator) {
            Ok(limits) => limits,
            Err(refused) => return Ok(Err(Refusal::from(refused).into())),
        };
        let content = PlanContent {
            description: change.description.clone(),
            limits,
            credits: change.credits,
            caps: change.caps.clone(),
        };
        let did = match &before {
            None => PlanDid::Create,
            Some(before) if before.content != content => PlanDid::Change,
            Some(_) => PlanDid::Nothing,
        };
        if did == PlanDid::Create && count(transaction).await? >= i64::from(PLANS_MAX) {
            return Ok(Err(PlanRefusal::TooMany));
        }
        let plan = match before {
            Some(before) if did == PlanDid::Nothing => {
                announce_keys_on(transaction, &change.name, by.mark).await?;
                before
            }
            before => {
                let plan = Plan { name: change.name.clone(), content, updated_at: change.at };
                // It makes the trigger announce keys.
                write(transaction, &plan).await?;
                let credits = before.as_ref().and_then(|before| before.content.credits.as_ref());
                follow_change(transaction, credits, &plan).await?;
                let action = if before.is_some() { Action::PlanChanged } else { Action::PlanCreated };
                let changes = changes(before.as_ref().map(|before| &before.content), &plan.content);
                tell(transaction, change.at, by.author, action, &plan.name, Some(changes)).await?;
                announce(transaction, &[], by.mark).await?;
                plan
            }
        };
        seat.connection.finish().await?;
        Ok(Ok(PlanChanged { plan, did }))
    }

    pub(super) async fn remove_plan(
        &self,
        deletion: &PlanDeletion,
        by: ChangeContext<'_>,
    ) -> Result<Result<(), PlanRefusal>, StoreError> {
        let mut seat = self.to_change(by.reach, by.author).await?;
        seat.connection.begin().await?;
        let transaction = &mut *seat.connection;
        lock_plans(transaction).await?;
        // Nobody gets on it any more.
        let name = deletion.name.as_str();
        sqlx::query!("SELECT FROM plans WHERE name = $1 FOR UPDATE", name).execute(&mut *transaction).await?;
        let Some(plan) = one_plan(transaction, &deletion.name).await? else {
            // Whoever has deleted it may have waited for the standby in vain, and asks again.
            prove(&mut *transaction).await?;
            seat.connection.finish().await?;
            return Ok(Err(PlanRefusal::NotFound));
        };
        if let Err(refusal) = demand(&deletion.preconditions, Some(&plan)) {
            return Ok(Err(refusal.into()));
        }
        let owners = owners_on(transaction, &deletion.name).await?;
        if owners > 0 {
            return Ok(Err(PlanRefusal::InUse(owners.unsigned_abs())));
        }
        sqlx::query!("DELETE FROM plans WHERE name = $1", name).execute(&mut *transaction).await?;
        tell(transaction, deletion.at, by.author, Action::PlanDeleted, &deletion.name, None).await?;
        announce(transaction, &[], by.mark).await?;
        seat.connection.finish().await?;
        Ok(Ok(()))
    }
}

/// Serializes changes of plans until the transaction ends. They are rare, and with one at a time no two can wait for
/// each other. The lock of the table is only for those who may write to it, and in nobody's way who reads a plan or puts
/// owners on it. Earlier versions take the advisory lock, read the plan, and lock the table as they write: this waits for
/// them as long as they usually read. It does not wait longer, because everybody who can connect may hold that lock.
async fn lock_plans(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DO $$ BEGIN
            BEGIN
                SET LOCAL lock_timeout = '100ms';
                PERFORM pg_advisory_xact_lock(hashtext('keyward changes of plans'));
            EXCEPTION WHEN lock_not_available THEN NULL;
            END;
            SET LOCAL lock_timeout = 0;
            LOCK TABLE plans IN SHARE ROW EXCLUSIVE MODE;
        END $$"
    )
    .execute(connection)
    .await
    .map(drop)
}

/// A plan that is not there has no version that could be demanded.
fn demand(preconditions: &Preconditions, plan: Option<&Plan>) -> Result<(), Refusal> {
    match plan {
        Some(plan) => preconditions.demand(plan.version()),
        None if preconditions.only.is_some() => Err(Refusal::VersionMismatch),
        None => Ok(()),
    }
}

async fn count(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM plans"#).fetch_one(connection).await
}

async fn owners_on(connection: &mut PgConnection, plan: &PlanName) -> Result<i64, sqlx::Error> {
    let query = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT FROM owner_plans WHERE plan = $1 LIMIT $2) AS counted"#,
        plan.as_str(),
        COUNTED,
    );
    query.fetch_one(connection).await
}

async fn write(connection: &mut PgConnection, plan: &Plan) -> Result<(), sqlx::Error> {
    let Caps { max_keys, max_lifetime, scopes, environments } = &plan.content.caps;
    let scopes: Option<Vec<String>> = scopes.as_ref().map(|scopes| scopes.iter().map(str::to_owned).collect());
    let environments: Option<Vec<String>> =
        environments.as_ref().map(|all| all.iter().map(|one| one.as_str().to_owned()).collect());
    let credits = plan.content.credits;
    let refill = credits.and_then(|credits| credits.refill);
    let query = sqlx::query!(
        "INSERT INTO plans (name, description, limits, max_keys, max_lifetime, scopes, environments, updated_at, credits_amount,
                            credits_max, refill_amount, refill_every, refill_day)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (name) DO UPDATE
         SET description = excluded.description, limits = excluded.limits, max_keys = excluded.max_keys,
             max_lifetime = excluded.max_lifetime, scopes = excluded.scopes, environments = excluded.environments,
             updated_at = excluded.updated_at, credits_amount = excluded.credits_amount,
             credits_max = excluded.credits_max, refill_amount = excluded.refill_amount,
             refill_every = excluded.refill_every, refill_day = excluded.refill_day",
        plan.name.as_str(),
        plan.content.description.as_ref().map(KeyDescription::as_str),
        plan.content.limits.to_stored(),
        max_keys.and_then(|most| i32::try_from(most).ok()),
        max_lifetime.and_then(|span| i64::try_from(span.as_secs()).ok()),
        scopes as Option<Vec<String>>,
        environments as Option<Vec<String>>,
        plan.updated_at,
        credits.map(|credits| number(credits.amount)),
        credits.and_then(|credits| credits.max).map(number),
        refill.map(|refill| number(refill.amount)),
        refill.map(|refill| refill.interval.as_str()),
        refill.and_then(|refill| refill.interval.day()).map(i32::from),
    );
    query.execute(connection).await.map(drop)
}

/// The old and the new value of each member that differs, for the audit.
fn changes(before: Option<&PlanContent>, after: &PlanContent) -> Value {
    let none = PlanContent::default();
    let (before, after) = (members(before.unwrap_or(&none)), members(after));
    let differing = before.into_iter().zip(after).filter(|((_, from), (_, to))| from != to);
    Value::Object(
        differing.map(|((name, from), (_, to))| (name.to_owned(), json!({ "from": from, "to": to }))).collect(),
    )
}

/// The members as the API has them.
fn members(content: &PlanContent) -> [(&'static str, Value); 7] {
    let Caps { max_keys, max_lifetime, scopes, environments } = &content.caps;
    [
        ("description", content.description.as_ref().map(KeyDescription::as_str).into()),
        ("limits", content.limits.to_stored()),
        ("credits", content.credits.as_ref().map(PlanCredits::to_json).into()),
        ("maxKeys", (*max_keys).into()),
        ("maxLifetime", max_lifetime.map(|span| span.as_secs()).into()),
        ("scopes", scopes.as_ref().map(|scopes| scopes.iter().collect::<Vec<_>>()).into()),
        (
            "environments",
            environments.as_ref().map(|all| all.iter().map(|one| one.as_str()).collect::<Vec<_>>()).into(),
        ),
    ]
}

/// Writes an event that concerns nobody's keys alone.
async fn tell(
    connection: &mut PgConnection,
    at: OffsetDateTime,
    author: &Author,
    action: Action,
    plan: &PlanName,
    changes: Option<Value>,
) -> Result<(), sqlx::Error> {
    let mut details = Map::from_iter([("plan".to_owned(), plan.as_str().into())]);
    details.extend(changes.map(|changes| ("changes".to_owned(), changes)));
    let nobody = Owner { issuer: "".into(), subject: "".into() };
    audit::write(connection, at, &[], &nobody, author, &Event { action, details }).await
}

/// The same as [`announce`], for the living keys of everybody on a plan.
async fn announce_keys_on(
    transaction: &mut PgConnection,
    plan: &PlanName,
    mark: Option<&Mark>,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query!(
        "SELECT CASE WHEN $2::text IS NOT NULL THEN tell_replicas($2, $3) END AS mark,
                pg_logical_emit_message(true, 'keyward', '') IS NOT NULL AS is_written
         FROM announce_keys_of_plan($1)",
        plan.as_str(),
        mark.map(Mark::as_str),
        mark.is_some_and(Mark::is_for_earlier_versions),
    );
    query.fetch_one(transaction).await.map(drop)
}
