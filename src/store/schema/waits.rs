//! Says in the log what bringing the schema up to date waits for.

use std::{
    future::Future,
    ops::ControlFlow::{self, Break, Continue},
    pin::{Pin, pin},
    time::Duration,
};

use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use super::set_lock_timeout;
use crate::{domain::ports::StoreError, store::Store};

/// How often to look. More often than the audit's lock is given up, so that its holder is named before.
const LOOKS_EVERY: Duration = Duration::from_secs(2);
/// One of so many looks in a row that find a wait is logged: the first, and then one in a minute.
const LOOKS_PER_LINE: u32 = 30;
/// How often to look who holds what a migration waits for: several times before it gives up.
const NOTES_EVERY: Duration = Duration::from_millis(100);
/// How long to wait for the advisory lock of the audit's upkeep. Who has it for a good reason waits for no lock for
/// more than a fraction of a second; a stranger may hold it for ever.
const AUDIT_LOCK_PATIENCE_MS: u32 = 5_000;
/// PostgreSQL's code for a lock that was not available in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

impl Store {
    /// Does this work of a session, and logs who holds a lock that it waits for.
    pub(super) async fn telling_of_waits<T>(&self, session: i32, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut looks: u32 = 0;
        loop {
            match self.go_on(work.as_mut(), LOOKS_EVERY, session).await {
                Break(done) => return done,
                Continue(None) => looks = 0,
                Continue(Some(held_by)) => {
                    if looks.is_multiple_of(LOOKS_PER_LINE) {
                        tracing::warn!(
                            held_by,
                            "bringing the schema up to date waits for a lock. If its holder is not another replica that \
                             does the same, end it with SELECT pg_terminate_backend(…), and revoke that role's CONNECT"
                        );
                    }
                    looks += 1;
                }
            }
        }
    }

    /// Does this work of a session, which waits for a lock only for a moment, and says who held that.
    pub(super) async fn noting_blockers<T>(&self, session: i32, work: impl Future<Output = T>) -> (T, Option<String>) {
        let mut work = pin!(work);
        let mut noted = None;
        loop {
            match self.go_on(work.as_mut(), NOTES_EVERY, session).await {
                Break(done) => return (done, noted),
                Continue(held_by) => noted = held_by.or(noted),
            }
        }
    }

    /// Goes on with this work of a session: for so long, and then while it is asked for whom that waits. Work that can't
    /// be asked about goes on all the same.
    async fn go_on<T>(
        &self,
        mut work: Pin<&mut impl Future<Output = T>>,
        span: Duration,
        session: i32,
    ) -> ControlFlow<T, Option<String>> {
        if let Ok(done) = timeout(span, work.as_mut()).await {
            return Break(done);
        }
        tokio::select! {
            biased;
            done = work => Break(done),
            seen = timeout(LOOKS_EVERY, self.blockers(session)) => Continue(seen.ok().and_then(Result::ok).flatten()),
        }
    }

    /// The sessions for which a session waits, as text. On a connection that a starting replica does not use yet.
    async fn blockers(&self, session: i32) -> Result<Option<String>, StoreError> {
        let mut connection = self.admins.tentative().await?;
        let query = sqlx::query_scalar!(
            "SELECT string_agg(format('process %s, role %s, application %s', blocking.pid, coalesce(usename, 'unknown'),
                                      coalesce(nullif(application_name, ''), 'unknown')), '; ')
             FROM (SELECT DISTINCT unnest(pg_blocking_pids($1)) AS pid LIMIT 10) AS blocking
             LEFT JOIN pg_stat_activity USING (pid)",
            session
        );
        let blockers = query.fetch_one(&mut *connection).await?;
        connection.finish().await?;
        Ok(blockers)
    }
}

/// Waits for who grants rights and makes the audit's tables at the moment, and keeps others from it until the
/// transaction ends. Returns whether that includes replicas at their upkeep, and earlier versions, who have only the
/// advisory lock. That one is anybody's who can connect, so nothing waits for it for long; the lock of the table is
/// its owner's.
pub(super) async fn exclude_others(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let excludes_all = try_advisory_lock(connection).await?;
    if !excludes_all {
        tracing::warn!(
            "the advisory lock of the audit's upkeep was not free within 5 s; went on without it. While somebody holds it, \
             replicas neither create nor drop partitions of the audit: `keyward migrate` does"
        );
    }
    sqlx::query!("LOCK TABLE audit_retention IN SHARE ROW EXCLUSIVE MODE").execute(connection).await?;
    Ok(excludes_all)
}

async fn try_advisory_lock(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let mut attempt = connection.begin().await?;
    set_lock_timeout(&mut attempt, AUDIT_LOCK_PATIENCE_MS).await?;
    let locked = sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('keyward audit'))").execute(&mut *attempt).await;
    match locked {
        Err(error) if is_lock_timeout(&error) => {
            attempt.rollback().await?;
            Ok(false)
        }
        locked => {
            locked?;
            set_lock_timeout(&mut attempt, 0).await?;
            attempt.commit().await?;
            Ok(true)
        }
    }
}

/// Whether a lock was not available in time.
pub(super) fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == LOCK_NOT_AVAILABLE)
}
