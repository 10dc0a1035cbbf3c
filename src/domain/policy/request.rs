//! The method and the host of a request in canonical form, and which facts about the request are known.

use std::{borrow::Cow, fmt, net::Ipv6Addr};

use super::{RequestPath, Unclear};

/// The maximum length of a host name, in bytes (RFC 1035 §3.1).
const HOST_MAX_BYTES: usize = 253;
/// The maximum length of a method. The longest registered method has 17 characters.
const METHOD_MAX_BYTES: usize = 32;

/// The known facts about a client's request.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The method.
    pub method: Option<Method<'a>>,
    /// The host.
    pub host: Option<Host<'a>>,
    /// The path.
    pub path: Option<RequestPath<'a>>,
}

/// The facts about a request that a policy needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LooksAt {
    /// The host.
    pub host: bool,
    /// The path.
    pub path: bool,
    /// The method.
    pub method: bool,
}

impl LooksAt {
    /// Whether any fact is needed.
    pub fn anything(self) -> bool {
        self.host || self.path || self.method
    }

    pub(super) fn is_answered_by(self, asked: &Asked<'_>) -> bool {
        (!self.host || asked.host.is_some())
            && (!self.path || asked.path.is_some())
            && (!self.method || asked.method.is_some())
    }
}

/// A method in uppercase. Other spellings are refused, because some servers treat them as equal and others do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method<'a>(Cow<'a, str>);

impl<'a> Method<'a> {
    /// Parses a method.
    ///
    /// # Errors
    /// [`Unclear`] if it contains anything except uppercase letters, digits, `-` and `_`.
    pub fn parse(text: &'a str) -> Result<Self, Unclear> {
        let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        let fits = (1..=METHOD_MAX_BYTES).contains(&text.len()) && text.bytes().all(plain);
        if fits { Ok(Self(Cow::Borrowed(text))) } else { Err(Unclear) }
    }

    /// The same method, owned.
    pub fn into_owned(self) -> Method<'static> {
        Method(Cow::Owned(self.0.into_owned()))
    }

    /// Whether a rule for this method matches `other`: HEAD is GET without the content (RFC 9110 §9.3.2).
    pub(super) fn takes(&self, other: &Method<'_>) -> bool {
        self.0 == other.0 || (self.0 == "GET" && other.0 == "HEAD")
    }
}

impl fmt::Display for Method<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A host in lowercase, without a port and without the trailing dot of the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host<'a>(Cow<'a, str>);

impl<'a> Host<'a> {
    /// Parses a host with an optional port (RFC 3986 §3.2.2, §3.2.3).
    ///
    /// # Errors
    /// [`Unclear`] if it is neither a name nor an address. Non-ASCII names must be in Punycode.
    pub fn parse(text: &'a str) -> Result<Self, Unclear> {
        let end = if text.starts_with('[') {
            text.find(']').ok_or(Unclear)? + 1
        } else {
            text.find(':').unwrap_or(text.len())
        };
        let (host, port) = text.split_at(end);
        let digits = port.strip_prefix(':').unwrap_or(port);
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) || (!port.is_empty() && !port.starts_with(':')) {
            return Err(Unclear);
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            // Canonical form, because an address can be written in many ways.
            let address: Ipv6Addr = address.parse().map_err(|_| Unclear)?;
            return Ok(Self(Cow::Owned(format!("[{address}]"))));
        }
        if !is_name(host) {
            return Err(Unclear);
        }
        let has_capitals = host.bytes().any(|byte| byte.is_ascii_uppercase());
        Ok(Self(if has_capitals { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) }))
    }

    /// The canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_name(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    host.len() <= HOST_MAX_BYTES && host.split('.').all(|label| !label.is_empty() && label.bytes().all(plain))
}

/// A host, or all subdomains of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This host.
    Exactly(Box<str>),
    /// Every subdomain of this host at any depth, without the host itself.
    Below(Box<str>),
}

impl HostPattern {
    /// Parses `api.example.com` or `*.example.com`. Ports are not allowed, because rules match hosts by name only.
    ///
    /// # Errors
    /// [`Unclear`] if it is neither.
    pub fn parse(text: &str) -> Result<Self, Unclear> {
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |rest| (rest, true));
        // Parsing would silently drop either.
        if name.ends_with('.') || (name.contains(':') && !name.ends_with(']')) {
            return Err(Unclear);
        }
        let host = Host::parse(name)?.0.into_owned().into_boxed_str();
        Ok(if below { Self::Below(host) } else { Self::Exactly(host) })
    }
}
