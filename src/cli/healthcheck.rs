//! `keyward healthcheck`: for containers without curl.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, bail};
use keyward::config::Server;

const TIMEOUT: Duration = Duration::from_secs(3);
const READY: &[u8] = b"HTTP/1.1 200 ";

pub(super) fn run(server: &Server) -> anyhow::Result<()> {
    let address = SocketAddr::new(reachable(server.host), server.port);
    let answer = ask(address).with_context(|| format!("no answer from {address}"))?;
    if answer != *READY {
        bail!("{address} is not ready");
    }
    Ok(())
}

fn ask(address: SocketAddr) -> std::io::Result<[u8; READY.len()]> {
    let mut connection = TcpStream::connect_timeout(&address, TIMEOUT)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.set_write_timeout(Some(TIMEOUT))?;
    connection.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; READY.len()];
    connection.read_exact(&mut answer)?;
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
