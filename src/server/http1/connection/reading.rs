//! The reading side of a connection: from the socket to actix-http, which gets nothing that is invalid.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::{Connection, PIECE, Phase};
use crate::{
    config::LARGE_HEAD,
    server::{
        http1::head::Remains,
        refusal::{Refusal, on_the_wire},
        request_id::request_id,
        streams::Stream,
    },
};

impl<S: Stream> AsyncRead for Connection<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_request(context, buffer)
    }
}

impl<S: Stream> Connection<S> {
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
}
