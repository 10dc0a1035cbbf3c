//! Bounds on what a client may send: header bytes, body bytes, and the time the body may take.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    Error, HttpMessage, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, RequestHead, Service, ServiceRequest, ServiceResponse},
    error::PayloadError,
    http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING},
    web::{Bytes, BytesMut, Data},
};
use futures_util::StreamExt;

use super::failure::{Failure, Reason};

/// What a client may send.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) header_bytes: usize,
    pub(super) body_bytes: usize,
    pub(super) body_timeout: Duration,
}

/// Whether a request can go on at once: no body is announced, and the head is not too large.
pub(super) fn has_no_body(request: &mut ServiceRequest) -> bool {
    let at_once = !announces_body(request.headers()) && head_bytes(request.head()) <= limits(request).header_bytes;
    if at_once {
        // Also where none was announced: an upgrade's payload ends only with the connection.
        request.set_payload(Payload::None);
    }
    at_once
}

/// Refuses what is too large or too slow; everything behind this sees a whole body in memory.
pub(super) async fn enforce<S>(mut request: ServiceRequest, behind: Rc<S>) -> Result<ServiceResponse<BoxBody>, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    let limits = limits(&request);
    let mut payload = request.take_payload();
    match admit(request.head(), &mut payload, limits).await {
        Ok(body) => {
            request.set_payload(if body.is_empty() { Payload::None } else { Payload::from(body) });
            behind.call(request).await
        }
        Err(reason) => {
            let refusal = HttpResponse::from_error(Failure::new(request.path(), reason));
            let refusal = refusal.map_body(|_, body| BoxBody::new(LastWord { body, _unread: payload }));
            Ok(request.into_response(refusal))
        }
    }
}

fn limits(request: &ServiceRequest) -> Limits {
    ***request.app_data::<Data<Limits>>().expect("server.rs gives every application its limits")
}

async fn admit(head: &RequestHead, payload: &mut Payload, limits: Limits) -> Result<Bytes, Reason> {
    if head_bytes(head) > limits.header_bytes {
        return Err(Reason::HeadersTooLarge);
    }
    if announced_length(head.headers()).is_some_and(|length| length > limits.body_bytes as u64) {
        return Err(Reason::BodyTooLarge);
    }
    let body = read_body(payload, limits.body_bytes);
    tokio::time::timeout(limits.body_timeout, body).await.unwrap_or(Err(Reason::BodyTimeout))
}

async fn read_body(payload: &mut Payload, limit: usize) -> Result<Bytes, Reason> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(unreadable)?;
        if body.len() + chunk.len() > limit {
            return Err(Reason::BodyTooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn unreadable(error: PayloadError) -> Reason {
    tracing::debug!(%error, "a body could not be read");
    Reason::BodyUnreadable
}

/// The head as it stood on the wire, give or take the white space that HTTP allows.
fn head_bytes(head: &RequestHead) -> usize {
    const REQUEST_LINE: usize = "  HTTP/1.1\r\n".len();
    const HEADER_LINE: usize = ": \r\n".len();
    const END: usize = "\r\n".len();
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let headers: usize =
        head.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER_LINE).sum();
    head.method.as_str().len() + target + REQUEST_LINE + headers + END
}

fn announces_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) || announced_length(headers).is_some_and(|length| length > 0)
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A body that holds on to the request's unread payload until it is sent. Of a chunked payload that
/// was dropped, actix-http reads the rest, however long and slow, before it closes the connection;
/// one that is still held it reads for a second at most.
struct LastWord {
    body: BoxBody,
    _unread: Payload,
}

impl MessageBody for LastWord {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
