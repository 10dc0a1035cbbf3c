//! The layer between the sockets and the application: listeners, connections, and limits on what clients may send,
//! leave unread, and take time for. It knows of the application only how it words refusals and which request bodies it
//! reads.
//!
//! - `http1`: from bytes to one valid request at a time
//! - `service`, `bodies`, `answer`: the same limits above actix-http; `exchange`: the state that both sides share
//! - `budget`: the memory that all clients together may use; `open_connections`: how many are connected
//! - `refusal`: the response to an invalid request; `request_id`: its id
//! - `streams`: the transports

mod answer;
mod bodies;
mod budget;
mod exchange;
pub mod http1;
mod open_connections;
mod refusal;
mod request_id;
mod service;
mod streams;

use std::{
    fmt::Debug,
    io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_http::{HttpServiceBuilder, KeepAlive, Request, error::DispatchError};
use actix_server::GracefulShutdownSignal;
use actix_service::{ServiceFactory, ServiceFactoryExt, fn_service};
use actix_web::{
    Error,
    body::MessageBody,
    dev::{Extensions, Server as RunningServer, ServiceResponse},
};
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::{TcpStream, UnixStream};

pub(crate) use self::request_id::{REQUEST_ID, request_id_from, request_id_of};
pub use self::{
    answer::{IsShared, Shared},
    bodies::TakesBody,
    open_connections::OpenConnections,
    refusal::{Refusal, Refused, Wording},
};
use self::{
    bodies::Bodies,
    budget::Budget,
    exchange::Exchange,
    http1::{Bounds, Connection},
    refusal::Refusals,
    service::Bounded,
    streams::{SocketConnection, Stream},
};
use crate::{
    config::Server,
    protect::{BoundedLog, BySocket},
};

/// The size of the kernel's send buffer, which Linux doubles. Otherwise it would grow to megabytes for a fast client
/// that stops reading, and progress is visible only once a third of it is sent.
const SEND_BUFFER: usize = 64 * 1024;

/// The listening sockets.
pub struct Listeners {
    /// For clients from anywhere.
    pub tcp: TcpListener,
    /// For clients on this machine.
    pub socket: Option<UnixListener>,
    /// Counts the connections of both.
    pub open: OpenConnections,
}

/// What the server needs to know of the application.
#[derive(Clone)]
pub struct Application<F> {
    /// Creates an application for each worker.
    pub new: F,
    /// The wording of refusals of invalid requests.
    pub wording: Wording,
    /// Which request bodies the application reads.
    pub takes_body: TakesBody,
}

/// Starts serving on `listeners`. The server runs while the returned future is polled, and is stopped through its
/// handle.
///
/// # Errors
/// If a listener can't be used.
pub fn start<F, A, B>(listeners: Listeners, application: Application<F>, settings: &Server) -> io::Result<RunningServer>
where
    F: Fn() -> A + Clone + Send + 'static,
    A: ServiceFactory<Request, Config = (), Response = ServiceResponse<B>, Error = Error> + 'static,
    A::InitError: Debug,
    A::Service: 'static,
    B: MessageBody + Unpin + 'static,
{
    set_socket_send_buffer_size(&listeners.tcp, SEND_BUFFER)?;
    let workers = settings.workers.get();
    let server = RunningServer::build()
        .workers(workers)
        .max_concurrent_connections(settings.max_connections.div_ceil(workers))
        .shutdown_timeout(settings.drain_timeout.as_secs_f64().ceil() as u64)
        .disable_signals();
    let http = Http {
        draining: server.graceful_shutdown_signal(),
        settings: settings.clone(),
        budget: Budget::new(settings.max_buffered_bytes),
        open: listeners.open,
        log: Arc::default(),
        application,
    };
    let by_port = {
        let http = http.clone();
        move || {
            let bounds = http.bounds();
            let connection = move |stream: TcpStream| {
                let bounds = Rc::clone(&bounds);
                async move {
                    // Responses are written in pieces, and the last must not wait for the acknowledgement of the
                    // previous one (Nagle's algorithm).
                    stream.set_nodelay(true)?;
                    let peer = stream.peer_addr().ok();
                    Ok((Connection::new(stream, peer.map(|peer| peer.ip()), bounds), peer))
                }
            };
            fn_service(connection).map_err(DispatchError::Io).and_then(http.service(|_| {}))
        }
    };
    let by_socket = move || {
        let bounds = http.bounds();
        let connection = move |stream: UnixStream| {
            let bounds = Rc::clone(&bounds);
            async move { Ok((Connection::new(SocketConnection::new(stream)?, None, bounds), None)) }
        };
        let told = |data: &mut Extensions| {
            data.insert(BySocket);
        };
        fn_service(connection).map_err(DispatchError::Io).and_then(http.service(told))
    };
    let server = server.listen("port", listeners.tcp, by_port)?;
    let server = match listeners.socket {
        Some(socket) => server.listen_uds("socket", socket, by_socket)?,
        None => server,
    };
    Ok(server.run())
}

/// The HTTP settings for any kind of connection.
#[derive(Clone)]
struct Http<F> {
    draining: GracefulShutdownSignal,
    settings: Server,
    budget: Arc<Budget>,
    open: OpenConnections,
    log: Arc<BoundedLog>,
    application: Application<F>,
}

impl<F> Http<F> {
    fn refusals(&self) -> Refusals {
        Refusals { wording: Arc::clone(&self.application.wording), log: Arc::clone(&self.log) }
    }

    fn bounds(&self) -> Rc<Bounds> {
        Rc::new(Bounds {
            header_bytes: self.settings.max_header_bytes,
            header_timeout: self.settings.header_timeout,
            keep_alive: self.settings.keep_alive,
            write_timeout: self.settings.write_timeout,
            budget: Arc::clone(&self.budget),
            open: self.open.clone(),
            refusals: self.refusals(),
        })
    }

    /// The service for a connection; `tell` adds data about the connection to its requests.
    fn service<S, A, B>(
        &self,
        tell: fn(&mut Extensions),
    ) -> impl ServiceFactory<
        (Connection<S>, Option<SocketAddr>),
        Config = (),
        Response = (),
        Error = DispatchError,
        InitError = (),
    > + use<S, F, A, B>
    where
        S: Stream + 'static,
        F: Fn() -> A,
        A: ServiceFactory<Request, Config = (), Response = ServiceResponse<B>, Error = Error> + 'static,
        A::InitError: Debug,
        A::Service: 'static,
        B: MessageBody + Unpin + 'static,
    {
        let bodies = Rc::new(Bodies {
            max_bytes: self.settings.max_body_bytes,
            timeout: self.settings.body_timeout,
            takes_body: self.application.takes_body,
            budget: Arc::clone(&self.budget),
            refusals: self.refusals(),
        });
        let draining = self.draining.clone();
        HttpServiceBuilder::default()
            .graceful_shutdown_signal(move || {
                let draining = draining.clone();
                async move { draining.notified().await }
            })
            // The connection has its own deadlines, which cover more than actix-http's.
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(Duration::ZERO)
            .keep_alive(KeepAlive::Os)
            .h1_write_buffer_size(answer::PIECE)
            .on_connect_ext(move |connection: &Connection<S>, data| {
                data.insert::<Rc<Exchange>>(connection.exchange());
                tell(data);
            })
            .h1(Bounded { application: (self.application.new)(), bodies })
    }
}
