//! Owners of keys: their names, and the limits that all their keys share.

pub mod owner;
pub mod owner_id;
pub mod owner_limits;
