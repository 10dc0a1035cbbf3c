//! Checks of tokens, with a cache.

pub(crate) mod cache;
pub mod check;
