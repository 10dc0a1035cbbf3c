//! The table `credits`, as far as somebody changes it. What requests spend is in `store/limits.rs`.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::rows::CreditsColumns;
use crate::domain::{
    key_record::ManagedKey,
    limits::{CreditRules, Credits, CreditsChange, Holder, Refill, SpentCredits},
    plan::{PlanCredits, PlanName},
    ports::StoreError,
    role::Role,
};

/// Changes the credits of a key, and of all keys that share them. The key's row is locked, and still has to be written.
pub(super) async fn change_of_key(
    connection: &mut PgConnection,
    key: &mut ManagedKey,
    change: &CreditsChange,
) -> Result<(), StoreError> {
    let id = key.record.id.as_uuid();
    let holder = key.record.credits.map_or_else(|| Holder::of_key(key.record.id), |credits| credits.holder);
    let spent = apply(connection, holder, change).await?;
    key.record.credits = spent;
    key.credits = read(connection, holder).await?;
    let query = sqlx::query!(
        "UPDATE api_keys SET credits_holder = $3, credits_version = $4 WHERE credits_holder = $2 AND id <> $1",
        id,
        uuid(holder),
        spent.map(|spent| uuid(spent.holder)),
        spent.map(|spent| spent.version),
    );
    query.execute(connection).await?;
    Ok(())
}

/// Changes a balance. Returns what keys have to know about it from now on.
pub(super) async fn apply(
    connection: &mut PgConnection,
    holder: Holder,
    change: &CreditsChange,
) -> Result<Option<SpentCredits>, StoreError> {
    let version = match change {
        CreditsChange::Define(rules, set_to) => {
            let version = define(connection, holder, rules, *set_to).await?;
            came_with(connection, holder, None).await?;
            Some(version)
        }
        CreditsChange::Add(amount) => {
            let query = sqlx::query_scalar!("SELECT add_credits($1, $2)", uuid(holder), number(*amount));
            query.fetch_one(connection).await?
        }
        CreditsChange::Remove => {
            let query = sqlx::query!("DELETE FROM credits WHERE holder = $1", uuid(holder));
            query.execute(connection).await?;
            None
        }
    };
    Ok(version.map(|version| SpentCredits { holder, version }))
}

/// Gives an owner the credits of the plan with this name, in place of any that there are. `amount`: how many.
pub(super) async fn give(
    connection: &mut PgConnection,
    holder: Holder,
    plan: &PlanName,
    credits: &PlanCredits,
    amount: u64,
) -> Result<SpentCredits, StoreError> {
    let version = define(connection, holder, &credits.rules(), Some(amount)).await?;
    came_with(connection, holder, Some(plan)).await?;
    Ok(SpentCredits { holder, version })
}

/// Notes which plan the credits came with, if any.
async fn came_with(connection: &mut PgConnection, holder: Holder, plan: Option<&PlanName>) -> Result<(), sqlx::Error> {
    let query = sqlx::query!(
        "UPDATE credits SET from_plan = $2 WHERE holder = $1 AND from_plan IS DISTINCT FROM $2",
        uuid(holder),
        plan.map(PlanName::as_str),
    );
    query.execute(connection).await.map(drop)
}

async fn define(
    connection: &mut PgConnection,
    holder: Holder,
    rules: &CreditRules,
    set_to: Option<u64>,
) -> Result<i64, sqlx::Error> {
    let interval = rules.refill.map(|refill| refill.interval);
    let query = sqlx::query_scalar!(
        r#"SELECT define_credits($1, $2, $3, $4, $5, $6, $7) AS "version!""#,
        uuid(holder),
        set_to.map(number),
        rules.max.map(number),
        rules.refill.map(|Refill { amount, .. }| number(amount)),
        interval.map(|interval| interval.as_str()),
        interval.and_then(|interval| interval.day()).map(i32::from),
        Role::as_str(rules.set_by),
    );
    query.fetch_one(connection).await
}

/// The credits of this holder now.
pub(super) async fn read(connection: &mut PgConnection, holder: Holder) -> Result<Option<Credits>, StoreError> {
    let query = sqlx::query!(
        r#"SELECT (balance).remaining AS "remaining!", (balance).unsettled AS "unsettled!",
                  (balance).granted AS "granted!", (balance).max AS "max?",
                  (balance).refill_amount AS "refill_amount?", (balance).refill_every AS "refill_every?",
                  (balance).refill_day AS "refill_day?", (balance).next_refill AS "next_refill?",
                  (balance).set_by AS "set_by!", (balance).from_plan IS NOT NULL AS "from_plan!"
           FROM (SELECT refilled_credits(credits, clock_timestamp()) AS balance FROM credits WHERE holder = $1
                 OFFSET 0) AS refilled"#,
        uuid(holder),
    );
    let Some(row) = query.fetch_optional(connection).await? else { return Ok(None) };
    let columns = CreditsColumns {
        remaining: Some(row.remaining),
        unsettled: Some(row.unsettled),
        granted: Some(row.granted),
        max: row.max,
        refill_amount: row.refill_amount,
        refill_every: row.refill_every,
        refill_day: row.refill_day,
        next_refill: row.next_refill,
        set_by: Some(row.set_by),
        from_plan: row.from_plan,
    };
    columns.read().map_err(|what| StoreError::Corrupt(format!("credits {}: {what}", uuid(holder))))
}

pub(super) fn uuid(holder: Holder) -> Uuid {
    Uuid::from_u128(holder.as_u128())
}

pub(super) fn number(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
