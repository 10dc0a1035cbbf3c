//! Revokes tokens before they expire.

use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Store, announce, audit};
use crate::domain::{
    audit::Action,
    ledger::{ChangeContext, Event},
    owner::Owner,
    ports::StoreError,
    timestamp,
    token::{TokenRevocation, WhichTokens},
};

/// The current state of the row that revokes tokens.
struct Row {
    record: Uuid,
    not_before: Option<OffsetDateTime>,
    /// Whether it revokes more than before.
    is_news: bool,
}

impl Store {
    /// Announces the change even if nothing changes, because whoever made it earlier may have failed after the commit,
    /// while waiting for the replicas.
    pub(super) async fn end_tokens(
        &self,
        revocation: &TokenRevocation,
        by: ChangeContext<'_>,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let mut seat = self.to_change(by.reach, by.author).await?;
        seat.connection.begin().await?;
        let transaction = &mut *seat.connection;
        forget_expired(transaction, &revocation.which).await?;
        let (row, action, subject, mut details) = match &revocation.which {
            WhichTokens::WithId(token_id) => {
                let row = end_one(transaction, revocation, token_id).await?;
                end_what_it_made(transaction, row.record).await?;
                let details = [("issuer", &revocation.issuer), ("tokenId", token_id)];
                let details = details.map(|(name, text)| (name.to_owned(), json!(text)));
                // The owner of the token is unknown.
                (row, Action::TokenRevoked, "", Map::from_iter(details))
            }
            WhichTokens::OfSubject { subject, not_before } => {
                let row = end_earlier(transaction, revocation, subject, *not_before).await?;
                end_sessions(transaction, revocation, subject, *not_before).await?;
                let not_before = timestamp::write(*not_before);
                let details = Map::from_iter([("notBefore".to_owned(), Value::String(not_before))]);
                (row, Action::SubjectTokensRevoked, &**subject, details)
            }
        };
        if row.is_news {
            details.extend(revocation.reason.as_ref().map(|reason| ("reason".to_owned(), reason.as_str().into())));
            let owner = Owner { issuer: revocation.issuer.clone(), subject: subject.into() };
            audit::write(transaction, revocation.at, &[], &owner, by.author, &Event { action, details }).await?;
        }
        announce(transaction, &[row.record], by.mark).await?;
        seat.connection.finish().await?;
        Ok(row.not_before)
    }
}

/// The row's expiry is never shortened.
async fn end_one(
    connection: &mut PgConnection,
    revocation: &TokenRevocation,
    token_id: &str,
) -> Result<Row, sqlx::Error> {
    let query = sqlx::query_scalar!(
        r#"INSERT INTO revoked_tokens (issuer, token_id, revoked_at, expires_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT (record_id) DO NOTHING
           RETURNING record_id AS "record_id!""#,
        &*revocation.issuer,
        token_id,
        revocation.at,
        revocation.expires_at,
    );
    if let Some(record) = query.fetch_optional(&mut *connection).await? {
        return Ok(Row { record, not_before: None, is_news: true });
    }
    let query = sqlx::query_scalar!(
        r#"UPDATE revoked_tokens SET expires_at = GREATEST(expires_at, $3) WHERE record_id = token_record('token', $1, $2)
           RETURNING record_id AS "record_id!""#,
        &*revocation.issuer,
        token_id,
        revocation.expires_at,
    );
    Ok(Row { record: query.fetch_one(connection).await?, not_before: None, is_news: false })
}

/// The instant never moves back: a later request with an earlier instant must not readmit tokens.
async fn end_earlier(
    connection: &mut PgConnection,
    revocation: &TokenRevocation,
    subject: &str,
    not_before: OffsetDateTime,
) -> Result<Row, sqlx::Error> {
    let query = sqlx::query_scalar!(
        r#"INSERT INTO tokens_not_before (issuer, subject, not_before, expires_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT (record_id) DO UPDATE
           SET not_before = excluded.not_before, expires_at = GREATEST(tokens_not_before.expires_at, excluded.expires_at)
           WHERE tokens_not_before.not_before < excluded.not_before
           RETURNING record_id AS "record_id!""#,
        &*revocation.issuer,
        subject,
        not_before,
        revocation.expires_at,
    );
    if let Some(record) = query.fetch_optional(&mut *connection).await? {
        return Ok(Row { record, not_before: Some(not_before), is_news: true });
    }
    let query = sqlx::query!(
        r#"UPDATE tokens_not_before SET expires_at = GREATEST(expires_at, $3)
           WHERE record_id = token_record('subject', $1, $2)
           RETURNING record_id AS "record_id!", not_before"#,
        &*revocation.issuer,
        subject,
        revocation.expires_at,
    );
    let row = query.fetch_one(connection).await?;
    Ok(Row { record: row.record_id, not_before: Some(row.not_before), is_news: false })
}

/// Ends the links that this token has made, and the sessions that began with one. They may last longer than the row. In
/// the order of [`end_sessions`].
async fn end_what_it_made(connection: &mut PgConnection, token: Uuid) -> Result<(), sqlx::Error> {
    let links = sqlx::query!("DELETE FROM console_hand_overs WHERE maker_token_record = $1", token);
    links.execute(&mut *connection).await?;
    let sessions = sqlx::query!("DELETE FROM console_sessions WHERE maker_token_record = $1", token);
    sessions.execute(connection).await.map(drop)
}

/// Ends the sessions that began with such tokens, or with a link from before, of this subject or made by it. They may
/// last longer than the row of the revocation. The links first: whoever is using one up is waited for, and their
/// session is there when sessions are deleted.
async fn end_sessions(
    connection: &mut PgConnection,
    revocation: &TokenRevocation,
    subject: &str,
    not_before: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    let links = sqlx::query!(
        "DELETE FROM console_hand_overs
         WHERE (issuer = $1 AND person = $2 OR maker_issuer = $1 AND maker_subject = $2) AND created_at < $3",
        &*revocation.issuer,
        subject,
        not_before,
    );
    links.execute(&mut *connection).await?;
    let query = sqlx::query!(
        "DELETE FROM console_sessions
         WHERE (issuer = $1 AND person = $2 OR maker_issuer = $1 AND maker_subject = $2) AND signed_in_at < $3",
        &*revocation.issuer,
        subject,
        not_before,
    );
    query.execute(connection).await.map(drop)
}

/// Deletes expired rows a few at a time, at least as fast as they are added. Uses the database's clock, which all
/// replicas share.
async fn forget_expired(connection: &mut PgConnection, which: &WhichTokens) -> Result<(), sqlx::Error> {
    let forgotten = match which {
        WhichTokens::WithId(_) => sqlx::query!(
            "DELETE FROM revoked_tokens WHERE record_id IN (
                 SELECT record_id FROM revoked_tokens WHERE expires_at < now()
                 ORDER BY expires_at LIMIT 2 FOR UPDATE SKIP LOCKED)",
        ),
        WhichTokens::OfSubject { .. } => sqlx::query!(
            "DELETE FROM tokens_not_before WHERE record_id IN (
                 SELECT record_id FROM tokens_not_before WHERE expires_at < now()
                 ORDER BY expires_at LIMIT 2 FOR UPDATE SKIP LOCKED)",
        ),
    };
    forgotten.execute(connection).await.map(drop)
}
