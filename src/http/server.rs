//! The server: one application a worker, all bounds set, graceful stop.

use std::{any::Any, io, net::TcpListener, os::unix::net::UnixListener, sync::Arc};

use actix_web::{
    App, HttpServer,
    dev::{Extensions, Server as RunningServer},
    rt::net::UnixStream,
    web::Data,
};
use tracing_actix_web::TracingLogger;

use super::{Services, edge::Edge, limits::Limits, root_span::RootSpan, routes};
use crate::{
    config::Server,
    protect::{BySocket, Keyward},
};

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
        App::new()
            .app_data(services.clone())
            .app_data(limits.clone())
            .app_data(keyward.clone())
            .configure(|app| routes::configure(app, &services))
            .wrap(Edge)
            .wrap(TracingLogger::<RootSpan>::new())
    };
    let workers = settings.workers.get();
    let server = HttpServer::new(application)
        .workers(workers)
        .max_connections(settings.max_connections.div_ceil(workers))
        .client_request_timeout(settings.header_timeout)
        .keep_alive(settings.keep_alive)
        .shutdown_timeout(settings.drain_timeout.as_secs_f64().ceil() as u64)
        .disable_signals()
        .on_connect(note_socket)
        .listen(listeners.tcp)?;
    let server = match listeners.socket {
        Some(socket) => server.listen_uds(socket)?,
        None => server,
    };
    Ok(server.run())
}

fn note_socket(connection: &dyn Any, data: &mut Extensions) {
    if connection.is::<UnixStream>() {
        data.insert(BySocket);
    }
}
