//! The host that a request is for.

use actix_web::{HttpRequest, http::header::HOST};

/// Host and port: those of the target in absolute form, else those of `Host` (RFC 9112 §3.2.2, §3.3). `None` where an HTTP/1.0
/// client names none. The server has refused what is no host; what a proxy tells of the one that its client asked for is not in here.
pub(crate) fn host_of(request: &HttpRequest) -> Option<&str> {
    let of_target = request.uri().authority().map(|authority| authority.as_str());
    of_target.or_else(|| request.headers().get(HOST)?.to_str().ok())
}
