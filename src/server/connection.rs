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

use std::{
    io,
    mem::MaybeUninit,
    net::IpAddr,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    budget::{Budget, Reservation},
    deadline::Deadline,
    exchange::Exchange,
    head::Remains,
    incoming::Incoming,
    refusal::{Refusal, Refusals, on_the_wire, request_id},
    streams::Stream,
};
use crate::config::LARGE_HEAD;

/// The size up to which a head needs no [`Budget`], and after which actix-http must process a body before it gets more.
/// actix-http has buffers of this size anyway.
const PIECE: usize = 8192;
/// How long a client may continue to send after the last response. If a connection is closed with unread bytes, the
/// kernel resets it, and the client may lose the response.
const LINGER: Duration = Duration::from_secs(1);

/// The settings for every connection of a worker.
pub(super) struct Bounds {
    pub(super) header_bytes: usize,
    pub(super) header_timeout: Duration,
    pub(super) keep_alive: Duration,
    pub(super) write_timeout: Duration,
    pub(super) budget: Arc<Budget>,
    pub(super) refusals: Refusals,
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
pub(super) struct Connection<S> {
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
}

impl<S: Stream> Connection<S> {
    pub(super) fn new(stream: S, client: Option<IpAddr>, bounds: Rc<Bounds>) -> Self {
        let incoming = Incoming::new(bounds.header_bytes);
        let mut deadline = Deadline::default();
        deadline.set(bounds.header_timeout);
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
        }
    }

    /// The state that the service shares about the current request.
    pub(super) fn exchange(&self) -> Rc<Exchange> {
        Rc::clone(&self.exchange)
    }

    fn poll_request(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.phase {
                Phase::Open => {}
                Phase::Refusing => {
                    ready!(self.poll_refusal(context))?;
                    continue;
                }
                Phase::Ended | Phase::Closing => return Poll::Ready(Ok(())),
            }
            // Part of this request may have arrived with the previous one.
            if self.incoming.awaits_head()
                && let Err(refusal) = self.incoming.take(&[])
            {
                self.refuse(refusal, &[]);
                continue;
            }
            let cleared = self.incoming.cleared();
            if !cleared.is_empty() {
                let length = cleared.len().min(buffer.remaining());
                buffer.put_slice(&cleared[..length]);
                self.incoming.hand_over(length);
                self.note_progress(length);
                return Poll::Ready(Ok(()));
            }
            if self.incoming.is_whole() || self.is_blocked || self.exchange.is_enough.get() {
                self.is_wanted = true;
                return Poll::Pending;
            }
            if self.unseen >= PIECE {
                self.unseen = 0;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let before = buffer.filled().len();
            match self.poll_bytes(context, buffer) {
                Poll::Ready(Ok(true)) if buffer.filled().len() == before => {}
                Poll::Ready(outcome) => return Poll::Ready(outcome.map(drop)),
                Poll::Pending if !self.deadline.is_reached(context) => return Poll::Pending,
                Poll::Pending if self.is_awaited => self.refuse(Refusal::HeadTimeout, &[]),
                Poll::Pending => self.phase = Phase::Ended,
            }
        }
    }

    /// Reads, and puts the bytes that may be handed over into `buffer`. `false` at the end of the stream.
    fn poll_bytes(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        if !self.incoming.held().is_empty() {
            return self.poll_more(context);
        }
        // Most requests arrive complete, and need no buffer besides that of actix-http.
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let bytes = &buffer.filled()[before..];
        if bytes.is_empty() {
            return Poll::Ready(Ok(false));
        }
        let good = match self.incoming.take(bytes) {
            Ok(good) => good,
            Err(refusal) => {
                self.refuse(refusal, bytes);
                0
            }
        };
        buffer.set_filled(before + good);
        self.note_progress(good);
        self.note_head();
        Poll::Ready(Ok(true))
    }

    /// The same after the beginning of a head.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut space = [MaybeUninit::uninit(); PIECE / 2];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Ok(false));
        }
        if self.incoming.held().len() + buffer.filled().len() > PIECE && self.for_heads.is_none() {
            self.for_heads = self.bounds.budget.reserve(LARGE_HEAD * self.bounds.header_bytes);
            if self.for_heads.is_none() {
                self.refuse(Refusal::NoMemory, &[]);
                return Poll::Ready(Ok(true));
            }
            self.exchange.is_costly.set(true);
        }
        if let Err(refusal) = self.incoming.take(buffer.filled()) {
            self.refuse(refusal, &[]);
        }
        Poll::Ready(Ok(true))
    }

    /// Called after bytes of a request were handed over.
    fn note_progress(&mut self, bytes: usize) {
        if bytes > 0 {
            self.deadline.clear();
            self.unseen += bytes;
            self.exchange.is_whole.set(self.incoming.is_whole());
        }
    }

    /// Called after bytes were read that may begin a head.
    fn note_head(&mut self) {
        if !self.is_awaited && self.incoming.awaits_head() {
            self.is_awaited = true;
            self.deadline.set(self.bounds.header_timeout);
        }
    }

    /// Ends the connection with this refusal. If actix-http already has the head, the application answers instead.
    /// `bytes` are the received bytes that are not buffered.
    fn refuse(&mut self, refusal: Refusal, bytes: &[u8]) {
        self.deadline.clear();
        if !self.incoming.awaits_head() {
            self.phase = Phase::Ended;
            return;
        }
        let held = self.incoming.held();
        let Remains { is_head, path, request_id: id } = Remains::of(if held.is_empty() { bytes } else { held });
        let answer = self.bounds.refusals.answer(path, None, refusal, request_id(id), self.client);
        self.refusal = on_the_wire(answer, is_head);
        self.phase = Phase::Refusing;
    }

    fn poll_refusal(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.refusal.is_empty() {
            let refusal = std::mem::take(&mut self.refusal);
            let written = self.poll_some(context, &refusal);
            self.refusal = refusal;
            self.refusal.drain(..ready!(written)?);
        }
        self.phase = Phase::Ended;
        Poll::Ready(Ok(()))
    }

    /// Writes some of these bytes, within the time limit.
    fn poll_some(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_ready() {
            if self.is_blocked {
                self.is_blocked = false;
                self.deadline.clear();
            }
            return written;
        }
        if !self.is_blocked {
            self.is_blocked = true;
            self.deadline.set(self.bounds.write_timeout);
        }
        let unsent = self.exchange.unsent.get();
        if unsent > 0 && self.for_answer.is_none() {
            self.for_answer = self.bounds.budget.reserve(unsent);
            if self.for_answer.is_none() {
                return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
            }
        }
        if self.deadline.is_reached(context) { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending }
    }

    /// The response is written; prepares for the next request.
    fn begin_anew(&mut self, context: &mut Context<'_>) {
        self.for_answer = None;
        self.unseen = 0;
        self.is_wanted = false;
        if self.exchange.is_last.get() || !self.exchange.is_whole.get() {
            self.phase = Phase::Ended;
            self.deadline.clear();
        } else {
            self.exchange.begin();
            self.incoming.next();
            self.is_awaited = !self.incoming.held().is_empty();
            let Bounds { header_timeout, keep_alive, .. } = *self.bounds;
            self.deadline.set(if self.is_awaited { header_timeout } else { keep_alive });
            let is_quiet = !self.is_awaited && self.stream.poll_readable(context).is_pending();
            if is_quiet && !self.deadline.is_reached(context) {
                return;
            }
        }
        context.waker().wake_by_ref();
    }

    /// Whether the client may still be sending.
    fn expects_more(&self) -> bool {
        !self.incoming.held().is_empty() || !(self.incoming.is_whole() || self.incoming.awaits_head())
    }
}

impl<S: Stream> AsyncRead for Connection<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_request(context, buffer)
    }
}

impl<S: Stream> AsyncWrite for Connection<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_some(context, bytes)
    }

    /// actix-http calls this when everything that it has was taken.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        ready!(Pin::new(&mut connection.stream).poll_flush(context))?;
        if connection.exchange.is_answered.take() {
            connection.begin_anew(context);
        } else if connection.is_wanted && !connection.incoming.is_whole() && !connection.exchange.is_enough.get() {
            connection.is_wanted = false;
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        if !matches!(connection.phase, Phase::Closing) {
            ready!(Pin::new(&mut connection.stream).poll_shutdown(context))?;
            connection.phase = Phase::Closing;
            connection.deadline.set(LINGER);
        }
        let mut space = [MaybeUninit::uninit(); PIECE / 2];
        loop {
            let mut buffer = ReadBuf::uninit(&mut space);
            match Pin::new(&mut connection.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => connection.is_lingering = true,
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending if !connection.is_lingering && !connection.expects_more() => return Poll::Ready(Ok(())),
                Poll::Pending if connection.deadline.is_reached(context) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
