//! Versions of what has no counter.

use std::num::NonZeroI64;

use sha2::{Digest, Sha256};

/// A number that changes whenever `text` does.
pub(crate) fn of_text(text: &str) -> NonZeroI64 {
    let hash: [u8; 32] = Sha256::digest(text).into();
    let number = i64::from_be_bytes(*hash.first_chunk().expect("32 bytes hold 8"));
    // Without the sign, it looks like any other version.
    NonZeroI64::new(number & i64::MAX).unwrap_or(NonZeroI64::MAX)
}
