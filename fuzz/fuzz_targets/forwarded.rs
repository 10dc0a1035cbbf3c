//! What proxies tell of a client's address. The first byte chooses the header.
//!
//! It never panics, and reads the same as a plain reading of the grammar, byte by byte. What a proxy adds at the right
//! decides: nothing that stands left of it makes another address of it.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use keyward::protect::forwarded::{client, forwarded, x_forwarded_for};
use libfuzzer_sys::fuzz_target;

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const ADDED: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

fn is_ours(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.octets()[0] == 10)
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, value)) = data.split_first() else { return };
    if choice % 2 == 0 {
        let told: Vec<_> = x_forwarded_for(value).collect();
        let items = value.split(|byte| *byte == b',');
        let plain: Vec<_> = items.map(|item| plain_item(&String::from_utf8_lossy(item))).collect();
        assert_eq!(told, plain);
        let added = [value, b", 203.0.113.9"].concat();
        assert_eq!(client(x_forwarded_for(&added), Some(PROXY), is_ours), Some(ADDED));
        assert_eq!(client(told.clone().into_iter(), Some(PROXY), is_ours), from_the_right(&told));
    } else {
        let told: Option<Vec<_>> = forwarded(value).map(Iterator::collect);
        assert_eq!(told, Reader { rest: value }.elements());
        let added = [value, b", for=203.0.113.9;host=\"a,for=192.0.2.7\""].concat();
        let found = forwarded(&added).map(|told| client(told, Some(PROXY), is_ours));
        assert!(matches!(found, None | Some(Some(ADDED))), "{found:?}");
        if let Some(told) = &told {
            assert_eq!(client(told.clone().into_iter(), Some(PROXY), is_ours), from_the_right(told));
        }
    }
});

fn from_the_right(told: &[Option<IpAddr>]) -> Option<IpAddr> {
    let mut client = Some(PROXY);
    for address in told.iter().rev() {
        client = address.map(|address| address.to_canonical());
        if !client.is_some_and(is_ours) {
            break;
        }
    }
    client
}

/// An address, in brackets if it is one of IPv6 that has a port.
fn plain_item(item: &str) -> Option<IpAddr> {
    let item = item.trim_matches([' ', '\t']);
    if let Ok(address) = item.parse() {
        return Some(address);
    }
    plain_node(item)
}

fn plain_node(text: &str) -> Option<IpAddr> {
    let (address, port) = match text.rfind(']') {
        Some(end) => (text[..end].strip_prefix('[')?.parse::<Ipv6Addr>().ok()?.into(), &text[end + 1..]),
        None => {
            let end = text.find(':').unwrap_or(text.len());
            (text[..end].parse::<Ipv4Addr>().ok()?.into(), &text[end..])
        }
    };
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    let is_port = match port.chars().nth(1) {
        None => port.is_empty(),
        Some('_') => port.len() > 2 && port.chars().skip(1).all(is_of_word),
        Some(_) => port.len() < 7 && port.chars().skip(1).all(|digit| digit.is_ascii_digit()),
    };
    (is_port && (port.is_empty() || port.starts_with(':'))).then_some(address)
}

/// Reads `Forwarded` from left to right, one production after the other.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// `None` where a quoted string has no end.
    fn elements(mut self) -> Option<Vec<Option<IpAddr>>> {
        let mut elements = vec![Vec::new()];
        while let Some(byte) = self.next() {
            let element: &mut Vec<u8> = elements.last_mut().expect("one at least");
            match byte {
                b',' => elements.push(Vec::new()),
                b'"' => {
                    element.push(b'"');
                    loop {
                        let byte = self.next()?;
                        element.push(byte);
                        match byte {
                            b'"' => break,
                            b'\\' => element.push(self.next()?),
                            _ => {}
                        }
                    }
                }
                byte => element.push(byte),
            }
        }
        Some(elements.iter().map(|element| Reader { rest: element }.element()).collect())
    }

    fn skip_blanks(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn token(&mut self) -> Vec<u8> {
        let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let end = self.rest.iter().position(|byte| !is_of_token(byte)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        token.to_vec()
    }

    fn quoted(&mut self) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            let byte = match self.next()? {
                b'"' => return Some(text),
                b'\\' => self.next()?,
                byte => byte,
            };
            if byte != b'\t' && (byte < b' ' || byte == 0x7F) {
                return None;
            }
            text.push(byte);
        }
    }

    fn element(mut self) -> Option<IpAddr> {
        let mut told = Vec::new();
        loop {
            self.skip_blanks();
            match self.rest.first() {
                None => break,
                Some(b';') => {
                    self.next();
                    continue;
                }
                Some(_) => {}
            }
            let name = self.token();
            if name.is_empty() || self.next()? != b'=' {
                return None;
            }
            let value = if self.rest.first() == Some(&b'"') {
                self.next();
                self.quoted()?
            } else {
                Some(self.token()).filter(|token| !token.is_empty())?
            };
            if name.eq_ignore_ascii_case(b"for") {
                told.push(value);
            }
            self.skip_blanks();
            if !matches!(self.rest.first(), None | Some(b';')) {
                return None;
            }
        }
        match told.as_slice() {
            // Longer than any address, whatever its port is called.
            [node] if node.len() > 128 => None,
            [node] => plain_node(std::str::from_utf8(node).ok()?),
            _ => None,
        }
    }
}
