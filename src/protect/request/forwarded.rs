//! Parses addresses from proxies in `Forwarded` (RFC 7239), or in the non-standard `X-Forwarded-For`.
//!
//! Each proxy appends what it has observed on the right; everything to the left of that may come from the client. So
//! one element must never be split in two, nor two merged into one: a client that controls part of an element, such as
//! a host name, must not be able to insert another. An element that can't be parsed counts as an unknown address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An upper bound for an address with a port, in bytes.
const NODE_MAX_BYTES: usize = 128;

/// The client's address, from the addresses of the elements from left to right (`None` for a malformed one): the
/// rightmost address that is not a trusted proxy, which is the last one observed by a trusted party. `proxy` is the
/// address of the peer, and the result if there are no elements.
pub fn client(
    told: impl Iterator<Item = Option<IpAddr>>,
    proxy: Option<IpAddr>,
    is_ours: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let mut client = None;
    for address in told {
        let address = address.map(|address| address.to_canonical());
        if client.is_none() || !address.is_some_and(&is_ours) {
            client = Some(address);
        }
    }
    client.unwrap_or(proxy)
}

/// The address in each element of a line of `X-Forwarded-For`, with or without a port. An IPv6 address with a port is
/// in brackets. An empty element counts as malformed.
pub fn x_forwarded_for(line: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    line.split(|byte| *byte == b',').map(|item| {
        let text = str::from_utf8(trim(item)).ok()?;
        text.parse().ok().or_else(|| node(text))
    })
}

/// The `for` address in each element of a `Forwarded` header, whose lines are joined (RFC 7239 §4, RFC 9110 §5.3).
///
/// An element that is malformed or does not have exactly one `for` gives `None`. The whole result is `None` if a quoted
/// string is not closed, because then the ends of elements are unknown.
pub fn forwarded(value: &[u8]) -> Option<impl Iterator<Item = Option<IpAddr>>> {
    let mut quotes = Quotes::default();
    for byte in value {
        quotes.hold(*byte);
    }
    (!quotes.are_open()).then(|| split(value, b',').map(element))
}

/// Parses `forwarded-element` (RFC 7239 §4). Empty parameters between semicolons are allowed.
fn element(element: &[u8]) -> Option<IpAddr> {
    let mut told = None;
    for pair in split(element, b';').map(trim).filter(|pair| !pair.is_empty()) {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (&pair[..equals], &pair[equals + 1..]);
        if !is_token(name) || !(is_token(value) || is_quoted_string(value)) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"for") && told.replace(value).is_some() {
            return None;
        }
    }
    let mut room = [0; NODE_MAX_BYTES];
    node(str::from_utf8(unquoted(told?, &mut room)?).ok()?)
}

/// Parses `node` (RFC 7239 §6) if it is an address, not `unknown` or an obfuscated name. Zones (RFC 4007 §11) are
/// refused, because they have a meaning only on the proxy's machine.
fn node(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let is_sound = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return if is_sound { address.parse::<Ipv6Addr>().ok().map(IpAddr::V6) } else { None };
    }
    let (address, port) = text.split_once(':').map_or((text, None), |(address, port)| (address, Some(port)));
    if port.is_none_or(is_port) { address.parse::<Ipv4Addr>().ok().map(IpAddr::V4) } else { None }
}

/// `node-port` (RFC 7239 §6): digits, or an obfuscated port.
fn is_port(port: &str) -> bool {
    match port.strip_prefix('_') {
        Some(word) => {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        }
        None => (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// `token` (RFC 9110 §5.6.2).
fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// `quoted-string` (RFC 9110 §5.6.4).
fn is_quoted_string(text: &[u8]) -> bool {
    let Some(inner) = text.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else { return false };
    let mut escaped = false;
    let is_sound = inner.iter().all(|byte| {
        let is_escaped = escaped;
        escaped = !is_escaped && *byte == b'\\';
        let is_text = matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
        is_text && (is_escaped || *byte != b'"')
    });
    is_sound && !escaped
}

/// The value of a token or quoted string. `None` if it exceeds the buffer.
fn unquoted<'a>(value: &'a [u8], room: &'a mut [u8]) -> Option<&'a [u8]> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else { return Some(value) };
    let (mut length, mut escaped) = (0, false);
    for byte in inner {
        escaped = !escaped && *byte == b'\\';
        if !escaped {
            *room.get_mut(length)? = *byte;
            length += 1;
        }
    }
    Some(&room[..length])
}

/// Splits at separators outside of quoted strings.
fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quotes = Quotes::default();
    text.split(move |byte| !quotes.hold(*byte) && *byte == separator)
}

/// Trims optional white space (RFC 9110 §5.6.3).
fn trim(text: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let Some(begin) = text.iter().position(is_text) else { return &[] };
    let end = text.iter().rposition(is_text).unwrap_or(begin);
    &text[begin..=end]
}

/// Tracks whether a position in a text is within a quoted string, byte by byte.
#[derive(Default)]
struct Quotes {
    open: bool,
    escaped: bool,
}

impl Quotes {
    /// Whether this byte belongs to a quoted string.
    fn hold(&mut self, byte: u8) -> bool {
        let was_open = self.open;
        if self.open && self.escaped {
            self.escaped = false;
        } else if self.open && byte == b'\\' {
            self.escaped = true;
        } else if byte == b'"' {
            self.open = !self.open;
        }
        was_open || self.open
    }

    fn are_open(&self) -> bool {
        self.open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(value: &str) -> Option<Vec<Option<String>>> {
        let told = forwarded(value.as_bytes())?;
        Some(told.map(|address| address.map(|address| address.to_string())).collect())
    }

    fn addresses<const COUNT: usize>(addresses: [&str; COUNT]) -> Option<Vec<Option<String>>> {
        Some(addresses.map(|address| Some(address.to_owned()).filter(|address| !address.is_empty())).to_vec())
    }

    #[test]
    fn the_examples_of_rfc_7239_section_4_are_read() {
        assert_eq!(told("for=\"_gazonk\""), addresses([""]));
        assert_eq!(told("For=\"[2001:db8:cafe::17]:4711\""), addresses(["2001:db8:cafe::17"]));
        assert_eq!(told("for=192.0.2.60;proto=http;by=203.0.113.43"), addresses(["192.0.2.60"]));
        assert_eq!(told("for=192.0.2.43, for=198.51.100.17"), addresses(["192.0.2.43", "198.51.100.17"]));
        assert_eq!(
            told("for=192.0.2.43, for=\"[2001:db8:cafe::17]\", for=unknown"),
            addresses(["192.0.2.43", "2001:db8:cafe::17", ""])
        );
        assert_eq!(told("for=_hidden, for=_SEVKISEK"), addresses(["", ""]));
    }

    #[test]
    fn what_a_host_name_holds_is_no_element_of_its_own() {
        for host in [r"x,for=192.0.2.7", r"x;for=192.0.2.7", r#"x\",for=192.0.2.7"#, r#"\\\",for=192.0.2.7;y=\""#] {
            let value = format!(r#"for=203.0.113.9;host="{host}""#);
            assert_eq!(told(&value), addresses(["203.0.113.9"]), "{value}");
        }
        assert_eq!(told(r#"for=203.0.113.9;host="x,for=192.0.2.7"#), None);
    }

    #[test]
    fn the_longest_address_in_the_longest_spelling_is_read() {
        let address = "[0000:0000:0000:0000:0000:ffff:255.255.255.255]:_port";
        let escaped: String = address.chars().map(|character| format!("\\{character}")).collect();
        assert_eq!(told(&format!("for=\"{escaped}\"")), addresses(["::ffff:255.255.255.255"]));
        assert_eq!(told(&format!("for=\"{}\"", "1".repeat(NODE_MAX_BYTES + 1))), addresses([""]));
    }
}
