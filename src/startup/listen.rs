//! The address that the server listens on.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use crate::config::Server;

/// Takes the address of the settings.
pub(super) fn listen(settings: &Server) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(settings.host, settings.port);
    TcpListener::bind(address).map_err(|error| {
        let what_to_do = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "something else is running there. Stop it, or set server.port (PORT) to another port"
            }
            io::ErrorKind::AddrNotAvailable => {
                "this machine has no such address. Set server.host to one of its own, or to 0.0.0.0 or :: for all of them"
            }
            io::ErrorKind::PermissionDenied => {
                "this user may not use that port. Set server.port (PORT) to 1024 or more"
            }
            _ => "set server.host and server.port (PORT) to an address that this process may use",
        };
        anyhow::Error::new(error).context(format!("cannot listen on {address}: {what_to_do}"))
    })
}

/// The address with the name of the machine, if this listens on all addresses of that.
pub(super) fn address_for_operators(address: SocketAddr) -> String {
    if !address.ip().is_unspecified() {
        return address.to_string();
    }
    format!("{}:{}", rustix::system::uname().nodename().to_string_lossy(), address.port())
}
