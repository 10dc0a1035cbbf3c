//! What responses say of a check.
//!
//! - `refused` ([`Refused`](refused::Refused)): the response to a refused request
//! - `challenge`: the credential to ask for
//! - `limit_headers`: what is left of limits

pub(crate) mod challenge;
pub(crate) mod limit_headers;
pub(crate) mod refused;
