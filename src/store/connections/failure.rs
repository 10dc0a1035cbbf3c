//! Explains failed connections and statements to the operator: the cause, the setting, and the remedy.

use std::{error::Error, fmt::Write, io::ErrorKind};

use sqlx::{error::DatabaseError, postgres::PgConnectOptions};

use super::session_settings::{PAST_POOLERS, Unfit};
use crate::domain::ports::StoreError;

/// The settings of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Place {
    /// The setting with the URL.
    pub(in crate::store) url: &'static str,
    /// The setting with the password, if the URL has none.
    pub(in crate::store) password: &'static str,
}

/// The settings of the service.
pub(in crate::store) const SERVICE: Place = Place { url: "database.url", password: "database.password" };
/// The settings of the listener, if it uses another address.
pub(in crate::store) const LISTENER: Place = Place { url: "database.listen_url", password: "database.password" };
/// The settings of the role that owns the tables, if there is one.
pub(in crate::store) const OWNER: Place = Place { url: "database.migrate_url", password: "database.migrate_password" };

/// The password of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Password {
    /// The setting that holds it, or is to hold it.
    pub(in crate::store) setting: &'static str,
    /// Whether there is one.
    pub(in crate::store) given: bool,
}

/// A failed connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(in crate::store) struct ConnectFailure {
    what: String,
    /// Whether the failure may end without a change of settings: by itself, or by an action elsewhere such as starting
    /// Postgres.
    pub(in crate::store) heals: bool,
}

impl ConnectFailure {
    /// The server did not answer in time.
    pub(in crate::store) fn silent(options: &PgConnectOptions, place: Place) -> Self {
        let Of { server, url, .. } = Of::new(options, place, Password::UNKNOWN);
        Self::that_heals(format!(
            "{url}: {server} does not answer. See whether Postgres runs there, and whether a firewall is in between"
        ))
    }

    /// The server answered, but can't be used.
    pub(in crate::store) fn unfit(unfit: Unfit, options: &PgConnectOptions, place: Place) -> Self {
        let Of { server, url, .. } = Of::new(options, place, Password::UNKNOWN);
        Self { what: format!("{url}: {server} is refused: {unfit}"), heals: unfit.heals() }
    }

    /// An error while connecting, or of the first statement.
    pub(in crate::store) fn new(
        error: &sqlx::Error,
        options: &PgConnectOptions,
        place: Place,
        password: Password,
    ) -> Self {
        let of = Of::new(options, place, password);
        let Of { server, url, .. } = &of;
        match error {
            sqlx::Error::Io(error) => Self::of_io(error, &of),
            sqlx::Error::Database(error) => Self::of_database(error.as_ref(), &of),
            sqlx::Error::Tls(cause) => Self::for_good(format!(
                "{url}: no TLS with {server}: {cause}. Connections to other machines must be encrypted; if you trust the \
                 network in between, append ?sslmode=disable to {url}. Certificates: docs/tls-and-proxies.md"
            )),
            sqlx::Error::Protocol(cause) => Self::for_good(format!(
                "{url}: {server} does not speak the protocol of Postgres: {cause}. Correct the host and the port"
            )),
            sqlx::Error::Configuration(cause) => Self::for_good(format!("{url}: {cause}")),
            other => Self::that_heals(format!("{url}: no connection to {server}: {other}")),
        }
    }

    fn of_io(error: &std::io::Error, of: &Of<'_>) -> Self {
        let Of { server, url, .. } = of;
        Self::that_heals(match error.kind() {
            ErrorKind::ConnectionRefused => format!(
                "{url}: {server} refuses connections: nothing listens there. Start Postgres, or correct the host and the port"
            ),
            ErrorKind::NotFound => {
                format!("{url}: there is no socket of Postgres at {server}. Start Postgres, or correct the folder")
            }
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => format!(
                "{url}: {server} closed the connection immediately. It may be a proxy without a server behind it, a server \
                 that is stopping, or not Postgres. Check what listens there"
            ),
            ErrorKind::PermissionDenied => {
                format!("{url}: this process may not connect to {server}: {error}. Give its user access to the socket")
            }
            _ if is_about_names(error) => {
                format!("{url}: the host of {server} is not found: {error}. Correct it, or check DNS")
            }
            _ => format!("{url}: no connection to {server}: {error}"),
        })
    }

    /// PostgreSQL's error codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
    fn of_database(error: &dyn DatabaseError, of: &Of<'_>) -> Self {
        let code = error.code().unwrap_or_default();
        let message = error.message();
        let Of { server, url, password, user, database } = of;
        match &*code {
            "28P01" if !password.given => Self::for_good(format!(
                "{}: {server} demands a password of the role {user}, and none is given. Set it",
                password.setting
            )),
            "28P01" => Self::for_good(format!(
                "{}: {server} refuses the password of the role {user}. Correct it there, or give the role this password",
                password.setting
            )),
            "28000" => Self::for_good(format!(
                "{url}: {server} refuses the role {user}: {message}. Create the role, correct its name, or allow it in \
                 pg_hba.conf"
            )),
            "3D000" => Self::for_good(format!(
                "{url}: {server} has no database {database}. Create it (CREATE DATABASE … ENCODING 'UTF8'), or correct the name"
            )),
            "42501" => Self::for_good(format!(
                "{url}: the role {user} lacks a privilege: {message}. Grant it, or set database.migrate_url to connect as the \
                 owner of the tables, which grants the service its privileges: docs/configuration.md, A role for the \
                 tables and one for the service"
            )),
            "08P01" | "0A000" if message.contains("startup parameter") => Self::for_good(format!(
                "{url}: {server} is a pooler that rejects Keyward's session settings ({message}). {PAST_POOLERS}"
            )),
            "08P01" if message.contains("statement pooling") => Self::for_good(format!(
                "{url}: {server} is a pooler that allows no transactions ({message}). Set pool_mode = transaction there"
            )),
            "25006" => Self::that_heals(format!(
                "{url}: {server} takes no changes ({message}), and the schema is not up to date. Reset \
                 default_transaction_read_only for the role or the database, or make room on the server's disk"
            )),
            "57P03" => Self::that_heals(format!("{url}: {server} does not accept connections yet: {message}")),
            "53300" if message.contains("for role") => Self::that_heals(format!(
                "{url}: {server} has no connection left: {message}. Raise its limit (ALTER ROLE {user} CONNECTION LIMIT …), or \
                 lower database.pool_size"
            )),
            "53300" if message.contains("for database") => Self::that_heals(format!(
                "{url}: {server} has no connection left: {message}. Raise its limit (ALTER DATABASE {database} CONNECTION \
                 LIMIT …), or lower database.pool_size"
            )),
            "53300" => Self::that_heals(format!(
                "{url}: {server} has no connection left: {message}. Raise max_connections there, or lower database.pool_size"
            )),
            // Syntax, permissions and names; roles; unsupported features; missing schemas.
            code if ["42", "28", "0A", "3D", "3F", "22", "23"].iter().any(|class| code.starts_with(class)) => {
                Self::for_good(format!("{url}: {server} refuses what Keyward needs: {message} ({code})"))
            }
            code => Self::that_heals(format!("{url}: {server} says: {message} ({code})")),
        }
    }

    /// Combines the failures of all servers of an address. It may heal if any of them may.
    pub(in crate::store) fn of_all(failures: Vec<Self>) -> Self {
        let heals = failures.iter().any(|failure| failure.heals);
        let mut what = String::new();
        for failure in &failures {
            let gap = if what.is_empty() { "" } else { "; " };
            let _ = write!(what, "{gap}{failure}");
        }
        Self { what, heals }
    }

    pub(in crate::store) fn that_heals(what: String) -> Self {
        Self { what, heals: true }
    }

    pub(in crate::store) fn for_good(what: String) -> Self {
        Self { what, heals: false }
    }
}

impl Password {
    /// Where nothing is said of it.
    const UNKNOWN: Self = Self { setting: "", given: true };
}

/// The values that messages refer to.
struct Of<'a> {
    server: String,
    url: &'static str,
    password: Password,
    user: &'a str,
    database: &'a str,
}

impl<'a> Of<'a> {
    fn new(options: &'a PgConnectOptions, place: Place, password: Password) -> Self {
        let user = options.get_username();
        let database = options.get_database().unwrap_or(user);
        Self { server: server(options), url: place.url, password, user, database }
    }
}

fn server(options: &PgConnectOptions) -> String {
    let host = options.get_host();
    match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None if host.starts_with('/') => host.to_owned(),
        None if host.contains(':') => format!("[{host}]:{}", options.get_port()),
        None => format!("{host}:{}", options.get_port()),
    }
}

/// A database and its server, without anything secret.
pub(in crate::store) fn shown(options: &PgConnectOptions) -> String {
    format!("{} on {}", options.get_database().unwrap_or(options.get_username()), server(options))
}

/// The standard library has no `ErrorKind` for failed name resolution.
fn is_about_names(error: &std::io::Error) -> bool {
    let text = error.get_ref().map_or_else(|| error.to_string(), <dyn Error + Send + Sync>::to_string);
    text.contains("lookup address") || text.contains("nodename")
}

/// Distinguishes "retry later" from "this row should not exist". All other errors of the database (read-only after a
/// failover, out of disk space, shutting down) can only be waited out.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Corrupt(error.to_string()),
            sqlx::Error::Database(error) => Self::Failed(with_remedy(error.as_ref())),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// The message of the database, with the remedy if Keyward has one. The codes of PostgreSQL:
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn with_remedy(error: &dyn DatabaseError) -> String {
    let code = error.code().unwrap_or_default();
    let message = error.message();
    let remedy = match &*code {
        // An undefined table, column, function, schema or type.
        "42P01" | "42703" | "42883" | "3F000" | "42704" => {
            ". The schema is not that of this program: run `keyward migrate`, and see that database.url names the right database"
        }
        "42501" => ". Run `keyward migrate` with database.migrate_url, which grants the service's role what it needs",
        _ => "",
    };
    format!("{message} ({code}){remedy}")
}
