//! The reads of checks on the tables `revoked_tokens` and `tokens_not_before`.

use async_trait::async_trait;
use uuid::Uuid;

use super::{Statement, Store};
use crate::domain::{
    coherence::RecordId,
    ports::{StoreError, ended_tokens::EndedTokens},
    token::TokenEnd,
};

#[async_trait]
impl EndedTokens for Store {
    async fn find_ends(&self, records: &[RecordId]) -> Result<Vec<(RecordId, TokenEnd)>, StoreError> {
        let ids: Vec<Uuid> = records.iter().map(|record| Uuid::from_u128(record.0)).collect();
        let query = sqlx::query!(
            r#"SELECT record_id AS "record_id!", not_before
               FROM (SELECT record_id, NULL::timestamptz AS not_before FROM revoked_tokens WHERE record_id = ANY($1)
                     UNION ALL
                     SELECT record_id, not_before FROM tokens_not_before WHERE record_id = ANY($1)) AS ends
               WHERE (SELECT pg_logical_emit_message(true, 'keyward', '') IS NOT NULL)"#,
            &ids,
        );
        let work = async {
            let mut read = self.requests.tentative().await?;
            let rows = query.fetch_all(&mut *read).await?;
            read.finish().await?;
            Ok(rows)
        };
        let rows = self.within_deadline(Statement::FindRevokedTokens, work).await?;
        let end = |not_before: Option<_>| not_before.map_or(TokenEnd::Revoked, TokenEnd::NotBefore);
        Ok(rows.into_iter().map(|row| (RecordId(row.record_id.as_u128()), end(row.not_before))).collect())
    }
}
