//! Which site a request comes from. Only our own pages may change anything, and where people sign in by a click, only
//! this machine may ask.

use actix_web::{
    HttpRequest,
    http::header::{HOST, HeaderName, ORIGIN},
};

use crate::console::services::{Console, SignInWay};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a page of the console has sent this request (Fetch Metadata; RFC 6454 §7). Every browser of today sends at
/// least one of both headers with a form, and scripts of other sites can set neither.
pub(super) fn is_own(console: &Console, request: &HttpRequest) -> bool {
    let header = |name: HeaderName| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    let (site, origin) = (header(SEC_FETCH_SITE), header(ORIGIN));
    let is_ours = |origin: &str| origin == console.address(request);
    (site.is_some() || origin.is_some()) && site.is_none_or(|site| site == "same-origin") && origin.is_none_or(is_ours)
}

/// Whether the host that was asked for may serve the console. A page that makes a name of its own mean this machine
/// must not get in where nobody has to prove who they are.
pub(super) fn is_host_fine(console: &Console, request: &HttpRequest) -> bool {
    if !matches!(console.sign_in, SignInWay::Choice(_)) {
        return true;
    }
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}
