//! What this program was built from.

use std::sync::LazyLock;

/// The revision of the source, if whoever built the program said so by `KEYWARD_REVISION`.
pub const REVISION: &str = match option_env!("KEYWARD_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// The longest revision that the database keeps, in bytes: `migrations/0035_revisions_of_replicas.sql`.
const REVISION_MAX_BYTES: usize = 100;

// A replica could not write its row, and would never have a lease.
const _: () = assert!(
    REVISION.len() <= REVISION_MAX_BYTES,
    "KEYWARD_REVISION has more than 100 bytes: name a commit, such as `git rev-parse HEAD`"
);

/// The version with the revision, for people.
pub static VERSION_AND_REVISION: LazyLock<String> =
    LazyLock::new(|| format!("{} (revision {REVISION})", env!("CARGO_PKG_VERSION")));
