//! The allowed values of the section `[database]`.

use zeroize::Zeroizing;

use super::{Database, DatabaseUrl, Pooler};
use crate::{config::loading::Check, domain::secret::SecretString};

impl Database {
    /// The section, or `None` after its problems were recorded. All of it is read before the first `?`.
    pub(in crate::config) fn read(check: &mut Check<'_>) -> Option<Self> {
        let url = database_url(check, "database.url", "database.password");
        let listen_url = optional_database_url(check, "database.listen_url", "database.password");
        let migrate_url = optional_database_url(check, "database.migrate_url", "database.migrate_password");
        let migrate_password = optional_secret(check, "database.migrate_password");
        if let (Some(None), Some(Some(_))) = (&migrate_url, &migrate_password) {
            check.problem(
                "database.migrate_password",
                "is the password of the role in database.migrate_url, which is not set",
            );
        }
        let pooler = check.value("database.pooler", "\"none\" or \"transaction\"");
        if let (Some(Pooler::Transaction), Some(None)) = (pooler, &listen_url) {
            check.problem(
                "database.listen_url",
                "is not set: database.pooler = \"transaction\" needs an address of Postgres itself, because \
                 notifications don't pass a pooler, and migrations must not",
            );
        }
        let password = optional_secret(check, "database.password");
        let pool_size = check.number("database.pool_size", 1..=1_000);
        let owner_connections = check.number("database.owner_connections", 1..=1_000);
        let admin_connections = check.number("database.admin_connections", 1..=100);
        let acquire_timeout = check.duration("database.acquire_timeout", "10ms", "30s");
        let statement_timeout = check.duration("database.statement_timeout", "10ms", "1m");
        let connect_timeout = check.duration("database.connect_timeout", "100ms", "1m");
        let migrate_on_start = check.value("database.migrate_on_start", "true or false");
        Some(Self {
            url: url?,
            pooler: pooler?,
            listen_url: listen_url?,
            migrate_url: migrate_url?,
            migrate_password: migrate_password?,
            password: password?,
            pool_size: pool_size?,
            owner_connections: owner_connections?,
            admin_connections: admin_connections?,
            acquire_timeout: acquire_timeout?,
            statement_timeout: statement_timeout?,
            connect_timeout: connect_timeout?,
            migrate_on_start: migrate_on_start?,
        })
    }
}

fn database_url(check: &mut Check<'_>, setting: &'static str, password: &'static str) -> Option<SecretString> {
    // A URL has no white space at its ends; a file with one line, or `kubectl create secret`, often does.
    let url = SecretString::from(Zeroizing::new(check.secret(setting)?.trim().to_owned()));
    if url.expose().is_empty() {
        check.problem(setting, "is not set (like postgres://user:password@host:5432/name)");
        return None;
    }
    if let Err(problem) = DatabaseUrl::parse(&url, password) {
        check.problem(setting, problem);
        return None;
    }
    Some(url)
}

fn optional_secret(check: &mut Check<'_>, setting: &'static str) -> Option<Option<SecretString>> {
    Some(Some(check.secret(setting)?).filter(|secret| !secret.is_empty()).map(SecretString::from))
}

fn optional_database_url(
    check: &mut Check<'_>,
    setting: &'static str,
    password: &'static str,
) -> Option<Option<SecretString>> {
    if check.secret(setting)?.trim().is_empty() { Some(None) } else { database_url(check, setting, password).map(Some) }
}
