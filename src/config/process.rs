//! The section `[process]`: the protection of the process.

use super::loading::Check;

/// The protection of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Whether a core dump may be written, and processes of the same user may read the memory.
    pub core_dumps: bool,
}

impl Process {
    /// The section, or `None` after its problems were recorded. All of it is read before the first `?`.
    pub(super) fn read(check: &mut Check<'_>) -> Option<Self> {
        let core_dumps = check.value("process.core_dumps", "true or false");
        Some(Self { core_dumps: core_dumps? })
    }
}
