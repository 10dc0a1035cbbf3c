//! Owners of keys: their names, the limits that all their keys share, and how often they change keys.

pub mod owner;
pub mod owner_changes;
pub mod owner_id;
pub mod owner_limits;
