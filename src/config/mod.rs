//! The configuration: read once at startup, validated into domain types, with all problems reported together.
//!
//! Layers, from lowest to highest: `keyward.default.toml` (built in), the settings that `keyward dev` generates, the
//! configuration file, the environment's usual names (`PORT`, `DATABASE_URL`, `JWT_SECRET`), and the environment's own
//! names (`KEYWARD__SECTION__NAME`).
//!
//! Each section has a file or folder of its name, with its struct, the same defaults for applications that use the
//! library, and its allowed values. Their ranges are also in `keyward.default.toml`; a test compares them. Besides:
//!
//! - `loading`: from the sources to the values of settings
//! - `sections`: reads all sections, or one
//! - `weak`: detects secrets that protect nothing

mod audit;
#[cfg(feature = "server")]
mod authorize;
mod checks;
mod coherence;
#[cfg(feature = "server")]
mod console;
mod database;
mod hashing;
mod jwt;
mod keys;
mod last_used;
mod limits;
#[cfg(feature = "server")]
mod loading;
#[cfg(feature = "server")]
mod log;
#[cfg(feature = "server")]
mod metrics;
#[cfg(feature = "server")]
mod process;
#[cfg(feature = "server")]
mod sections;
mod server;
#[cfg(all(test, feature = "server"))]
mod tests;
#[cfg(feature = "server")]
mod traces;
mod usage;
mod weak;

use std::time::Duration;

pub(crate) use self::jwt::{ClaimStep, is_safe_address};
#[cfg(feature = "server")]
pub(crate) use self::server::LARGE_HEAD;
pub use self::{
    audit::Audit,
    checks::Checks,
    coherence::Coherence,
    database::{Database, DatabaseUrl, InvalidDatabaseUrl, Pooler},
    hashing::{Hashing, HashingProfile},
    jwt::{ClaimPath, InvalidClaimPath, Issuer, IssuerKeys, Jwt, JwtAlgorithm, KeyFetch, MalformedScopes, WeakSecret},
    keys::{KeyPolicy, Keys},
    last_used::LastUsed,
    limits::{LegacyHeaders, Limits},
    server::{ClientAddressHeader, Cors, Server, Socket},
    usage::Usage,
};
#[cfg(feature = "server")]
pub use self::{
    authorize::{Authorize, PolicyFile, PolicySource, policy},
    console::{Console, ConsoleSignIn, OpenIdClient, SessionLives},
    loading::{Exposure, InvalidDuration, OtherDatabase, Problems, Settings, Sources, parse_duration},
    log::{Log, LogFormat},
    metrics::Metrics,
    process::Process,
    traces::{Compression, Protocol, Sampler, Traces},
};

#[cfg(feature = "server")]
pub(crate) use self::loading::names::how_to_set;

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
    /// The pages for people; `None` if there are none.
    pub console: Option<Console>,
    /// The cost of a hash.
    pub hashing: Hashing,
    /// The checks of keys.
    pub checks: Checks,
    /// The revocation protocol.
    pub coherence: Coherence,
    /// The record of last uses.
    pub last_used: LastUsed,
    /// The counts of uses.
    pub usage: Usage,
    /// Limits in responses.
    pub limits: Limits,
    /// The audit log.
    pub audit: Audit,
    /// The metrics.
    pub metrics: Metrics,
    /// The traces; `None` if they are off.
    pub traces: Option<Traces>,
    /// The log.
    pub log: Log,
}
