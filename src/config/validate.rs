//! Which values are allowed. The ranges also stand in `keyward.default.toml`; a test compares them.

use std::fmt::Display;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::str::FromStr;

use ipnet::IpNet;

use super::check::Check;
use super::load::Settings;
use super::problems::Problems;
use super::weak::weakness;
use super::{
    Audit, Checks, Coherence, Config, Database, Hashing, Jwt, JwtAlgorithm, KeyPolicy, Keys, LastUsed, Log, Server,
};
use crate::domain::api_key::Pepper;
use crate::domain::secret::SecretString;

/// What to do when a secret is missing or bad.
const MAKE_ONE: &str = "make one with `openssl rand -base64 48`";

/// The same for an algorithm that needs 64 bytes (the text itself is the key).
const MAKE_LONGER: &str = "make one with `openssl rand -base64 64 | tr -d '\\n'`";

/// Most peppers: a forged key is checked against each of them.
const MAX_PEPPERS: usize = 8;

/// OWASP's equally strong sets for Argon2id: memory in KiB, iterations.
const OWASP_SETS: [(u32, u32); 5] = [(47104, 1), (19456, 2), (12288, 3), (9216, 4), (7168, 5)];

impl Settings {
    /// Everything that `keyward serve` needs.
    ///
    /// # Errors
    /// All that is wrong, in any section.
    pub fn validate(&self) -> Result<Config, Problems> {
        let mut check = Check::new(self);
        let server = server(&mut check);
        let database = database(&mut check);
        let jwt = jwt(&mut check);
        let keys = keys(&mut check, jwt.as_ref().map(|jwt| jwt.secret.expose()));
        let hashing = hashing(&mut check);
        let checks = checks(&mut check);
        let coherence = coherence(&mut check);
        let last_used = last_used(&mut check);
        let audit = audit(&mut check);
        let log = log(&mut check);
        let all = (|| {
            Some(Config {
                server: server?,
                database: database?,
                jwt: jwt?,
                keys: keys?,
                hashing: hashing?,
                checks: checks?,
                coherence: coherence?,
                last_used: last_used?,
                audit: audit?,
                log: log?,
            })
        })();
        check.finish(all)
    }

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

    /// The section `[keys]` alone.
    ///
    /// # Errors
    /// What is wrong in it, and settings that don't exist.
    pub fn keys(&self) -> Result<Keys, Problems> {
        self.section(|check| keys(check, None))
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

// In each section every setting is read before the first `?`, so that all problems are found.

fn server(check: &mut Check<'_>) -> Option<Server> {
    let host = check.value("server.host", "an IP address such as 0.0.0.0, 127.0.0.1 or ::");
    let port = check.number("server.port", 0..=65_535);
    let workers = check.number("server.workers", 0..=256);
    let max_connections = check.number("server.max_connections", 1..=1_000_000);
    let max_header_bytes = check.number("server.max_header_bytes", 4_096..=131_072);
    let max_body_bytes = check.number("server.max_body_bytes", 1_024..=16_777_216);
    let header_timeout = check.duration("server.header_timeout", "1s", "1m");
    let body_timeout = check.duration("server.body_timeout", "1s", "5m");
    let keep_alive = check.duration("server.keep_alive", "1s", "1h");
    let unready_period = check.duration("server.unready_period", "0s", "1m");
    let drain_timeout = check.duration("server.drain_timeout", "0s", "5m");
    let trusted_proxies = trusted_proxies(check);
    let client_address_header = check.value("server.client_address_header", "x-forwarded-for or forwarded");
    Some(Server {
        host: host?,
        port: port?,
        workers: one_per_core_if_zero(workers?),
        max_connections: max_connections?,
        max_header_bytes: max_header_bytes?,
        max_body_bytes: max_body_bytes?,
        header_timeout: header_timeout?,
        body_timeout: body_timeout?,
        keep_alive: keep_alive?,
        unready_period: unready_period?,
        drain_timeout: drain_timeout?,
        trusted_proxies: trusted_proxies?,
        client_address_header: client_address_header?,
    })
}

fn trusted_proxies(check: &mut Check<'_>) -> Option<Vec<IpNet>> {
    let setting = "server.trusted_proxies";
    let networks = check.list(setting, 64, 64)?;
    // An address alone is the network of that address.
    let parse = |text: &String| {
        let network = text.parse::<IpNet>().ok().or_else(|| Some(text.parse::<IpAddr>().ok()?.into()));
        network.ok_or_else(|| text.clone())
    };
    match networks.iter().map(parse).collect() {
        Ok(networks) => Some(networks),
        Err(text) => {
            check.problem(setting, format!("holds {text:?}, which is no address and no network such as 10.0.0.0/8"));
            None
        }
    }
}

fn database(check: &mut Check<'_>) -> Option<Database> {
    let url = database_url(check, "database.url");
    let listen_url = optional_database_url(check, "database.listen_url");
    let migrate_url = optional_database_url(check, "database.migrate_url");
    let password = check.secret("database.password");
    let pool_size = check.number("database.pool_size", 1..=1_000);
    let acquire_timeout = check.duration("database.acquire_timeout", "10ms", "30s");
    let statement_timeout = check.duration("database.statement_timeout", "10ms", "1m");
    let connect_timeout = check.duration("database.connect_timeout", "100ms", "1m");
    let migrate_on_start = check.value("database.migrate_on_start", "true or false");
    Some(Database {
        url: SecretString::new(url?),
        listen_url: listen_url?.map(SecretString::new),
        migrate_url: migrate_url?.map(SecretString::new),
        password: Some(password?).filter(|password| !password.is_empty()).map(SecretString::new),
        pool_size: pool_size?,
        acquire_timeout: acquire_timeout?,
        statement_timeout: statement_timeout?,
        connect_timeout: connect_timeout?,
        migrate_on_start: migrate_on_start?,
    })
}

/// Only the scheme is judged here; the rest is for who connects.
fn database_url(check: &mut Check<'_>, setting: &'static str) -> Option<String> {
    let example = "postgres://user:password@host:5432/name";
    let url = check.secret(setting)?;
    let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    match rest {
        Some(rest) if !rest.is_empty() => Some(url),
        _ if url.is_empty() => {
            check.problem(setting, format!("is not set (like {example})"));
            None
        }
        _ => {
            check.problem(setting, format!("is not a URL like {example}"));
            None
        }
    }
}

fn optional_database_url(check: &mut Check<'_>, setting: &'static str) -> Option<Option<String>> {
    if check.secret(setting)?.is_empty() { Some(None) } else { database_url(check, setting).map(Some) }
}

fn jwt(check: &mut Check<'_>) -> Option<Jwt> {
    let algorithm = check.value("jwt.algorithm", "HS256, HS384 or HS512");
    let secret = jwt_secret(check, algorithm);
    let issuer = check.text("jwt.issuer", 512);
    let audience = check.list("jwt.audience", 16, 256);
    let leeway = check.duration("jwt.leeway", "0s", "1m");
    let max_lifetime = check.duration("jwt.max_lifetime", "1m", "365d");
    let tenant_claim = check.text("jwt.tenant_claim", 256);
    let disabled_claim = check.text("jwt.disabled_claim", 256);
    let scope_bearing = check.value("jwt.scope_bearing", "true or false");
    Some(Jwt {
        secret: SecretString::new(secret?),
        algorithm: algorithm?,
        issuer: Some(issuer?).filter(|issuer| !issuer.is_empty()),
        audience: audience?,
        leeway: leeway?,
        max_lifetime: max_lifetime?,
        tenant_claim: Some(tenant_claim?).filter(|claim| !claim.is_empty()),
        disabled_claim: Some(disabled_claim?).filter(|claim| !claim.is_empty()),
        scope_bearing: scope_bearing?,
    })
}

/// A secret at least as long as the algorithm's hash (RFC 7518, 3.2), and not a well-known one.
fn jwt_secret(check: &mut Check<'_>, algorithm: Option<JwtAlgorithm>) -> Option<String> {
    let (bytes, name, remedy) = match algorithm {
        Some(JwtAlgorithm::Hs512) => (64, "HS512", MAKE_LONGER),
        Some(JwtAlgorithm::Hs384) => (48, "HS384", MAKE_ONE),
        // Also if the algorithm is wrong, which is a problem of its own: the least of all.
        Some(JwtAlgorithm::Hs256) | None => (32, "HS256", MAKE_ONE),
    };
    let secret = check.secret("jwt.secret")?;
    let cause = if secret.is_empty() {
        "is not set".to_owned()
    } else if secret.len() < bytes {
        let length = secret.len();
        format!("has {length} bytes, but {name} needs {bytes} (RFC 7518, 3.2)")
    } else if let Some(weakness) = weakness(&secret) {
        weakness.to_owned()
    } else {
        return Some(secret);
    };
    check.problem("jwt.secret", format!("{cause}: {remedy}"));
    None
}

fn keys(check: &mut Check<'_>, jwt_secret: Option<&str>) -> Option<Keys> {
    let prefix = parsed(check, "keys.prefix");
    let environment = parsed(check, "keys.environment");
    let peppers = peppers(check, jwt_secret);
    let max_lifetime = check.duration("keys.max_lifetime", "0s", "3650d");
    let max_per_owner = check.number("keys.max_per_owner", 0..=1_000_000);
    let require_name = check.value("keys.require_name", "true or false");
    let policy = KeyPolicy {
        max_lifetime: Some(max_lifetime?).filter(|span| !span.is_zero()),
        max_per_owner: Some(max_per_owner?).filter(|count| *count > 0),
        require_name: require_name?,
    };
    Some(Keys { prefix: prefix?, environment: environment?, peppers: peppers?, policy })
}

/// A short text that the domain parses.
fn parsed<T: FromStr<Err: Display>>(check: &mut Check<'_>, setting: &str) -> Option<T> {
    match check.text(setting, 64)?.parse() {
        Ok(value) => Some(value),
        Err(cause) => {
            check.problem(setting, format!("is not allowed ({cause})"));
            None
        }
    }
}

fn peppers(check: &mut Check<'_>, jwt_secret: Option<&str>) -> Option<Vec<Pepper>> {
    let setting = "keys.peppers";
    let texts = check.secrets(setting)?;
    if texts.is_empty() {
        check.problem(setting, format!("is not set: {MAKE_ONE}"));
        return None;
    }
    if texts.len() > MAX_PEPPERS {
        let count = texts.len();
        check.problem(setting, format!("holds {count} peppers, but at most {MAX_PEPPERS} are allowed"));
        return None;
    }
    let mut peppers = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let pepper = if texts[..index].contains(text) {
            Err("is there twice: remove one of them".to_owned())
        } else if jwt_secret == Some(text) {
            Err(format!("is the same as jwt.secret, so whoever signs JWTs could forge keys: {MAKE_ONE}"))
        } else if let Some(weakness) = weakness(text) {
            Err(format!("{weakness}: {MAKE_ONE}"))
        } else {
            Pepper::new(SecretString::new(text.clone())).map_err(|cause| format!("is too weak ({cause}): {MAKE_ONE}"))
        };
        match pepper {
            Ok(pepper) => peppers.push(pepper),
            Err(cause) => {
                let number = index + 1;
                check.problem(setting, format!("is not allowed: pepper number {number} {cause}"));
            }
        }
    }
    (peppers.len() == texts.len()).then_some(peppers)
}

fn checks(check: &mut Check<'_>) -> Option<Checks> {
    let cached_keys = check.number("checks.cached_keys", 1_000..=50_000_000);
    let max_cold = check.number("checks.max_cold", 1..=65_536);
    Some(Checks { cached_keys: cached_keys?, max_cold: max_cold? })
}

fn coherence(check: &mut Check<'_>) -> Option<Coherence> {
    let lease = check.duration("coherence.lease", "1s", "1m");
    Some(Coherence { lease: lease? })
}

fn hashing(check: &mut Check<'_>) -> Option<Hashing> {
    let memory_kib = check.number("hashing.memory_kib", 7_168..=1_048_576);
    let iterations = check.number("hashing.iterations", 1..=16);
    let parallelism = check.number("hashing.parallelism", 1..=16);
    let concurrency = check.number("hashing.concurrency", 0..=256);
    let max_wait = check.duration("hashing.max_wait", "10ms", "30s");
    let (memory_kib, iterations) = (memory_kib?, iterations?);
    if !OWASP_SETS.iter().any(|(memory, passes)| memory_kib >= *memory && iterations >= *passes) {
        let sets: Vec<String> = OWASP_SETS.iter().map(|(memory, passes)| format!("{memory}/{passes}")).collect();
        check.problem(
            "hashing.memory_kib",
            format!(
                "is {memory_kib}, with hashing.iterations = {iterations}: too weak, together they must \
                 reach one of OWASP's sets {}",
                sets.join(", ")
            ),
        );
        return None;
    }
    Some(Hashing {
        memory_kib,
        iterations,
        parallelism: parallelism?,
        concurrency: one_per_core_if_zero(concurrency?),
        max_wait: max_wait?,
    })
}

fn last_used(check: &mut Check<'_>) -> Option<LastUsed> {
    let write_every = check.duration("last_used.write_every", "1s", "1h");
    let max_pending = check.number("last_used.max_pending", 1_000..=10_000_000);
    Some(LastUsed { write_every: write_every?, max_pending: max_pending? })
}

fn audit(check: &mut Check<'_>) -> Option<Audit> {
    let retention = check.duration("audit.retention", "0s", "36500d");
    Some(Audit { retention: Some(retention?).filter(|span| !span.is_zero()) })
}

fn log(check: &mut Check<'_>) -> Option<Log> {
    let format = check.value("log.format", "auto, json or pretty");
    let level = check.text("log.level", 1024);
    if level.as_ref().is_some_and(|level| !level.split(',').all(is_log_directive)) {
        let grammar = "error, warn, info, debug, trace or off, also for modules (info,keyward::auth=debug)";
        check.problem("log.level", format!("is not understood: use {grammar}"));
        return None;
    }
    Some(Log { format: format?, level: level? })
}

/// Stricter than `EnvFilter`, which takes a mistyped level for the name of a module and then logs
/// nothing at all.
fn is_log_directive(directive: &str) -> bool {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let (module, level) = directive.trim().rsplit_once('=').unwrap_or(("keyward", directive.trim()));
    let is_module = !module.is_empty() && module.chars().all(|c| c.is_alphanumeric() || matches!(c, ':' | '_' | '-'));
    is_module && LEVELS.contains(&level.to_ascii_lowercase().as_str())
}

/// 0 in the configuration means one per core, as many as this process may use.
fn one_per_core_if_zero(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}
