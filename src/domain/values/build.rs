//! What this program was built from.

use std::sync::LazyLock;

/// The revision of the source, if whoever built the program said so by `KEYWARD_REVISION`.
pub const REVISION: &str = match option_env!("KEYWARD_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// The version with the revision, for people.
pub static VERSION_AND_REVISION: LazyLock<String> =
    LazyLock::new(|| format!("{} (revision {REVISION})", env!("CARGO_PKG_VERSION")));
