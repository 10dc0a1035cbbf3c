//! The only part that sends requests to other servers. Only configured addresses are used, redirects are not followed
//! (OWASP API7:2023), and each response is bounded in time and size.
//!
//! - `client`: a request with these limits
//! - `collector`: sends spans
//! - `key_sets`: issuers' keys
//! - `openid`: the provider at which people sign in

mod client;
#[cfg(feature = "server")]
mod collector;
mod key_sets;
#[cfg(feature = "server")]
mod openid;

pub(crate) use self::{client::NoClient, key_sets::KeySets};
#[cfg(feature = "server")]
pub(crate) use self::{collector::Collector, openid::HttpProvider};
