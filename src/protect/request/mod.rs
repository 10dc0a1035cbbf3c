//! What a request says of its caller.
//!
//! - `credentials`: the API key or the token
//! - `client_address`: where it comes from; [`forwarded`]: what proxies say of that

pub(crate) mod client_address;
pub(crate) mod credentials;
pub mod forwarded;
