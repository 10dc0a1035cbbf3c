//! Reads what clients send.
//!
//! - `bodies`, `queries`: the tables of all fields and parameters, with their schemas
//! - `fields`, `parameters`: the readers, which refuse names that are in no table
//! - `schema`: schemas used in several places

pub(crate) mod bodies;
pub(crate) mod fields;
pub(crate) mod form;
pub(crate) mod host;
pub(crate) mod idempotency;
pub(crate) mod parameters;
pub(crate) mod queries;
pub(crate) mod schema;
