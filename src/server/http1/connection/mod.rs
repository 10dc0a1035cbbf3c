//! A connection between the socket and actix-http. It hands over one request at a time, and the next one when the
//! response is written.
//!
//! actix-http uses the state of the last request that it has parsed: a pipelined `HEAD` or `Connection: close` changes
//! the response to the request before it. It continues to read while its responses are not read, which keeps a core
//! busy. It has a timeout only for the first head, and none for writes. Therefore:
//!
//! - a request is handed over once its head is complete and valid, followed by its body as it arrives, and no byte
//!   beyond it;
//! - nothing is read while a response can't be written;
//! - each head has `server.header_timeout`, an idle connection `server.keep_alive`, and a write without progress
//!   `server.write_timeout`;
//! - memory for a head, and for a response that its client does not read, is reserved from the [`Budget`] beyond a few
//!   kilobytes.
//!
//! - `reading`: from the socket to actix-http
//! - `writing`: from actix-http to the socket, and the end of the connection

mod reading;
mod writing;

use std::{net::IpAddr, rc::Rc, sync::Arc, time::Duration};

use super::{deadline::Deadline, incoming::Incoming};
use crate::server::{
    budget::{Budget, Reservation},
    exchange::Exchange,
    open_connections::{OpenConnections, Opened},
    refusal::Refusals,
    streams::Stream,
};

/// The size up to which a head needs no [`Budget`], and after which actix-http must process a body before it gets more.
/// actix-http has buffers of this size anyway.
const PIECE: usize = 8192;
/// The settings for every connection of a worker.
pub(in crate::server) struct Bounds {
    pub(in crate::server) header_bytes: usize,
    pub(in crate::server) header_timeout: Duration,
    pub(in crate::server) keep_alive: Duration,
    pub(in crate::server) write_timeout: Duration,
    pub(in crate::server) budget: Arc<Budget>,
    pub(in crate::server) open: OpenConnections,
    pub(in crate::server) refusals: Refusals,
}

/// The state of a connection.
enum Phase {
    /// Requests are read and answered.
    Open,
    /// A request was refused, and the response is being written.
    Refusing,
    /// Nothing more is read.
    Ended,
    /// The sending direction is shut down.
    Closing,
}

/// A connection as actix-http sees it.
pub(in crate::server) struct Connection<S> {
    stream: S,
    client: Option<IpAddr>,
    bounds: Rc<Bounds>,
    exchange: Rc<Exchange>,
    phase: Phase,
    incoming: Incoming,
    deadline: Deadline,
    /// Whether the client has started a head or has not sent any request, so that a head is awaited. Otherwise the
    /// connection is idle.
    is_awaited: bool,
    /// Bytes of a body handed over since actix-http last had the chance to process them.
    unseen: usize,
    /// Whether actix-http wanted to read and got nothing. Whoever changes that must wake the task.
    is_wanted: bool,
    /// The last write would have blocked.
    is_blocked: bool,
    /// The client continued to send after the last response.
    is_lingering: bool,
    /// The rest of a refusal to be written.
    refusal: Vec<u8>,
    for_heads: Option<Reservation>,
    for_answer: Option<Reservation>,
    /// Counted as long as it exists.
    _open: Opened,
}

impl<S: Stream> Connection<S> {
    pub(in crate::server) fn new(stream: S, client: Option<IpAddr>, bounds: Rc<Bounds>) -> Self {
        let incoming = Incoming::new(bounds.header_bytes);
        let mut deadline = Deadline::default();
        deadline.set(bounds.header_timeout);
        let open = bounds.open.one_more();
        Self {
            stream,
            client,
            bounds,
            exchange: Rc::default(),
            phase: Phase::Open,
            incoming,
            deadline,
            is_awaited: true,
            unseen: 0,
            is_wanted: false,
            is_blocked: false,
            is_lingering: false,
            refusal: Vec::new(),
            for_heads: None,
            for_answer: None,
            _open: open,
        }
    }

    /// The state that the service shares about the current request.
    pub(in crate::server) fn exchange(&self) -> Rc<Exchange> {
        Rc::clone(&self.exchange)
    }
}
