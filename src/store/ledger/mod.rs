//! The management of keys: the tables `api_keys`, `idempotency_keys`, `disabled_owners`, `owner_limits`, `credits`,
//! `plans`, `owner_plans`, `revoked_tokens`, `tokens_not_before` and `audit_events`.

pub(super) mod audit;
mod change;
pub(super) mod conditions;
mod credits;
mod ended;
mod idempotency;
mod insert;
pub(super) mod list;
mod owners;
mod plans;
mod revoke;
mod tokens;

use std::{collections::HashMap, num::NonZeroI64, time::Duration};

use async_trait::async_trait;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Statement, Store, rows::managed_rows};
use crate::domain::{
    api_key::KeyId,
    audit::{Actor, AuditEvent, Author},
    coherence::Mark,
    key_record::{FIRST_VERSION, ManagedKey},
    ledger::{
        Change, ChangeContext, IdempotentRequest, Inserted, Insertion, Outcome, OwnerSwitch, OwnerSwitched, Reach,
        Refusal,
    },
    listing::{EventFilter, KeyFilter, KeyOrder, Listed, OwnerFilter, OwnerStanding, Page},
    owner::Owner,
    owner_limits::{OwnerAllowance, OwnerLimitsChange, OwnerLimitsChanged},
    ports::{Right, StoreError, ledger::KeyLedger},
    revocation::{KeyRevocation, Revoked},
    text::{ChangeReason, KeyName},
    token::TokenRevocation,
};

#[async_trait]
impl KeyLedger for Store {
    async fn insert(&self, insertion: &Insertion<'_>, author: &Author) -> Result<Inserted, StoreError> {
        self.within_deadline(Statement::InsertKey, self.insert_key(insertion, author)).await
    }

    async fn earlier(
        &self,
        request: &IdempotentRequest,
        reach: &Reach,
        now: OffsetDateTime,
    ) -> Result<Option<Inserted>, StoreError> {
        let work = async {
            let mut seat = self.to_read(reach).await?;
            let before = insert::earlier(&mut seat.connection, request, now).await?;
            seat.connection.finish().await?;
            Ok(before)
        };
        self.within_deadline(Statement::FindIdempotentRequest, work).await
    }

    async fn show(&self, id: KeyId, reach: &Reach) -> Result<Option<ManagedKey>, StoreError> {
        let work = async {
            let mut seat = self.to_read(reach).await?;
            let (issuer, subject) = owner_parts(reach);
            let query = managed_rows!(
                "WHERE api_keys.id = $1
                   AND (api_keys.issuer = $2 OR $2 IS NULL) AND (api_keys.subject = $3 OR $3 IS NULL)",
                id.as_uuid(),
                issuer,
                subject,
            );
            Ok(query.fetch_optional(&mut *seat.connection).await?)
        };
        self.within_deadline(Statement::ShowKey, work).await?.map(ManagedKey::try_from).transpose()
    }

    async fn names(&self, ids: &[KeyId], reach: &Reach) -> Result<HashMap<KeyId, KeyName>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let work = async {
            let mut seat = self.to_read(reach).await?;
            let (issuer, subject) = owner_parts(reach);
            let rows = sqlx::query!(
                r#"SELECT id, name AS "name!" FROM api_keys
                   WHERE id = ANY($1) AND name IS NOT NULL
                     AND (issuer = $2 OR $2 IS NULL) AND (subject = $3 OR $3 IS NULL)"#,
                &ids,
                issuer,
                subject,
            );
            Ok(rows.fetch_all(&mut *seat.connection).await?)
        };
        let rows = self.within_deadline(Statement::ListKeys, work).await?;
        Ok(rows.into_iter().map(|row| (row.id.into(), KeyName::from_stored(row.name))).collect())
    }

    async fn list(
        &self,
        filter: &KeyFilter,
        order: KeyOrder,
        page: &Page,
        reach: &Reach,
        now: OffsetDateTime,
    ) -> Result<Listed<ManagedKey>, StoreError> {
        let work = async {
            let mut seat = self.to_read(reach).await?;
            list::keys(&mut seat.connection, filter, order, page, now).await
        };
        self.within_deadline(Statement::ListKeys, work).await
    }

    async fn change(&self, change: &Change<'_>) -> Result<Outcome, StoreError> {
        self.within_deadline(Statement::ChangeKey, self.change_key(change)).await
    }

    async fn revoke(
        &self,
        revocation: &KeyRevocation,
        by: ChangeContext<'_>,
    ) -> Result<Result<Revoked, Refusal>, StoreError> {
        self.within_deadline(Statement::ChangeKey, self.revoke_key(revocation, by)).await
    }

    async fn revoke_in_bulk(
        &self,
        filter: &KeyFilter,
        among: Option<&[KeyId]>,
        most: u32,
        reason: Option<&ChangeReason>,
        at: OffsetDateTime,
        by: ChangeContext<'_>,
    ) -> Result<u32, StoreError> {
        self.within_deadline(Statement::RevokeKeys, self.revoke_keys(filter, among, most, reason, at, by)).await
    }

    async fn living(
        &self,
        filter: &KeyFilter,
        most: u32,
        reach: &Reach,
        now: OffsetDateTime,
    ) -> Result<Vec<KeyId>, StoreError> {
        self.within_deadline(Statement::CountKeys, self.living_keys(filter, most, reach, now)).await
    }

    async fn count_living(&self, filter: &KeyFilter, reach: &Reach, now: OffsetDateTime) -> Result<u64, StoreError> {
        self.within_deadline(Statement::CountKeys, self.count_keys(filter, reach, now)).await
    }

    async fn is_disabled(&self, owner: &Owner) -> Result<bool, StoreError> {
        self.within_deadline(Statement::ReadOwnerState, self.is_switched_off(owner)).await
    }

    async fn keeps_right(&self, owner: &Owner, actor: &Actor, right: Right) -> Result<bool, StoreError> {
        self.within_deadline(Statement::ReadOwnerState, self.has_right(owner, actor, right)).await
    }

    async fn owners(
        &self,
        filter: &OwnerFilter,
        page: &Page,
        now: OffsetDateTime,
    ) -> Result<Listed<OwnerStanding>, StoreError> {
        self.within_deadline(Statement::ListOwners, self.list_owners(filter, page, now)).await
    }

    async fn owner(&self, owner: &Owner, now: OffsetDateTime) -> Result<Option<OwnerStanding>, StoreError> {
        self.within_deadline(Statement::ShowOwner, self.one_owner(owner, now)).await
    }

    async fn switch_owner(&self, switch: &OwnerSwitch, by: ChangeContext<'_>) -> Result<OwnerSwitched, StoreError> {
        self.within_deadline(Statement::SwitchOwner, self.switch(switch, by)).await
    }

    async fn owner_limits(&self, owner: &Owner) -> Result<OwnerAllowance, StoreError> {
        self.within_deadline(Statement::ShowOwnerLimits, self.limits_of_owner(owner)).await
    }

    async fn change_owner_limits(
        &self,
        change: &OwnerLimitsChange,
        by: ChangeContext<'_>,
    ) -> Result<Result<OwnerLimitsChanged, Refusal>, StoreError> {
        self.within_deadline(Statement::ChangeOwnerLimits, self.replace_owner_limits(change, by)).await
    }

    async fn revoke_tokens(
        &self,
        revocation: &TokenRevocation,
        by: ChangeContext<'_>,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        self.within_deadline(Statement::RevokeTokens, self.end_tokens(revocation, by)).await
    }

    async fn forget_ended(&self, keep: Duration, most: u32) -> Result<Option<u32>, StoreError> {
        self.tidy_up(Statement::RemoveEndedKeys, self.forget_keys(keep, most)).await
    }

    async fn keep_audit_months(&self) -> Result<(), StoreError> {
        self.tidy_up(Statement::KeepAuditMonths, self.see_to_audit_months()).await
    }

    async fn events(&self, filter: &EventFilter, page: &Page, reach: &Reach) -> Result<Listed<AuditEvent>, StoreError> {
        self.within_deadline(Statement::ListEvents, self.list_events(filter, page, reach)).await
    }
}

/// The owner as two parameters, NULL for "any".
fn owner_parts(reach: &Reach) -> (Option<&str>, Option<&str>) {
    reach.owner().map(|owner| (&*owner.issuer, &*owner.subject)).unzip()
}

fn version_of(stored: i64) -> NonZeroI64 {
    stored.try_into().unwrap_or(FIRST_VERSION)
}

/// Serializes creating and revoking keys of this owner, and disabling the owner, until the transaction ends.
async fn lock_owner(connection: &mut PgConnection, owner: &Owner) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT lock_owner($1, $2)", &*owner.issuer, &*owner.subject).execute(connection).await.map(drop)
}

/// Notifies all replicas, on commit, to read these records again, followed by `mark`, in this order, because a replica
/// that acknowledges must have applied the change. So this must be the last statement of its transaction, after all
/// that triggers announce.
///
/// It also writes to the log of the database. Otherwise the commit of a transaction that has found nothing to change
/// would wait for no standby, although whoever changed it before may have waited for that in vain.
async fn announce(transaction: &mut PgConnection, records: &[Uuid], mark: Option<&Mark>) -> Result<(), sqlx::Error> {
    let query = sqlx::query!(
        "SELECT CASE WHEN $2::text IS NOT NULL THEN tell_replicas($2, $3) END AS mark,
                pg_logical_emit_message(true, 'keyward', '') IS NOT NULL AS is_written
         FROM announce_key_change($1)",
        records,
        mark.map(Mark::as_str),
        mark.is_some_and(Mark::is_for_earlier_versions),
    );
    query.fetch_one(transaction).await.map(drop)
}
