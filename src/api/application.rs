//! Keyward's routes as an application to be served.

use std::{io, sync::Arc};

use actix_service::map_config;
use actix_web::{
    App,
    dev::{AppConfig, Server as RunningServer},
    web::Data,
};
use tracing_actix_web::TracingLogger;

use super::{
    access::{cors::Cors, edge::Edge, root_span::RootSpan},
    routes,
    services::Services,
    wire::failure::Failure,
};
use crate::{
    config::Server,
    protect::Keyward,
    server::{self, Application, Listeners, Refusal, Refused, Wording},
};

/// Starts serving on `listeners`. The server runs while the returned future is polled, and is stopped through its
/// handle.
///
/// # Errors
/// If a listener can't be used.
pub fn start(listeners: Listeners, services: Arc<Services>, settings: &Server) -> io::Result<RunningServer> {
    let keyward = Keyward::of(Arc::clone(&services.gate));
    let services = Data::from(services);
    let cors = settings.cors.as_ref().map(|cors| Arc::new(Cors::new(cors)));
    let wording = wording(cors.clone());
    let new = move || {
        let application = App::new()
            .app_data(services.clone())
            .app_data(keyward.clone())
            .configure(|app| routes::configure(app, &services))
            .wrap(Edge { cors: cors.clone() })
            .wrap(TracingLogger::<RootSpan>::new());
        map_config(application, |()| AppConfig::default())
    };
    server::start(listeners, Application { new, wording, takes_body: routes::takes_body }, settings)
}

fn wording(cors: Option<Arc<Cors>>) -> Wording {
    Arc::new(move |refusal: Refusal, refused: &Refused<'_>| {
        let failure = Failure::new(refused.path, refusal.into());
        let mut answer = failure.answer(refused.request_id.to_str().ok());
        if let (Some(cors), Some(headers)) = (&cors, refused.headers) {
            cors.permit(refused.path, headers, answer.headers_mut());
        }
        answer
    })
}
