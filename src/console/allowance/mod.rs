//! Limits and credits in forms and on pages.
//!
//! - `limits`: limits, and what is left of them
//! - `credits`: credits, and top-ups of them

pub(super) mod credits;
pub(super) mod limits;
