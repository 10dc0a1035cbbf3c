//! Links with which a product hands its customers over to the console: each opens one session, once, within a minute.

use std::{ops::RangeInclusive, str::FromStr, time::Duration};

use super::{Person, SealedSecret};
use crate::domain::{api_key::Keyring, audit::Actor};

/// How long a link works: long enough for a redirect on a slow connection and a click, and too short for a link that
/// leaks into a log to be worth much.
pub const HAND_OVER_LASTS: Duration = Duration::from_secs(60);
/// How long a session that is handed over may last at most, in seconds: what is shorter is not worth a click, and what
/// is longer a sign-in is for.
pub const HANDED_OVER_SECONDS: RangeInclusive<u64> = 60..=43_200;
/// The maximum length of an address to return to, in bytes.
pub const RETURN_ADDRESS_MAX_BYTES: usize = 1024;

/// The secret of a link.
pub struct HandOverSecret(SealedSecret);

impl HandOverSecret {
    const SEALED_AS: &str = "console link ";

    /// A new secret.
    pub fn generate(keyring: &Keyring) -> Self {
        Self(SealedSecret::generate(Self::SEALED_AS, keyring))
    }

    /// The secret in this text; `None` for any text that we have not made with one of these peppers.
    pub fn parse(text: &str, keyring: &Keyring) -> Option<Self> {
        SealedSecret::parse(Self::SEALED_AS, text, keyring).map(Self)
    }

    /// The text, for the link. Never log or store it.
    pub fn expose(&self) -> &str {
        self.0.0.expose()
    }

    /// What the database has of it.
    pub fn hash(&self) -> [u8; 32] {
        self.0.derive("keyward console hand-over")
    }
}

/// Whom a link hands over.
#[derive(Clone, Debug)]
pub struct HandOver {
    /// Who is to get the session.
    pub person: Person,
    /// Where they come from, and go back to.
    pub return_to: Option<ReturnAddress>,
}

/// That a session began with a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedOver {
    /// Where its person comes from, and goes back to.
    pub return_to: Option<ReturnAddress>,
    /// Who has made the link; `None` if an earlier version has.
    pub by: Option<Actor>,
}

/// An address of a product: `https://` with a host, so that a browser runs nothing in the console's name and sends
/// nothing in the clear. Without TLS on this machine only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnAddress(Box<str>);

/// The text is no address to return to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an https:// address in ASCII, at most {RETURN_ADDRESS_MAX_BYTES} bytes")]
pub struct InvalidReturnAddress;

impl ReturnAddress {
    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host, with a port that is not the usual one.
    pub fn host(&self) -> &str {
        let (_, rest) = self.0.split_once("://").unwrap_or_default();
        rest.split(['/', '?', '#']).next().unwrap_or_default()
    }
}

impl FromStr for ReturnAddress {
    type Err = InvalidReturnAddress;

    fn from_str(text: &str) -> Result<Self, InvalidReturnAddress> {
        let address = Self(text.into());
        let host = address.host();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if is_port(port) => name,
            _ => host,
        };
        let is_local = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
        let is_safe = text.starts_with("https://") || (text.starts_with("http://") && is_local);
        let is_label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        let is_host = name == "[::1]" || (!name.is_empty() && name.bytes().all(is_label));
        // What a browser would read differently, or not at all (RFC 3986 §2).
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
        let is_fine = is_safe && is_host && text.bytes().all(is_plain) && text.len() <= RETURN_ADDRESS_MAX_BYTES;
        if is_fine { Ok(address) } else { Err(InvalidReturnAddress) }
    }
}

/// From 1 to 65535, without what `parse` would take besides: a sign, and leading zeros.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0') && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::session::{SessionSecret, tests::keyring};

    #[test]
    fn an_address_to_return_to_is_one_that_a_browser_only_opens() {
        for (good, host) in [
            ("https://app.example.com", "app.example.com"),
            ("https://app.example.com:8443/settings/keys?tab=1#list", "app.example.com:8443"),
            ("https://app.example.com?x", "app.example.com"),
            ("https://app.example.com:65535", "app.example.com:65535"),
            ("http://localhost:8080/", "localhost:8080"),
            ("http://127.0.0.1", "127.0.0.1"),
            ("http://[::1]:3000/x", "[::1]:3000"),
        ] {
            assert_eq!(good.parse::<ReturnAddress>().expect(good).host(), host);
        }
        let long = format!("https://a.example/{}", "x".repeat(RETURN_ADDRESS_MAX_BYTES));
        for bad in [
            "",
            "/settings",
            "//app.example.com",
            "http://app.example.com",
            "http://localhost.evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://",
            "https:///x",
            "https://user@app.example.com",
            "https://app.example.com\\@evil.example",
            "https://app.example.com:",
            "https://app.example.com:0",
            "https://app.example.com:+80",
            "https://app.example.com:080",
            "https://app.example.com:65536",
            "https://app.example.com/ x",
            "https://app.example.com/\"x",
            "https://äpp.example",
            "HTTPS://app.example.com",
            &long,
        ] {
            assert_eq!(bad.parse::<ReturnAddress>(), Err(InvalidReturnAddress), "{bad}");
        }
    }

    #[test]
    fn a_link_is_no_session_and_a_session_no_link() {
        let keyring = keyring(&["the pepper"]);
        let (link, session) = (HandOverSecret::generate(&keyring), SessionSecret::generate(&keyring));
        assert_eq!(HandOverSecret::parse(link.expose(), &keyring).map(|again| again.hash()), Some(link.hash()));
        assert!(SessionSecret::parse(link.expose(), &keyring).is_none());
        assert!(HandOverSecret::parse(session.expose(), &keyring).is_none());
        assert!(HandOverSecret::parse("short", &keyring).is_none());
    }
}
