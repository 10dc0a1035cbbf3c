//! The wire format of requests and responses: bodies, parameters, headers, failures.

pub(crate) mod actor;
pub(crate) mod confirmation;
pub(crate) mod credits;
pub mod entity_tag;
pub(crate) mod environment;
pub(crate) mod failure;
pub(crate) mod limits;
pub(crate) mod owner;
pub(crate) mod page;
pub(crate) mod request;
pub(crate) mod times;

pub use crate::domain::owner_id;
