//! The sessions of people who have signed in to the console.
//!
//! - `begun`: begins sessions
//! - `hand_overs`: links with which a product hands its customers over
//! - `rows`: what the tables have

mod begun;
mod hand_overs;
mod rows;

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use self::{
    begun::{insert, keep_newest},
    hand_overs::{EndedLinks, end_links},
    rows::SessionRow,
};
use super::{Statement, Store, connections::session_settings::prove, ledger::audit, rows::interval, seats::Seat};
use crate::domain::{
    audit::Action,
    ledger::{Event, Reach},
    listing::{Listed, Page, Place},
    owner::Owner,
    ports::{
        StoreError,
        sessions::{EndedAtProvider, Endings, SessionFilter, SessionStore, SessionsEnding, WhichSessions},
    },
    session::{NewSession, Person, Session},
};

/// The number of sessions of everybody that a query examines. The page ends there, and the list continues after it.
const LOOKED_AT: i64 = 10_000;
/// A use is recorded at most so often: pages that follow each other cost one write. A quarter of a short idle time, so
/// that nobody who goes on is signed out.
const USE_RECORDED: Duration = Duration::from_secs(60);

/// The query for the sessions with this condition that have not ended. While their owner is disabled, they give no rights on
/// Keyward itself.
macro_rules! sessions {
    ($before:literal, $proof:literal, $condition:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            SessionRow,
            $before
                + r#"SELECT id AS "id!", issuer AS "issuer!", subject AS "subject!", person AS "person!", name,
                      CASE WHEN EXISTS (SELECT FROM disabled_owners AS disabled
                                        WHERE disabled.issuer = console_sessions.issuer
                                            AND disabled.subject = console_sessions.subject)
                           THEN ARRAY(SELECT scope FROM unnest(scopes) AS scope WHERE NOT starts_with(scope, 'keyward:'))
                           ELSE scopes END AS "scopes!",
                      scope_bearing AS "scope_bearing!", unknown_plan, authenticated_at, signed_in_at AS "signed_in_at!", last_used_at AS "last_used_at!",
                      expires_at AS "expires_at!", address, browser, handed_over AS "handed_over!", return_to,
                      maker_kind, maker_issuer, maker_subject, maker_key_id
               FROM console_sessions
               WHERE "#
                + $proof
                + r#" expires_at > now() AND last_used_at > now() - $1::interval
                   AND console_access_stands(handed_over, issuer, subject, person, signed_in_at, maker_issuer, maker_subject,
                                             maker_key_id, maker_token_record) AND "#
                + $condition,
            $($argument),+
        )
    };
}

/// The same for lists, which prove by their commit that their server is the primary, also if they are empty.
macro_rules! proven_sessions {
    ($condition:literal, $($argument:expr),+) => {
        sessions!(
            "",
            "(SELECT pg_logical_emit_message(true, 'keyward', '') IS NOT NULL) AND",
            $condition,
            $($argument),+
        )
    };
}

#[async_trait]
impl SessionStore for Store {
    async fn begin_session(&self, session: &NewSession, hash: &[u8; 32], most: u32) -> Result<(), StoreError> {
        let work = async {
            let mut seat = self.to_see_to_sessions(&session.person).await?;
            seat.connection.begin().await?;
            insert(&mut seat.connection, session, hash).await?;
            keep_newest(&mut seat.connection, &session.person, false, most).await?;
            Ok(seat.connection.finish().await?)
        };
        self.within_deadline(Statement::BeginSession, work).await
    }

    async fn find_session(&self, hash: &[u8; 32], idle: Duration) -> Result<Option<Session>, StoreError> {
        let work = async {
            let mut seat = self.to_find_access(hash).await?;
            // Proven only if there is one: whoever has the secret of one that has ended has it for ever, and must not
            // make the database commit. A server that was superseded ends nobody's session by not finding it.
            let query = sessions!(
                "WITH found AS MATERIALIZED (",
                "",
                "secret_hash = $2) SELECT * FROM found WHERE pg_logical_emit_message(true, 'keyward', '') IS NOT NULL",
                interval(idle),
                &hash[..]
            );
            let row = query.fetch_optional(&mut *seat.connection).await?;
            if let Some(row) = &row {
                let used = sqlx::query!(
                    "UPDATE console_sessions SET last_used_at = now() WHERE id = $1 AND last_used_at < now() - $2::interval",
                    row.id,
                    interval((idle / 4).min(USE_RECORDED)),
                );
                used.execute(&mut *seat.connection).await?;
            }
            seat.connection.finish().await?;
            Ok(row)
        };
        let row = self.within_deadline(Statement::FindSession, work).await?;
        row.map(Session::try_from).transpose()
    }

    async fn sessions_of(&self, person: &Person, idle: Duration) -> Result<Vec<Session>, StoreError> {
        let (issuer, name) = (&*person.owner.issuer, &*person.subject);
        let work = async {
            let mut seat = self.to_see_to_sessions(person).await?;
            let query = proven_sessions!(
                "issuer = $2 AND person = $3 ORDER BY last_used_at DESC, id LIMIT 1000",
                interval(idle),
                issuer,
                name
            );
            let rows = query.fetch_all(&mut *seat.connection).await?;
            seat.connection.finish().await?;
            Ok(rows)
        };
        let rows = self.within_deadline(Statement::ListSessions, work).await?;
        rows.into_iter().map(Session::try_from).collect()
    }

    async fn end_sessions(&self, person: &Person, which: WhichSessions) -> Result<u64, StoreError> {
        let (id, others) = match which {
            WhichSessions::Only(id) => (id, false),
            WhichSessions::AllBut(id) => (id, true),
        };
        let (issuer, subject) = (&*person.owner.issuer, &*person.subject);
        let work = async {
            let mut seat = self.to_see_to_sessions(person).await?;
            seat.connection.begin().await?;
            if others {
                let links = EndedLinks { issuer, subject: None, person: Some(subject), before: None };
                end_links(&mut seat.connection, &links).await?;
            }
            let query = sqlx::query!(
                "DELETE FROM console_sessions WHERE issuer = $1 AND person = $2 AND (id = $3) <> $4",
                issuer,
                subject,
                id,
                others,
            );
            let ended = query.execute(&mut *seat.connection).await?.rows_affected();
            finish_written(seat).await?;
            Ok(ended)
        };
        self.within_deadline(Statement::EndSessions, work).await
    }

    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        page: &Page,
        idle: Duration,
    ) -> Result<Listed<Session>, StoreError> {
        let before = page.after.as_ref().map_or(Uuid::max(), |place| place.id);
        let limit = i64::from(page.limit) + 1;
        let work = async {
            let mut seat = self.to_read(&Reach::Any).await?;
            let read = &mut *seat.connection;
            let (rows, looked_at) = match &filter.owner {
                Some(owner) => {
                    let query = proven_sessions!(
                        "issuer = $2 AND subject = $3 AND ($4::text IS NULL OR person = $4) AND id < $5
                         ORDER BY id DESC LIMIT $6",
                        interval(idle),
                        &*owner.issuer,
                        &*owner.subject,
                        filter.person.as_deref(),
                        before,
                        limit
                    );
                    (query.fetch_all(&mut *read).await?, None)
                }
                None => {
                    // Those that were idle for too long stay until they are too old, and may be most of them.
                    let last = sqlx::query_scalar!(
                        "SELECT id FROM console_sessions WHERE id < $1 ORDER BY id DESC OFFSET $2 LIMIT 1",
                        before,
                        LOOKED_AT - 1,
                    );
                    let last = last.fetch_optional(&mut *read).await?;
                    let query = proven_sessions!(
                        "id < $2 AND id >= $3 ORDER BY id DESC LIMIT $4",
                        interval(idle),
                        before,
                        last.unwrap_or(Uuid::nil()),
                        limit
                    );
                    (query.fetch_all(&mut *read).await?, last)
                }
            };
            seat.connection.finish().await?;
            Ok((rows, looked_at))
        };
        let (rows, looked_at) = self.within_deadline(Statement::ListSessions, work).await?;
        let sessions = rows.into_iter().map(Session::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(Listed::of(sessions, page.limit, looked_at.map(Place::from), |session: &Session| Place::from(session.id)))
    }

    async fn end_sessions_of_others(&self, ending: &SessionsEnding<'_>, most: u32) -> Result<u32, StoreError> {
        let (id, owner, person) = match ending.which {
            Endings::One(id) => (Some(id), None, None),
            Endings::Of(owner, person) => (None, Some(owner), person),
        };
        let work = async {
            let mut seat = self.to_change(&Reach::Any, ending.author).await?;
            seat.connection.begin().await?;
            if let Some(owner) = owner {
                let (issuer, subject) = (&*owner.issuer, Some(&*owner.subject));
                end_links(&mut seat.connection, &EndedLinks { issuer, subject, person, before: None }).await?;
            }
            let query = sqlx::query!(
                "DELETE FROM console_sessions WHERE id IN
                     (SELECT id FROM console_sessions WHERE id = $1
                      UNION ALL
                      (SELECT id FROM console_sessions
                       WHERE issuer = $2 AND subject = $3 AND ($4::text IS NULL OR person = $4) ORDER BY id LIMIT $5))
                 RETURNING id, issuer, subject, person",
                id,
                owner.map(|owner| &*owner.issuer),
                owner.map(|owner| &*owner.subject),
                person,
                i64::from(most),
            );
            let ended = query.fetch_all(&mut *seat.connection).await?;
            let mut by_owner: HashMap<Owner, Vec<Value>> = HashMap::new();
            for row in &ended {
                let owner = Owner { issuer: row.issuer.as_str().into(), subject: row.subject.as_str().into() };
                let session = json!({ "id": row.id.to_string(), "person": &row.person });
                by_owner.entry(owner).or_default().push(session);
            }
            for (owner, sessions) in by_owner {
                let details = Map::from_iter([("sessions".to_owned(), sessions.into())]);
                let event = Event { action: Action::SessionsEnded, details };
                audit::write(&mut seat.connection, ending.at, &[], &owner, ending.author, &event).await?;
            }
            finish_written(seat).await?;
            Ok(u32::try_from(ended.len()).unwrap_or(u32::MAX))
        };
        self.within_deadline(Statement::EndSessions, work).await
    }

    async fn end_sessions_of_provider(&self, ended: &EndedAtProvider<'_>) -> Result<u64, StoreError> {
        let EndedAtProvider { issuer, person, subject, session, issued_at, clocks } = *ended;
        let before = issued_at + clocks;
        let work = async {
            let mut seat = self.to_follow_a_provider(ended).await?;
            seat.connection.begin().await?;
            if subject.is_some() && person.is_some() {
                let links = EndedLinks { issuer, subject: None, person, before: Some(before) };
                end_links(&mut seat.connection, &links).await?;
            }
            let query = match subject {
                Some(subject) => sqlx::query!(
                    "DELETE FROM console_sessions
                     WHERE issuer = $1 AND (provider_subject = $2 OR provider_subject IS NULL AND person = $3)
                       AND ($4::text IS NULL OR coalesce(provider_session, $4) = $4)
                       AND (token_issued_at <= $5 OR token_issued_at IS NULL AND signed_in_at < $6)",
                    issuer,
                    subject,
                    person,
                    session,
                    issued_at,
                    before,
                ),
                None => sqlx::query!(
                    "DELETE FROM console_sessions
                     WHERE issuer = $1 AND provider_session = $2
                       AND (token_issued_at <= $3 OR token_issued_at IS NULL AND signed_in_at < $4)",
                    issuer,
                    session,
                    issued_at,
                    before,
                ),
            };
            let ended = query.execute(&mut *seat.connection).await?.rows_affected();
            finish_written(seat).await?;
            Ok(ended)
        };
        self.within_deadline(Statement::EndSessions, work).await
    }

    async fn forget_ended(&self, most: u32) -> Result<u64, StoreError> {
        let work = async {
            let mut connection = self.requests.acquire().await?;
            let query = sqlx::query_scalar!(
                r#"WITH sessions AS
                       (DELETE FROM console_sessions WHERE id IN
                            (SELECT id FROM console_sessions WHERE expires_at <= now() ORDER BY expires_at LIMIT $1
                             FOR UPDATE SKIP LOCKED)
                        RETURNING id),
                   links AS
                       (DELETE FROM console_hand_overs WHERE secret_hash IN
                            (SELECT secret_hash FROM console_hand_overs WHERE expires_at <= now() ORDER BY expires_at LIMIT $1
                             FOR UPDATE SKIP LOCKED)
                        RETURNING secret_hash)
                   SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM links) AS "count!""#,
                i64::from(most),
            );
            let forgotten = query.fetch_one(&mut *connection).await?;
            connection.finish().await?;
            Ok(u64::try_from(forgotten).unwrap_or_default())
        };
        self.tidy_up(Statement::ForgetSessions, work).await
    }
}

/// Commits, and waits for the standby also where nothing was left to end: whoever has ended it may have waited for that
/// in vain.
async fn finish_written(mut seat: Seat) -> Result<(), sqlx::Error> {
    prove(&mut *seat.connection).await?;
    seat.connection.finish().await
}
