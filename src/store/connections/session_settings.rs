//! The settings of a database session, independent of the defaults of the role, the database and the server.

use std::{env, time::Duration};

use sqlx::{
    PgConnection, PgExecutor,
    postgres::{PgConnectOptions, PgSslMode},
};

use crate::{
    config::{Database, DatabaseUrl},
    domain::secret::SecretString,
    store::rows::interval,
};

/// A setting of ours, for which no server has a value.
const MARK: &str = "keyward.session";

/// The connection options from the address, and the settings that we rely on. Left to the role or the database are
/// `search_path`, which locates the tables; `default_transaction_read_only`, with which an operator (or some providers
/// when the disk is full) stops writes but not checks; and `synchronous_commit`, except `off` ([`claim`]). sqlx sets
/// date styles, time zone and encoding.
///
/// `url` has one server; `address` is the configured address with all servers. `lent`: whether a pooler lends the
/// sessions, so that settings are made in each transaction ([`transaction`](super::transaction)).
pub(in crate::store) fn options(
    settings: &Database,
    url: &str,
    address: &DatabaseUrl,
    password: Option<&SecretString>,
    lent: bool,
) -> Result<PgConnectOptions, sqlx::Error> {
    let mut options: PgConnectOptions = url.parse()?;
    if let Some(password) = password {
        options = options.password(password.expose());
    }
    if !address.names_ssl_mode() && env::var_os("PGSSLMODE").is_none() && !is_local(&options) {
        options = options.ssl_mode(PgSslMode::Require);
    }
    if lent {
        // The one setting that sqlx asks for when connecting and poolers don't know.
        return Ok(options.extra_float_digits(None));
    }
    Ok(options.options(self::settings(&milliseconds(settings.statement_timeout))))
}

/// The unit of the server's timeouts.
pub(super) fn milliseconds(limit: Duration) -> String {
    limit.as_millis().to_string()
}

/// The settings that all work relies on, with the time limit of a statement in milliseconds.
pub(super) fn settings(statement_timeout: &str) -> [(&'static str, &str); 10] {
    [
        ("statement_timeout", statement_timeout),
        // Otherwise a replica that vanishes amid a transaction would leave a key's row locked, and nobody could revoke
        // the key until the server drops the connection hours later.
        ("idle_in_transaction_session_timeout", statement_timeout),
        // Statements have a time limit already. If this limit fired at the instant at which the lock is granted, it
        // could cancel the wait for the standby, and the commit would be reported as a success.
        ("lock_timeout", "0"),
        // Limits are counted under a lock, by statements that see everything committed before they began.
        ("default_transaction_isolation", "read committed"),
        ("default_transaction_deferrable", "off"),
        // Every statement of a request has an index. For an owner with half of all keys, a sequential scan may look
        // cheaper.
        ("enable_seqscan", "off"),
        // Our statements take a millisecond; JIT compilation takes hundreds if the estimate is high.
        ("jit", "off"),
        ("plan_cache_mode", "auto"),
        ("standard_conforming_strings", "on"),
        // Shows that all of these settings have arrived.
        (MARK, "on"),
    ]
}

/// Whether the connection stays on this machine.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let is_loopback = || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    options.get_socket().is_some() || host.starts_with('/') || host.eq_ignore_ascii_case("localhost") || is_loopback()
}

/// The remedy where a pooler is in between and should not be, or is not expected.
pub(super) const PAST_POOLERS: &str = "Point it at Postgres itself. database.url alone may lead to a pooler, if \
     database.pooler says so: docs/high-availability.md, Behind PgBouncer";

/// Why a server is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::store) enum Unfit {
    /// A standby, possibly a former primary. It may lag by any time.
    #[error("it is a standby (in recovery), so its data may be stale")]
    InRecovery,
    /// Changes would not be announced.
    #[error("session_replication_role is not `origin`, so no trigger announces changes")]
    NoTriggers,
    /// A proxy in between has dropped our settings.
    #[error(
        "Keyward's session settings did not arrive; a pooler may ignore them (PgBouncer: ignore_startup_parameters)"
    )]
    SettingsLost,
    /// A pooler would execute the statements of one connection for another.
    #[error(
        "statements are prepared there under the names that clients choose, so the pooler in between would mix them up"
    )]
    NamesArrive,
    /// The database can't store all names and metadata.
    #[error("its database is not encoded in UTF8")]
    NotUtf8,
}

impl Unfit {
    /// Whether this may change without anybody changing a setting.
    pub(in crate::store) fn heals(self) -> bool {
        self == Self::InRecovery
    }

    /// What to do.
    pub(in crate::store) fn remedy(self) -> &'static str {
        match self {
            Self::InRecovery => "Point database.url at the primary",
            Self::NoTriggers => "Reset it for this role",
            Self::SettingsLost => PAST_POOLERS,
            Self::NamesArrive => {
                "database.pooler = \"transaction\" needs PgBouncer 1.21 or later with pool_mode = transaction and \
                 max_prepared_statements above 0. If this is Postgres itself, remove database.pooler"
            }
            Self::NotUtf8 => {
                "Create one that is (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0), and name it in database.url"
            }
        }
    }
}

/// Validates a new session, and sets what can't be set when connecting because older servers do not know these
/// settings. `durably`: whether commits must survive a crash.
pub(in crate::store) async fn claim<'c>(
    session: impl PgExecutor<'c>,
    durably: bool,
) -> Result<Result<(), Unfit>, sqlx::Error> {
    // The server must not end idle sessions of ours, or a commit that waits for a standby. Acknowledged changes must be
    // on disk, so a default of `synchronous_commit = off`, intended for other applications, is replaced by `on`; any
    // other value is the operator's choice.
    let query = sqlx::query!(
        r#"SELECT pg_is_in_recovery() AS "in_recovery!",
                  current_setting('session_replication_role') = 'origin' AS "triggers_fire!",
                  current_setting('server_encoding') = 'UTF8' AS "is_utf8!",
                  coalesce(current_setting($2, true), '') = 'on' AS "settings_arrived!",
                  (SELECT count(set_config(name, '0', false))
                   FROM unnest(ARRAY['idle_session_timeout', 'transaction_timeout']) AS name
                   WHERE current_setting(name, true) IS NOT NULL) AS timeouts,
                  CASE WHEN $1 AND current_setting('synchronous_commit') = 'off'
                       THEN set_config('synchronous_commit', 'on', false) END AS synchronous_commit"#,
        durably,
        MARK,
    );
    let session = query.fetch_one(session).await?;
    Ok(match session {
        session if session.in_recovery => Err(Unfit::InRecovery),
        session if !session.settings_arrived => Err(Unfit::SettingsLost),
        session if !session.triggers_fire => Err(Unfit::NoTriggers),
        session if !session.is_utf8 => Err(Unfit::NotUtf8),
        _ => Ok(()),
    })
}

/// Terminates other sessions of ours whose statement takes longer than anybody waits for it. Nothing is lost: whether
/// such a statement succeeded was unknown before, and a commit whose wait for the standby is cut short is committed.
pub(in crate::store) async fn end_abandoned(
    connection: &mut PgConnection,
    patience: Duration,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query!(
        "SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity
         WHERE application_name = current_setting('application_name') AND usename = current_user
           AND pid <> pg_backend_pid() AND state = 'active' AND query_start < clock_timestamp() - $1::interval",
        interval(patience),
    );
    query.fetch_one(connection).await.map(drop)
}

/// Commits, as durably as a change: a message without a receiver, which is the cheapest write.
pub(in crate::store) async fn prove<'c>(session: impl PgExecutor<'c>) -> Result<(), sqlx::Error> {
    // A log position would be of a type that sqlx asks each server process about first.
    let query = sqlx::query("SELECT pg_logical_emit_message(true, 'keyward', '') IS NOT NULL");
    query.execute(session).await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ssl_mode(url: &str) -> PgSslMode {
        let settings = Database { statement_timeout: Duration::from_secs(1), ..Database::at(url.to_owned().into()) };
        let address = DatabaseUrl::parse(&settings.url, "database.password").expect("an address");
        let url = address.one_each().next().expect("a server");
        options(&settings, &url, &address, None, false).expect("options").get_ssl_mode()
    }

    #[test]
    fn to_another_machine_the_connection_is_encrypted_unless_the_address_says_otherwise() {
        for (url, required) in [
            ("postgres://u@db/d", true),
            ("postgres://u@10.0.0.1/d", true),
            ("postgres://u@localhost.example.com/d?application_name=sslmode", true),
            ("postgres://u@localhost/d?host=db", true),
            ("postgres://u@[2001:db8::1]/d", true),
            ("postgres://u@localhost/d", false),
            ("postgres://u@127.0.0.1/d", false),
            ("postgres://u@[::1]:5432/d", false),
            ("postgres://u@db/d?host=/run/postgresql", false),
            ("postgres://u@%2Frun%2Fpostgresql/d", false),
        ] {
            assert_eq!(matches!(ssl_mode(url), PgSslMode::Require), required, "{url}");
        }
        for (word, mode) in [
            ("disable", PgSslMode::Disable),
            ("prefer", PgSslMode::Prefer),
            ("require", PgSslMode::Require),
            ("verify-full", PgSslMode::VerifyFull),
        ] {
            for url in
                [format!("postgres://u@db/d?sslmode={word}"), format!("postgres://u@db/d?dbname=b&ssl-mode={word}")]
            {
                assert_eq!(format!("{:?}", ssl_mode(&url)), format!("{mode:?}"), "{url}");
            }
        }
    }
}
