//! Checks of API keys: in memory, and what memory does not know.

pub mod cache;
pub mod check;
pub(crate) mod cold_check;
pub mod hasher;
pub mod last_uses;
