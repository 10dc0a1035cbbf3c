//! The section `[server]`: where to listen, and the limits on clients.
//!
//! - `validate`: its allowed values
//! - `cors`: those of `server.cors`

#[cfg(feature = "server")]
mod cors;
#[cfg(feature = "server")]
mod validate;

#[cfg(feature = "server")]
pub(super) use self::cors::origin_fault;
use std::{net::IpAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use ipnet::IpNet;
use serde::Deserialize;

/// How many times `max_header_bytes` a large head takes from `max_buffered_bytes`: it is buffered once until it is
/// complete, and then in a buffer of actix-http that has doubled to contain it.
#[cfg(feature = "server")]
pub(crate) const LARGE_HEAD: usize = 3;

/// HTTP: where to listen, and the limits on clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port to listen on; 0 lets the system choose.
    pub port: u16,
    /// An additional Unix socket to listen on.
    pub socket: Option<Socket>,
    /// The number of threads that serve HTTP.
    pub workers: NonZeroUsize,
    /// The maximum number of open connections in the whole process.
    pub max_connections: usize,
    /// The maximum size of a request head, in bytes.
    pub max_header_bytes: usize,
    /// The maximum size of a request body, in bytes.
    pub max_body_bytes: usize,
    /// The memory that clients can make this process hold beyond the fixed part per connection, in bytes.
    pub max_buffered_bytes: usize,
    /// The time limit for receiving a request head.
    pub header_timeout: Duration,
    /// The time limit for receiving a request body.
    pub body_timeout: Duration,
    /// How long a client may read nothing of its response.
    pub write_timeout: Duration,
    /// How long an idle connection stays open.
    pub keep_alive: Duration,
    /// How long the replica is unready before draining starts.
    pub unready_period: Duration,
    /// The time limit for requests in progress during shutdown.
    pub drain_timeout: Duration,
    /// The base URL for clients; `None`: the one that they request.
    pub public_url: Option<String>,
    /// Whether `/` redirects to the documentation.
    pub docs_at_root: bool,
    /// The origins whose pages may call the API from a browser; `None`: none.
    pub cors: Option<Cors>,
    /// The networks of proxies that are trusted to state a client's address.
    pub trusted_proxies: Vec<IpNet>,
    /// The header that they use.
    pub client_address_header: ClientAddressHeader,
}

impl Server {
    /// Whether anybody is trusted to describe the original request.
    pub fn trusts_anybody(&self) -> bool {
        !self.trusted_proxies.is_empty() || self.socket.is_some()
    }
}

/// The origins whose pages may call the API (CORS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// The origins as browsers send them. At least one.
    pub origins: Vec<String>,
    /// How long a browser may cache the response to a preflight.
    pub max_age: Duration,
}

/// A Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Its path.
    pub path: PathBuf,
    /// Its permissions, which decide who may connect and is therefore trusted.
    pub mode: u32,
}

/// The header in which proxies state a client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ClientAddressHeader {
    /// `X-Forwarded-For`, the common one.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}
