//! The composition root: the only part that knows every adapter.
//!
//! - `compose`: the common parts of every replica; `member`: what a replica does from its start to its end
//! - `library`: a replica within another application ([`Keyward::connect`](crate::Keyward::connect))
//! - `server`: a replica that serves Keyward's own routes (`RunningServer`)
//! - `examination`: whether issuers can be reached, for `keyward doctor`

#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "the server makes keys, too"))]
mod compose;
#[cfg(feature = "server")]
mod examination;
mod library;
mod member;
#[cfg(feature = "server")]
mod server;

pub use self::library::{ConnectError, Settings};
#[cfg(feature = "server")]
pub use self::{
    examination::examine_issuers,
    server::{RunningServer, Stop, StopOrders, Stopper},
};
