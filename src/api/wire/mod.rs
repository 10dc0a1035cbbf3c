//! The wire format of requests and responses: bodies, parameters, headers, failures.

pub(crate) mod actor;
#[cfg(test)]
pub(crate) mod asked;
pub mod cursor;
pub mod entity_tag;
pub(crate) mod failure;
pub(crate) mod fields;
pub(crate) mod form;
pub(crate) mod idempotency;
pub mod owner_id;
pub(crate) mod parameters;
pub(crate) mod times;
