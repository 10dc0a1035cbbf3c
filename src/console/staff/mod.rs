//! Pages of administrators.
//!
//! - `overview`: keys to look at, refusals, and the busiest keys

mod overview;

pub(super) use self::overview::overview;
