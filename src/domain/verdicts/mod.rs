//! The outcome of a check: who the caller is, or why the credential is refused.

pub mod denial;
pub mod principal;
pub mod verdict;
