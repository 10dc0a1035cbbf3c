//! IP networks, for restricting keys and for trusted proxies.

use std::net::IpAddr;

use ipnet::IpNet;

/// The number of bits before the IPv4 address in an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2).
const MAPPED_BITS: u8 = 96;
/// Larger networks include strangers: the largest private networks are 10.0.0.0/8 (RFC 1918 §3) and fc00::/7 (RFC 4193
/// §3).
const WIDEST_PRIVATE_IPV4: u8 = 8;
const WIDEST_PRIVATE_IPV6: u8 = 7;

/// Parses a network such as `192.0.2.0/24`. A single address is the network of that address.
pub fn parse(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| Some(text.parse::<IpAddr>().ok()?.into()))
}

/// Parses an address. An IPv4-mapped IPv6 address becomes IPv4.
pub fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// The canonical form of a network: bits beyond the prefix are cleared, and an IPv4-mapped IPv6 network becomes IPv4,
/// as clients' addresses do.
pub fn canonical(network: IpNet) -> IpNet {
    let as_ipv4 = match network {
        IpNet::V6(network) => network.addr().to_ipv4_mapped().zip(network.prefix_len().checked_sub(MAPPED_BITS)),
        IpNet::V4(_) => None,
    };
    let network = as_ipv4.and_then(|(address, bits)| IpNet::new(address.into(), bits).ok()).unwrap_or(network);
    network.trunc()
}

/// Whether every address of `networks` is in one of `others`. `networks` must be canonical.
pub fn are_within(networks: &[IpNet], others: &[IpNet]) -> bool {
    // Aggregated, because several networks together may contain one that none of them contains alone.
    let others = IpNet::aggregate(&others.to_vec());
    networks.iter().all(|network| others.iter().any(|other| other.contains(network)))
}

/// The widest of these canonical networks after aggregation, if it is wider than every private network.
pub fn wider_than_private(networks: &[IpNet]) -> Option<IpNet> {
    let is_wide = |network: &IpNet| match network {
        IpNet::V4(network) => network.prefix_len() < WIDEST_PRIVATE_IPV4,
        IpNet::V6(network) => network.prefix_len() < WIDEST_PRIVATE_IPV6,
    };
    let together = IpNet::aggregate(&networks.to_vec());
    together.into_iter().filter(is_wide).min_by_key(IpNet::prefix_len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| canonical(parse(text).expect("a network"))).collect()
    }

    #[test]
    fn a_network_has_one_form() {
        for (text, form) in [
            ("192.0.2.7", "192.0.2.7/32"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
            ("::ffff:0.0.0.0/95", "::fffe:0:0/95"),
            ("2001:db8::1/32", "2001:db8::/32"),
        ] {
            assert_eq!(networks(&[text])[0].to_string(), form, "{text}");
        }
        for bad in ["", "192.0.2", "192.0.2.1/33", "192.0.2.1/", "fe80::1%eth0", "[::1]", "192.0.2.1:80"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_within_several_networks_together_is_within_them() {
        let within = |networks_: &[&str], others: &[&str]| are_within(&networks(networks_), &networks(others));
        assert!(within(&[], &[]) && within(&["192.0.2.1"], &["192.0.2.0/24"]));
        assert!(within(&["192.0.2.0/24"], &["192.0.2.0/25", "192.0.2.128/26", "192.0.2.192/26"]));
        assert!(within(&["::ffff:192.0.2.1"], &["0.0.0.0/0"]));
        assert!(!within(&["192.0.2.0/24"], &["192.0.2.0/25", "192.0.2.128/26"]));
        assert!(!within(&["192.0.2.0/24"], &["::/0"]) && !within(&["192.0.2.0/24"], &[]));
    }

    #[test]
    fn what_is_wider_than_any_private_network_is_found_also_in_pieces() {
        for private in [&["10.0.0.0/8"][..], &["fc00::/7", "fe80::/10"], &["8.0.0.0/8", "10.0.0.0/8"], &[]] {
            assert_eq!(wider_than_private(&networks(private)), None, "{private:?}");
        }
        for wide in [&["0.0.0.0/0"][..], &["10.0.0.0/8", "11.0.0.0/8"], &["::/1", "8000::/1"], &["::ffff:0.0.0.0/96"]] {
            assert!(wider_than_private(&networks(wide)).is_some(), "{wide:?}");
        }
    }
}
