//! Owners: which are disabled; below, the list of all, and the limits that their keys share.

pub(super) mod limits;
mod list;

use serde_json::Map;
use sqlx::PgConnection;

use super::{super::rows::ActorColumns, Store, audit, lock_owner};
use crate::domain::{
    audit::{Action, Actor},
    coherence::Mark,
    ledger::{ChangeContext, Event, OwnerSwitch, OwnerSwitched, Reach},
    owner::Owner,
    ports::{Right, StoreError},
    text::ChangeReason,
};

impl Store {
    pub(super) async fn is_switched_off(&self, owner: &Owner) -> Result<bool, StoreError> {
        let mut seat = self.to_read(&Reach::Own(owner.clone())).await?;
        Ok(is_disabled(&mut seat.connection, owner).await?)
    }

    pub(super) async fn has_right(&self, owner: &Owner, actor: &Actor, right: Right) -> Result<bool, StoreError> {
        let mut seat = self.to_find_rights(actor, right).await?;
        Ok(!is_disabled(&mut seat.connection, owner).await?)
    }

    /// Announces the change even if nothing changes, because whoever made it earlier may have failed after the commit,
    /// while waiting for the replicas.
    pub(super) async fn switch(
        &self,
        switch: &OwnerSwitch,
        by: ChangeContext<'_>,
    ) -> Result<OwnerSwitched, StoreError> {
        let (issuer, subject) = (&*switch.owner.issuer, &*switch.owner.subject);
        let reason = switch.reason.as_ref().map(ChangeReason::as_str);
        let actor = ActorColumns::of(&by.author.actor);
        let mut seat = self.to_change(by.reach, by.author).await?;
        seat.connection.begin().await?;
        let transaction = &mut *seat.connection;
        lock_owner(transaction, &switch.owner).await?;
        let switched = if switch.disabled {
            let query = sqlx::query!(
                "INSERT INTO disabled_owners (issuer, subject, disabled_at, reason, actor_kind, actor_issuer, actor_subject,
                                              actor_key_id)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT DO NOTHING",
                issuer,
                subject,
                switch.at,
                reason,
                actor.kind,
                actor.issuer,
                actor.subject,
                actor.key,
            );
            query.execute(&mut *transaction).await?
        } else {
            let query = sqlx::query!("DELETE FROM disabled_owners WHERE issuer = $1 AND subject = $2", issuer, subject);
            query.execute(&mut *transaction).await?
        };
        let changed = switched.rows_affected() > 0;
        // Who has switched it off first has said why.
        let reason_before = if changed { None } else { reason_of(transaction, &switch.owner).await? };
        if changed {
            let action = if switch.disabled { Action::OwnerDisabled } else { Action::OwnerEnabled };
            let details: Map<_, _> = reason.map(|reason| ("reason".to_owned(), reason.into())).into_iter().collect();
            let event = Event { action, details };
            audit::write(transaction, switch.at, &[], &switch.owner, by.author, &event).await?;
        }
        announce_keys_of(transaction, &switch.owner, by.mark).await?;
        seat.connection.finish().await?;
        let given = switch.reason.clone().filter(|_| changed && switch.disabled);
        Ok(OwnerSwitched { changed, reason: given.or(reason_before) })
    }
}

/// Why an owner is switched off, where that is so and somebody has said why.
async fn reason_of(connection: &mut PgConnection, owner: &Owner) -> Result<Option<ChangeReason>, sqlx::Error> {
    let query = sqlx::query_scalar!(
        "SELECT reason FROM disabled_owners WHERE issuer = $1 AND subject = $2",
        &*owner.issuer,
        &*owner.subject,
    );
    let reason = query.fetch_optional(connection).await?.flatten();
    Ok(reason.map(ChangeReason::from_stored))
}

/// Whether an owner is disabled. The result stays true while the owner is locked.
pub(super) async fn is_disabled(connection: &mut PgConnection, owner: &Owner) -> Result<bool, sqlx::Error> {
    let query = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM disabled_owners WHERE issuer = $1 AND subject = $2) AS "is_disabled!""#,
        &*owner.issuer,
        &*owner.subject,
    );
    query.fetch_one(connection).await
}

/// The same as [`announce`](super::announce), for the owner's living keys.
pub(super) async fn announce_keys_of(
    transaction: &mut PgConnection,
    owner: &Owner,
    mark: Option<&Mark>,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query!(
        "SELECT CASE WHEN $3::text IS NOT NULL THEN tell_replicas($3, $4) END AS mark,
                pg_logical_emit_message(true, 'keyward', '') IS NOT NULL AS is_written
         FROM announce_keys_of($1, $2)",
        &*owner.issuer,
        &*owner.subject,
        mark.map(Mark::as_str),
        mark.is_some_and(Mark::is_for_earlier_versions),
    );
    query.fetch_one(transaction).await.map(drop)
}
