//! `keyward healthcheck`: for containers without curl.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, bail};
use keyward::{config::Server, domain::escape::escaped};

const TIMEOUT: Duration = Duration::from_secs(3);
const READY: &[u8] = b"HTTP/1.1 200 ";
/// Far longer than any answer of ours about readiness.
const ANSWER_MAX_BYTES: u64 = 4096;

pub(super) fn run(server: &Server) -> anyhow::Result<()> {
    let address = SocketAddr::new(reachable(server.host), server.port);
    let answer = ask(address).with_context(|| format!("no answer from {address}"))?;
    if answer.starts_with(READY) {
        return Ok(());
    }
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    bail!("{address} is not ready: {}", escaped(format!("{status} {body}").trim()))
}

fn ask(address: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut connection = TcpStream::connect_timeout(&address, TIMEOUT)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.set_write_timeout(Some(TIMEOUT))?;
    connection.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    connection.take(ANSWER_MAX_BYTES).read_to_end(&mut answer)?;
    Ok(answer)
}

/// A server that listens on every address is reached on the loopback address.
fn reachable(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        host => host,
    }
}
