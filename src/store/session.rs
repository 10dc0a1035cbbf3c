//! How a session with the server is to be, whatever the role, the database or the server is configured to.

use std::env;

use sqlx::{
    PgExecutor,
    postgres::{PgConnectOptions, PgSslMode},
};

use crate::{
    config::{Database, DatabaseUrl},
    domain::secret::SecretString,
};

/// A setting of ours, which no server has a value of.
const MARK: &str = "keyward.session";

/// What the address says, and what we rely on. Left to the role or the database are `search_path`, which says where the
/// tables are; `default_transaction_read_only`, by which an operator (or a full disk, with some providers) stops writes
/// and not checks; and `synchronous_commit`, but for `off` ([`claim`]). Date styles, time zone and encoding are set by sqlx.
///
/// `url` is of one server, and `address` is what all of them came from.
pub(super) fn options(
    settings: &Database,
    url: &str,
    address: &DatabaseUrl,
    password: Option<&SecretString>,
) -> Result<PgConnectOptions, sqlx::Error> {
    let mut options: PgConnectOptions = url.parse()?;
    if let Some(password) = password {
        options = options.password(password.expose());
    }
    if !address.names_ssl_mode() && env::var_os("PGSSLMODE").is_none() && !is_local(&options) {
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
        // By which a session knows that all these have arrived.
        (MARK, "on"),
    ]))
}

/// Whether what is sent stays on this machine.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
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
    /// Something in between has left out what we ask for when connecting.
    #[error(
        "the settings that Keyward asks for did not arrive, as behind a pooler that ignores them (PgBouncer: ignore_startup_parameters). \
         Let database.url lead to Postgres itself"
    )]
    SettingsLost,
    /// It can't hold every name and note.
    #[error(
        "its database is not encoded in UTF8, and so can't hold what people write. Create one that is (CREATE DATABASE … ENCODING \
         'UTF8' TEMPLATE template0), and let database.url name it"
    )]
    NotUtf8,
}

impl Unfit {
    /// Whether it may be otherwise in a while, without anybody's changing a setting.
    pub(super) fn heals(self) -> bool {
        self == Self::InRecovery
    }
}

/// Looks at a new session, and sets what can't be said when connecting: older servers don't know those settings.
/// `durably`: whether what is committed must survive.
pub(super) async fn claim<'c>(session: impl PgExecutor<'c>, durably: bool) -> Result<Result<(), Unfit>, sqlx::Error> {
    // No server ends our sessions for being idle, or a commit that waits for a standby. `synchronous_commit`: what is
    // acknowledged must be on disk, so `off`, meant for others, is taken for `on`; any other value is the operator's choice.
    let query = sqlx::query!(
        r#"SELECT pg_is_in_recovery() AS "in_recovery!",
                  current_setting('session_replication_role') = 'origin' AS "triggers_fire!",
                  current_setting('server_encoding') = 'UTF8' AS "is_utf8!",
                  coalesce(current_setting($2, true), '') = 'on' AS "settings_arrived!",
                  (SELECT count(set_config(name, '0', false)) FROM pg_settings
                   WHERE name IN ('idle_session_timeout', 'transaction_timeout')) AS timeouts,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ssl_mode(url: &str) -> PgSslMode {
        let settings = Database { statement_timeout: Duration::from_secs(1), ..Database::at(url.to_owned().into()) };
        let address = DatabaseUrl::parse(&settings.url, "database.password").expect("an address");
        let url = address.one_each().next().expect("a server");
        options(&settings, &url, &address, None).expect("options").get_ssl_mode()
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
