//! What is between the sockets and the application: listening, connections, and the bounds of what clients may send, leave
//! unread, and take time for. It knows nothing of the application but how it words refusals and which requests have a body
//! that it reads.
//!
//! - `connection`: one request at a time for actix-http, nothing read while nothing can be written, and deadlines
//! - `incoming`, `head`, `target`, `framing`: what a request is, and where it ends, on the bytes as they come
//! - `service`, `bodies`, `answer`: the same bounds above actix-http; `exchange`: what both sides tell each other
//! - `budget`: the memory that all clients together may take up; `deadline`: how long they may take
//! - `refusal`: the answer to what is no good as a request
//! - `streams`: what a connection is made on

mod answer;
mod bodies;
mod budget;
mod connection;
mod deadline;
mod exchange;
pub mod framing;
pub mod head;
pub mod incoming;
mod refusal;
mod service;
mod streams;
pub mod target;

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

pub(crate) use self::refusal::{REQUEST_ID, request_id_from, request_id_of};
pub use self::{
    answer::{IsShared, Shared},
    bodies::TakesBody,
    refusal::{Refusal, Refused, Wording},
};
use self::{
    bodies::Bodies,
    budget::Budget,
    connection::{Bounds, Connection},
    exchange::Exchange,
    refusal::Refusals,
    service::Bounded,
    streams::{SocketConnection, Stream},
};
use crate::{
    config::Server,
    protect::{BoundedLog, BySocket},
};

/// What the system keeps of an answer that a client hasn't taken yet; Linux doubles it. It would grow to megabytes for a fast
/// client that stops reading, and that we see progress only when a third of it has gone.
const SEND_BUFFER: usize = 64 * 1024;

/// Where requests come in.
pub struct Listeners {
    /// From anywhere.
    pub tcp: TcpListener,
    /// From this machine.
    pub socket: Option<UnixListener>,
}

/// What the server knows of the application.
#[derive(Clone)]
pub struct Application<F> {
    /// Makes one for each worker.
    pub new: F,
    /// How it words the refusal of what is no good as a request.
    pub wording: Wording,
    /// Whose bodies it reads.
    pub takes_body: TakesBody,
}

/// Starts to serve on `listeners`. The server runs while the result is polled, and stops through its handle.
///
/// # Errors
/// When one of them cannot be used.
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
                    // Answers are written in pieces, and the last must not wait until the one before was received.
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

/// HTTP as it is spoken here, over any kind of connection.
#[derive(Clone)]
struct Http<F> {
    draining: GracefulShutdownSignal,
    settings: Server,
    budget: Arc<Budget>,
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
            refusals: self.refusals(),
        })
    }

    /// What serves a connection; `tell` adds what its requests should be known to have come by.
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
            // The connection has deadlines of its own, for more than actix-http has.
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
