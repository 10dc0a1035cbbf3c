//! The client's address: that of whoever connects, or what trusted proxies say of it.

use std::net::IpAddr;

use actix_web::{dev::RequestHead, http::header::HeaderName};
use ipnet::IpNet;

use crate::config::ClientAddressHeader;

/// Proxies whose word on a client's address is taken, and where they give it.
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ClientAddressHeader,
}

impl TrustedProxies {
    /// Those of the configuration.
    pub fn new(networks: Vec<IpNet>, header: ClientAddressHeader) -> Self {
        Self { networks, header }
    }

    /// The client's address; `None` when a trusted proxy says what cannot be read.
    ///
    /// Each proxy adds the address that it was called from at the right. So the rightmost address that is
    /// not a trusted proxy's is the last one that somebody trustworthy has seen; what is left of it, the
    /// client may have written itself.
    pub(crate) fn client_address(&self, head: &RequestHead) -> Option<IpAddr> {
        let peer = head.peer_addr?.ip().to_canonical();
        if !self.trusts(peer) {
            return Some(peer);
        }
        let mut client = peer;
        for told in self.told(head).into_iter().rev() {
            client = told?.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        Some(client)
    }

    /// Whether a request comes from one of them.
    pub(crate) fn are_asking(&self, head: &RequestHead) -> bool {
        head.peer_addr.is_some_and(|peer| self.trusts(peer.ip().to_canonical()))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The addresses as they stand, over all lines of the header; `None` for one that cannot be read.
    fn told(&self, head: &RequestHead) -> Vec<Option<IpAddr>> {
        let (name, read): (_, fn(&str) -> Option<IpAddr>) = match self.header {
            ClientAddressHeader::XForwardedFor => (HeaderName::from_static("x-forwarded-for"), address),
            ClientAddressHeader::Forwarded => (HeaderName::from_static("forwarded"), forwarded_for),
        };
        let lines = head.headers().get_all(name);
        lines.flat_map(|line| line.to_str().unwrap_or("?").split(',').map(|item| read(item.trim()))).collect()
    }
}

/// The `for` of one element of `Forwarded` (RFC 7239 §4, §6).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pair = |pair: &'_ str| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then(|| address(value.trim().trim_matches('"')))
    };
    element.split(';').find_map(pair).flatten()
}

/// An address, with or without a port. An IPv6 address with a port stands in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => host,
            _ => text,
        },
    };
    bare.parse().ok()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client(header: ClientAddressHeader, peer: &str, lines: &[(&str, &str)]) -> Option<String> {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().expect("a network")], header);
        let mut request = TestRequest::default().peer_addr(format!("{peer}:4711").parse().expect("an address"));
        for line in lines {
            request = request.append_header(*line);
        }
        proxies.client_address(request.to_srv_request().head()).map(|address| address.to_string())
    }

    fn by_x_forwarded_for(peer: &str, lines: &[&str]) -> Option<String> {
        let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        client(ClientAddressHeader::XForwardedFor, peer, &lines)
    }

    #[test]
    fn a_stranger_cannot_choose_an_address() {
        assert_eq!(by_x_forwarded_for("192.0.2.1", &["198.51.100.7"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(by_x_forwarded_for("10.0.0.1", &["1.1.1.1, 192.0.2.1"]).as_deref(), Some("192.0.2.1"));
        let forwarded = [("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(client(ClientAddressHeader::XForwardedFor, "10.0.0.1", &forwarded).as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_of_ours_is_the_client() {
        assert_eq!(by_x_forwarded_for("10.0.0.1", &["1.1.1.1", "192.0.2.1, 10.0.0.2"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(by_x_forwarded_for("10.0.0.1", &[]).as_deref(), Some("10.0.0.1"));
        assert_eq!(by_x_forwarded_for("10.0.0.1", &["10.0.0.3, 10.0.0.2"]).as_deref(), Some("10.0.0.3"));
        assert_eq!(by_x_forwarded_for("10.0.0.1", &["[2001:db8::1]:80"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(by_x_forwarded_for("10.0.0.1", &["192.0.2.1:80"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(by_x_forwarded_for("[::ffff:192.0.2.9]", &[]).as_deref(), Some("192.0.2.9"));
    }

    #[test]
    fn what_cannot_be_read_is_no_address() {
        for line in ["unknown", "", "1.2.3", "192.0.2.1, é"] {
            assert_eq!(by_x_forwarded_for("10.0.0.1", &[line]), None, "{line}");
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_has_it() {
        let line = r#"for=192.0.2.43, For="[2001:db8:cafe::17]:4711";proto=https;by=10.0.0.1"#;
        let found = client(ClientAddressHeader::Forwarded, "10.0.0.1", &[("forwarded", line)]);
        assert_eq!(found.as_deref(), Some("2001:db8:cafe::17"));
        assert_eq!(client(ClientAddressHeader::Forwarded, "10.0.0.1", &[("forwarded", "for=_hidden")]), None);
    }
}
