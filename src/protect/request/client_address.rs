//! The client's address: the peer's, or the one stated by trusted proxies.

use std::net::IpAddr;

use actix_web::{
    HttpRequest,
    http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue},
};
use ipnet::IpNet;

use super::forwarded;
use crate::{config::ClientAddressHeader, domain::network};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies that are trusted to state the client's address, and the header that they use.
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ClientAddressHeader,
}

/// Marks the data of a connection through the Unix socket. Whoever may open the socket is trusted.
pub(crate) struct BySocket;

/// The peer of a connection.
enum Peer {
    /// Not a trusted proxy. The address is absent if the connection is already closed.
    Stranger(Option<IpAddr>),
    /// A trusted proxy. The address is absent on the Unix socket.
    Proxy(Option<IpAddr>),
}

impl TrustedProxies {
    /// Trusts the configured networks and header.
    pub fn new(networks: Vec<IpNet>, header: ClientAddressHeader) -> Self {
        Self { networks: networks.into_iter().map(network::canonical).collect(), header }
    }

    /// The client's address. `None` if a trusted proxy sends a malformed address, or sends none and has none itself.
    pub(crate) fn client_address(&self, request: &HttpRequest) -> Option<IpAddr> {
        match self.peer(request) {
            Peer::Stranger(address) => address,
            Peer::Proxy(address) => self.told(request.headers(), address),
        }
    }

    /// Whether a request comes from a trusted proxy.
    pub(crate) fn are_asking(&self, request: &HttpRequest) -> bool {
        matches!(self.peer(request), Peer::Proxy(_))
    }

    fn peer(&self, request: &HttpRequest) -> Peer {
        match request.head().peer_addr.map(|peer| peer.ip().to_canonical()) {
            Some(address) if self.trusts(address) => Peer::Proxy(Some(address)),
            Some(address) => Peer::Stranger(Some(address)),
            // A TCP client that disconnects immediately has no address either.
            None if request.conn_data::<BySocket>().is_some() => Peer::Proxy(None),
            None => Peer::Stranger(None),
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The client's address, according to the proxy at this address.
    fn told(&self, headers: &HeaderMap, proxy: Option<IpAddr>) -> Option<IpAddr> {
        let is_ours = |address| self.trusts(address);
        match self.header {
            ClientAddressHeader::XForwardedFor => {
                let lines = headers.get_all(X_FORWARDED_FOR);
                let told = lines.flat_map(|line| forwarded::x_forwarded_for(line.as_bytes()));
                forwarded::client(told, proxy, is_ours)
            }
            ClientAddressHeader::Forwarded => {
                let mut lines = headers.get_all(FORWARDED).map(HeaderValue::as_bytes);
                match (lines.len(), lines.next()) {
                    (1, Some(line)) => forwarded::client(forwarded::forwarded(line)?, proxy, is_ours),
                    (_, None) => proxy,
                    (_, Some(first)) => {
                        let mut whole = first.to_vec();
                        lines.for_each(|line| whole.extend([b", ", line].concat()));
                        forwarded::client(forwarded::forwarded(&whole)?, proxy, is_ours)
                    }
                }
            }
        }
    }
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
        proxies.client_address(&request.to_http_request()).map(|address| address.to_string())
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
    fn who_has_no_address_and_is_not_at_the_socket_is_a_stranger() {
        let proxies = TrustedProxies::new(vec![], ClientAddressHeader::XForwardedFor);
        let request = TestRequest::default().append_header(("x-forwarded-for", "192.0.2.1")).to_http_request();
        assert_eq!((proxies.client_address(&request), proxies.are_asking(&request)), (None, false));
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
