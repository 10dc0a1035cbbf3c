//! The address of a database as a URL: `postgres://user:password@host:5432/name?sslmode=require`, possibly with several
//! hosts as in libpq (`host1:5432,host2:5432`).

use std::{borrow::Cow, fmt::Write, net::Ipv6Addr};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

use super::invalid_url::{HOSTS_MAX, InvalidDatabaseUrl};
use crate::domain::secret::SecretString;

/// Parameters with their aliases, and the name under which each is passed on. Keyward does not interpret them;
/// parameters that it interprets are parsed separately.
const PASSED_ON: [(&str, &str); 13] = [
    ("sslmode", "sslmode"),
    ("ssl-mode", "sslmode"),
    ("sslrootcert", "sslrootcert"),
    ("ssl-root-cert", "sslrootcert"),
    ("ssl-ca", "sslrootcert"),
    ("sslcert", "sslcert"),
    ("ssl-cert", "sslcert"),
    ("sslkey", "sslkey"),
    ("ssl-key", "sslkey"),
    ("application_name", "application_name"),
    ("options", "options"),
    ("statement-cache-capacity", "statement-cache-capacity"),
    ("hostaddr", "hostaddr"),
];

const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// A parsed address.
pub struct DatabaseUrl {
    /// The servers in the order in which they are tried. A server without a host is taken from the environment
    /// (`PGHOST`), or is local.
    servers: Vec<ServerAddress>,
    user: Option<Zeroizing<String>>,
    password: Option<Zeroizing<String>>,
    database: Option<Zeroizing<String>>,
    parameters: Vec<(String, Zeroizing<String>)>,
}

/// The address of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ServerAddress {
    host: Option<String>,
    port: Option<u16>,
}

impl DatabaseUrl {
    /// Parses a URL. `password_setting`: the setting for a password outside of the URL.
    ///
    /// # Errors
    /// [`InvalidDatabaseUrl`].
    pub fn parse(url: &SecretString, password_setting: &'static str) -> Result<Self, InvalidDatabaseUrl> {
        let url = url.expose();
        let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let rest = rest.filter(|rest| !rest.is_empty()).ok_or(InvalidDatabaseUrl::Scheme)?;
        if rest.contains('#') {
            return Err(InvalidDatabaseUrl::Fragment(password_setting));
        }
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = before.split_once('/').unwrap_or((before, ""));
        // These could belong to the name; but in a URL they are far more likely to belong to a password.
        if path.contains(['@', '/']) {
            return Err(InvalidDatabaseUrl::Reserved(password_setting));
        }
        Self::of(authority, path, query).map_err(|error| {
            let is_by_value = matches!(error, InvalidDatabaseUrl::SslMode | InvalidDatabaseUrl::SessionAttributes);
            // All other errors would be consequences of this one.
            let is_cut_off = !authority.contains('@') && query.contains('@') && !is_by_value;
            if is_cut_off { InvalidDatabaseUrl::Reserved(password_setting) } else { error }
        })
    }

    fn of(authority: &str, path: &str, query: &str) -> Result<Self, InvalidDatabaseUrl> {
        let (user_info, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = user_info.split_once(':').map_or((user_info, None), |(user, word)| (user, Some(word)));
        let mut address = Self {
            servers: servers(hosts)?,
            user: filled(user)?,
            password: password.map(decoded).transpose()?,
            database: filled(path)?,
            parameters: Vec::new(),
        };
        let (mut hosts, mut ports) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let unknown = || unknown_parameter(pair, query);
            let (name, value) = pair.split_once('=').ok_or_else(unknown)?;
            let value = decoded(value)?;
            match name {
                "host" => hosts = Some(value),
                "port" => ports = Some(value),
                "user" => address.user = Some(value),
                "password" => address.password = Some(value),
                "dbname" => address.database = Some(value),
                "target_session_attrs" if matches!(value.as_str(), "read-write" | "primary") => {}
                "target_session_attrs" => return Err(InvalidDatabaseUrl::SessionAttributes),
                "connect_timeout" => return Err(InvalidDatabaseUrl::Timeout),
                other => {
                    let name = parameter(other, &value)?.ok_or_else(unknown)?.into_owned();
                    address.parameters.push((name, value));
                }
            }
        }
        if let Some(hosts) = hosts {
            let ports = address.servers.iter().map(|server| server.port).collect::<Vec<_>>();
            address.servers =
                hosts.split(',').map(|host| ServerAddress { host: host_name(host), port: None }).collect();
            if let [port] = ports[..] {
                address.servers.iter_mut().for_each(|server| server.port = port);
            }
        }
        if let Some(ports) = ports {
            address.set_ports(&ports)?;
        }
        if address.servers.len() > HOSTS_MAX { Err(InvalidDatabaseUrl::Hosts) } else { Ok(address) }
    }

    fn set_ports(&mut self, ports: &str) -> Result<(), InvalidDatabaseUrl> {
        let ports: Vec<_> = ports.split(',').map(port).collect::<Result<_, _>>()?;
        match &ports[..] {
            [one] => self.servers.iter_mut().for_each(|server| server.port = Some(*one)),
            each if each.len() == self.servers.len() => {
                self.servers.iter_mut().zip(each).for_each(|(server, port)| server.port = Some(*port));
            }
            _ => return Err(InvalidDatabaseUrl::Ports),
        }
        Ok(())
    }

    /// One URL for each server, with one host each and nothing ambiguous.
    pub fn one_each(&self) -> impl Iterator<Item = Zeroizing<String>> {
        self.servers.iter().map(|server| {
            let mut url = Zeroizing::new("postgres:///?".to_owned());
            let port = server.port.map(|port| port.to_string());
            let text = |value: &Option<Zeroizing<String>>| value.as_deref().cloned();
            let own = [
                ("host", server.host.clone()),
                ("port", port),
                ("user", text(&self.user)),
                ("password", text(&self.password)),
                ("dbname", text(&self.database)),
            ];
            for (name, value) in own.into_iter().filter_map(|(name, value)| Some((name, Zeroizing::new(value?)))) {
                add(&mut url, name, &value);
            }
            for (name, value) in &self.parameters {
                add(&mut url, name, value);
            }
            url
        })
    }

    /// Whether the address specifies whether to use TLS.
    pub fn names_ssl_mode(&self) -> bool {
        self.parameters.iter().any(|(name, _)| name == "sslmode")
    }

    /// Whether the address contains a password.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }
}

fn add(url: &mut String, name: &str, value: &str) {
    let _ = write!(url, "{}={}&", name, utf8_percent_encode(value, NON_ALPHANUMERIC));
}

/// An unknown parameter by its name, unless that may be a part of a password in which somebody has not written `&` or
/// `?` as a URL wants it.
fn unknown_parameter(pair: &str, query: &str) -> InvalidDatabaseUrl {
    const LONGEST: usize = 40;
    let before = query.split('&').take_while(|other| *other != pair);
    let is_apart = !query.contains('@') && before.into_iter().all(|other| !other.starts_with("password="));
    let looks_like_one = |name: &&str| {
        let is_usual = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-');
        (1..=LONGEST).contains(&name.len()) && name.bytes().all(is_usual)
    };
    let name = pair.split_once('=').map(|(name, _)| name).filter(looks_like_one).filter(|_| is_apart);
    InvalidDatabaseUrl::Parameter(name.map_or_else(|| "a parameter".to_owned(), |name| format!("the parameter {name}")))
}

/// The name under which a parameter is passed on; `None` where it is not known.
fn parameter<'a>(name: &'a str, value: &str) -> Result<Option<Cow<'a, str>>, InvalidDatabaseUrl> {
    if name.starts_with("options[") && name.ends_with(']') {
        return Ok(Some(Cow::Borrowed(name)));
    }
    let Some((_, known)) = PASSED_ON.iter().find(|(known, _)| *known == name) else { return Ok(None) };
    match *known {
        "sslmode" if !SSL_MODES.contains(&value) => Err(InvalidDatabaseUrl::SslMode),
        "hostaddr" if value.parse::<std::net::IpAddr>().is_err() => Err(InvalidDatabaseUrl::Address),
        "statement-cache-capacity" if value.parse::<usize>().is_err() => Err(InvalidDatabaseUrl::StatementCache),
        known => Ok(Some(Cow::Borrowed(known))),
    }
}

fn servers(hosts: &str) -> Result<Vec<ServerAddress>, InvalidDatabaseUrl> {
    hosts.split(',').map(server).collect()
}

fn server(text: &str) -> Result<ServerAddress, InvalidDatabaseUrl> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').ok_or(InvalidDatabaseUrl::Address)?;
        // The system validates the zone (`%eth0`).
        let (address, _zone) = inside.split_once('%').unwrap_or((inside, ""));
        address.parse::<Ipv6Addr>().map_err(|_| InvalidDatabaseUrl::Address)?;
        let port = match after.strip_prefix(':') {
            Some(digits) => Some(port(digits)?),
            None if after.is_empty() => None,
            None => return Err(InvalidDatabaseUrl::Address),
        };
        return Ok(ServerAddress { host: Some(inside.to_owned()), port });
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(InvalidDatabaseUrl::Brackets);
    }
    let (host, port) = match text.split_once(':') {
        Some((host, "")) => (host, None),
        Some((host, digits)) => (host, Some(port(digits)?)),
        None => (text, None),
    };
    Ok(ServerAddress { host: host_name(&decoded(host)?), port })
}

/// A name, an address or a folder. Brackets are removed from addresses.
fn host_name(text: &str) -> Option<String> {
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    Some(inside.to_owned()).filter(|host| !host.is_empty())
}

fn port(digits: &str) -> Result<u16, InvalidDatabaseUrl> {
    let number = digits.parse().ok().filter(|port| *port > 0);
    number.filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit())).ok_or(InvalidDatabaseUrl::Port)
}

fn filled(text: &str) -> Result<Option<Zeroizing<String>>, InvalidDatabaseUrl> {
    Ok(Some(decoded(text)?).filter(|text| !text.is_empty()))
}

fn decoded(text: &str) -> Result<Zeroizing<String>, InvalidDatabaseUrl> {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    let is_encoded = |at: usize| is_digit(bytes.get(at + 1)) && is_digit(bytes.get(at + 2));
    if bytes.iter().enumerate().any(|(at, byte)| *byte == b'%' && !is_encoded(at)) {
        return Err(InvalidDatabaseUrl::Encoding);
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| InvalidDatabaseUrl::Encoding)?;
    if decoded.contains('\0') { Err(InvalidDatabaseUrl::Nul) } else { Ok(Zeroizing::new(decoded.into_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<DatabaseUrl, InvalidDatabaseUrl> {
        DatabaseUrl::parse(&url.to_owned().into(), "database.password")
    }

    fn each(url: &str) -> Vec<String> {
        let parsed = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        parsed.one_each().map(|url| url.trim_start_matches("postgres:///?").trim_end_matches('&').to_owned()).collect()
    }

    #[test]
    fn hosts_are_names_addresses_and_folders_one_or_several_each_with_a_port() {
        for (url, servers) in [
            ("postgres://u:p@h:5433/d", &["host=h&port=5433&user=u&password=p&dbname=d"][..]),
            ("postgresql://h", &["host=h"]),
            ("postgres://u@/d", &["user=u&dbname=d"]),
            ("postgres:///d?host=/run/postgresql", &["host=%2Frun%2Fpostgresql&dbname=d"]),
            ("postgres://u@%2Frun%2Fpg/d", &["host=%2Frun%2Fpg&user=u&dbname=d"]),
            ("postgres://[::1]/d", &["host=%3A%3A1&dbname=d"]),
            ("postgres://[2001:db8::1]:6432/d", &["host=2001%3Adb8%3A%3A1&port=6432&dbname=d"]),
            (
                "postgres://a:1,b,[::1]:3/d",
                &["host=a&port=1&dbname=d", "host=b&dbname=d", "host=%3A%3A1&port=3&dbname=d"],
            ),
            ("postgres://h:1/d?host=a,b", &["host=a&port=1&dbname=d", "host=b&port=1&dbname=d"]),
            ("postgres:///d?host=a,b&port=1,2", &["host=a&port=1&dbname=d", "host=b&port=2&dbname=d"]),
            (
                "postgres://a,b/d?port=7&target_session_attrs=read-write",
                &["host=a&port=7&dbname=d", "host=b&port=7&dbname=d"],
            ),
            ("postgres://u:a%23b%2Fc%3Fd%40e%25@h", &["host=h&user=u&password=a%23b%2Fc%3Fd%40e%25"]),
            ("postgres://u:a@b@h", &["host=h&user=u&password=a%40b"]),
            ("postgres://h/d?user=a@b&ssl-mode=disable", &["host=h&user=a%40b&dbname=d&sslmode=disable"]),
        ] {
            assert_eq!(each(url), servers, "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_what_stands_there() {
        use InvalidDatabaseUrl as Invalid;
        let reserved = Invalid::Reserved("database.password");
        for (url, problem) in [
            ("mysql://u@h/d", Invalid::Scheme),
            ("postgres://", Invalid::Scheme),
            ("postgres://u:pa#ss@h/d", Invalid::Fragment("database.password")),
            ("postgres://u:pa/ss@h/d", reserved.clone()),
            ("postgres://u:pa?ss@h/d", reserved.clone()),
            ("postgres://u:12/34@h:5432/d", reserved.clone()),
            ("postgres://u:12?34=5@h:5432/d", reserved.clone()),
            ("postgres://u:a@b/c@h:5432/d", reserved.clone()),
            ("postgres://u:100%@h/d", Invalid::Encoding),
            ("postgres://u:%ff@h/d", Invalid::Encoding),
            ("postgres://u:%00@h/d", Invalid::Nul),
            ("postgres://u@::1/d", Invalid::Brackets),
            ("postgres://u@[::1/d", Invalid::Address),
            ("postgres://u@[h]/d", Invalid::Address),
            ("postgres://u@h:0/d", Invalid::Port),
            ("postgres://u@h:+5/d", Invalid::Port),
            ("postgres://u@h:70000/d", Invalid::Port),
            ("postgres:///d?host=a,b,c&port=1,2", Invalid::Ports),
            ("postgres://h/d?sslmode=typo", Invalid::SslMode),
            ("postgres://h/d?ssl_mode=require", Invalid::Parameter("the parameter ssl_mode".to_owned())),
            ("postgres://u@h/d?password=a&b=c", Invalid::Parameter("a parameter".to_owned())),
            ("postgres://u@h/d?a&b=c", Invalid::Parameter("a parameter".to_owned())),
            ("postgres://u:a@b?c=d&e@h/d", Invalid::Parameter("a parameter".to_owned())),
            ("postgres://h/d?connect_timeout=3", Invalid::Timeout),
            ("postgres://a,b/d?target_session_attrs=any", Invalid::SessionAttributes),
            ("postgres://h/d?statement-cache-capacity=many", Invalid::StatementCache),
        ] {
            assert_eq!(parse(url).err(), Some(problem), "{url}");
        }
    }
}
