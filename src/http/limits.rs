//! Bounds on what a client may send: header bytes, body bytes, and the time the body may take.

use std::time::Duration;

use actix_web::{
    Error, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::PayloadError,
    http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING},
    middleware::Next,
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

/// Refuses what is too large or too slow; everything behind this sees a whole body in memory.
pub(super) async fn enforce(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let limits = ***request.app_data::<Data<Limits>>().expect("server.rs gives every application its limits");
    if let Err(reason) = admit(&mut request, limits).await {
        let failure = Failure::new(request.path(), reason);
        return Ok(request.into_response(HttpResponse::from_error(failure)));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

async fn admit(request: &mut ServiceRequest, limits: Limits) -> Result<(), Reason> {
    if header_bytes(request.headers()) > limits.header_bytes {
        return Err(Reason::HeadersTooLarge);
    }
    if !announces_body(request.headers()) {
        return Ok(());
    }
    if announced_length(request.headers()).is_some_and(|length| length > limits.body_bytes as u64) {
        return Err(Reason::BodyTooLarge);
    }
    let body = tokio::time::timeout(limits.body_timeout, read_body(request.parts_mut().1.take(), limits.body_bytes))
        .await
        .unwrap_or(Err(Reason::BodyTimeout))?;
    request.set_payload(Payload::from(body));
    Ok(())
}

async fn read_body(mut payload: Payload, limit: usize) -> Result<Bytes, Reason> {
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

fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

fn announces_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) || announced_length(headers).is_some_and(|length| length > 0)
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
