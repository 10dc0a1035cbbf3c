//! The server: a replica that serves Keyward's own routes.

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::dev::Server as HttpServer;
use anyhow::Context;

use super::{
    compose::{Composed, Member, Sections, compose},
    socket::SocketFile,
};
use crate::{
    auth::lifecycle::Issuer,
    config::{self, Config, Server},
    domain::network,
    http::{self, Authorize, OwnRoutes, Readiness, Services},
    policy_file::PolicyWatch,
    protect::{BoundedLog, Membership, TrustedProxies},
    server::Listeners,
    store::Store,
};

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
    socket: Option<SocketFile>,
    server: HttpServer,
    readiness: Arc<Readiness>,
    membership: Arc<Member>,
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
            process: _,
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
        if let Some(wide) = network::wider_than_private(&settings.trusted_proxies) {
            tracing::warn!(
                "server.trust_everybody: whoever connects from {wide} is believed on a client's address; nobody but your \
                 proxies must be able to connect"
            );
        }
        // First of all, for until then a SIGHUP, by which the policy is read again, ends the process.
        let authorize = authorizer(authorize)?;
        let tcp = listen(&settings)?;
        let address = tcp.local_addr().context("the address that we listen on")?;
        let (socket, by_socket) = settings.socket.as_ref().map(SocketFile::listen).transpose()?.unzip();
        let store = Store::open(&database).await?;
        if database.migrate_on_start {
            store.migrate(&database, &audit).await?;
        }

        store.warn_of_strangers().await;
        let health = store.health();
        let Composed { gate, keyring, hasher, membership } = compose(
            store,
            Sections {
                jwt,
                prefix: keys.prefix,
                peppers: keys.peppers,
                policy: keys.policy,
                retention: keys.retention,
                hashing,
                checks,
                coherence,
                last_used,
                proxies: TrustedProxies::new(settings.trusted_proxies.clone(), settings.client_address_header),
                host: &OwnRoutes,
            },
        )
        .map_err(anyhow::Error::from_boxed)?;
        let readiness = Arc::new(Readiness::new(health));
        let lifecycle = Arc::clone(&gate.lifecycle);
        let issuer = Issuer { lifecycle: Arc::clone(&lifecycle), keyring, hasher, environment: keys.environment };
        let services = Arc::new(Services {
            gate,
            broken_answers: BoundedLog::default(),
            issuer: Arc::new(issuer),
            lifecycle,
            public_url: settings.public_url.clone(),
            docs_at_root: settings.docs_at_root,
            authorize,
            readiness: Arc::clone(&readiness),
        });
        let server = http::server::start(Listeners { tcp, socket: by_socket }, services, &settings)?;
        tracing::info!("Server running on port {}", address.port());
        Ok(Self { address, socket, server, readiness, membership, settings })
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
        let Self { socket, mut server, readiness, membership, settings, address: _ } = self;
        let handle = server.handle();
        let ended = tokio::select! {
            // By itself: it never began, for instance, because the system gives it no files.
            result = &mut server => Some(result),
            () = look_away(stop, &readiness, settings.unready_period) => None,
        };
        // While we still listen, or a successor might find a file where nobody does, and put its own in that place.
        drop(socket);
        let result = match ended {
            Some(result) => result.and_then(|()| Err(io::Error::other("it ended without being told to"))),
            None => tokio::join!(server, handle.stop(true)).0,
        };
        membership.end().await;
        result.context("the HTTP server failed")?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Begins to watch the policy file, where there is one.
fn authorizer(settings: config::Authorize) -> anyhow::Result<Authorize> {
    let watch = settings.policy.map(PolicyWatch::new).transpose().context("cannot listen for SIGHUP")?;
    let policy = watch.as_ref().map(PolicyWatch::current);
    if let Some(watch) = watch {
        tokio::spawn(watch.run());
    }
    Ok(Authorize::new(&settings.credential_headers, policy)?)
}

/// Waits until it is time to drain.
async fn look_away(stop: impl Future<Output = Stop>, readiness: &Readiness, unready_period: Duration) {
    let stop = stop.await;
    readiness.stop();
    if stop == Stop::AfterUnready {
        tracing::info!("stopping: unready for {unready_period:?}, then draining");
        tokio::time::sleep(unready_period).await;
    }
}

fn listen(settings: &Server) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(settings.host, settings.port);
    TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address}. Is something else running there? Set server.port (PORT) to another port")
    })
}
