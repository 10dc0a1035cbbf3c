//! Plans that owners are on, and what may be done to them.

pub mod plan;
pub mod plan_changes;
