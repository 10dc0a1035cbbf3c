//! The limits and the credits that all keys of an owner share.

use serde_json::{Map, json};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::announce_keys_of;
use crate::{
    domain::{
        audit::Action,
        ledger::{ChangeContext, Event, Reach, Refusal},
        limits::{Credits, CreditsChange, Holder, Limits},
        owner::Owner,
        owner_limits::{OwnerAllowance, OwnerCredits, OwnerLimitsChange, OwnerLimitsChanged},
        ports::StoreError,
        role::Role,
    },
    store::{
        Store,
        ledger::{
            audit, credits,
            idempotency::{self, remember},
            lock_owner,
        },
    },
};

impl Store {
    pub(in crate::store::ledger) async fn limits_of_owner(&self, owner: &Owner) -> Result<OwnerAllowance, StoreError> {
        let mut seat = self.to_read(&Reach::Any).await?;
        Ok(current(&mut seat.connection, owner).await?.allowance)
    }

    /// Announces the change even if nothing changes, because whoever made it earlier may have failed after the commit,
    /// while waiting for the replicas.
    pub(in crate::store::ledger) async fn replace_owner_limits(
        &self,
        change: &OwnerLimitsChange,
        by: ChangeContext<'_>,
    ) -> Result<Result<OwnerLimitsChanged, Refusal>, StoreError> {
        let owner = &change.owner;
        let mut seat = self.to_change(by.reach, by.author).await?;
        seat.connection.begin().await?;
        let transaction = &mut *seat.connection;
        lock_owner(transaction, owner).await?;
        let before = current(transaction, owner).await?;
        let mut changed = false;
        let mut after = before.clone();
        let made_before = match &change.once {
            Some(request) => idempotency::earlier(transaction, request, change.at).await?,
            None => None,
        };
        match made_before {
            Some(before) if !before.is_same => return Ok(Err(Refusal::OtherRequest)),
            Some(_) => {}
            None => {
                if let Err(refusal) = change.preconditions.demand(before.allowance.version()) {
                    return Ok(Err(refusal));
                }
                if !Credits::are_those_seen(before.allowance.credits.as_ref(), change.granted) {
                    return Ok(Err(Refusal::VersionMismatch));
                }
                let (limits, credits) = match decide(change, &before.allowance) {
                    Ok(decided) => decided,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                changed = limits != before.allowance.limits || credits.is_some();
                after.allowance.limits = limits;
                if let Some(credits) = &credits {
                    let holder = Holder::of_owner(owner);
                    after.version = credits::apply(transaction, holder, credits).await?.map(|spent| spent.version);
                    after.allowance.credits = credits::read(transaction, holder).await?;
                }
                if changed {
                    write(transaction, owner, &after, change.at).await?;
                    let event = event(change, &before.allowance, &after.allowance, credits.as_ref());
                    audit::write(transaction, change.at, &[], owner, by.author, &event).await?;
                }
                if let Some(request) = &change.once
                    && !remember(transaction, request, None, change.at).await?
                {
                    return Ok(Err(Refusal::OtherRequest));
                }
            }
        }
        announce_keys_of(transaction, owner, by.mark).await?;
        seat.connection.finish().await?;
        Ok(Ok(OwnerLimitsChanged { allowance: after.allowance, changed }))
    }
}

/// What a row has, with the version of the credits.
#[derive(Clone, Default)]
pub(in crate::store::ledger) struct Current {
    pub(in crate::store::ledger) allowance: OwnerAllowance,
    pub(in crate::store::ledger) version: Option<i64>,
}

fn decide(change: &OwnerLimitsChange, before: &OwnerAllowance) -> Result<(Limits, Option<CreditsChange>), Refusal> {
    let role = Role::Administrator;
    let limits = match &change.limits {
        Some(limits) => limits.applied_to(&before.limits, role)?,
        None => before.limits.clone(),
    };
    let credits = match &change.credits {
        OwnerCredits::Keep => None,
        OwnerCredits::Ask(asked) => Credits::change(before.credits.as_ref(), asked.as_ref(), role)?,
        OwnerCredits::TopUp(top_up) => Some(Credits::top_up(before.credits.as_ref(), *top_up, role)?),
    };
    Ok((limits, credits))
}

fn event(
    change: &OwnerLimitsChange,
    before: &OwnerAllowance,
    after: &OwnerAllowance,
    credits: Option<&CreditsChange>,
) -> Event {
    let mut changes = Map::new();
    if before.limits != after.limits {
        let limits = json!({ "from": before.limits.to_stored(), "to": after.limits.to_stored() });
        changes.insert("limits".to_owned(), limits);
    }
    if let Some(credits) = credits {
        changes.insert("credits".to_owned(), credits.to_json(before.credits.as_ref()));
    }
    let mut details = Map::from_iter([("changes".to_owned(), changes.into())]);
    details.extend(change.reason.as_ref().map(|reason| ("reason".to_owned(), reason.as_str().into())));
    let action = match change.credits {
        OwnerCredits::TopUp(_) => Action::OwnerCreditsChanged,
        _ => Action::OwnerLimitsChanged,
    };
    Event { action, details }
}

pub(in crate::store::ledger) async fn current(
    connection: &mut PgConnection,
    owner: &Owner,
) -> Result<Current, StoreError> {
    let query = sqlx::query!(
        r#"SELECT limits::text AS "limits!", credits_version FROM owner_limits WHERE issuer = $1 AND subject = $2"#,
        &*owner.issuer,
        &*owner.subject,
    );
    let Some(row) = query.fetch_optional(&mut *connection).await? else { return Ok(Current::default()) };
    let corrupt = |error| StoreError::Corrupt(format!("owner_limits: {error}"));
    let limits = Limits::from_stored(&row.limits).map_err(corrupt)?;
    let credits = match row.credits_version {
        Some(_) => credits::read(connection, Holder::of_owner(owner)).await?,
        None => None,
    };
    Ok(Current { allowance: OwnerAllowance { limits, credits }, version: row.credits_version })
}

/// An owner without limits and credits has no row, unless they have left credits of a plan, or a plan that they
/// claimed.
pub(in crate::store::ledger) async fn write(
    connection: &mut PgConnection,
    owner: &Owner,
    after: &Current,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    let (issuer, subject) = (&*owner.issuer, &*owner.subject);
    let limits = &after.allowance.limits;
    if limits.is_empty() && after.version.is_none() {
        let query = sqlx::query!(
            "DELETE FROM owner_limits
             WHERE issuer = $1 AND subject = $2 AND left_of_plans = '{}' AND plan_claimed_at IS NULL",
            issuer,
            subject,
        );
        query.execute(&mut *connection).await?;
        let query = sqlx::query!(
            "UPDATE owner_limits SET limits = '[]', credits_version = NULL, updated_at = $3 WHERE issuer = $1 AND subject = $2",
            issuer,
            subject,
            at,
        );
        return query.execute(connection).await.map(drop);
    }
    let query = sqlx::query!(
        "INSERT INTO owner_limits (issuer, subject, limits, credits_version, updated_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (issuer, subject) DO UPDATE
         SET limits = excluded.limits, credits_version = excluded.credits_version, updated_at = excluded.updated_at",
        issuer,
        subject,
        limits.to_stored(),
        after.version,
        at,
    );
    query.execute(connection).await.map(drop)
}
