//! Refuses what the route would ignore: a parameter that it does not know, or a body that it does not read. A client
//! that sends one expects an effect, and would not notice that there is none.
//!
//! Routes that read parameters or a body report unknown names themselves, together with other errors.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, TRANSFER_ENCODING},
    },
    middleware::Next,
};

use crate::api::{
    endpoint::Reads,
    services::answered,
    wire::{failure::Reason, request::parameters::Parameters},
};

/// Passes a request that has nothing that its route would ignore.
pub(crate) async fn refuse_what_is_not_read(
    reads: Reads,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match check(reads, request.request()) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(reason) => Ok(answered(request, HttpResponse::from_error(reason))),
    }
}

fn check(reads: Reads, request: &HttpRequest) -> Result<(), Reason> {
    if announces_body(request) {
        if !reads.body {
            return Err(Reason::UnexpectedBody);
        }
        // The server did not read the body, because the request has no content type.
        if request.method() == Method::DELETE && !request.headers().contains_key(CONTENT_TYPE) {
            return Err(Reason::UnsupportedMediaType);
        }
    }
    if reads.query { Ok(()) } else { Parameters::of(request, &[]).finish() }
}

/// Decided by the head alone, without waiting for a body that no handler reads.
fn announces_body(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let is_nothing = |length: &HeaderValue| length.to_str().is_ok_and(|text| text.parse() == Ok(0_u64));
    headers.contains_key(TRANSFER_ENCODING) || headers.get(CONTENT_LENGTH).is_some_and(|length| !is_nothing(length))
}
