//! The host that a request addresses.

use actix_web::{HttpRequest, http::header::HOST};

/// Host and port: from the target in absolute form, otherwise from `Host` (RFC 9112 §3.2.2, §3.3). `None` if an
/// HTTP/1.0 client names none. The server has already refused invalid hosts. Headers of a proxy about the original host
/// are ignored.
pub(crate) fn host_of(request: &HttpRequest) -> Option<&str> {
    let of_target = request.uri().authority().map(|authority| authority.as_str());
    of_target.or_else(|| request.headers().get(HOST)?.to_str().ok())
}
