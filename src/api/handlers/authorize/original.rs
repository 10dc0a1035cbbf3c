//! The request of the gateway's client, as the gateway describes it. Only trusted proxies are believed, because anybody
//! else could describe another request than the one they make.
//!
//! Gateways also forward their client's headers. So if a fact is stated more than once, all statements must agree;
//! otherwise one of them is forged.

use actix_web::{
    HttpRequest,
    http::header::{HeaderMap, HeaderName},
};

use crate::{
    api::wire::request::host::host_of,
    domain::{
        denial::Denial,
        policy::{Asked, Host, LooksAt, Method, RequestPath, Unclear},
    },
    protect::TrustedProxies,
};

// Traefik and Caddy.
const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
// nginx, by convention.
const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const ORIGINAL_HOST: HeaderName = HeaderName::from_static("x-original-host");
const ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
/// ingress-nginx: with scheme and host.
const ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");

/// The parts of the client's request that the policy uses.
pub(super) fn asked<'a>(
    request: &'a HttpRequest,
    looks_at: LooksAt,
    proxies: &TrustedProxies,
) -> Result<Asked<'a>, Denial> {
    let mut asked = Asked { method: None, host: None, path: None };
    if !looks_at.anything() || !proxies.are_asking(request) {
        return Ok(asked);
    }
    let forwarded = ForwardedHeaders { headers: request.headers(), below: below(request) };
    // Envoy: the client's path follows ours, and method and host are the client's.
    let is_below = forwarded.below.is_some();
    if looks_at.method {
        let own = is_below.then(|| request.method().as_str());
        let texts = [forwarded.header(&FORWARDED_METHOD)?, forwarded.header(&ORIGINAL_METHOD)?, own];
        asked.method = agreed(texts, Method::parse)?;
    }
    let url = if looks_at.host || looks_at.path { forwarded.original_url()? } else { None };
    if looks_at.host {
        let own = if is_below { host_of(request) } else { None };
        let of_url = url.and_then(|(host, _)| host);
        let texts = [forwarded.header(&FORWARDED_HOST)?, forwarded.header(&ORIGINAL_HOST)?, of_url, own];
        asked.host = agreed(texts, Host::parse)?;
    }
    if looks_at.path {
        let of_url = url.map(|(_, path)| path);
        let texts = [forwarded.header(&FORWARDED_URI)?, forwarded.header(&ORIGINAL_URI)?, of_url, forwarded.below];
        asked.path = agreed(texts, RequestPath::parse)?;
    }
    Ok(asked)
}

/// The part of the path after our own, unchanged.
pub(super) fn below(request: &HttpRequest) -> Option<&str> {
    request.path().strip_prefix(crate::api::paths::AUTHORIZE).filter(|rest| !rest.is_empty())
}

struct ForwardedHeaders<'a> {
    headers: &'a HeaderMap,
    below: Option<&'a str>,
}

impl<'a> ForwardedHeaders<'a> {
    /// A header that may occur at most once.
    fn header(&self, name: &HeaderName) -> Result<Option<&'a str>, Denial> {
        let mut values = self.headers.get_all(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().map(Some).map_err(|_| Denial::RequestUnclear),
            (Some(_), Some(_)) => Err(Denial::RequestUnclear),
        }
    }

    /// Host and target from `X-Original-URL`; some gateways send the target alone. An invalid host is refused even if
    /// no rule uses hosts, because the end of the host is the beginning of the path.
    fn original_url(&self) -> Result<Option<(Option<&'a str>, &'a str)>, Denial> {
        let Some(url) = self.header(&ORIGINAL_URL)? else { return Ok(None) };
        if url.starts_with('/') {
            return Ok(Some((None, url)));
        }
        let rest = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
        let (_, rest) = rest.ok_or(Denial::RequestUnclear)?;
        let (host, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        Host::parse(host).map_err(|Unclear| Denial::RequestUnclear)?;
        Ok(Some((Some(host), if target.starts_with('/') { target } else { "/" })))
    }
}

/// The parsed value on which all statements agree; `None` if there are none.
fn agreed<'a, T: PartialEq, const N: usize>(
    texts: [Option<&'a str>; N],
    read: fn(&'a str) -> Result<T, Unclear>,
) -> Result<Option<T>, Denial> {
    let mut agreed = None;
    for text in texts.into_iter().flatten() {
        let found = read(text).map_err(|Unclear| Denial::RequestUnclear)?;
        if agreed.as_ref().is_some_and(|before| *before != found) {
            return Err(Denial::RequestUnclear);
        }
        agreed = Some(found);
    }
    Ok(agreed)
}
