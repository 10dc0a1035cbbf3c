//! The credits that come with a plan.

use serde_json::Value;
use sqlx::PgConnection;

use super::{
    super::{credits, owners::limits},
    plan_of,
};
use crate::domain::{
    limits::{AMOUNT_MAX, CreditsChange, Holder, Refill},
    owner::Owner,
    plan::{Plan, PlanCredits, PlanName},
    plan_changes::{OnWordOf, PlanAssignment},
    ports::StoreError,
};

/// After an assignment: takes the credits of the plan that the owner was on, and gives those of the one that they are
/// on now, unless they have credits of their own. Returns what changed, for the audit. The owner and their plan are
/// locked.
///
/// `is_other`: whether the owner was not on it before. An administrator who assigns the same plan again makes up for
/// credits that it gives by now.
pub(super) async fn follow_plan(
    connection: &mut PgConnection,
    assignment: &PlanAssignment,
    is_other: bool,
) -> Result<Option<Value>, StoreError> {
    let owner = &assignment.owner;
    let holder = Holder::of_owner(owner);
    let before = limits::current(connection, owner).await?;
    let had = before.allowance.credits.as_ref();
    let goes_by_the_plan = match had {
        Some(had) => had.from_plan && is_other,
        None => is_other || assignment.on_word_of == OnWordOf::Administrator,
    };
    if !goes_by_the_plan {
        return Ok(None);
    }
    if had.is_some() {
        put_aside(connection, owner, holder).await?;
    }
    let plan = plan_of(connection, owner).await?;
    let given = plan.as_ref().and_then(|plan| Some((&plan.name, plan.content.credits.as_ref()?)));
    let (change, version) = match given {
        Some((name, given)) => {
            let amount = left_of(connection, owner, name, given).await?.unwrap_or(given.amount);
            let spent = credits::give(connection, holder, name, given, amount).await?;
            (CreditsChange::Define(given.rules(), Some(amount)), Some(spent.version))
        }
        None if had.is_none() => return Ok(None),
        None => {
            credits::apply(connection, holder, &CreditsChange::Remove).await?;
            (CreditsChange::Remove, None)
        }
    };
    let after = limits::Current { version, ..before.clone() };
    limits::write(connection, owner, &after, assignment.at).await?;
    Ok(Some(change.to_json(had)))
}

/// Notes what an owner has left of the credits of the plan that they leave, so that they find it when they come back,
/// and no more. What replicas have in hand counts as spent. Forgets what was left of plans that are gone.
async fn put_aside(connection: &mut PgConnection, owner: &Owner, holder: Holder) -> Result<(), sqlx::Error> {
    // No replica takes any of it from now on.
    let query = sqlx::query!("SELECT FROM credits WHERE holder = $1 FOR UPDATE", credits::uuid(holder));
    query.execute(&mut *connection).await?;
    let query = sqlx::query!(
        "UPDATE owner_limits
         SET left_of_plans = (SELECT coalesce(jsonb_object_agg(known.plan, known.rest), '{}')
                              FROM jsonb_each(left_of_plans) AS known (plan, rest) JOIN plans ON plans.name = known.plan)
             || jsonb_build_object((balance.now).from_plan, jsonb_build_object(
                 'remaining', (balance.now).remaining, 'nextRefill', (balance.now).next_refill, 'at', clock_timestamp()))
         FROM (SELECT refilled_credits(theirs, clock_timestamp()) AS now FROM credits AS theirs
               WHERE holder = $3 AND from_plan IS NOT NULL OFFSET 0) AS balance
         WHERE issuer = $1 AND subject = $2",
        &*owner.issuer,
        &*owner.subject,
        credits::uuid(holder),
    );
    query.execute(connection).await.map(drop)
}

/// What an owner had left when they left this plan, which is forgotten; `None` if they had none of its credits. If a
/// refill was due since, one is added: that of the time in which they come back. Those of the times in which they were
/// not on the plan are not theirs.
async fn left_of(
    connection: &mut PgConnection,
    owner: &Owner,
    plan: &PlanName,
    credits: &PlanCredits,
) -> Result<Option<u64>, sqlx::Error> {
    let query = sqlx::query!(
        r#"SELECT (rest ->> 'remaining')::bigint AS "remaining!",
                  coalesce((rest ->> 'nextRefill')::timestamptz <= clock_timestamp(), false) AS "refill_was_due!"
           FROM (SELECT left_of_plans -> plans.name AS rest, made_at FROM owner_limits JOIN plans ON plans.name = $3
                 WHERE issuer = $1 AND subject = $2 OFFSET 0) AS noted
           WHERE (rest ->> 'at')::timestamptz > made_at"#,
        &*owner.issuer,
        &*owner.subject,
        plan.as_str(),
    );
    let Some(noted) = query.fetch_optional(&mut *connection).await? else { return Ok(None) };
    let query = sqlx::query!(
        "UPDATE owner_limits SET left_of_plans = left_of_plans - $3::text WHERE issuer = $1 AND subject = $2",
        &*owner.issuer,
        &*owner.subject,
        plan.as_str(),
    );
    query.execute(connection).await?;
    let remaining = u64::try_from(noted.remaining).unwrap_or_default();
    let refill = credits.refill.filter(|_| noted.refill_was_due).map_or(0, |refill| refill.amount);
    Ok(Some(remaining + refill.min(credits.max.unwrap_or(AMOUNT_MAX).saturating_sub(remaining))))
}

/// After a change of a plan: gives the balances that came with it the new rules, in one statement. What owners have
/// stays. The plan is locked.
///
/// Replicas know nothing of the rules. What they have heard of the next refill, they believe for a minute at most, and
/// so no key is announced.
pub(super) async fn follow_change(
    connection: &mut PgConnection,
    before: Option<&PlanCredits>,
    plan: &Plan,
) -> Result<(), sqlx::Error> {
    let rules = |credits: Option<&PlanCredits>| credits.map(|credits| (credits.max, credits.refill));
    let after = plan.content.credits.as_ref();
    if before.is_none() && after.is_none() || rules(before) == rules(after) {
        return Ok(());
    }
    // A plan that gives no credits any more takes none away, and refills none.
    let refill = after.and_then(|credits| credits.refill);
    let interval = refill.map(|refill| refill.interval);
    let query = sqlx::query!(
        "SELECT change_credits_of_plan($1, $2, $3, $4, $5)",
        plan.name.as_str(),
        after.and_then(|credits| credits.max).map(credits::number),
        refill.map(|Refill { amount, .. }| credits::number(amount)),
        interval.map(|interval| interval.as_str()),
        interval.and_then(|interval| interval.day()).map(i32::from),
    );
    query.fetch_one(connection).await.map(drop)
}
