//! The only part that sends requests to other servers. Only configured addresses are used, redirects are not followed
//! (OWASP API7:2023), and each response is bounded in time and size.
//!
//! - `client`: a request with these limits
//! - `key_sets`: issuers' keys

mod client;
mod key_sets;

pub(crate) use self::{client::NoClient, key_sets::KeySets};
