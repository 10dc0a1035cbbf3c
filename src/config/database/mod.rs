//! The section `[database]`: the address of Postgres, and time limits.
//!
//! - `url`: the address as a URL
//! - `invalid_url`: what can be wrong with it
//! - `validate`: the allowed values of the section

mod invalid_url;
mod url;
#[cfg(feature = "server")]
mod validate;

use std::time::Duration;

use serde::Deserialize;

pub use self::{invalid_url::InvalidDatabaseUrl, url::DatabaseUrl};
use crate::domain::secret::SecretString;

/// A pooler between Keyward and Postgres.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Pooler {
    /// None: connections are sessions of the server.
    #[default]
    None,
    /// One that lends a session of the server for each transaction, such as PgBouncer in transaction mode.
    Transaction,
}

/// The address of Postgres, and time limits.
pub struct Database {
    /// The URL of the database. Secret, because it may contain a password.
    pub url: SecretString,
    /// A separate password; takes precedence over the one in the URL.
    pub password: Option<SecretString>,
    /// The number of connections for requests.
    pub pool_size: u32,
    /// The number of these that requests of one owner may use at once.
    pub owner_connections: usize,
    /// The number of additional connections for changes by administrators.
    pub admin_connections: u32,
    /// The maximum wait for a connection of the pool.
    pub acquire_timeout: Duration,
    /// The time limit of a statement.
    pub statement_timeout: Duration,
    /// What `url` leads to: Postgres itself, or a pooler. `listen_url` and `migrate_url` always lead to Postgres
    /// itself.
    pub pooler: Pooler,
    /// Where to listen for revocations; `None`: at `url`.
    pub listen_url: Option<SecretString>,
    /// The URL for the role that owns the tables; `None`: `url`, with the same role as the service, or `listen_url` if
    /// `url` leads to a pooler.
    pub migrate_url: Option<SecretString>,
    /// A separate password of that role; takes precedence over the one in `migrate_url`.
    pub migrate_password: Option<SecretString>,
    /// How long startup waits for a database that does not answer yet.
    pub connect_timeout: Duration,
    /// Whether `serve` migrates the schema first.
    pub migrate_on_start: bool,
}

impl Database {
    /// The database at this address, with the default settings.
    pub fn at(url: SecretString) -> Self {
        Self {
            url,
            password: None,
            pool_size: 10,
            owner_connections: 2,
            admin_connections: 2,
            acquire_timeout: Duration::from_millis(500),
            statement_timeout: Duration::from_secs(1),
            pooler: Pooler::None,
            listen_url: None,
            migrate_url: None,
            migrate_password: None,
            connect_timeout: Duration::from_secs(5),
            migrate_on_start: true,
        }
    }
}
