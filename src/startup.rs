//! The composition root: the only file that knows every adapter.

use std::{
    collections::HashMap,
    future::Future,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::dev::{Server as HttpServer, ServerHandle};
use anyhow::Context;
use tokio::runtime::Handle;

use crate::{
    auth::{
        api_key::KeyChecker,
        coherence::{Link, ReplicaId, Settings},
        hasher::Hasher,
        jwt::{RemoteKeys, RemoteKeysSettings, TokenVerifier, allowed_algorithms},
        last_uses::LastUses,
        lifecycle::{Issuer, Lifecycle, OwnersStopped},
    },
    config::{self, Config, Jwt, Server},
    domain::api_key::Keyring,
    http::{self, Authorize, Readiness, RefusalLog, Services, TrustedProxies},
    jwks::HttpKeySet,
    policy_file::PolicyWatch,
    store::Store,
};

/// How long writing the last uses and closing the database's connections may take before the process ends
/// without it. No change is lost then: what was acknowledged is on disk.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Be unready for `server.unready_period` first, so that load balancers look away.
    AfterUnready,
    /// Start draining at once: nobody balances load over this replica.
    AtOnce,
}

/// A replica that is listening.
pub struct Replica {
    address: SocketAddr,
    server: HttpServer,
    readiness: Arc<Readiness>,
    link: Arc<Link>,
    uses: Arc<LastUses>,
    store: Store,
    settings: Server,
}

impl Replica {
    /// Opens the database, brings its schema up to date where configured, and listens.
    ///
    /// # Errors
    /// When one of these cannot be done; the message says what to do.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let Config {
            server: settings,
            database,
            jwt,
            keys,
            authorize,
            hashing,
            checks,
            coherence,
            last_used,
            audit,
            log: _,
        } = config;
        let listener = listen(&settings)?;
        let address = listener.local_addr().context("the address that we listen on")?;
        let store = Store::open(&database).await?;
        if database.migrate_on_start {
            store.migrate(&database, &audit).await?;
        }

        let keyring = Arc::new(Keyring::new(keys.prefix, &keys.peppers)?);
        let hasher = Arc::new(Hasher::new(&hashing)?);
        let readiness = Arc::new(Readiness::new(store.health()));
        // Of the threads that serve nothing else: hot checks must not wait behind cold ones.
        let runtime = Handle::current();
        let replica = ReplicaId(rand::random());
        let link = Arc::new(Link::new(replica, Settings::for_lease(coherence.lease)?, store.announcements()));
        runtime.spawn(Arc::clone(&link).run());
        let uses = Arc::new(LastUses::new(store.keys(), last_used));
        runtime.spawn(Arc::clone(&uses).run());
        let lifecycle = Arc::new(Lifecycle {
            ledger: store.ledger(),
            policy: keys.policy,
            link: Some(Arc::clone(&link)),
            runtime: runtime.clone(),
            stopped: OwnersStopped::default(),
        });
        let issuer = Arc::new(Issuer {
            lifecycle: Arc::clone(&lifecycle),
            keyring: Arc::clone(&keyring),
            hasher: Arc::clone(&hasher),
            environment: keys.environment,
        });
        let services = Arc::new(Services {
            tokens: token_verifier(&jwt, &runtime)?,
            keys: KeyChecker::new(
                keyring,
                store.keys(),
                hasher,
                link.freshness(),
                Arc::clone(&uses),
                &checks,
                runtime.clone(),
            ),
            issuer,
            lifecycle,
            proxies: TrustedProxies::new(settings.trusted_proxies.clone(), settings.client_address_header),
            public_url: settings.public_url.clone(),
            authorize: authorizer(authorize, &runtime)?,
            refusals: RefusalLog::default(),
            readiness: Arc::clone(&readiness),
        });
        let server = http::server::start(listener, services, &settings)?;
        tracing::info!("Server running on port {}", address.port());
        Ok(Self { address, server, readiness, link, uses, store, settings })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` says how to stop, then drains and closes in bounded time.
    ///
    /// # Errors
    /// When the server fails while it runs.
    pub async fn run_until(self, stop: impl Future<Output = Stop>) -> anyhow::Result<()> {
        let Self { server, readiness, link, uses, store, settings, .. } = self;
        let stopper = wind_down(stop, server.handle(), readiness, settings.unready_period);
        let (result, ()) = tokio::join!(server, stopper);
        let close = async {
            link.leave().await;
            uses.write().await;
            store.close().await;
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, close).await.is_err() {
            tracing::warn!("the database's connections did not close in time; ending without");
        }
        tracing::info!("stopped");
        result.context("the HTTP server failed")
    }
}

/// Begins to watch the policy file, where there is one.
fn authorizer(settings: config::Authorize, runtime: &Handle) -> anyhow::Result<Authorize> {
    let watch = settings.policy.map(PolicyWatch::new).transpose().context("cannot listen for SIGHUP")?;
    let policy = watch.as_ref().map(PolicyWatch::current);
    if let Some(watch) = watch {
        runtime.spawn(watch.run());
    }
    Ok(Authorize::new(&settings.credential_headers, policy)?)
}

/// Begins to fetch the keys of issuers that publish them.
fn token_verifier(settings: &Jwt, runtime: &Handle) -> anyhow::Result<TokenVerifier> {
    let mut remote = HashMap::new();
    for issuer in &settings.issuers {
        let Some(source) = HttpKeySet::of(issuer)? else { continue };
        let fetching = RemoteKeysSettings {
            refresh: settings.key_set_refresh,
            cool_down: settings.key_set_cool_down,
            keep: settings.key_set_keep,
        };
        let keys = RemoteKeys::new(issuer.issuer.clone(), Box::new(source), allowed_algorithms(issuer), fetching);
        let keys = Arc::new(keys);
        runtime.spawn(Arc::clone(&keys).run());
        remote.insert(issuer.issuer.clone(), keys);
    }
    Ok(TokenVerifier::new(settings, &remote)?)
}

async fn wind_down(
    stop: impl Future<Output = Stop>,
    server: ServerHandle,
    readiness: Arc<Readiness>,
    unready_period: Duration,
) {
    let stop = stop.await;
    readiness.stop();
    if stop == Stop::AfterUnready {
        tracing::info!("stopping: unready for {unready_period:?}, then draining");
        tokio::time::sleep(unready_period).await;
    }
    server.stop(true).await;
}

fn listen(settings: &Server) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(settings.host, settings.port);
    TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address}. Is something else running there? Set server.port (PORT) to another port")
    })
}
