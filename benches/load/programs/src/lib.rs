//! What the programs share: the answer, how they are served, and their clients.

pub mod client;

use std::io;

use actix_web::{App, HttpResponse, HttpServer, rt::System, web::ServiceConfig};
use serde::Serialize;

#[derive(Serialize)]
struct Message {
    message: &'static str,
}

/// The JSON that Keyward answers on `GET /api/protected-resource`.
pub fn granted() -> HttpResponse {
    HttpResponse::Ok().json(Message { message: "Access granted to protected resource" })
}

/// Serves `routes` with one worker on 127.0.0.1, at the port in PORT, until the process is ended.
///
/// # Errors
/// When PORT is not a free port.
pub fn serve(routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> io::Result<()> {
    System::new().block_on(run(routes))
}

/// The same where an actix system runs already.
///
/// # Errors
/// When PORT is not a free port.
pub async fn run(routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok());
    let port: u16 = port.ok_or_else(|| io::Error::other("PORT must be the number of a port"))?;
    HttpServer::new(move || App::new().configure(routes.clone())).workers(1).bind(("127.0.0.1", port))?.run().await
}
