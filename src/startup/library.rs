//! A replica within another application.

use std::{error::Error, num::NonZeroUsize, time::Duration};

use ipnet::IpNet;

use super::compose::{Composed, Sections, compose};
use crate::{
    config::{
        Audit, Checks, ClientAddressHeader, Coherence, Database, Hashing, HashingProfile, Jwt, KeyPolicy, LastUsed,
        LegacyHeaders, Limits, Pooler, Usage,
    },
    domain::{
        api_key::{Pepper, Prefix},
        network,
        secret::SecretString,
    },
    protect::{EmbeddedHost, Keyward, TrustedProxies},
    store::{OpenError, Store},
};

/// The settings of [`Keyward::connect`]. The defaults are those of `keyward serve`. All replicas must have the same
/// [`peppers`](Self::new) and [`prefix`](Self::prefix).
///
/// ```
/// use std::time::Duration;
/// use keyward::{Pepper, SecretString, Settings};
///
/// # fn settings() -> Result<Settings, Box<dyn std::error::Error>> {
/// # let variable = |_: &str| -> Result<String, std::env::VarError> { Ok("x".repeat(40)) };
/// let database = SecretString::new(variable("DATABASE_URL")?);
/// let pepper = Pepper::new(SecretString::new(variable("KEYWARD_PEPPER")?))?;
/// let settings = Settings::new(database, vec![pepper]).lease(Duration::from_secs(2)).cached_keys(10_000);
/// # Ok(settings)
/// # }
/// # settings().unwrap();
/// ```
pub struct Settings {
    database: Database,
    prefix: Prefix,
    peppers: Vec<Pepper>,
    jwt: Jwt,
    hashing: Hashing,
    checks: Checks,
    limits: Limits,
    coherence: Coherence,
    proxies: Vec<IpNet>,
    client_address_header: ClientAddressHeader,
    trust_everybody: bool,
    migrate: bool,
}

/// This process can't become a replica.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The database could not be reached or prepared.
    #[error("{0}")]
    Database(Box<dyn Error + Send + Sync>),
    /// The database's schema is older than this version of Keyward, and [`Settings::migrate`] is not set.
    #[error(
        "the database's schema is older than this version of Keyward (it has migration {found}, {needed} is needed): \
         update the Keyward that manages it first, run `keyward migrate`, or set Settings::migrate"
    )]
    OldSchema {
        /// The newest applied migration; 0 for none.
        found: i64,
        /// The newest migration of this version.
        needed: i64,
    },
    /// A setting is invalid.
    #[error("{0}")]
    Setting(Box<dyn Error + Send + Sync>),
}

impl Settings {
    /// The keys in this database (`postgres://user:password@host:5432/name`), created with these peppers. Every replica
    /// must have the same peppers in the same order.
    pub fn new(database_url: SecretString, peppers: Vec<Pepper>) -> Self {
        Self {
            database: Database::at(database_url),
            prefix: Prefix::default(),
            peppers,
            jwt: Jwt::default(),
            hashing: Hashing::default(),
            checks: Checks::default(),
            limits: Limits::default(),
            coherence: Coherence::default(),
            proxies: Vec::new(),
            client_address_header: ClientAddressHeader::XForwardedFor,
            trust_everybody: false,
            migrate: false,
        }
    }

    /// The prefix of keys, which must be the same on every replica (`keys.prefix`).
    #[must_use]
    pub fn prefix(mut self, prefix: Prefix) -> Self {
        self.prefix = prefix;
        self
    }

    /// Also accepts JWTs, according to these settings.
    #[must_use]
    pub fn jwt(mut self, jwt: Jwt) -> Self {
        self.jwt = jwt;
        self
    }

    /// How long this replica may trust its cache without hearing from the database, and so how long a revocation waits
    /// for it in the worst case (`coherence.lease`): one second to one minute.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.coherence.lease = lease;
        self
    }

    /// Whether responses also have the headers `X-RateLimit-Limit`, `-Remaining` and `-Reset`
    /// (`limits.legacy_headers`).
    #[must_use]
    pub fn legacy_limit_headers(mut self, headers: LegacyHeaders) -> Self {
        self.limits.legacy_headers = headers;
        self
    }

    /// The number of cached keys (`checks.cached_keys`).
    #[must_use]
    pub fn cached_keys(mut self, count: usize) -> Self {
        self.checks.cached_keys = count;
        self
    }

    /// The cost of a hash (`hashing.profile`), which should be the same on every replica. The default is
    /// [`HashingProfile::Light`].
    #[must_use]
    pub fn hashing_profile(mut self, profile: HashingProfile) -> Self {
        let Hashing { concurrency, max_wait, .. } = self.hashing;
        self.hashing = Hashing { concurrency, max_wait, ..Hashing::of(profile) };
        self
    }

    /// The number of concurrent hashes (`hashing.concurrency`). Each occupies a core for 0.3 ms and uses 1 MiB, or 12
    /// ms and 19 MiB if the key's hash has the profile `owasp`. The default is one per core.
    #[must_use]
    pub fn hashing_concurrency(mut self, count: NonZeroUsize) -> Self {
        self.hashing.concurrency = count;
        self
    }

    /// How long a first check may wait for its turn to hash before it is answered 503 (`hashing.max_wait`).
    #[must_use]
    pub fn hashing_max_wait(mut self, longest: Duration) -> Self {
        self.hashing.max_wait = longest;
        self
    }

    /// Where to listen for changes, if not at the same address (`database.listen_url`): bypasses a connection pooler,
    /// which does not forward notifications.
    #[must_use]
    pub fn listen_url(mut self, database_url: SecretString) -> Self {
        self.database.listen_url = Some(database_url);
        self
    }

    /// The address of the database leads to a pooler in transaction mode (`database.pooler`), and this one past it, to
    /// Postgres itself. The pooler must keep prepared statements, as PgBouncer does since 1.21.
    #[must_use]
    pub fn behind_pooler(mut self, listen_url: SecretString) -> Self {
        self.database.pooler = Pooler::Transaction;
        self.listen_url(listen_url)
    }

    /// The number of connections to the database for checks (`database.pool_size`). There are three more for the lease,
    /// and two more for disabling owners.
    #[must_use]
    pub fn pool_size(mut self, connections: u32) -> Self {
        self.database.pool_size = connections;
        self
    }

    /// The networks of proxies that are trusted to state a client's address, and the header that they use
    /// (`server.trusted_proxies`). Matters for keys that are bound to addresses.
    #[must_use]
    pub fn trusted_proxies(mut self, networks: Vec<IpNet>, header: ClientAddressHeader) -> Self {
        self.proxies = networks.into_iter().map(network::canonical).collect();
        self.client_address_header = header;
        self
    }

    /// Whether these networks may be wider than any private one, such as `0.0.0.0/0` (`server.trust_everybody`).
    /// Otherwise [`Keyward::connect`] refuses them, because strangers in them could choose their own address.
    #[must_use]
    pub fn trust_everybody(mut self, trust_everybody: bool) -> Self {
        self.trust_everybody = trust_everybody;
        self
    }

    fn demand_known_proxies(&self) -> Result<(), ConnectError> {
        match network::wider_than_private(&self.proxies) {
            Some(wide) if !self.trust_everybody => Err(ConnectError::Setting(
                format!(
                    "the trusted proxies are {wide}, which is wider than any private network: strangers in it could state \
                     any client address. List the networks of your proxies, or set Settings::trust_everybody"
                )
                .into(),
            )),
            _ => Ok(()),
        }
    }

    /// Whether [`Keyward::connect`] migrates the database's schema. Otherwise it refuses an old schema.
    #[must_use]
    pub fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }
}

impl Keyward {
    /// Makes this process a replica: it checks keys itself, and a revocation on any replica returns once this one
    /// applies it. Its tasks run on the current Tokio runtime, which must keep running, so call this where the server
    /// is started.
    ///
    /// ```no_run
    /// # async fn run(settings: keyward::Settings) -> Result<(), Box<dyn std::error::Error>> {
    /// let keyward = keyward::Keyward::connect(settings).await?;
    /// // … serve …
    /// keyward.close().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ConnectError`], with the remedy.
    pub async fn connect(settings: Settings) -> Result<Self, ConnectError> {
        settings.demand_known_proxies()?;
        let proxies = TrustedProxies::new(settings.proxies, settings.client_address_header);
        let Settings { database, prefix, peppers, jwt, hashing, checks, limits, coherence, migrate, .. } = settings;
        jwt.demand_strength().map_err(impossible)?;
        jwt.demand_safe_addresses().map_err(impossible)?;
        let store = Store::open(&database).await?;
        if migrate {
            store.migrate(&database, &Audit::default()).await?;
        }
        store.demand_schema(&database).await?;
        store.wait_for_delivery(&database).await?;
        let sections = Sections {
            jwt,
            prefix,
            peppers,
            policy: KeyPolicy::default(),
            housekeeping: None,
            hashing,
            checks,
            limits,
            coherence,
            last_used: LastUsed::default(),
            usage: Usage::default(),
            proxies,
            address: None,
            host: &EmbeddedHost,
        };
        let Composed { gate, membership, keyring, .. } =
            compose(store.clone(), sections).map_err(ConnectError::Setting)?;
        // After what else may be wrong with the settings: this is the first thing that is written.
        let peppers = keyring.fingerprints();
        let fit = store.claim_pepper(&peppers).await.map_err(OpenError::from)?;
        fit.demand(&peppers)?;
        membership.begin().await;
        Ok(Self::with(gate, membership))
    }
}

fn impossible(error: impl Error + Send + Sync + 'static) -> ConnectError {
    ConnectError::Setting(Box::new(error))
}

impl From<OpenError> for ConnectError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::OldSchema { found, needed } => Self::OldSchema { found, needed },
            error => Self::Database(Box::new(error)),
        }
    }
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use super::*;
    use crate::config::{self, Sources};

    #[test]
    fn what_is_not_said_is_as_the_server_has_it() {
        let secrets =
            [("DATABASE_URL", "postgres://u@h/d"), ("KEYWARD__KEYS__PEPPERS", "k7Bq2XvN9tRw4ZyM1sLc8HdJ5fGp3QaE")];
        let secrets = secrets.into_iter().chain([("JWT_SECRET", "Zr0mQ8pKx3vT7nYb2LwE5sHc9JdFgA4u")]);
        let env = secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let loaded = config::Settings::load(Sources { env, ..Sources::default() }).expect("readable");
        let server = loaded.validate().expect("valid");
        let library = Settings::new(SecretString::new("postgres://u@h/d".to_owned()), Vec::new());

        assert_eq!(library.prefix, server.keys.prefix);
        assert_eq!(library.hashing, server.hashing);
        assert_eq!(library.checks, server.checks);
        assert_eq!(library.coherence, server.coherence);
        assert_eq!(LastUsed::default(), server.last_used);
        assert_eq!(Usage::default(), server.usage);
        assert_eq!(Audit::default(), server.audit);
        let database = |database: &Database| {
            let Database { pool_size, owner_connections, admin_connections, .. } = database;
            let Database { acquire_timeout, statement_timeout, connect_timeout, .. } = database;
            (*pool_size, *owner_connections, *admin_connections, *acquire_timeout, *statement_timeout, *connect_timeout)
        };
        assert_eq!(database(&library.database), database(&server.database));
        let jwt = |jwt: &Jwt| {
            let Jwt { algorithm, leeway, max_lifetime, key_set_refresh, key_set_cool_down, key_set_keep, .. } = jwt;
            (*algorithm, *leeway, *max_lifetime, *key_set_refresh, *key_set_cool_down, *key_set_keep)
        };
        assert_eq!(jwt(&library.jwt), jwt(&server.jwt));
    }
}
