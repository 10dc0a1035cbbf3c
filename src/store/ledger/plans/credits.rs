//! The credits that come with a plan.

use serde_json::Value;
use sqlx::PgConnection;

use super::{
    super::{credits, owner_limits},
    plan_of,
};
use crate::domain::{
    limits::{CreditsChange, Holder, Refill},
    plan::{Plan, PlanCredits},
    plan_changes::{OnWordOf, PlanAssignment},
    ports::StoreError,
};

/// After an assignment: takes the credits of the plan that the owner was on, and gives those of the one that they are on now,
/// unless they have credits of their own. Returns what changed, for the audit. The owner and their plan are locked.
///
/// `is_other`: whether the owner was not on it before. An administrator who assigns the same plan again makes up for credits
/// that it gives by now.
pub(super) async fn follow_plan(
    connection: &mut PgConnection,
    assignment: &PlanAssignment,
    is_other: bool,
) -> Result<Option<Value>, StoreError> {
    let owner = &assignment.owner;
    let holder = Holder::of_owner(owner);
    let before = owner_limits::current(connection, owner).await?;
    let had = before.allowance.credits.as_ref();
    let goes_by_the_plan = match had {
        Some(had) => had.from_plan && is_other,
        None => is_other || assignment.on_word_of == OnWordOf::Administrator,
    };
    if !goes_by_the_plan {
        return Ok(None);
    }
    let plan = plan_of(connection, owner).await?;
    let given = plan.as_ref().and_then(|plan| Some((&plan.name, plan.content.credits.as_ref()?)));
    let (change, version) = match given {
        Some((name, given)) => {
            let spent = credits::give(connection, holder, name, given).await?;
            (CreditsChange::Define(given.rules(), Some(given.amount)), Some(spent.version))
        }
        None if had.is_none() => return Ok(None),
        None => {
            credits::apply(connection, holder, &CreditsChange::Remove).await?;
            (CreditsChange::Remove, None)
        }
    };
    let after = owner_limits::Current { version, ..before.clone() };
    owner_limits::write(connection, owner, &after, assignment.at).await?;
    Ok(Some(change.to_json(had)))
}

/// After a change of a plan: gives the balances that came with it the new rules, in one statement. What owners have stays. The
/// plan is locked.
///
/// Replicas know nothing of the rules. What they have heard of the next refill, they believe for a minute at most, and so no
/// key is announced.
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
