//! Checks of API keys, with a cache.

pub mod cache;
pub mod check;
pub(crate) mod cold_check;
pub mod hasher;
mod rehash;
mod use_outcome;
