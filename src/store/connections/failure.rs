//! Explains failed connections and statements to the operator: the cause, the setting, and the remedy.

use std::{error::Error, fmt, io::ErrorKind};

use sqlx::{
    error::DatabaseError,
    postgres::{PgConnectOptions, PgDatabaseError},
};

use super::session_settings::{PAST_POOLERS, Unfit};
use crate::domain::{escape::sql_name, ports::StoreError};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct ConnectFailure {
    /// The setting, and the cause.
    pub(in crate::store) what: String,
    /// What to do, if something is known.
    pub(in crate::store) remedy: Option<String>,
    /// Whether the failure may end without a change of settings: by itself, or by an action elsewhere such as starting
    /// Postgres.
    pub(in crate::store) heals: bool,
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(formatter, ". {remedy}"))
    }
}

impl std::error::Error for ConnectFailure {}

impl ConnectFailure {
    /// The server did not answer in time.
    pub(in crate::store) fn silent(options: &PgConnectOptions, place: Place) -> Self {
        let Of { server, url, .. } = Of::new(options, place, Password::UNKNOWN);
        Self::that_heals(format!("{url}: {server} does not answer"))
            .remedied("See whether Postgres runs there, and whether a firewall is in between")
    }

    /// The server answered, but can't be used.
    pub(in crate::store) fn unfit(unfit: Unfit, options: &PgConnectOptions, place: Place) -> Self {
        let Of { server, url, .. } = Of::new(options, place, Password::UNKNOWN);
        let what = format!("{url}: {server} is refused: {unfit}");
        Self { what, remedy: None, heals: unfit.heals() }.remedied(unfit.remedy())
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
            sqlx::Error::Tls(cause) => {
                Self::for_good(format!("{url}: no TLS with {server}: {cause}")).remedied(format!(
                    "Connections to other machines must be encrypted; if you trust the network in between, append \
                     ?sslmode=disable to {url}. Certificates: docs/tls-and-proxies.md"
                ))
            }
            sqlx::Error::Protocol(cause) => {
                Self::for_good(format!("{url}: {server} does not speak the protocol of Postgres: {cause}"))
                    .remedied("Correct the host and the port")
            }
            sqlx::Error::Configuration(cause) => Self::for_good(format!("{url}: {cause}")),
            other => Self::that_heals(format!("{url}: no connection to {server}: {other}")),
        }
    }

    fn of_io(error: &std::io::Error, of: &Of<'_>) -> Self {
        let Of { server, url, .. } = of;
        let (what, remedy) = match error.kind() {
            ErrorKind::ConnectionRefused => (
                format!("{url}: {server} refuses connections: nothing listens there"),
                "Start Postgres, or correct the host and the port",
            ),
            ErrorKind::NotFound => {
                (format!("{url}: there is no socket of Postgres at {server}"), "Start Postgres, or correct the folder")
            }
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => (
                format!(
                    "{url}: {server} closed the connection immediately. It may be a proxy without a server behind it, a \
                     server that is stopping, or not Postgres"
                ),
                "Check what listens there",
            ),
            ErrorKind::PermissionDenied => (
                format!("{url}: this process may not connect to {server}: {error}"),
                "Give its user access to the socket",
            ),
            _ if is_about_names(error) => {
                (format!("{url}: the host of {server} is not found: {error}"), "Correct it, or check DNS")
            }
            _ => return Self::that_heals(format!("{url}: no connection to {server}: {error}")),
        };
        Self::that_heals(what).remedied(remedy)
    }

    /// PostgreSQL's error codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
    fn of_database(error: &dyn DatabaseError, of: &Of<'_>) -> Self {
        let code = error.code().unwrap_or_default();
        let message = error.message();
        let Of { server, url, password, user, database } = of;
        match &*code {
            "28P01" if !password.given => Self::for_good(format!(
                "{}: {server} demands a password of the role {user}, and none is given",
                password.setting
            ))
            .remedied(how_to_give(password.setting)),
            "28P01" => Self::for_good(format!(
                "{}: {server} refuses the password of the role {user}",
                password.setting
            ))
            .remedied("Correct it there, or give the role this password; or the role does not exist, which Postgres answers alike"),
            "28000" => Self::for_good(format!("{url}: {server} refuses the role {user}: {message}"))
                .remedied("Create the role, correct its name, or allow it in pg_hba.conf"),
            "3D000" => Self::for_good(format!("{url}: {server} has no database {database}"))
                .remedied("Create it (CREATE DATABASE … ENCODING 'UTF8'), or correct the name"),
            "42501" if is_of_connecting(error) => {
                Self::for_good(format!("{url}: {server} does not let the role {user} connect to the database {database}"))
                    .remedied(format!(
                        "Let the owner of the database run: GRANT CONNECT ON DATABASE {} TO {}",
                        sql_name(database),
                        sql_name(user)
                    ))
            }
            "42501" => Self::for_good(format!("{url}: the role {user} lacks a privilege: {message}")).remedied(
                "Grant it, or set database.migrate_url to connect as the owner of the tables, which grants the service its \
                 privileges: docs/configuration.md, A role for the tables and one for the service",
            ),
            "08P01" | "0A000" if message.contains("startup parameter") => Self::for_good(format!(
                "{url}: {server} is a pooler that rejects Keyward's session settings ({message})"
            ))
            .remedied(PAST_POOLERS),
            "08P01" if message.contains("statement pooling") => {
                Self::for_good(format!("{url}: {server} is a pooler that allows no transactions ({message})"))
                    .remedied("Set pool_mode = transaction there")
            }
            "25006" => Self::that_heals(format!(
                "{url}: {server} takes no changes ({message}), and the schema is not up to date"
            ))
            .remedied(
                "Reset default_transaction_read_only for the role or the database, or make room on the server's disk",
            ),
            "57P03" => Self::that_heals(format!("{url}: {server} does not accept connections yet: {message}"))
                .remedied("Wait until it has started or recovered"),
            "53300" => {
                let limit = if message.contains("for role") {
                    format!("its limit (ALTER ROLE {} CONNECTION LIMIT …)", sql_name(user))
                } else if message.contains("for database") {
                    format!("its limit (ALTER DATABASE {} CONNECTION LIMIT …)", sql_name(database))
                } else {
                    "max_connections there".to_owned()
                };
                Self::that_heals(format!("{url}: {server} has no connection left: {message}"))
                    .remedied(format!("Raise {limit}, or lower database.pool_size"))
            }
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
        match <[Self; 1]>::try_from(failures) {
            Ok([failure]) => failure,
            // Each with what to do about it.
            Err(failures) => {
                let each: Vec<String> = failures.iter().map(ToString::to_string).collect();
                Self { what: each.join("; "), remedy: None, heals }
            }
        }
    }

    pub(in crate::store) fn that_heals(what: String) -> Self {
        Self { what, remedy: None, heals: true }
    }

    pub(in crate::store) fn for_good(what: String) -> Self {
        Self { what, remedy: None, heals: false }
    }

    /// The same, with what to do: a sentence without its full stop.
    pub(in crate::store) fn remedied(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
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

/// How to give a password that is missing.
#[cfg(feature = "server")]
fn how_to_give(setting: &str) -> String {
    crate::config::how_to_set(setting).replacen("set", "Set", 1)
}

/// The same for an application that uses the library, which gives an address and nothing else.
#[cfg(not(feature = "server"))]
fn how_to_give(_: &str) -> String {
    "Write it into the address".to_owned()
}

/// Whether the database itself was denied, and not something in it. Messages are in the language of the server, so this
/// is told by the function of Postgres that looks at the right to connect.
fn is_of_connecting(error: &dyn DatabaseError) -> bool {
    let error = error.try_downcast_ref::<PgDatabaseError>();
    error.and_then(PgDatabaseError::routine) == Some("CheckMyDatabase")
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
