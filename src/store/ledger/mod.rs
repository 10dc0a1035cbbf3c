//! What owners and administrators do with keys: the tables `api_keys`, `idempotency_keys`,
//! `disabled_owners`, `revoked_tokens`, `tokens_not_before` and `audit_events`.

mod audit;
mod change;
mod insert;
mod list;
mod owners;
mod tokens;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{Store, rows::managed_rows};
use crate::domain::{
    api_key::KeyId,
    audit::{AuditEvent, Author},
    coherence::ChangeId,
    key_record::ManagedKey,
    ledger::{
        BeforeCommit, Change, EventFilter, IdempotentRequest, Inserted, Insertion, KeyFilter, KeyLedger, Outcome,
        OwnerSwitch, Page, Reach, RevokedTogether, TokensRevoked,
    },
    ports::StoreError,
    principal::Owner,
    text::ChangeReason,
    token::TokenRevocation,
};

#[async_trait]
impl KeyLedger for Store {
    async fn insert(&self, insertion: &Insertion<'_>, author: &Author) -> Result<Inserted, StoreError> {
        self.within_deadline(self.insert_key(insertion, author)).await?
    }

    async fn earlier(&self, request: &IdempotentRequest, now: OffsetDateTime) -> Result<Option<Inserted>, StoreError> {
        let work = async {
            let mut connection = self.pool.acquire().await?;
            insert::earlier(&mut connection, request, now).await
        };
        self.within_deadline(work).await?
    }

    async fn show(&self, id: KeyId, reach: &Reach) -> Result<Option<ManagedKey>, StoreError> {
        let (issuer, subject) = owner_parts(reach);
        let query = managed_rows!(
            "WHERE api_keys.id = $1
               AND (api_keys.issuer = $2 OR $2 IS NULL) AND (api_keys.subject = $3 OR $3 IS NULL)",
            id.as_uuid(),
            issuer,
            subject,
        );
        let row = self.within_deadline(query.fetch_optional(&self.pool)).await?;
        row.map(ManagedKey::try_from).transpose()
    }

    async fn list(&self, filter: &KeyFilter, page: Page, now: OffsetDateTime) -> Result<Vec<ManagedKey>, StoreError> {
        self.list_keys(filter, page, now).await
    }

    async fn change(&self, change: &Change<'_>, before_commit: &BeforeCommit<'_>) -> Result<Outcome, StoreError> {
        self.within_deadline(self.change_key(change, before_commit)).await?
    }

    async fn revoke_together(
        &self,
        filter: &KeyFilter,
        most: u32,
        reason: Option<&ChangeReason>,
        at: OffsetDateTime,
        author: &Author,
        before_commit: &BeforeCommit<'_>,
    ) -> Result<RevokedTogether, StoreError> {
        self.within_deadline(self.revoke_keys(filter, most, reason, at, author, before_commit)).await
    }

    async fn switch_owner(
        &self,
        switch: &OwnerSwitch,
        author: &Author,
        before_commit: &BeforeCommit<'_>,
    ) -> Result<ChangeId, StoreError> {
        self.within_deadline(self.switch(switch, author, before_commit)).await
    }

    async fn revoke_tokens(
        &self,
        revocation: &TokenRevocation,
        author: &Author,
        before_commit: &BeforeCommit<'_>,
    ) -> Result<TokensRevoked, StoreError> {
        self.within_deadline(self.end_tokens(revocation, author, before_commit)).await
    }

    async fn events(&self, filter: &EventFilter, page: Page) -> Result<Vec<AuditEvent>, StoreError> {
        self.list_events(filter, page).await
    }
}

/// The owner as two parameters, NULL for "any".
fn owner_parts(reach: &Reach) -> (Option<&str>, Option<&str>) {
    reach.owner().map(|owner| (&*owner.issuer, &*owner.subject)).unzip()
}

/// Nobody else makes or revokes keys of this owner, or switches them, until the transaction ends.
async fn lock_owner(connection: &mut sqlx::PgConnection, owner: &Owner) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT lock_owner($1, $2)", &*owner.issuer, &*owner.subject).execute(connection).await.map(drop)
}

/// Tells all replicas to read these records again when the transaction commits.
async fn announce(transaction: &mut sqlx::PgConnection, keys: &[uuid::Uuid]) -> Result<ChangeId, sqlx::Error> {
    // There must be something to announce, or there is nothing to wait for; no key has this id.
    const NONE: &[uuid::Uuid] = &[uuid::Uuid::nil()];
    let keys = if keys.is_empty() { NONE } else { keys };
    let change = sqlx::query_scalar!(r#"SELECT announce_key_change($1) AS "change!""#, keys);
    Ok(ChangeId(change.fetch_one(transaction).await?.unsigned_abs()))
}
