//! Revokes many keys at once.

use serde_json::{Map, Value};
use sqlx::Connection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{BEGIN, Store, announce, audit, list::Parameters, lock_owner};
use crate::domain::{
    audit::Action,
    ledger::{Event, Together},
    listing::KeyFilter,
    owner::Owner,
    ports::StoreError,
    text::ChangeReason,
};

impl Store {
    pub(super) async fn revoke_keys(
        &self,
        filter: &KeyFilter,
        most: u32,
        reason: Option<&ChangeReason>,
        at: OffsetDateTime,
        by: Together<'_>,
    ) -> Result<u32, StoreError> {
        let Parameters { states, environment, name, tag, expiring_before, created_since, .. } = Parameters::of(filter);
        let (issuer, subject) = filter.owner.as_ref().map(|owner| (&*owner.issuer, &*owner.subject)).unzip();
        let mut seat = self.to_change(by.reach).await?;
        let mut transaction = seat.connection.begin_with(BEGIN).await?;
        if let Some(owner) = &filter.owner {
            // A separate statement, so that the next one sees the successor of every key that was being rotated.
            lock_owner(&mut transaction, owner).await?;
        }
        let rows = sqlx::query!(
            "UPDATE api_keys SET revoked_at = $1, revoked_reason = $2, updated_at = $1
             WHERE id IN (
                 SELECT id FROM api_keys LEFT JOIN disabled_owners USING (issuer, subject)
                 WHERE revoked_at IS NULL
                   AND ($3::text IS NULL OR issuer = $3) AND ($4::text IS NULL OR subject = $4)
                   AND ($5::text[] IS NULL OR CASE
                        WHEN NOT enabled OR disabled_owners.subject IS NOT NULL THEN 'disabled'
                        WHEN expires_at <= $1 THEN 'expired'
                        ELSE 'active' END = ANY($5))
                   AND ($6::text IS NULL OR environment = $6)
                   AND ($7::text IS NULL OR name = $7)
                   AND ($8::jsonb IS NULL OR (metadata @> $8 AND metadata <> '{}'))
                   AND ($9::timestamptz IS NULL OR expires_at < $9)
                   AND ($10::timestamptz IS NULL OR created_at >= $10)
                 ORDER BY id DESC LIMIT $11
                 FOR NO KEY UPDATE OF api_keys)
             RETURNING id, issuer, subject",
            at,
            reason.map(ChangeReason::as_str),
            issuer,
            subject,
            states.as_deref() as _,
            environment,
            name,
            tag.as_ref() as _,
            expiring_before,
            created_since,
            i64::from(most),
        );
        let rows = rows.fetch_all(&mut *transaction).await?;
        let mut details = Map::from_iter([("together".to_owned(), Value::Bool(true))]);
        details.extend(reason.map(|reason| ("reason".to_owned(), reason.as_str().into())));
        let event = Event { action: Action::KeyRevoked, details };
        let mut of_owner: std::collections::HashMap<Owner, Vec<Uuid>> = std::collections::HashMap::new();
        for row in rows {
            let owner = Owner { issuer: row.issuer.into(), subject: row.subject.into() };
            of_owner.entry(owner).or_default().push(row.id);
        }
        for (owner, ids) in &of_owner {
            audit::write(&mut transaction, at, ids, owner, by.author, &event).await?;
        }
        let ids: Vec<Uuid> = of_owner.into_values().flatten().collect();
        announce(&mut transaction, &ids, by.mark).await?;
        transaction.commit().await?;
        Ok(u32::try_from(ids.len()).unwrap_or(u32::MAX))
    }
}
