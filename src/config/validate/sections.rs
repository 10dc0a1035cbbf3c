//! Sections on their own, for commands that need no more.

use super::credentials::{jwt, key_policy, keys, parsed};
use super::database::database;
use super::{audit, checks, hashing, last_used, log, server};
use crate::config::check::Check;
use crate::config::load::Settings;
use crate::config::problems::Problems;
use crate::config::{Audit, Checks, Database, Hashing, Jwt, KeyPolicy, Keys, LastUsed, Log, Server};
use crate::domain::api_key::Prefix;

impl Settings {
    /// The section `[server]` alone.
    ///
    /// # Errors
    /// What is wrong in it, and settings that don't exist.
    pub fn server(&self) -> Result<Server, Problems> {
        self.section(server)
    }

    /// The section `[database]` alone.
    ///
    /// # Errors
    /// What is wrong in it, and settings that don't exist.
    pub fn database(&self) -> Result<Database, Problems> {
        self.section(database)
    }

    /// The section `[jwt]` alone.
    ///
    /// # Errors
    /// What is wrong in it, and settings that don't exist.
    pub fn jwt(&self) -> Result<Jwt, Problems> {
        self.section(jwt)
    }

    /// The setting `jwt.issuer` alone.
    ///
    /// # Errors
    /// What is wrong with it, and settings that don't exist.
    pub fn jwt_issuer(&self) -> Result<Option<String>, Problems> {
        self.section(|check| Some(Some(check.text("jwt.issuer", 512)?).filter(|issuer| !issuer.is_empty())))
    }

    /// `keys.prefix` alone.
    ///
    /// # Errors
    /// What is wrong with it, and settings that don't exist.
    pub fn key_prefix(&self) -> Result<Prefix, Problems> {
        self.section(|check| parsed(check, "keys.prefix"))
    }

    /// The section `[keys]` alone.
    ///
    /// # Errors
    /// What is wrong in it, and settings that don't exist.
    pub fn keys(&self) -> Result<Keys, Problems> {
        self.section(|check| keys(check, None))
    }

    /// What keys may be made, of the section `[keys]`.
    ///
    /// # Errors
    /// What is wrong with it, and settings that don't exist.
    pub fn key_policy(&self) -> Result<KeyPolicy, Problems> {
        self.section(key_policy)
    }

    /// The section `[checks]` alone.
    ///
    /// # Errors
    /// What is wrong in it, and settings that don't exist.
    pub fn checks(&self) -> Result<Checks, Problems> {
        self.section(checks)
    }

    /// The section `[last_used]` alone.
    ///
    /// # Errors
    /// What is wrong in it, and settings that don't exist.
    pub fn last_used(&self) -> Result<LastUsed, Problems> {
        self.section(last_used)
    }

    /// The section `[hashing]` alone.
    ///
    /// # Errors
    /// What is wrong in it, and settings that don't exist.
    pub fn hashing(&self) -> Result<Hashing, Problems> {
        self.section(hashing)
    }

    /// The section `[audit]` alone.
    ///
    /// # Errors
    /// What is wrong in it, and settings that don't exist.
    pub fn audit(&self) -> Result<Audit, Problems> {
        self.section(audit)
    }

    /// The section `[log]` alone.
    ///
    /// # Errors
    /// What is wrong in it, and settings that don't exist.
    pub fn log(&self) -> Result<Log, Problems> {
        self.section(log)
    }

    fn section<T>(&self, read: fn(&mut Check<'_>) -> Option<T>) -> Result<T, Problems> {
        let mut check = Check::new(self);
        let section = read(&mut check);
        check.finish(section)
    }
}
