//! The configuration: read once at startup, validated into domain types, with all problems reported together.
//!
//! Layers, from lowest to highest: `keyward.default.toml` (built in), the settings that `keyward dev` generates, the
//! configuration file, the environment's usual names (`PORT`, `DATABASE_URL`, `JWT_SECRET`), and the environment's own
//! names (`KEYWARD__SECTION__NAME`).
//!
//! - `issuer`: an issuer of JWTs; `issuers`: its tables
//! - `claim_path`: paths into a token's claims
//! - `list`: lists in one string
//! - `names`: the names of settings, and which settings are secret
//! - `layer`: the values from one source
//! - `load`: merges the layers, and reads secrets from files
//! - `check`: reads single settings, and collects problems
//! - `validate`: the allowed values
//! - `policy`: the policy file that `authorize.policy_file` names
//! - `vault`: the texts of secrets
//! - `secret_encoding`: the encoding of a shared secret
//! - `weak`: detects secrets that protect nothing
//! - `show`: the effective configuration as text, without secrets
//! - `database_url`: the address of Postgres, as a URL
//! - `server`, `hashing`: the sections of these names
//! - `defaults`: the same defaults for applications that use the library

#[cfg(feature = "server")]
mod check;
mod claim_path;
mod database_url;
mod defaults;
mod hashing;
mod issuer;
#[cfg(feature = "server")]
mod issuers;
#[cfg(feature = "server")]
mod layer;
#[cfg(feature = "server")]
mod list;
#[cfg(feature = "server")]
mod load;
#[cfg(feature = "server")]
mod names;
#[cfg(feature = "server")]
pub mod policy;
#[cfg(feature = "server")]
mod problems;
mod safe_address;
#[cfg(feature = "server")]
mod secret_encoding;
mod server;
#[cfg(feature = "server")]
mod show;
#[cfg(all(test, feature = "server"))]
mod tests;
#[cfg(feature = "server")]
mod validate;
#[cfg(feature = "server")]
mod vault;
mod weak;

use std::time::Duration;

use serde::Deserialize;

use crate::domain::api_key::{Environment, Pepper, Prefix};
use crate::domain::ledger::Quota;
use crate::domain::secret::{SecretBytes, SecretString};

pub(crate) use claim_path::ClaimStep;
pub use claim_path::{ClaimPath, InvalidClaimPath};
pub use database_url::{DatabaseUrl, InvalidDatabaseUrl};
pub use defaults::WeakSecret;
pub use hashing::{Hashing, HashingProfile};
pub use issuer::{Issuer, IssuerKeys, KeyFetch, MalformedScopes};
#[cfg(feature = "server")]
pub use load::{Settings, Sources};
#[cfg(feature = "server")]
pub use problems::Problems;
pub(crate) use safe_address::is_safe_address;
#[cfg(feature = "server")]
pub(crate) use server::LARGE_HEAD;
pub use server::{ClientAddressHeader, Cors, Server, Socket};

const DAY: Duration = Duration::from_secs(86_400);

/// The commented defaults, as text.
pub const DEFAULTS: &str = include_str!("../../keyward.default.toml");

/// The validated configuration of `keyward serve`. `keyward.default.toml` explains the defaults.
#[cfg(feature = "server")]
pub struct Config {
    /// HTTP.
    pub server: Server,
    /// The protection of the process.
    pub process: Process,
    /// Postgres.
    pub database: Database,
    /// The accepted JWTs.
    pub jwt: Jwt,
    /// The form of API keys, and the secrets that protect them.
    pub keys: Keys,
    /// The decisions on gateway requests.
    pub authorize: Authorize,
    /// The cost of a hash.
    pub hashing: Hashing,
    /// The checks of keys.
    pub checks: Checks,
    /// The revocation protocol.
    pub coherence: Coherence,
    /// The record of last uses.
    pub last_used: LastUsed,
    /// The audit log.
    pub audit: Audit,
    /// The log.
    pub log: Log,
}

/// The protection of the process.
#[cfg(feature = "server")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Whether a core dump may be written, and processes of the same user may read the memory.
    pub core_dumps: bool,
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
    /// Where to listen for revocations; `None`: at `url`.
    pub listen_url: Option<SecretString>,
    /// The URL for the role that owns the tables; `None`: `url`, with the same role as the service.
    pub migrate_url: Option<SecretString>,
    /// A separate password of that role; takes precedence over the one in `migrate_url`.
    pub migrate_password: Option<SecretString>,
    /// How long startup waits for a database that does not answer yet.
    pub connect_timeout: Duration,
    /// Whether `serve` migrates the schema first.
    pub migrate_on_start: bool,
}

/// The accepted JWTs.
#[non_exhaustive]
pub struct Jwt {
    /// The shared secret, long enough for the algorithm. `None` if only `issuers` are accepted.
    pub secret: Option<SecretBytes>,
    /// The only accepted algorithm.
    pub algorithm: JwtAlgorithm,
    /// The exact `iss`. `None`: `iss` is not required.
    pub issuer: Option<String>,
    /// The accepted audiences: `aud` must contain one of them. Empty: a token with `aud` is refused.
    pub audience: Vec<String>,
    /// The tolerated difference between the issuer's clock and ours.
    pub leeway: Duration,
    /// The maximum time until `exp`.
    pub max_lifetime: Duration,
    /// What happens to invalid scopes.
    pub malformed_scopes: MalformedScopes,
    /// The claim with the organisation whose keys a bearer manages; `None`: keys belong to subjects.
    pub tenant_claim: Option<ClaimPath>,
    /// The claim which, if `true`, states that the owner is disabled.
    pub disabled_claim: Option<ClaimPath>,
    /// Whether a key may have only scopes that its creator's token has.
    pub scope_bearing: bool,
    /// Further issuers, each with its own keys and rules.
    pub issuers: Vec<Issuer>,
    /// The maximum interval between fetches of key sets.
    pub key_set_refresh: Duration,
    /// Tokens with unknown keys cause at most one fetch in this time.
    pub key_set_cool_down: Duration,
    /// How long the last good keys are used while an issuer is unreachable.
    pub key_set_keep: Duration,
    /// The number of verified tokens that a replica caches.
    pub cached_tokens: usize,
}

/// The HMAC algorithms of RFC 7518 §3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

/// The form of API keys, and the secrets that protect them.
pub struct Keys {
    /// The first part of every key.
    pub prefix: Prefix,
    /// The environment of keys that are created without naming one.
    pub environment: Environment,
    /// At least one pepper; the first is current, the others only verify older keys.
    pub peppers: Vec<Pepper>,
    /// The policy for keys.
    pub policy: KeyPolicy,
    /// How long revoked and expired keys are kept; `None`: for ever.
    pub retention: Option<Duration>,
}

/// The policy for keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPolicy {
    /// The maximum lifetime; `None`: unlimited.
    pub max_lifetime: Option<Duration>,
    /// The maximum number of living keys per owner; `None`: unlimited.
    pub max_per_owner: Option<u32>,
    /// The maximum number of keys that an owner may create within a day; `None`: unlimited.
    pub max_new_per_day: Option<u32>,
    /// Whether a key needs a name.
    pub require_name: bool,
    /// How long a rotated key keeps working by default.
    pub rotation_grace: Duration,
}

impl KeyPolicy {
    /// The limits on an owner's keys.
    pub fn quota(&self) -> Quota {
        Quota { living: self.max_per_owner, made_in_a_day: self.max_new_per_day }
    }
}

/// How `/v1/authorize` decides on gateway requests.
#[cfg(feature = "server")]
pub struct Authorize {
    /// The headers that may contain a credential, in lowercase: `authorization` with the scheme `Bearer`, others
    /// without.
    pub credential_headers: Vec<String>,
    /// The policy; `None`: every valid credential is allowed everything.
    pub policy: Option<policy::PolicyFile>,
}

/// The checks of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checks {
    /// The number of keys that a replica caches.
    pub cached_keys: usize,
    /// The maximum number of first checks in progress or waiting, for keys and for tokens each.
    pub max_cold: usize,
}

/// The revocation protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coherence {
    /// How long a replica may trust its cache without hearing from the database.
    pub lease: Duration,
}

/// The record of last uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUsed {
    /// The interval between writes.
    pub write_every: Duration,
    /// The maximum number of keys whose use is pending.
    pub max_pending: usize,
}

/// The audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// How long events are kept; `None`: for ever.
    pub retention: Option<Duration>,
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The format of a line.
    pub format: LogFormat,
    /// The filter directives of `tracing_subscriber::EnvFilter`: levels, globally or for a module.
    pub level: String,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, otherwise JSON.
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Pretty,
}
