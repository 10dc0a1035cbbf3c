//! Pages of administrators.
//!
//! - `overview`: keys to look at, refusals, and the busiest keys
//! - `sessions`: everybody's sessions

mod overview;
mod sessions;

pub(super) use self::{
    overview::overview,
    sessions::{end_sessions, sessions},
};
