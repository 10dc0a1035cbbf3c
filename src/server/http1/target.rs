//! The target of a request and its host, parsed from the raw bytes.

use crate::{domain::policy::Host, server::Refusal};

/// The maximum length of actix-web's type for targets.
pub(super) const TARGET_MAX_BYTES: usize = 65_534;

/// A request target in one of the four forms (RFC 9112 §3.2).
#[derive(Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The host, if the target has the absolute form. It takes precedence over `Host` (RFC 9112 §3.2.2).
    pub host: Option<&'a str>,
    /// The path and query.
    pub path_and_query: &'a str,
}

impl<'a> Target<'a> {
    /// Parses the target of a request with this method.
    ///
    /// # Errors
    /// [`Refusal::InvalidTarget`], [`Refusal::InvalidHost`] and [`Refusal::TargetTooLong`].
    pub fn read(method: &str, target: &'a str) -> Result<Self, Refusal> {
        if target.len() > TARGET_MAX_BYTES {
            return Err(Refusal::TargetTooLong);
        }
        if method == "CONNECT" {
            // The authority form, which always has a port.
            let has_port = target.ends_with(|last: char| last.is_ascii_digit()) && target.contains(':');
            return if is_host(target) && has_port { Self::of(None, "") } else { Err(Refusal::InvalidTarget) };
        }
        if target.starts_with('/') {
            return Self::of(None, target);
        }
        if target == "*" {
            return if method == "OPTIONS" { Self::of(None, target) } else { Err(Refusal::InvalidTarget) };
        }
        let rest = after_scheme(target).ok_or(Refusal::InvalidTarget)?;
        let (host, path_and_query) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if !is_host(host) {
            return Err(Refusal::InvalidHost);
        }
        Self::of(Some(host), path_and_query)
    }

    fn of(host: Option<&'a str>, path_and_query: &'a str) -> Result<Self, Refusal> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let may_stand = path.bytes().all(may_stand_in_path) && query.bytes().all(may_stand_in_query);
        if may_stand { Ok(Self { host, path_and_query }) } else { Err(Refusal::InvalidTarget) }
    }
}

fn after_scheme(target: &str) -> Option<&str> {
    ["http://", "https://"].iter().find_map(|scheme| {
        let (begin, rest) = target.split_at_checked(scheme.len())?;
        begin.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// The characters of RFC 3986 §3.3, and characters that clients send without percent-encoding and that are unambiguous.
/// No fragment: targets have none, and URL parsers would silently drop it.
fn may_stand_in_path(byte: u8) -> bool {
    matches!(byte, b'!' | b'"' | b'$'..=b';' | b'=' | b'@'..=b'_' | b'a'..=b'~')
}

/// The same for the query (RFC 3986 §3.4).
fn may_stand_in_query(byte: u8) -> bool {
    matches!(byte, b'!' | b'$'..=b';' | b'=' | b'?'..=b'~')
}

/// Whether this is a host with an optional port (RFC 9110 §7.2): a name or an address, without user information.
pub fn is_host(text: &str) -> bool {
    let port = text.rsplit_once(':').map_or("", |(_, port)| port);
    // Anything else after the last colon belongs to an IPv6 address, or makes the host invalid.
    let is_port = port.is_empty() || port.bytes().any(|byte| !byte.is_ascii_digit()) || port.parse::<u16>().is_ok();
    is_port && Host::parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_a_port_or_without() {
        for good in
            ["a", "A.example", "a.example.", "a_b-c.example:80", "a:", "192.0.2.1:65535", "[::1]", "[2001:db8::7]:8080"]
        {
            assert!(is_host(good), "{good}");
        }
        let long = "a".repeat(254);
        for bad in [
            "",
            ":",
            ":80",
            ".",
            "a..b",
            "bad host",
            "a/b",
            "u@h",
            "u:p@h",
            "h:port",
            "h:80:80",
            "h:65536",
            "h:-1",
            "h:+1",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:x",
            "[::1%25eth0]",
            "[v1.a]",
            "a, b",
            "a,b",
            "ä",
            "%61",
            "a#b",
            "a?b",
            "a\tb",
            "\"a\"",
            "*",
            "*.example",
            &long,
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn a_target_has_one_of_four_forms() {
        let read = |method: &str, target: &'static str| Target::read(method, target);
        let origin = |target| Ok(Target { host: None, path_and_query: target });
        for target in ["/", "/a/b;c=1?d[]={e}|f", "/?", "//", "/%zz", "/a\"b"] {
            assert_eq!(read("GET", target), origin(target));
        }
        let absolute = Target { host: Some("a.example:80"), path_and_query: "/b?c" };
        assert_eq!(read("GET", "HTTP://a.example:80/b?c"), Ok(absolute));
        assert_eq!(read("GET", "https://a"), Ok(Target { host: Some("a"), path_and_query: "" }));
        assert_eq!(read("OPTIONS", "*"), origin("*"));
        assert_eq!(read("CONNECT", "a.example:443"), origin(""));
        for (method, target) in [
            ("GET", "healthz"),
            ("GET", "*"),
            ("GET", "**"),
            ("OPTIONS", "**"),
            ("GET", "a.example:443"),
            ("CONNECT", "a.example"),
            ("CONNECT", "a.example:"),
            ("CONNECT", "u@a.example:443"),
            ("CONNECT", "[::1]"),
            ("CONNECT", "/"),
            ("GET", "ftp://a/"),
            ("GET", "http:/a"),
            ("GET", "?a"),
            ("GET", "/a#b"),
            ("GET", "/a?b#c"),
            ("GET", "http://a/#b"),
            ("GET", "/<>"),
            ("GET", "/`"),
            ("GET", "/\u{7f}"),
            ("GET", "/é"),
            ("GET", "/a?é"),
        ] {
            assert_eq!(read(method, target), Err(Refusal::InvalidTarget), "{method} {target}");
        }
        for target in
            ["http://", "http:///a", "http://u@a/", "http://a:b/", "http://a b/", "http://[::1/", "http://a#b"]
        {
            assert_eq!(read("GET", target), Err(Refusal::InvalidHost), "{target}");
        }
    }
}
