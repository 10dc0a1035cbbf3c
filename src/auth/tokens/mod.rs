//! Checks of tokens, and the memory of those that were verified.

pub(crate) mod cache;
pub mod check;
