//! The allowed values of the section `[server]`.

use ipnet::IpNet;

use super::{LARGE_HEAD, Server, Socket, cors::cors};
use crate::{config::loading::Check, domain::network};

/// A maximum length that fits into the socket addresses of all systems (Linux 107, macOS 103).
const SOCKET_MAX_BYTES: usize = 100;

impl Server {
    /// The section, or `None` after its problems were recorded. All of it is read before the first `?`.
    pub(in crate::config) fn read(check: &mut Check<'_>) -> Option<Self> {
        let host = check.value("server.host", "an IP address such as 0.0.0.0, 127.0.0.1 or ::");
        let port = check.number("server.port", 0..=65_535);
        let socket = socket(check);
        let workers = check.count_of_threads("server.workers", 256);
        let max_connections = check.number("server.max_connections", 1..=1_000_000);
        let max_header_bytes = check.number("server.max_header_bytes", 4_096..=131_072);
        let max_body_bytes = check.number("server.max_body_bytes", 1_024..=16_777_216);
        let max_buffered_bytes = max_buffered_bytes(check, max_header_bytes, max_body_bytes);
        let header_timeout = check.duration("server.header_timeout", "1s", "1m");
        let body_timeout = check.duration("server.body_timeout", "1s", "5m");
        let write_timeout = check.duration("server.write_timeout", "1s", "5m");
        let keep_alive = check.duration("server.keep_alive", "1s", "1h");
        let unready_period = check.duration("server.unready_period", "0s", "1m");
        let drain_timeout = check.duration("server.drain_timeout", "0s", "5m");
        let public_url = public_url(check);
        let docs_at_root = check.value("server.docs_at_root", "true or false");
        let cors = cors(check);
        let trusted_proxies = trusted_proxies(check);
        let client_address_header = check.value("server.client_address_header", "x-forwarded-for or forwarded");
        Some(Self {
            host: host?,
            port: port?,
            socket: socket?,
            workers: workers?,
            max_connections: max_connections?,
            max_header_bytes: max_header_bytes?,
            max_body_bytes: max_body_bytes?,
            max_buffered_bytes: max_buffered_bytes?,
            header_timeout: header_timeout?,
            body_timeout: body_timeout?,
            write_timeout: write_timeout?,
            keep_alive: keep_alive?,
            unready_period: unready_period?,
            drain_timeout: drain_timeout?,
            public_url: public_url?,
            docs_at_root: docs_at_root?,
            cors: cors?,
            trusted_proxies: trusted_proxies?,
            client_address_header: client_address_header?,
        })
    }
}

/// At least one request with the largest head and the largest body must fit.
fn max_buffered_bytes(check: &mut Check<'_>, header_bytes: Option<usize>, body_bytes: Option<usize>) -> Option<usize> {
    let setting = "server.max_buffered_bytes";
    let bytes = check.number(setting, 1_048_576..=1_099_511_627_776)?;
    let least = LARGE_HEAD * header_bytes? + body_bytes?;
    if bytes < least {
        let why = "server.max_body_bytes and three times server.max_header_bytes";
        check.problem(setting, format!("is {bytes}, less than the {least} that one request may need: {why}"));
        return None;
    }
    Some(bytes)
}

fn socket(check: &mut Check<'_>) -> Option<Option<Socket>> {
    let mode = socket_mode(check);
    let setting = "server.socket";
    let path = check.text(setting, SOCKET_MAX_BYTES)?;
    if path.is_empty() {
        return mode.map(|_| None);
    }
    if !path.starts_with('/') || path.len() > SOCKET_MAX_BYTES {
        check.problem(setting, format!("is no absolute path of at most {SOCKET_MAX_BYTES} bytes"));
        return None;
    }
    Some(Some(Socket { path: path.into(), mode: mode? }))
}

fn socket_mode(check: &mut Check<'_>) -> Option<u32> {
    let setting = "server.socket_mode";
    let text = check.text(setting, 4)?;
    let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| mode & !0o777 == 0);
    if mode.is_none() {
        check.problem(setting, "is no permission such as 0660: who may read and write, in octal");
    }
    mode
}

fn public_url(check: &mut Check<'_>) -> Option<Option<String>> {
    let setting = "server.public_url";
    let url = check.text(setting, 512)?;
    let is_url =
        ["https://", "http://"].iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    if !url.is_empty() && !is_url {
        check.problem(setting, "is not an address such as https://keys.example.com");
        return None;
    }
    Some(Some(url).filter(|url| !url.is_empty()))
}

fn trusted_proxies(check: &mut Check<'_>) -> Option<Vec<IpNet>> {
    let setting = "server.trusted_proxies";
    let everybody = check.value("server.trust_everybody", "true or false");
    let networks = check.list(setting, 64, 64)?;
    let parse = |text: &String| network::parse(text).map(network::canonical).ok_or_else(|| text.clone());
    let networks: Vec<IpNet> = match networks.iter().map(parse).collect() {
        Ok(networks) => networks,
        Err(text) => {
            check.problem(setting, format!("holds {text:?}, which is no address and no network such as 10.0.0.0/8"));
            return None;
        }
    };
    if let (false, Some(wide)) = (everybody?, network::wider_than_private(&networks)) {
        check.problem(
            setting,
            format!(
                "trusts {wide}, which is wider than any private network: strangers in it could name their own address. \
                 Name the networks of your proxies; or, if nobody else can connect, set server.trust_everybody = true"
            ),
        );
        return None;
    }
    Some(networks)
}
