//! Bodies and their limits. Requests: which bodies are waited for, and their maximum size and time; the application
//! gets a complete body. Responses: how much unread data all clients together may cause.

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
    refusal::{Refusal, Refusals},
    request_id::{REQUEST_ID, request_id},
};

/// Request bodies up to this size need no [`Budget`].
const SMALL: usize = 4096;
/// Responses up to this size need no [`Budget`]. It exceeds every response about a change, because those can't be
/// refused any more. The kernel buffers such a response at once, unless the client has left others unread.
const SMALL_ANSWER: u64 = 32_768;

/// Whether the application may read the body of a request with this method, path and headers.
pub type TakesBody = fn(&Method, &str, &HeaderMap) -> bool;

/// The limits of bodies.
pub(super) struct Bodies {
    pub(super) max_bytes: usize,
    pub(super) timeout: Duration,
    pub(super) takes_body: TakesBody,
    pub(super) budget: Arc<Budget>,
    pub(super) refusals: Refusals,
}

impl Bodies {
    /// Whether a request can continue without waiting for its body. If nobody reads the body, the part that has not
    /// arrived is not waited for: a gateway may forward the header that announces its client's body, and keep the body.
    /// The connection can't be reused then.
    pub(super) fn go_on_at_once(&self, request: &mut Request, exchange: &Exchange) -> bool {
        let length = announced_length(request.headers()).unwrap_or(0);
        let is_unwanted = !exchange.is_whole.get()
            && length <= self.max_bytes
            && !(self.takes_body)(request.method(), request.path(), request.headers());
        let at_once = is_unwanted || (length == 0 && !request.headers().contains_key(TRANSFER_ENCODING));
        if at_once {
            exchange.is_enough.set(is_unwanted);
            // Also if no body was announced: the payload of an upgrade ends only with the connection.
            *request.payload() = Payload::None;
        }
        at_once
    }

    /// Reads the body and stores it in the request. The returned reservation must be held until the request is
    /// answered.
    ///
    /// # Errors
    /// The response to an invalid body.
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
        // Nothing follows an announced body, even if the client requests an upgrade.
        while length.is_none_or(|length| body.len() < length) {
            let Some(chunk) = payload.next().await else { break };
            let chunk = chunk.map_err(unreadable)?;
            let needed = body.len() + chunk.len();
            if needed > self.max_bytes {
                return Err(Refusal::BodyTooLarge);
            }
            if needed > body.capacity() {
                // Allocates for received bytes, not for announced ones: announcing a large body costs a client nothing.
                let room = needed.max(most.min(2 * body.capacity()));
                held = self.held_for(room, held)?;
                body.reserve_exact(room - body.len());
            }
            body.extend_from_slice(&chunk);
        }
        Ok((body.into(), held))
    }

    /// The response, if the memory for unread responses suffices; otherwise a refusal. Shared bodies are always sent.
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

    /// Reserves memory for a body of this size.
    fn held_for(&self, bytes: usize, held: Option<Reservation>) -> Result<Option<Reservation>, Refusal> {
        match held {
            None if bytes <= SMALL => Ok(None),
            None => self.budget.reserve(bytes).map(Some).ok_or(Refusal::NoMemory),
            Some(mut held) => held.grow_to(bytes).then_some(Some(held)).ok_or(Refusal::NoMemory),
        }
    }
}

fn unreadable(error: PayloadError) -> Refusal {
    tracing::debug!(%error, "could not read a request body");
    Refusal::BodyUnreadable
}

fn announced_length(headers: &HeaderMap) -> Option<usize> {
    let length: u64 = headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
    Some(usize::try_from(length).unwrap_or(usize::MAX))
}

/// Whether the content has a coding, such as compression (RFC 9110 §8.4). `identity` is not a coding.
fn is_coded(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(CONTENT_ENCODING).flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    codings.map(<[u8]>::trim_ascii).any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
}
