//! Owners whose keys are all switched off.

use serde_json::Map;

use super::{Store, announce, audit, lock_owner};
use crate::domain::{
    audit::{Action, Author},
    coherence::ChangeId,
    ledger::{BeforeCommit, Event, OwnerSwitch},
    text::ChangeReason,
};

impl Store {
    pub(super) async fn switch(
        &self,
        switch: &OwnerSwitch,
        author: &Author,
        before_commit: &BeforeCommit<'_>,
    ) -> Result<ChangeId, sqlx::Error> {
        let (issuer, subject) = (&*switch.owner.issuer, &*switch.owner.subject);
        let reason = switch.reason.as_ref().map(ChangeReason::as_str);
        let mut transaction = self.pool.begin().await?;
        lock_owner(&mut transaction, &switch.owner).await?;
        let switched = if switch.disabled {
            let query = sqlx::query!(
                "INSERT INTO disabled_owners (issuer, subject, disabled_at, reason) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
                issuer,
                subject,
                switch.at,
                reason,
            );
            query.execute(&mut *transaction).await?
        } else {
            let query = sqlx::query!("DELETE FROM disabled_owners WHERE issuer = $1 AND subject = $2", issuer, subject);
            query.execute(&mut *transaction).await?
        };
        if switched.rows_affected() > 0 {
            let action = if switch.disabled { Action::OwnerDisabled } else { Action::OwnerEnabled };
            let details: Map<_, _> = reason.map(|reason| ("reason".to_owned(), reason.into())).into_iter().collect();
            let event = Event { action, details };
            audit::write(&mut transaction, switch.at, &[], &switch.owner, author, &event).await?;
        }
        let ids = sqlx::query_scalar!(
            "SELECT id FROM api_keys WHERE issuer = $1 AND subject = $2 AND revoked_at IS NULL",
            issuer,
            subject,
        );
        let ids = ids.fetch_all(&mut *transaction).await?;
        let change = announce(&mut transaction, &ids).await?;
        before_commit(change);
        transaction.commit().await?;
        Ok(change)
    }
}
