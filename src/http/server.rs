//! The server: one application a worker, all bounds set, graceful stop.

use std::{fmt::Debug, future::ready, io, net::TcpListener, os::unix::net::UnixListener, sync::Arc, time::Duration};

use actix_http::{HttpServiceBuilder, Request, body::BoxBody, error::DispatchError};
use actix_server::GracefulShutdownSignal;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::{
    App,
    dev::{AppConfig, Response, Server as RunningServer, Service, ServiceFactory},
    rt::net::UnixStream,
    web::Data,
};
use tracing_actix_web::TracingLogger;

use super::{Services, edge::Edge, limits::Limits, root_span::RootSpan, routes, socket_connection::SocketConnection};
use crate::{
    config::Server,
    protect::{BySocket, Keyward},
};

/// How long the other end may take to notice that a connection is closed; as long as with actix-web's own server.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Where requests come in.
pub struct Listeners {
    /// From anywhere.
    pub tcp: TcpListener,
    /// From this machine.
    pub socket: Option<UnixListener>,
}

/// Starts to serve on `listeners`. The server runs while the result is polled, and stops through its handle.
///
/// # Errors
/// When one of them cannot be used.
pub fn start(listeners: Listeners, services: Arc<Services>, settings: &Server) -> io::Result<RunningServer> {
    let keyward = Keyward::of(Arc::clone(&services.gate));
    let services = Data::from(services);
    let limits = Data::new(Limits {
        header_bytes: settings.max_header_bytes,
        body_bytes: settings.max_body_bytes,
        body_timeout: settings.body_timeout,
    });
    let application = move || {
        let application = App::new()
            .app_data(services.clone())
            .app_data(limits.clone())
            .app_data(keyward.clone())
            .configure(|app| routes::configure(app, &services))
            .wrap(Edge)
            .wrap(TracingLogger::<RootSpan>::new());
        map_config(application, |()| AppConfig::default())
    };
    let workers = settings.workers.get();
    let server = RunningServer::build()
        .workers(workers)
        .max_concurrent_connections(settings.max_connections.div_ceil(workers))
        .shutdown_timeout(settings.drain_timeout.as_secs_f64().ceil() as u64)
        .disable_signals();
    let http = Http {
        draining: server.graceful_shutdown_signal(),
        header_timeout: settings.header_timeout,
        keep_alive: settings.keep_alive,
    };
    let by_port = {
        let (http, application) = (http.clone(), application.clone());
        move || http.over().h1(application()).tcp()
    };
    let by_socket = move || {
        let http = http.over().on_connect_ext(|_: &SocketConnection, data| {
            data.insert(BySocket);
        });
        fn_service(|stream: UnixStream| ready(SocketConnection::new(stream).map(|connection| (connection, None))))
            .map_err(DispatchError::Io)
            .and_then(http.h1(application()))
    };
    let server = server.listen("port", listeners.tcp, by_port)?;
    let server = match listeners.socket {
        Some(socket) => server.listen_uds("socket", socket, by_socket)?,
        None => server,
    };
    Ok(server.run())
}

/// HTTP as it is spoken here, over any kind of connection.
#[derive(Clone)]
struct Http {
    draining: GracefulShutdownSignal,
    header_timeout: Duration,
    keep_alive: Duration,
}

impl Http {
    /// On connections `C`, for an application `A`.
    fn over<C, A>(&self) -> HttpServiceBuilder<C, A>
    where
        A: ServiceFactory<Request, Config = ()>,
        A::Error: Into<Response<BoxBody>> + 'static,
        A::InitError: Debug,
        <A::Service as Service<Request>>::Future: 'static,
    {
        let draining = self.draining.clone();
        HttpServiceBuilder::default()
            .graceful_shutdown_signal(move || {
                let draining = draining.clone();
                async move { draining.notified().await }
            })
            .client_request_timeout(self.header_timeout)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .keep_alive(self.keep_alive)
    }
}
