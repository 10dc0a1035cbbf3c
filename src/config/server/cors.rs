//! `server.cors`: the origins whose pages may call the API. Each must be in the form that browsers send, because the
//! comparison is exact.

use super::Cors;
use crate::config::loading::Check;

/// Each request is compared with all of them.
const ORIGINS_MAX: usize = 64;

pub(super) fn cors(check: &mut Check<'_>) -> Option<Option<Cors>> {
    let setting = "server.cors";
    let max_age = check.duration("server.cors_max_age", "0s", "1d");
    let origins = check.list(setting, ORIGINS_MAX, 256)?;
    if let Some((origin, cause)) = origins.iter().find_map(|origin| Some((origin, origin_fault(origin)?))) {
        check.problem(setting, format!("holds {origin:?}, which {cause}"));
        return None;
    }
    let max_age = max_age?;
    Some((!origins.is_empty()).then_some(Cors { origins, max_age }))
}

/// What is wrong with an origin (RFC 6454 §6.1); `None` for a valid one.
pub(in crate::config) fn origin_fault(origin: &str) -> Option<&'static str> {
    if origin.contains('*') {
        return Some("would let pages of strangers ask: name each origin");
    }
    if origin == "null" {
        return Some("is the origin of every page that has none: name each origin");
    }
    let Some((scheme, rest)) = origin.split_once("://") else {
        return Some("is no origin such as https://console.example.com");
    };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    if origin.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some("has capitals, and browsers write origins in small letters");
    }
    if rest.contains(['/', '?', '#', '@']) {
        return Some("has more than scheme, host and port, so no browser sends it");
    }
    let (host, port) = split_port(rest);
    if matches!((scheme, port), ("https", Some("443")) | ("http", Some("80"))) {
        return Some("names the port that its scheme has anyway, so no browser sends it");
    }
    let is_port = |port: &str| !port.starts_with('0') && port.parse::<u16>().is_ok();
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    let is_good = is_scheme && !host.is_empty() && host.bytes().all(is_host) && port.is_none_or(is_port);
    (!is_good).then_some("is no origin such as https://console.example.com")
}

/// Splits off the port. Colons within brackets belong to an address.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::origin_fault;

    #[test]
    fn origins_are_those_that_browsers_send() {
        for good in [
            "https://console.example.com",
            "https://console.example.com:8443",
            "http://localhost:5173",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://[::1]",
            "https://xn--kse-qla.example",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        ] {
            assert_eq!(origin_fault(good), None, "{good}");
        }
        for bad in [
            "*",
            "https://*.example.com",
            "null",
            "",
            "console.example.com",
            "https://",
            "https://console.example.com/",
            "https://console.example.com/app",
            "https://console.example.com?a",
            "https://user@console.example.com",
            "https://Console.example.com",
            "HTTPS://console.example.com",
            "https://console.example.com:443",
            "http://console.example.com:80",
            "https://console.example.com:",
            "https://console.example.com:x",
            "https://console.example.com:99999",
            "https://console.example.com:080",
            "https://k\u{e4}se.example",
            "https://a b",
            "://a",
        ] {
            assert!(origin_fault(bad).is_some(), "{bad}");
        }
    }
}
