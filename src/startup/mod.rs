//! The composition root: the only part that knows every adapter.
//!
//! - `compose`: the common parts of every replica; `console`: the pages for people
//! - `examination`: whether issuers can be reached, for `keyward doctor`
//! - `library`: a replica within another application ([`Keyward::connect`](crate::Keyward::connect))
//! - `member`: what a replica does from its start to its end
//! - `metrics`: gathers what all parts count
//! - `preparation`: what must be there before it serves; `peppers`: whether the peppers are those of the database's
//!   keys
//! - `server`: a replica that serves Keyward's own routes (`RunningServer`); `listen`: its addresses
//! - `socket`: the optional Unix socket; `stop`: how a replica stops

#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "the server makes keys, too"))]
mod compose;
#[cfg(feature = "server")]
mod console;
#[cfg(feature = "server")]
mod examination;
mod library;
#[cfg(feature = "server")]
mod listen;
mod member;
#[cfg(feature = "server")]
mod metrics;
#[cfg(feature = "server")]
mod peppers;
#[cfg(feature = "server")]
mod preparation;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod socket;
#[cfg(feature = "server")]
mod stop;

pub use self::library::{ConnectError, Settings};
#[cfg(feature = "server")]
pub use self::{
    examination::examine_issuers,
    server::RunningServer,
    stop::{Stop, StopOrders, Stopper},
};
