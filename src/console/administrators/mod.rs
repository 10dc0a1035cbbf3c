//! Pages of administrators about the whole service.
//!
//! - `overview`: keys to look at, refusals, and the busiest keys
//! - `replicas`: the replicas of the database

mod overview;
mod replicas;

pub(super) use self::{overview::overview, replicas::replicas};
