//! `[server]`.

use std::{net::IpAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use ipnet::IpNet;
use serde::Deserialize;

/// A large head takes so many times `max_header_bytes` of `max_buffered_bytes`: it is kept once until it is whole, and then in a
/// buffer of actix-http that has doubled to hold it.
#[cfg(feature = "server")]
pub(crate) const LARGE_HEAD: usize = 3;

/// HTTP: where to listen, and how much a client may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 lets the system choose.
    pub port: u16,
    /// A Unix socket to listen on as well.
    pub socket: Option<Socket>,
    /// Threads that serve HTTP.
    pub workers: NonZeroUsize,
    /// Connections open at once, in the whole process.
    pub max_connections: usize,
    /// Largest request head, in bytes.
    pub max_header_bytes: usize,
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Memory that clients can make this process hold beyond what each connection has anyway, in bytes.
    pub max_buffered_bytes: usize,
    /// Time to receive a request head.
    pub header_timeout: Duration,
    /// Time to receive a request body.
    pub body_timeout: Duration,
    /// How long a client may take nothing of its answer.
    pub write_timeout: Duration,
    /// How long an idle connection stays open.
    pub keep_alive: Duration,
    /// How long readiness is denied before draining starts.
    pub unready_period: Duration,
    /// How long requests under way may take to end.
    pub drain_timeout: Duration,
    /// Under which address clients know us; `None`: the one that they ask for.
    pub public_url: Option<String>,
    /// Whether `/` leads to the page about the API.
    pub docs_at_root: bool,
    /// Which pages of others may ask from a browser; `None`: none.
    pub cors: Option<Cors>,
    /// Networks whose word on a client's address is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Where they give it.
    pub client_address_header: ClientAddressHeader,
}

impl Server {
    /// Whether anybody's word on the original request is taken.
    pub fn trusts_anybody(&self) -> bool {
        !self.trusted_proxies.is_empty() || self.socket.is_some()
    }
}

/// Which pages of other origins may ask (CORS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Origins as browsers write them. At least one.
    pub origins: Vec<String>,
    /// For how long a browser may keep the answer to a preflight.
    pub max_age: Duration,
}

/// A Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Where it is.
    pub path: PathBuf,
    /// Its permissions: who may connect, and so is believed.
    pub mode: u32,
}

/// The header in which proxies tell a client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ClientAddressHeader {
    /// `X-Forwarded-For`, the usual one.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}
