//! Keyward's routes as an application to be served.

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use actix_service::map_config;
use actix_web::{
    App, HttpResponse,
    dev::{AppConfig, Server as RunningServer},
    http::StatusCode,
    web::{Data, ServiceConfig},
};
use tracing_actix_web::TracingLogger;

use super::{
    access::{cors::Cors, edge::Edge, root_span::RootSpan},
    handlers::metrics::MetricsPage,
    request_metrics::RequestCounts,
    routes,
    services::Services,
    wire::failure::Failure,
};
use crate::{
    config::Server,
    protect::Keyward,
    server::{self, Application, Listeners, OpenConnections, Refusal, Refused, Wording},
};

/// Keyward's routes, or some of them, with what all answers have in common.
pub struct Routes {
    /// The state of the handlers.
    pub services: Arc<Services>,
    /// Counts the answers; `None` if nobody reads that.
    pub requests: Option<Arc<RequestCounts>>,
    /// The metrics; `None` if they are not served here.
    pub metrics: Option<Arc<MetricsPage>>,
    /// Whether each answer has a line in the log.
    pub log_requests: bool,
    /// Adds the pages of the console; `None` if there are none here.
    pub pages: Option<Pages>,
}

/// The pages of the console.
pub struct Pages {
    /// Adds them to an application.
    pub configure: Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>,
    /// Whether this is the path of one of them.
    pub have: fn(&str) -> bool,
    /// What is shown instead of a page whose request could not be read.
    pub unread: fn(StatusCode) -> HttpResponse,
}

/// The connections for the metrics alone: some readers, who read one text.
const METRICS_CONNECTIONS: usize = 16;
const METRICS_BUFFERED_BYTES: usize = 2 * 1024 * 1024;
/// How long a connection for metrics may send nothing: shorter than a scrape's patience (10 s by default in
/// Prometheus), so that idle connections can't keep a reader out.
const METRICS_SILENCE: Duration = Duration::from_secs(3);

/// The connections for the console alone: those of some dozens of people, or of a proxy. Each page is small.
pub const CONSOLE_CONNECTIONS: usize = 256;
const CONSOLE_BUFFERED_BYTES: usize = 16 * 1024 * 1024;

/// Starts serving on `listeners`. The server runs while the returned future is polled, and is stopped through its
/// handle.
///
/// # Errors
/// If a listener can't be used.
pub fn start(listeners: Listeners, served: Routes, settings: &Server) -> io::Result<RunningServer> {
    let cors = settings.cors.as_ref().map(|cors| Arc::new(Cors::new(cors)));
    serve(listeners, served, routes::configure, cors, settings)
}

/// Starts serving the metrics alone, at an address of their own: on a thread of their own, with the same protection
/// against clients that send or read slowly.
///
/// # Errors
/// As for [`start`].
pub fn start_metrics(tcp: TcpListener, served: Routes, settings: &Server) -> io::Result<RunningServer> {
    let settings = Server {
        workers: std::num::NonZeroUsize::MIN,
        max_connections: METRICS_CONNECTIONS,
        max_buffered_bytes: METRICS_BUFFERED_BYTES,
        header_timeout: settings.header_timeout.min(METRICS_SILENCE),
        keep_alive: settings.keep_alive.min(METRICS_SILENCE),
        ..settings.clone()
    };
    serve(
        Listeners { tcp, socket: None, open: OpenConnections::default() },
        served,
        routes::configure_metrics,
        None,
        &settings,
    )
}

/// Starts serving the console alone, at an address of its own: on a thread of its own, with the same protection against
/// clients that send or read slowly.
///
/// # Errors
/// As for [`start`].
pub fn start_console(tcp: TcpListener, served: Routes, settings: &Server) -> io::Result<RunningServer> {
    let settings = Server {
        workers: std::num::NonZeroUsize::MIN,
        max_connections: CONSOLE_CONNECTIONS.min(settings.max_connections),
        max_buffered_bytes: CONSOLE_BUFFERED_BYTES.min(settings.max_buffered_bytes),
        ..settings.clone()
    };
    serve(
        Listeners { tcp, socket: None, open: OpenConnections::default() },
        served,
        routes::configure_console,
        None,
        &settings,
    )
}

fn serve(
    listeners: Listeners,
    Routes { services, requests, metrics, log_requests, pages }: Routes,
    configure: fn(&mut ServiceConfig, &Data<Services>),
    cors: Option<Arc<Cors>>,
    settings: &Server,
) -> io::Result<RunningServer> {
    let keyward = Keyward::of(Arc::clone(&services.gate));
    let (services, metrics) = (Data::from(services), metrics.map(Data::from));
    let pages = pages.map(Arc::new);
    let wording = wording(cors.clone(), requests.clone(), pages.clone());
    let new = move || {
        let application = App::new()
            .app_data(services.clone())
            .app_data(keyward.clone())
            .configure(|app| {
                if let Some(metrics) = &metrics {
                    app.app_data(metrics.clone());
                }
                configure(app, &services);
                if let Some(pages) = &pages {
                    (pages.configure)(app);
                }
            })
            .wrap(Edge { cors: cors.clone(), requests: requests.clone(), log_requests })
            .wrap(TracingLogger::<RootSpan>::new());
        map_config(application, |()| AppConfig::default())
    };
    server::start(listeners, Application { new, wording, takes_body: routes::takes_body }, settings)
}

fn wording(cors: Option<Arc<Cors>>, requests: Option<Arc<RequestCounts>>, pages: Option<Arc<Pages>>) -> Wording {
    Arc::new(move |refusal: Refusal, refused: &Refused<'_>| {
        let mut answer = match pages.as_ref().filter(|pages| (pages.have)(refused.path)) {
            Some(pages) => (pages.unread)(refusal.facts().0),
            None => Failure::new(refused.path, refusal.into()).answer(refused.request_id.to_str().ok()),
        };
        if let (Some(cors), Some(headers)) = (&cors, refused.headers) {
            cors.permit(refused.path, headers, answer.headers_mut());
        }
        if let Some(requests) = &requests {
            requests.refused(answer.status());
        }
        answer
    })
}
