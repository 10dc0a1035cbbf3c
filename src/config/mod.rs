//! The configuration: read once at start, reported on as a whole, validated into domain types.
//!
//! Layers, lowest first: `keyward.default.toml` (built in), what `keyward dev` generates, the
//! configuration file, the environment's usual names (`PORT`, `DATABASE_URL`, `JWT_SECRET`), and the
//! environment's own names (`KEYWARD__SECTION__NAME`).
//!
//! - `issuer`: an issuer of JWTs; `issuers`: the tables that say so
//! - `claim_path`: where in a token's claims something stands
//! - `list`: lists that are written as one text
//! - `names`: what a setting is called, and which settings are secret
//! - `layer`: what one source gives
//! - `load`: the layers put over each other, the secret files read
//! - `check`: reads single settings and collects what is wrong with them
//! - `validate`: which values are allowed
//! - `policy`: the policy file, which `authorize.policy_file` names
//! - `vault`: the texts of secrets
//! - `secret_encoding`: how a shared secret is written down
//! - `weak`: secrets that protect nothing
//! - `show`: the effective configuration as text, without its secrets
//! - `database_url`: where Postgres is, as a URL
//! - `server`: where to listen, and whom to believe
//! - `defaults`: the same defaults for who uses the library, which reads no configuration

#[cfg(feature = "server")]
mod check;
mod claim_path;
mod database_url;
mod defaults;
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

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::api_key::{Environment, Pepper, Prefix};
use crate::domain::ledger::Quota;
use crate::domain::secret::{SecretBytes, SecretString};

pub(crate) use claim_path::ClaimStep;
pub use claim_path::{ClaimPath, InvalidClaimPath};
pub use database_url::{DatabaseUrl, InvalidDatabaseUrl};
pub use defaults::WeakSecret;
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

/// Everything that `keyward serve` needs, valid. Why each default is what it is stands in
/// `keyward.default.toml`.
#[cfg(feature = "server")]
pub struct Config {
    /// HTTP.
    pub server: Server,
    /// What others may see of the process.
    pub process: Process,
    /// Postgres.
    pub database: Database,
    /// Which JWTs are accepted.
    pub jwt: Jwt,
    /// What our API keys look like and are keyed by.
    pub keys: Keys,
    /// How requests of gateways' clients are decided on.
    pub authorize: Authorize,
    /// What a hash costs.
    pub hashing: Hashing,
    /// Checks of keys.
    pub checks: Checks,
    /// What keeps replicas of one mind.
    pub coherence: Coherence,
    /// What is kept of keys' uses.
    pub last_used: LastUsed,
    /// What is kept of changes.
    pub audit: Audit,
    /// What is logged, and how.
    pub log: Log,
}

/// What others may see of the process.
#[cfg(feature = "server")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Whether its memory may be written to a file when it crashes, and read by processes of the same user.
    pub core_dumps: bool,
}

/// Where Postgres is, and how long we wait for it.
pub struct Database {
    /// The connection's URL. Secret, since a password may be inside.
    pub url: SecretString,
    /// The password on its own; wins over one inside the URL.
    pub password: Option<SecretString>,
    /// Connections for requests.
    pub pool_size: u32,
    /// How many of them the requests of one owner may use at once.
    pub owner_connections: usize,
    /// Further connections, for changes by administrators.
    pub admin_connections: u32,
    /// How long a request may wait for a connection of the pool.
    pub acquire_timeout: Duration,
    /// How long one statement may run.
    pub statement_timeout: Duration,
    /// Where to listen for revocations; `None`: at `url`.
    pub listen_url: Option<SecretString>,
    /// How the role that owns the tables connects; `None`: at `url`, as the same role as the service.
    pub migrate_url: Option<SecretString>,
    /// That role's password on its own; wins over one inside `migrate_url`.
    pub migrate_password: Option<SecretString>,
    /// How long a start waits for a database that does not answer yet.
    pub connect_timeout: Duration,
    /// Whether `serve` brings the schema up to date first.
    pub migrate_on_start: bool,
}

/// Which JWTs are accepted.
#[non_exhaustive]
pub struct Jwt {
    /// The signing secret. Long enough for the algorithm. `None` where only `issuers` are accepted.
    pub secret: Option<SecretBytes>,
    /// The one algorithm accepted.
    pub algorithm: JwtAlgorithm,
    /// What `iss` must be, exactly. `None`: `iss` is not demanded.
    pub issuer: Option<String>,
    /// Names of which `aud` must hold one. Empty: a token with `aud` is refused.
    pub audience: Vec<String>,
    /// Tolerated difference between the issuer's clock and ours.
    pub leeway: Duration,
    /// How far ahead `exp` may lie.
    pub max_lifetime: Duration,
    /// What becomes of scopes that are none.
    pub malformed_scopes: MalformedScopes,
    /// The claim that names the organisation whose keys a bearer manages; `None`: keys belong to subjects.
    pub tenant_claim: Option<ClaimPath>,
    /// The claim that, when `true`, says that the owner is disabled.
    pub disabled_claim: Option<ClaimPath>,
    /// Whether a key may only get scopes that its maker's token carries.
    pub scope_bearing: bool,
    /// Further issuers, each with keys and rules of its own.
    pub issuers: Vec<Issuer>,
    /// At the latest after so long, key sets are fetched again.
    pub key_set_refresh: Duration,
    /// Tokens with unknown keys cause at most one fetch in so long.
    pub key_set_cool_down: Duration,
    /// For so long the last good keys are used while an issuer cannot be reached.
    pub key_set_keep: Duration,
    /// Verified tokens that a replica remembers.
    pub cached_tokens: usize,
}

/// The HMAC algorithms of RFC 7518, 3.2.
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

/// What our API keys look like, and what they are keyed by.
pub struct Keys {
    /// First part of every key.
    pub prefix: Prefix,
    /// Second part of the keys that are made without saying which.
    pub environment: Environment,
    /// At least one; the current one first, the others only to check older keys.
    pub peppers: Vec<Pepper>,
    /// What keys may be made.
    pub policy: KeyPolicy,
    /// For how long a key is kept that was revoked or has expired; `None`: for ever.
    pub retention: Option<Duration>,
}

/// What keys may be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPolicy {
    /// The longest life; `None`: without end, too.
    pub max_lifetime: Option<Duration>,
    /// How many live keys an owner may have; `None`: any number.
    pub max_per_owner: Option<u32>,
    /// How many keys an owner may make within a day; `None`: any number.
    pub max_new_per_day: Option<u32>,
    /// Whether each needs a name.
    pub require_name: bool,
    /// For how long a key goes on working that gets a successor, where the request does not say.
    pub rotation_grace: Duration,
}

impl KeyPolicy {
    /// How many keys an owner may have.
    pub fn quota(&self) -> Quota {
        Quota { living: self.max_per_owner, made_in_a_day: self.max_new_per_day }
    }
}

/// How `/v1/authorize` decides on requests of gateways' clients.
#[cfg(feature = "server")]
pub struct Authorize {
    /// Headers that a credential is taken from, in small letters: `authorization` with the word `Bearer`, others bare.
    pub credential_headers: Vec<String>,
    /// Who may do what; `None`: whoever has a good credential may do everything.
    pub policy: Option<policy::PolicyFile>,
}

/// What one Argon2id hash costs, and how many run at once. At or above a set of OWASP's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashing {
    /// Memory of one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
    /// Lanes of one hash.
    pub parallelism: u32,
    /// Hashes at once.
    pub concurrency: NonZeroUsize,
    /// How long a request may wait for its turn.
    pub max_wait: Duration,
}

/// Checks of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checks {
    /// Keys that a replica remembers.
    pub cached_keys: usize,
    /// Checks that memory can't answer, under way or waiting, at most: of keys, and as many of tokens.
    pub max_cold: usize,
}

/// What keeps replicas of one mind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coherence {
    /// How long a replica may believe its memory without hearing from the database.
    pub lease: Duration,
}

/// What is kept of keys' uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUsed {
    /// How often it is written.
    pub write_every: Duration,
    /// Keys whose use waits to be written, at most.
    pub max_pending: usize,
}

/// What is kept of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// For how long; `None`: for ever.
    pub retention: Option<Duration>,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The shape of a line.
    pub format: LogFormat,
    /// Filter directives, as `tracing_subscriber::EnvFilter` reads them. Levels, alone or for a module.
    pub level: String,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, else JSON.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}
