//! How a session with the server is to be, whatever the role, the database or the server is configured to.

use std::env;

use sqlx::{
    PgExecutor,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::OpenError;
use crate::{config::Database, domain::secret::SecretString};

/// What the address says, and what we rely on. Left to the role or the database are `search_path`, which says where the
/// tables are; `default_transaction_read_only`, by which an operator (or a full disk, with some providers) stops writes
/// and not checks; and `synchronous_commit`, but for `off` ([`claim`]). Date styles, time zone and encoding are set by sqlx.
pub(super) fn options(
    settings: &Database,
    url: &SecretString,
    password: Option<&SecretString>,
) -> Result<PgConnectOptions, OpenError> {
    let mut options: PgConnectOptions = url.expose().parse().map_err(|_| OpenError::Address)?;
    if let Some(password) = password {
        options = options.password(password.expose());
    }
    if !names_ssl_mode(url.expose()) && !is_local(&options) {
        options = options.ssl_mode(PgSslMode::Require);
    }
    let limit = settings.statement_timeout.as_millis().to_string();
    Ok(options.options([
        ("statement_timeout", limit.as_str()),
        // Else a replica that vanishes amid a revoke leaves the key's row locked, and nobody can revoke
        // the key until the server gives up the connection: hours.
        ("idle_in_transaction_session_timeout", limit.as_str()),
        // A statement has its time already. And one that gets its lock at the very instant at which this
        // fires may have the wait for the standby cancelled, and be told that it has succeeded.
        ("lock_timeout", "0"),
        // Limits are counted under a lock, by statements that see what was committed before they began.
        ("default_transaction_isolation", "read committed"),
        ("default_transaction_deferrable", "off"),
        // Every statement has an index. For an owner with half of all keys, reading the whole table may look cheaper.
        ("enable_seqscan", "off"),
        // Our statements take a millisecond; compiling one takes hundreds, where its estimate is large.
        ("jit", "off"),
        ("plan_cache_mode", "auto"),
        ("standard_conforming_strings", "on"),
    ]))
}

/// Whether the operator has said if the connection is to be encrypted.
fn names_ssl_mode(url: &str) -> bool {
    let (_, query) = url.split_once('?').unwrap_or_default();
    let mut names = query.split('&').filter_map(|pair| pair.split('=').next());
    names.any(|name| name == "sslmode" || name == "ssl-mode") || env::var_os("PGSSLMODE").is_some()
}

/// Whether what is sent stays on this machine.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_start_matches('[').trim_end_matches(']');
    let is_loopback = || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    options.get_socket().is_some() || host.starts_with('/') || host.eq_ignore_ascii_case("localhost") || is_loopback()
}

/// Why a server is not worked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// A standby, or a former primary that has become one. It may be behind by any time.
    #[error("it is in recovery, a standby: what it shows may be old. Let database.url lead to the primary")]
    InRecovery,
    /// Changes would be announced to nobody.
    #[error("session_replication_role is not `origin`, so no trigger announces changes. Reset it for this role")]
    NoTriggers,
}

/// Looks at a new session, and sets what can't be said when connecting: older servers don't know those settings.
/// `durably`: whether what is committed must survive.
pub(super) async fn claim<'c>(session: impl PgExecutor<'c>, durably: bool) -> Result<Result<(), Unfit>, sqlx::Error> {
    // No server ends our sessions for being idle, or a commit that waits for a standby. `synchronous_commit`: what is
    // acknowledged must be on disk, so `off`, meant for others, is taken for `on`; any other value is the operator's choice.
    let query = sqlx::query!(
        r#"SELECT pg_is_in_recovery() AS "in_recovery!",
                  current_setting('session_replication_role') = 'origin' AS "triggers_fire!",
                  (SELECT count(set_config(name, '0', false)) FROM pg_settings
                   WHERE name IN ('idle_session_timeout', 'transaction_timeout')) AS timeouts,
                  CASE WHEN $1 AND current_setting('synchronous_commit') = 'off'
                       THEN set_config('synchronous_commit', 'on', false) END AS synchronous_commit"#,
        durably,
    );
    let session = query.fetch_one(session).await?;
    Ok(match (session.in_recovery, session.triggers_fire) {
        (true, _) => Err(Unfit::InRecovery),
        (false, false) => Err(Unfit::NoTriggers),
        (false, true) => Ok(()),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ssl_mode(url: &str) -> PgSslMode {
        let settings = Database { statement_timeout: Duration::from_secs(1), ..Database::at(url.to_owned().into()) };
        options(&settings, &settings.url, None).expect("an address").get_ssl_mode()
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
            for url in [format!("postgres://u@db/d?sslmode={word}"), format!("postgres://u@db/d?a=b&ssl-mode={word}")] {
                assert_eq!(format!("{:?}", ssl_mode(&url)), format!("{mode:?}"), "{url}");
            }
        }
    }
}
