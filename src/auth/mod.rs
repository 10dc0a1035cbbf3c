//! The use cases: is this credential good, and what becomes of keys. No web framework and no SQL.

pub mod api_key;
pub mod hasher;
pub mod jwt;
pub mod lifecycle;
mod strict_json;

use crate::domain::ports::StoreError;

/// A check or a change could not be decided or done. Becomes 503, never a grant and never a refusal.
#[derive(Debug, thiserror::Error)]
pub enum Undecided {
    /// The store could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The hasher could not answer.
    #[error(transparent)]
    Hasher(#[from] hasher::HashError),
}
