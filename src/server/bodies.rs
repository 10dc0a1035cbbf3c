//! Bodies, and their bounds. Those of requests: which are waited for, and how large and how slow they may be; the application sees
//! a whole one. Those of answers: how much of them all clients together may leave unread.

use std::{sync::Arc, time::Duration};

use actix_http::{Payload, Request};
use actix_web::{
    HttpMessage, HttpResponse,
    body::{BodySize, EitherBody, MessageBody},
    dev::{RequestHead, ServiceResponse},
    error::PayloadError,
    http::{
        Method,
        header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING},
    },
    web::Bytes,
};
use futures_util::StreamExt;

use super::{
    answer::IsShared,
    budget::{Budget, Reservation},
    exchange::Exchange,
    refusal::{REQUEST_ID, Refusal, Refusals, request_id},
};

/// So large a body of a request is read without asking the [`Budget`].
const SMALL: usize = 4096;
/// So large an answer is made without asking it: larger than any that tells what was changed, since those can't be refused any more.
/// The system takes it from us at once, unless the client has left others unread.
const SMALL_ANSWER: u64 = 32_768;

/// Whether the application may look at the body of a request with this method for this path, and with these headers.
pub type TakesBody = fn(&Method, &str, &HeaderMap) -> bool;

/// The bounds of bodies.
pub(super) struct Bodies {
    pub(super) max_bytes: usize,
    pub(super) timeout: Duration,
    pub(super) takes_body: TakesBody,
    pub(super) budget: Arc<Budget>,
    pub(super) refusals: Refusals,
}

impl Bodies {
    /// Whether a request can go on at once, without its body. Of one that nobody looks at, what hasn't come yet isn't waited for:
    /// a gateway may hand on the header that announces its client's body, and keep the body. Then the connection can't be used again.
    pub(super) fn go_on_at_once(&self, request: &mut Request, exchange: &Exchange) -> bool {
        let length = announced_length(request.headers()).unwrap_or(0);
        let is_unwanted = !exchange.is_whole.get()
            && length <= self.max_bytes
            && !(self.takes_body)(request.method(), request.path(), request.headers());
        let at_once = is_unwanted || (length == 0 && !request.headers().contains_key(TRANSFER_ENCODING));
        if at_once {
            exchange.is_enough.set(is_unwanted);
            // Also where none was announced: an upgrade's payload ends only with the connection.
            *request.payload() = Payload::None;
        }
        at_once
    }

    /// Reads the body, which from then on lies in the request. The result is held until it was dealt with.
    ///
    /// # Errors
    /// The answer to a body that is no good.
    pub(super) async fn read(
        &self,
        request: &mut Request,
        exchange: &Exchange,
    ) -> Result<Option<Reservation>, HttpResponse> {
        let mut payload = request.take_payload();
        match self.admit(request, &mut payload).await {
            Ok((body, held)) => {
                let is_of_use =
                    !body.is_empty() && (self.takes_body)(request.method(), request.path(), request.headers());
                *request.payload() = if is_of_use { Payload::from(body) } else { Payload::None };
                Ok(held)
            }
            Err(refusal) => {
                exchange.is_enough.set(true);
                Err(self.refuse(request.head(), refusal))
            }
        }
    }

    async fn admit(&self, request: &Request, payload: &mut Payload) -> Result<(Bytes, Option<Reservation>), Refusal> {
        if (self.takes_body)(request.method(), request.path(), request.headers()) && is_coded(request.headers()) {
            return Err(Refusal::ContentCoding);
        }
        let length = announced_length(request.headers());
        if length.is_some_and(|length| length > self.max_bytes) {
            return Err(Refusal::BodyTooLarge);
        }
        let body = self.read_all(payload, length);
        tokio::time::timeout(self.timeout, body).await.unwrap_or(Err(Refusal::BodyTimeout))
    }

    async fn read_all(
        &self,
        payload: &mut Payload,
        length: Option<usize>,
    ) -> Result<(Bytes, Option<Reservation>), Refusal> {
        let most = length.unwrap_or(self.max_bytes);
        let (mut body, mut held) = (Vec::new(), None);
        // What follows an announced body is none, be it that the client wants to switch to another protocol.
        while length.is_none_or(|length| body.len() < length) {
            let Some(chunk) = payload.next().await else { break };
            let chunk = chunk.map_err(unreadable)?;
            let needed = body.len() + chunk.len();
            if needed > self.max_bytes {
                return Err(Refusal::BodyTooLarge);
            }
            if needed > body.capacity() {
                // As it comes, and not as it is announced: to announce much costs a client nothing.
                let room = needed.max(most.min(2 * body.capacity()));
                held = self.held_for(room, held)?;
                body.reserve_exact(room - body.len());
            }
            body.extend_from_slice(&chunk);
        }
        Ok((body.into(), held))
    }

    /// The answer, if what all clients have left unread lets it be sent; else a refusal. What is in memory once for all is always sent.
    pub(super) fn within_budget<B: MessageBody>(
        &self,
        response: ServiceResponse<B>,
    ) -> (HttpResponse<EitherBody<B>>, Option<Reservation>) {
        let (request, response) = response.into_parts();
        let large = match response.body().size() {
            BodySize::Sized(size) if size > SMALL_ANSWER => usize::try_from(size).ok(),
            _ => None,
        };
        let Some(size) = large.filter(|_| !response.extensions().contains::<IsShared>()) else {
            return (response.map_into_left_body(), None);
        };
        match self.budget.reserve(size) {
            Some(held) => (response.map_into_left_body(), Some(held)),
            None => (self.refuse(request.head(), Refusal::NoMemory).map_into_right_body(), None),
        }
    }

    fn refuse(&self, head: &RequestHead, refusal: Refusal) -> HttpResponse {
        let id = head.headers().get(REQUEST_ID).map_or(&[][..], |id| id.as_bytes());
        let client = head.peer_addr.map(|peer| peer.ip());
        self.refusals.answer(head.uri.path(), Some(head.headers()), refusal, request_id(id), client)
    }

    /// What is held of the budget for a body of this size.
    fn held_for(&self, bytes: usize, held: Option<Reservation>) -> Result<Option<Reservation>, Refusal> {
        match held {
            None if bytes <= SMALL => Ok(None),
            None => self.budget.reserve(bytes).map(Some).ok_or(Refusal::NoMemory),
            Some(mut held) => held.grow_to(bytes).then_some(Some(held)).ok_or(Refusal::NoMemory),
        }
    }
}

fn unreadable(error: PayloadError) -> Refusal {
    tracing::debug!(%error, "a body could not be read");
    Refusal::BodyUnreadable
}

fn announced_length(headers: &HeaderMap) -> Option<usize> {
    let length: u64 = headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
    Some(usize::try_from(length).unwrap_or(usize::MAX))
}

/// Whether the content is coded, as by compression (RFC 9110 §8.4). `identity` is no coding.
fn is_coded(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(CONTENT_ENCODING).flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    codings.map(<[u8]>::trim_ascii).any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
}
