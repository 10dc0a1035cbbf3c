//! The server: one application a worker, all bounds set, graceful stop.

use std::{io, net::TcpListener, sync::Arc};

use actix_web::{
    App, Error, HttpServer,
    body::{BoxBody, MessageBody},
    dev::{Server as RunningServer, ServiceRequest, ServiceResponse},
    middleware::{Next, from_fn},
    web::Data,
};
use tracing_actix_web::TracingLogger;

use super::{
    Services,
    limits::{self, Limits},
    root_span::{self, RootSpan},
    routes,
};
use crate::config::Server;

/// Starts to serve on `listener`. The server runs while the result is polled, and stops through its handle.
///
/// # Errors
/// When the listener cannot be used.
pub fn start(listener: TcpListener, services: Arc<Services>, settings: &Server) -> io::Result<RunningServer> {
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
            .configure(routes::configure)
            .wrap(from_fn(at_the_edge))
            .wrap(TracingLogger::<RootSpan>::new())
    };
    let workers = settings.workers.get();
    Ok(HttpServer::new(application)
        .workers(workers)
        .max_connections(settings.max_connections.div_ceil(workers))
        .client_request_timeout(settings.header_timeout)
        .keep_alive(settings.keep_alive)
        .shutdown_timeout(settings.drain_timeout.as_secs_f64().ceil() as u64)
        .disable_signals()
        .listen(listener)?
        .run())
}

/// What every request passes first. One layer for both, for each costs an allocation a request.
async fn at_the_edge(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = root_span::request_id(request.request());
    let mut response = limits::enforce(request, next).await?;
    response.headers_mut().insert(root_span::REQUEST_ID, id);
    Ok(response)
}
