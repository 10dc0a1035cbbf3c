//! Transactions, with their settings if a pooler lends a session of the server for each of them.
//!
//! On a session of its own, a connection keeps the settings that it began with. Behind a pooler, each transaction may
//! be on another session, and even on another server. So every statement is part of a transaction there, which begins
//! with all settings and with the same questions as a new session: in the same message, so it costs no round trip.

use std::{fmt::Write, sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, Error, PgConnection, Row, postgres::PgConnectOptions};

use super::{
    purpose::Purpose,
    session_settings::{self, Unfit},
};

/// Each statement sees everything committed before it began, whatever the database's default is.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// None of the server's timeouts may end a commit: if its wait for the standby is cancelled, it is reported as a
/// success. A timeout that has fired before is noticed between the two statements.
const COMMIT: &str = "SET LOCAL statement_timeout = 0; COMMIT";

/// Whether a statement of ours was prepared in this session under the name that sqlx gave it. Each connection counts
/// its statements, so the names of different connections are the same. A pooler that passes them on unchanged mixes up
/// the statements of all of them.
const NAMES_ARRIVE: &str = "EXISTS (SELECT FROM pg_prepared_statements WHERE starts_with(name, 'sqlx_s_'))";

/// How work on a connection begins.
#[derive(Clone)]
pub(super) enum Way {
    /// The connection has a session of its own, which keeps its settings.
    Own(Purpose),
    /// A pooler lends a session for each transaction, which begins with this.
    Lent(Arc<str>),
}

/// Begins a transaction on a session with our settings.
pub(super) async fn begin(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::raw_sql(BEGIN).execute(connection).await.map(drop)
}

/// Commits as durably as the session is set to.
pub(super) async fn commit(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::raw_sql(COMMIT).execute(connection).await.map(drop)
}

/// Ends a transaction that may have failed.
pub(super) async fn roll_back(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::raw_sql("ROLLBACK").execute(connection).await.map(drop)
}

impl Way {
    /// The way through a pooler.
    pub(super) fn lent(statement_timeout: Duration, purpose: Purpose) -> Self {
        let limit = session_settings::milliseconds(statement_timeout);
        let access = if purpose.always_writes() { ", READ WRITE" } else { "" };
        // The limit that the session comes with, perhaps far too short, counts for each statement of a message.
        let mut begin = format!("{BEGIN}{access}; SET LOCAL statement_timeout = {limit}; SELECT ");
        for (name, value) in session_settings::settings(&limit).iter().chain(purpose.settings()) {
            let _ = write!(begin, "set_config('{name}', '{value}', true), ");
        }
        if purpose.is_durable() {
            begin.push_str(
                "CASE current_setting('synchronous_commit')
                     WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END, ",
            );
        }
        let _ = write!(
            begin,
            "CASE WHEN current_setting('transaction_timeout', true) <> '0'
                  THEN set_config('transaction_timeout', '0', true) END,
             pg_is_in_recovery() AS in_recovery,
             current_setting('session_replication_role') = 'origin' AS triggers_fire,
             current_setting('server_encoding') = 'UTF8' AS is_utf8,
             {NAMES_ARRIVE} AS names_arrive"
        );
        Self::Lent(begin.into())
    }

    /// Whether work has begun a transaction.
    pub(super) fn is_lent(&self) -> bool {
        matches!(self, Self::Lent(_))
    }

    /// The options of connections.
    pub(super) fn options(&self, options: PgConnectOptions) -> PgConnectOptions {
        match self {
            Self::Own(purpose) => options.options([purpose.settings(), purpose.lasting_settings()].concat()),
            Self::Lent(_) => options,
        }
    }

    /// Begins work, unless the server can't be used. `is_new`: whether it is the first on this connection.
    pub(super) async fn enter(&self, connection: &mut PgConnection, is_new: bool) -> Result<Result<(), Unfit>, Error> {
        match self {
            Self::Own(purpose) if is_new => session_settings::claim(connection, purpose.is_durable()).await,
            Self::Own(_) => Ok(Ok(())),
            Self::Lent(begin) => match begin_lent(begin, connection).await? {
                Ok(()) if is_new => names_are_kept_apart(connection).await,
                begun => Ok(begun),
            },
        }
    }
}

async fn begin_lent(begin: &Arc<str>, connection: &mut PgConnection) -> Result<Result<(), Unfit>, Error> {
    let row = sqlx::raw_sql(AssertSqlSafe(Arc::clone(begin))).fetch_one(connection).await?;
    let is = |column| row.try_get::<bool, &str>(column);
    Ok(match () {
        () if is("in_recovery")? => Err(Unfit::InRecovery),
        () if !is("triggers_fire")? => Err(Unfit::NoTriggers),
        () if !is("is_utf8")? => Err(Unfit::NotUtf8),
        () if is("names_arrive")? => Err(Unfit::NamesArrive),
        () => Ok(()),
    })
}

/// Whether the pooler keeps prepared statements apart: looks with a statement that is itself prepared under a name.
async fn names_are_kept_apart(connection: &mut PgConnection) -> Result<Result<(), Unfit>, Error> {
    let query = sqlx::query_scalar(AssertSqlSafe(format!("SELECT {NAMES_ARRIVE}")));
    let names_arrive: bool = query.fetch_one(connection).await?;
    Ok(if names_arrive { Err(Unfit::NamesArrive) } else { Ok(()) })
}
