//! The addresses that a replica listens on: the API's, and those of the metrics and of the console, if they have their
//! own; and what is served there.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    sync::Arc,
};

use actix_web::dev::{Server as HttpServer, ServerHandle};
use anyhow::Context;

use crate::{
    api::{
        MetricsPage, Services,
        application::{self, Pages, Routes},
        request_metrics::RequestCounts,
    },
    config::Server,
    server::{Listeners, OpenConnections},
};

/// What a replica listens on.
pub(super) struct Sockets {
    pub(super) api: TcpListener,
    /// The address of the API.
    pub(super) address: SocketAddr,
    /// `None` where the API's has them.
    pub(super) metrics: Option<TcpListener>,
    /// `None` where the API's has its pages, or nobody.
    pub(super) console: Option<TcpListener>,
}

impl Sockets {
    /// Listens on all of them. Connections wait until they are served.
    ///
    /// # Errors
    /// If an address can't be used; the message contains the remedy.
    pub(super) fn listen(
        settings: &Server,
        metrics: Option<SocketAddr>,
        console: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let api = listen(settings)?;
        Ok(Self {
            address: api.local_addr().context("the address that we listen on")?,
            api,
            metrics: listen_besides(metrics, "the metrics", "metrics.listen")?,
            console: listen_besides(console, "the console", "console.listen")?,
        })
    }
}

/// Takes the address of the settings.
fn listen(settings: &Server) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(settings.host, settings.port);
    TcpListener::bind(address).map_err(|error| {
        let what_to_do = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "something else is running there. Stop it, or set server.port (PORT) to another port"
            }
            io::ErrorKind::AddrNotAvailable => {
                "this machine has no such address. Set server.host to one of its own, or to 0.0.0.0 or :: for all of them"
            }
            io::ErrorKind::PermissionDenied => {
                "this user may not use that port. Set server.port (PORT) to 1024 or more"
            }
            _ => "set server.host and server.port (PORT) to an address that this process may use",
        };
        anyhow::Error::new(error).context(format!("cannot listen on {address}: {what_to_do}"))
    })
}

/// Listens there, if anywhere. `what` is served; `setting` names the address.
fn listen_besides(address: Option<SocketAddr>, what: &str, setting: &str) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = address else { return Ok(None) };
    let remedy = || format!("cannot listen on {address} for {what}: set {setting} to a free address of this machine");
    Ok(Some(TcpListener::bind(address).with_context(remedy)?))
}

/// The address with the name of the machine, if this listens on all addresses of that.
pub(super) fn address_for_operators(address: SocketAddr) -> String {
    if !address.ip().is_unspecified() {
        return address.to_string();
    }
    format!("{}:{}", rustix::system::uname().nodename().to_string_lossy(), address.port())
}

/// What all servers of a replica answer with.
pub(super) struct Shown {
    pub(super) services: Arc<Services>,
    pub(super) requests: Option<Arc<RequestCounts>>,
    pub(super) log_requests: bool,
}

impl Shown {
    fn routes(&self, metrics: Option<Arc<MetricsPage>>, pages: Option<Pages>) -> Routes {
        Routes {
            services: Arc::clone(&self.services),
            requests: self.requests.clone(),
            metrics,
            log_requests: self.log_requests,
            pages,
        }
    }

    /// Starts the servers: that of the API, which has the metrics and the pages of the console unless these have one of
    /// their own.
    ///
    /// # Errors
    /// If a listener can't be used.
    pub(super) fn serve(
        &self,
        sockets: Sockets,
        (socket, open): (Option<UnixListener>, OpenConnections),
        metrics: Option<Arc<MetricsPage>>,
        pages: Option<Pages>,
        settings: &Server,
    ) -> anyhow::Result<(HttpServer, Option<SideServer>, Option<SideServer>)> {
        let (metrics_here, metrics_server) = match sockets.metrics {
            Some(tcp) => (None, Some(SideServer::of_metrics(tcp, self.routes(metrics, None), settings)?)),
            None => (metrics, None),
        };
        let (pages_here, console) = match sockets.console {
            Some(tcp) => (None, Some(SideServer::of_console(tcp, self.routes(None, pages), settings)?)),
            None => (pages, None),
        };
        let listeners = Listeners { tcp: sockets.api, socket, open };
        let server = application::start(listeners, self.routes(metrics_here, pages_here), settings)?;
        Ok((server, metrics_server, console))
    }
}

/// A server besides the API's. Its failure is logged, and ends nothing else.
pub(super) struct SideServer {
    address: SocketAddr,
    handle: ServerHandle,
}

impl SideServer {
    /// Serves the metrics until it is stopped, in the current runtime.
    ///
    /// # Errors
    /// If the listener can't be used.
    pub(super) fn of_metrics(tcp: TcpListener, routes: Routes, settings: &Server) -> anyhow::Result<Self> {
        let address = tcp.local_addr().context("the address of the metrics")?;
        let handle = serve(application::start_metrics(tcp, routes, settings)?, |error| {
            tracing::error!(%error, "the server of the metrics failed; they can't be read any more");
        });
        tracing::info!(%address, "metrics are served");
        Ok(Self { address, handle })
    }

    /// Serves the console until it is stopped, in the current runtime.
    ///
    /// # Errors
    /// If the listener can't be used.
    pub(super) fn of_console(tcp: TcpListener, routes: Routes, settings: &Server) -> anyhow::Result<Self> {
        let address = tcp.local_addr().context("the address of the console")?;
        let handle = serve(application::start_console(tcp, routes, settings)?, |error| {
            tracing::error!(%error, "the server of the console failed; its pages can't be reached any more");
        });
        tracing::info!(%address, "the console is served");
        Ok(Self { address, handle })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops: gracefully once the requests under way are answered, as far as the server's settings allow; otherwise at
    /// once.
    pub(super) async fn stop(self, gracefully: bool) {
        self.handle.stop(gracefully).await;
    }
}

/// Serves until it is stopped, in the current runtime. `failed` logs that it has failed.
fn serve(server: HttpServer, failed: fn(&io::Error)) -> ServerHandle {
    let handle = server.handle();
    tokio::spawn(async move {
        if let Err(error) = server.await {
            failed(&error);
        }
    });
    handle
}
