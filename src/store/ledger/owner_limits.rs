//! The limits that all keys of an owner share.

use serde_json::{Map, json};
use sqlx::PgConnection;

use super::{Store, audit, lock_owner, owners::announce_keys_of};
use crate::domain::{
    audit::Action,
    ledger::{Event, Reach, Refusal, Together},
    limits::Limits,
    owner::Owner,
    owner_limits::{OwnerLimitsChange, OwnerLimitsChanged},
    ports::StoreError,
    role::Role,
};

impl Store {
    pub(super) async fn limits_of_owner(&self, owner: &Owner) -> Result<Limits, StoreError> {
        let mut seat = self.to_read(&Reach::Any).await?;
        current(&mut seat.connection, owner).await
    }

    /// Announces the change even if nothing changes, because whoever made it earlier may have failed after the commit,
    /// while waiting for the replicas.
    pub(super) async fn replace_owner_limits(
        &self,
        change: &OwnerLimitsChange,
        by: Together<'_>,
    ) -> Result<Result<OwnerLimitsChanged, Refusal>, StoreError> {
        let owner = &change.owner;
        let mut seat = self.to_change(by.reach).await?;
        seat.connection.begin().await?;
        let transaction = &mut *seat.connection;
        lock_owner(transaction, owner).await?;
        let before = current(transaction, owner).await?;
        if let Err(refusal) = change.preconditions.demand(before.version()) {
            return Ok(Err(refusal));
        }
        let limits = match change.limits.applied_to(&before, Role::Administrator) {
            Ok(limits) => limits,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let changed = limits != before;
        if changed {
            write(transaction, change, &limits).await?;
            let details = json!({ "changes": { "limits": { "from": before.to_stored(), "to": limits.to_stored() } } });
            let details = details.as_object().map_or_else(Map::new, Clone::clone);
            let event = Event { action: Action::OwnerLimitsChanged, details };
            audit::write(transaction, change.at, &[], owner, by.author, &event).await?;
        }
        announce_keys_of(transaction, owner, by.mark).await?;
        seat.connection.finish().await?;
        Ok(Ok(OwnerLimitsChanged { limits, changed }))
    }
}

async fn current(connection: &mut PgConnection, owner: &Owner) -> Result<Limits, StoreError> {
    let query = sqlx::query_scalar!(
        r#"SELECT limits::text AS "limits!" FROM owner_limits WHERE issuer = $1 AND subject = $2"#,
        &*owner.issuer,
        &*owner.subject,
    );
    let Some(text) = query.fetch_optional(connection).await? else { return Ok(Limits::default()) };
    Limits::from_stored(&text).map_err(|error| StoreError::Corrupt(format!("owner_limits: {error}")))
}

/// An owner without limits has no row.
async fn write(connection: &mut PgConnection, change: &OwnerLimitsChange, limits: &Limits) -> Result<(), sqlx::Error> {
    let (issuer, subject) = (&*change.owner.issuer, &*change.owner.subject);
    if limits.is_empty() {
        let query = sqlx::query!("DELETE FROM owner_limits WHERE issuer = $1 AND subject = $2", issuer, subject);
        return query.execute(connection).await.map(drop);
    }
    let query = sqlx::query!(
        "INSERT INTO owner_limits (issuer, subject, limits, updated_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (issuer, subject) DO UPDATE SET limits = excluded.limits, updated_at = excluded.updated_at",
        issuer,
        subject,
        limits.to_stored(),
        change.at,
    );
    query.execute(connection).await.map(drop)
}
