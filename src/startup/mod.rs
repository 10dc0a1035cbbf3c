//! The composition root: the only part that knows every adapter.
//!
//! - `compose`: what every replica is made of
//! - `library`: a replica within somebody else's application ([`Keyward::connect`](crate::Keyward::connect))
//! - `server`: a replica that serves Keyward's own routes (`Replica`)
//! - `socket`: the Unix socket that it may listen on as well

#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "the server makes keys, too"))]
mod compose;
mod library;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod socket;

pub use self::library::{ConnectError, Settings};
#[cfg(feature = "server")]
pub use self::server::{Replica, Stop};
