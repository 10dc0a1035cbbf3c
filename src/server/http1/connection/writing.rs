//! The writing side of a connection: from actix-http to the socket, the next request after each response, and the end.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncWrite, ReadBuf};

use super::{Bounds, Connection, PIECE, Phase};
use crate::server::streams::Stream;

/// How long a client may continue to send after the last response. If a connection is closed with unread bytes, the
/// kernel resets it, and the client may lose the response.
const LINGER: Duration = Duration::from_secs(1);

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

impl<S: Stream> Connection<S> {
    /// Writes the rest of a refusal.
    pub(super) fn poll_refusal(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
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
