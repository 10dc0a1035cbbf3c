//! Single sections, for commands that need no more.

use super::credentials::{jwt, key_policy, keys, parsed};
use super::database::database;
use super::{audit, checks, hashing, last_used, log, server};
use crate::config::check::Check;
use crate::config::load::Settings;
use crate::config::problems::Problems;
use crate::config::{Audit, Checks, Database, Hashing, Jwt, KeyPolicy, Keys, LastUsed, Log, Server};
use crate::domain::api_key::Prefix;

impl Settings {
    /// The section `[server]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn server(&self) -> Result<Server, Problems> {
        self.section(server)
    }

    /// The section `[database]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn database(&self) -> Result<Database, Problems> {
        self.section(database)
    }

    /// The section `[jwt]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn jwt(&self) -> Result<Jwt, Problems> {
        self.section(jwt)
    }

    /// The setting `jwt.issuer`.
    ///
    /// # Errors
    /// The problems of the setting, and unknown settings.
    pub fn jwt_issuer(&self) -> Result<Option<String>, Problems> {
        self.section(|check| Some(Some(check.text("jwt.issuer", 512)?).filter(|issuer| !issuer.is_empty())))
    }

    /// The setting `keys.prefix`.
    ///
    /// # Errors
    /// The problems of the setting, and unknown settings.
    pub fn key_prefix(&self) -> Result<Prefix, Problems> {
        self.section(|check| parsed(check, "keys.prefix"))
    }

    /// The section `[keys]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn keys(&self) -> Result<Keys, Problems> {
        self.section(|check| keys(check, None))
    }

    /// The policy for keys in the section `[keys]`.
    ///
    /// # Errors
    /// The problems of these settings, and unknown settings.
    pub fn key_policy(&self) -> Result<KeyPolicy, Problems> {
        self.section(key_policy)
    }

    /// The section `[checks]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn checks(&self) -> Result<Checks, Problems> {
        self.section(checks)
    }

    /// The section `[last_used]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn last_used(&self) -> Result<LastUsed, Problems> {
        self.section(last_used)
    }

    /// The section `[hashing]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn hashing(&self) -> Result<Hashing, Problems> {
        self.section(hashing)
    }

    /// The section `[audit]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn audit(&self) -> Result<Audit, Problems> {
        self.section(audit)
    }

    /// The section `[log]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn log(&self) -> Result<Log, Problems> {
        self.section(log)
    }

    fn section<T>(&self, read: fn(&mut Check<'_>) -> Option<T>) -> Result<T, Problems> {
        let mut check = Check::new(self);
        let section = read(&mut check);
        check.finish(section)
    }
}
