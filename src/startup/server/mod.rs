//! The server: a replica that serves Keyward's own routes.
//!
//! - `preparation`: what must be there before it serves; `peppers`: whether the peppers are those of the database's
//!   keys
//! - `listen`: its addresses; `socket`: the optional Unix socket
//! - `console`: the pages for people; `metrics`: gathers what all parts count
//! - `work`: what it does besides answering; `stop`: how it stops

mod console;
mod listen;
mod metrics;
mod peppers;
mod preparation;
mod socket;
mod stop;
mod work;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::dev::Server as HttpServer;
use anyhow::Context;
use tokio::signal::unix::Signal;
use uuid::Uuid;

pub use self::stop::{Stop, StopOrders, Stopper};
use self::{
    console::{Addresses, Shared},
    listen::{Shown, SideServer, Sockets, address_for_operators},
    metrics::{Samples, Sources},
    peppers::Peppers,
    preparation::{prepare, wait_for_schema},
    socket::SocketFile,
    stop::{drain, hurried},
    work::Work,
};
use super::{
    compose::{Composed, Sections, compose},
    member::{Housekeeping, Member},
};
use crate::{
    api::{Authorize, OwnRoutes, Readiness, Services, request_metrics::RequestCounts, routes::ENDPOINTS},
    auth::lifecycle::KeyIssuer,
    config::{self, Audit, Config, Database, Server},
    domain::network,
    outbound::Collector,
    policy_file::{self, PolicyCounts, PolicyWatch},
    protect::{BoundedLog, ReplicaHandle, TrustedProxies},
    server::OpenConnections,
    store::Store,
    telemetry::{outage::millis, traces},
};

/// The time limit for sending the last spans.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// A replica that listens, and answers liveness checks.
pub struct RunningServer {
    address: SocketAddr,
    socket: Option<SocketFile>,
    server: HttpServer,
    metrics_server: Option<SideServer>,
    console: Option<SideServer>,
    collector: Option<Collector>,
    /// Where to put samples of the database, and how often; `None` without metrics.
    sampling: Option<(Arc<Samples>, Duration)>,
    /// How often the keys are surveyed; `None` without a console.
    survey_every: Option<Duration>,
    readiness: Arc<Readiness>,
    peppers: Arc<Peppers>,
    membership: Arc<Member>,
    settings: Server,
    store: Arc<Store>,
    database: Database,
    audit: Audit,
    lease: Duration,
}

impl RunningServer {
    /// Listens, and does all else that can be done without a database. It isn't ready until it is
    /// [prepared](Self::prepare). To be called in the runtime that lasts as long as the replica. `hang_up` brings each
    /// SIGHUP, by which the policy is read again. `callers_read_log`: whether whoever sends requests does.
    ///
    /// # Errors
    /// If any of this fails; the message contains the remedy.
    pub fn start(config: Config, hang_up: Signal, callers_read_log: bool) -> anyhow::Result<Self> {
        let Config {
            server: settings,
            process: _,
            database,
            jwt,
            keys,
            authorize,
            console,
            hashing,
            checks,
            limits,
            coherence,
            last_used,
            usage,
            audit,
            metrics,
            traces,
            log,
        } = config;
        if let Some(wide) = network::wider_than_private(&settings.trusted_proxies) {
            tracing::warn!(
                "server.trust_everybody: every peer in {wide} can state any client address; make sure that only your proxies \
                 can connect"
            );
        }
        let collector = match (traces, traces::ended_spans()) {
            (Some(settings), Some(spans)) => Some(Collector::begin(&settings, spans)?),
            _ => None,
        };
        let lease = coherence.lease;
        let (authorize, policy) = authorizer(authorize, hang_up)?;
        let metrics_listen = metrics.listen.filter(|_| metrics.enabled);
        let console_listen = console.as_ref().and_then(|console| console.listen);
        let sockets = Sockets::listen(&settings, metrics_listen, console_listen)?;
        let address = sockets.address;
        let survey_every = console.as_ref().map(|console| console.survey_every);
        let (socket, by_socket) = settings.socket.as_ref().map(SocketFile::listen).transpose()?.unzip();
        let store = Store::new(&database)?;
        let Composed { gate, keyring, hasher, freshness, membership, link, key_sets, remote_keys, jwt } = compose(
            store.clone(),
            Sections {
                jwt,
                prefix: keys.prefix,
                peppers: keys.peppers,
                policy: keys.policy,
                housekeeping: Some(Housekeeping { keep_keys: keys.retention }),
                hashing,
                checks,
                limits,
                coherence,
                last_used,
                usage,
                proxies: TrustedProxies::new(settings.trusted_proxies.clone(), settings.client_address_header),
                address: Some(address_for_operators(address)),
                host: &OwnRoutes,
            },
        )
        .map_err(anyhow::Error::from_boxed)?;
        let peppers = Arc::new(Peppers::new(store.clone(), keyring.fingerprints()));
        let readiness = Arc::new(Readiness::new(peppers.clone(), freshness));
        let lifecycle = Arc::clone(&gate.lifecycle);
        let open = OpenConnections::default();
        let samples = metrics.enabled.then(Arc::<Samples>::default);
        let sources = samples.as_ref().map(|samples| Sources {
            connections: open.clone(),
            max_connections: settings.max_connections,
            policy,
            requests: Arc::new(RequestCounts::new(ENDPOINTS)),
            gate: Arc::clone(&gate),
            hasher: Arc::clone(&hasher),
            link,
            key_sets,
            store: store.clone(),
            samples: Arc::clone(samples),
        });
        let issuer = KeyIssuer { lifecycle: Arc::clone(&lifecycle), keyring, hasher, environment: keys.environment };
        let issuer = Arc::new(issuer);
        let shared = Shared { gate: &gate, issuer: &issuer, store: &store, jwt: &jwt, remote_keys: &remote_keys };
        let own = sockets.console.as_ref().map(TcpListener::local_addr).transpose()?;
        let addresses = Addresses { api: address, public_url: settings.public_url.as_deref(), own };
        let opened = console.map(|console| console::open(console, &addresses, shared)).transpose()?;
        let (pages, links) = opened.unzip();
        let services = Arc::new(Services {
            gate,
            broken_answers: BoundedLog::default(),
            issuer,
            ledger: store.clone(),
            plans: store.clone(),
            usage: store.clone(),
            lifecycle,
            public_url: settings.public_url.clone(),
            home: if pages.is_some() && sockets.console.is_none() {
                Some("console")
            } else {
                settings.docs_at_root.then_some("docs/")
            },
            callers_read_log,
            console: links,
            authorize,
            readiness: Arc::clone(&readiness),
        });
        let (page, requests) = sources.map(|sources| sources.page(metrics.token)).unzip();
        let shown = Shown { services, requests, log_requests: log.requests };
        let (server, metrics_server, console) = shown.serve(sockets, (by_socket, open), page, pages, &settings)?;
        Ok(Self {
            address,
            socket,
            server,
            metrics_server,
            console,
            collector,
            sampling: samples.map(|samples| (samples, metrics.sample_every)),
            survey_every,
            readiness,
            peppers,
            membership,
            settings,
            store,
            database,
            audit,
            lease,
        })
    }

    /// Waits for the database for as long as necessary, migrates its schema if configured, and starts to work. In the
    /// meantime, liveness checks succeed, and other requests are answered 503.
    ///
    /// # Errors
    /// If waiting can't help, for example with a wrong password; the message contains the remedy.
    pub async fn prepare(&mut self) -> anyhow::Result<()> {
        let prepared = prepare(&self.store, &self.peppers, &self.database, &self.audit, self.address);
        let schema = tokio::select! {
            prepared = prepared => prepared?,
            ended = &mut self.server => return Err(ended_by_itself(ended)),
        };
        self.store.warn_of_strangers().await;
        let work = Work {
            membership: Arc::clone(&self.membership),
            store: Arc::clone(&self.store),
            sampling: self.sampling.take(),
            survey_every: self.survey_every,
        };
        if schema.fits {
            work.begin().await;
        } else {
            // All of it would fail until then, for a cause that has just been logged.
            self.membership.spawn(async {
                wait_for_schema(&*work.store).await;
                work.begin().await;
            });
        }
        self.readiness.prepared(schema.fits);
        let replica = Uuid::from_u128(self.store.replica_id().0);
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            schema = schema.newest,
            %replica,
            address = %self.address,
            lease_ms = millis(self.lease),
            database_connections = self.store.most_connections(),
            max_connections = self.settings.max_connections,
            workers = self.settings.workers.get(),
            "Server running on port {}",
            self.address.port()
        );
        Ok(())
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address at which the console is, if it has one of its own.
    pub fn console_address(&self) -> Option<SocketAddr> {
        self.console.as_ref().map(SideServer::address)
    }

    /// Serves until it is told to stop, then drains and closes in bounded time; in a second, if it is told so again.
    ///
    /// # Errors
    /// If the server fails while it runs.
    pub async fn run_until(self, mut orders: StopOrders) -> anyhow::Result<()> {
        let Self { socket, mut server, metrics_server, console, collector, readiness, membership, settings, .. } = self;
        let handle = server.handle();
        let ended = tokio::select! {
            // The server ended by itself: it failed to start, for example because it may open no files.
            result = &mut server => Some(result),
            () = drain(&mut orders, &readiness, settings.unready_period) => None,
        };
        // Before listening ends. Otherwise a successor could find an unused file and replace it with its own, which we
        // would then remove.
        drop(socket);
        let stop_console = async {
            if let Some(console) = console {
                console.stop(true).await;
            }
        };
        let result = match ended {
            Some(result) => {
                stop_console.await;
                Err(ended_by_itself(result))
            }
            None => tokio::select! {
                (ended, ..) = async { tokio::join!(server, handle.stop(true), stop_console) } => {
                    ended.context("the HTTP server failed")
                }
                // Its workers end with the process.
                () = orders.hurry() => Ok(()),
            },
        };
        let end = async {
            if let Some(server) = metrics_server {
                server.stop(false).await;
            }
            membership.end().await;
            if let Some(collector) = collector {
                collector.end(FLUSH_TIMEOUT).await;
            }
        };
        hurried(end, &mut orders).await;
        result?;
        tracing::info!("stopped");
        Ok(())
    }
}

fn ended_by_itself(result: io::Result<()>) -> anyhow::Error {
    let cause = result.err().unwrap_or_else(|| io::Error::other("it ended without being told to"));
    anyhow::Error::new(cause).context("the HTTP server failed")
}

/// Starts to watch the policy file, if there is one.
fn authorizer(settings: config::Authorize, hang_up: Signal) -> anyhow::Result<(Authorize, Option<Arc<PolicyCounts>>)> {
    let (policy, counts) = match settings.policy {
        Some(file) => {
            let watch = PolicyWatch::new(file, hang_up);
            let (policy, counts) = (watch.current(), watch.counts());
            tokio::spawn(watch.run());
            (Some(policy), Some(counts))
        }
        None => {
            tokio::spawn(policy_file::tell_of_hang_ups(hang_up));
            (None, None)
        }
    };
    Ok((Authorize::new(&settings.credential_headers, policy)?, counts))
}
