//! The body of a response on its way out. It is handed over in pieces, so that little more is copied than is written,
//! and tells the connection when it ends.

use std::{
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web::Bytes,
};

use super::{budget::Reservation, exchange::Exchange};

/// The size of a piece. actix-http writes when its buffer has this many bytes.
pub(super) const PIECE: usize = 8192;

/// A body that is in memory once, shared by all clients that read it.
pub struct Shared(pub Bytes);

/// Marks a response with a [`Shared`] body, in its extensions, because the type of the body is erased.
pub struct IsShared;

impl MessageBody for Shared {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(piece_of(&mut self.0).map(Ok))
    }
}

fn piece_of(bytes: &mut Bytes) -> Option<Bytes> {
    let piece = bytes.split_to(bytes.len().min(PIECE));
    Some(piece).filter(|piece| !piece.is_empty())
}

/// The body of the current response.
pub(super) struct AnswerBody<B> {
    body: B,
    /// Bytes from the body that are not handed over yet.
    rest: Bytes,
    end: End,
    held: Option<Reservation>,
}

/// Dropped at the end of the body, or when the response is abandoned.
struct End(Rc<Exchange>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.unsent.set(0);
        self.0.is_answered.set(true);
    }
}

impl<B> AnswerBody<B> {
    /// `held` is the memory reserved for the body.
    pub(super) fn new(body: B, exchange: Rc<Exchange>, held: Option<Reservation>) -> Self {
        Self { body, rest: Bytes::new(), end: End(exchange), held }
    }
}

impl<B: MessageBody + Unpin> MessageBody for AnswerBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, B::Error>>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(bytes)) => self.rest = bytes,
                end => return Poll::Ready(end),
            }
        }
        let piece = piece_of(&mut self.rest);
        if self.held.is_none() {
            self.end.0.unsent.set(self.rest.len());
        }
        Poll::Ready(piece.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn pieces(mut body: impl MessageBody + Unpin) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        while let Some(piece) = poll_fn(|context| Pin::new(&mut body).poll_next(context)).await {
            pieces.push(piece.unwrap_or_else(|_| panic!("a piece")));
        }
        pieces
    }

    #[tokio::test]
    async fn a_body_comes_in_pieces_and_its_end_is_told() {
        let content: Vec<u8> = (0..3 * PIECE + 5).map(|at| at as u8).collect();
        let exchange = Rc::<Exchange>::default();
        let answer = AnswerBody::new(Bytes::from(content.clone()), Rc::clone(&exchange), None);
        assert_eq!(answer.size(), BodySize::Sized(content.len() as u64));
        let received = pieces(answer).await;
        assert!(received.iter().all(|piece| piece.len() <= PIECE) && received.concat() == content);
        assert!(exchange.is_answered.get());
        assert_eq!(pieces(Shared(Bytes::from(content.clone()))).await.concat(), content);
        assert!(pieces(Shared(Bytes::new())).await.is_empty());
    }

    #[tokio::test]
    async fn what_is_in_memory_for_one_client_alone_is_counted_until_it_is_handed_over() {
        let exchange = Rc::<Exchange>::default();
        let mut answer = AnswerBody::new(Bytes::from(vec![0; 2 * PIECE + 1]), Rc::clone(&exchange), None);
        for left in [PIECE + 1, 1, 0] {
            assert!(poll_fn(|context| Pin::new(&mut answer).poll_next(context)).await.is_some());
            assert_eq!(exchange.unsent.get(), left);
        }
        assert!(!exchange.is_answered.get());
        drop(answer);
        assert!(exchange.is_answered.get());
    }
}
