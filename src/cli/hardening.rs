//! What others may get of this process: by default neither a core dump nor a look into its memory, both of which would show
//! the pepper, the JWT secret and the keys of the moment.

use rustix::{
    io,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// A process that cannot be dumped, from its first line on: the configuration, which may allow it, holds secrets already.
pub(super) struct Hardened {
    /// What the system would have allowed.
    before: Rlimit,
    outcome: io::Result<()>,
}

impl Hardened {
    /// Hardens this process. What it starts is not concerned, but for the size of core dumps.
    pub(super) fn now() -> Self {
        let before = getrlimit(Resource::Core);
        let outcome = set_dumpable(false).and_then(|()| limit_core(Some(0), before.maximum));
        Self { before, outcome }
    }

    /// Does as the configuration has it, and tells the log if that is less than one would wish.
    pub(super) fn settle(self, core_dumps: bool) {
        let outcome = if core_dumps {
            tracing::warn!(
                "process.core_dumps: the memory of this process, with all its secrets, may be written to a file and read by \
                 other processes of its user"
            );
            set_dumpable(true).and_then(|()| limit_core(self.before.current, self.before.maximum))
        } else {
            // For good: what is set to 0 here cannot be raised any more.
            self.outcome.and_then(|()| limit_core(Some(0), Some(0)))
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "the system did not let core dumps be set as process.core_dumps has it; set ulimit -c");
        }
    }
}

fn limit_core(current: Option<u64>, maximum: Option<u64>) -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current, maximum })
}

#[cfg(target_os = "linux")]
fn set_dumpable(dumpable: bool) -> io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(if dumpable { DumpableBehavior::Dumpable } else { DumpableBehavior::NotDumpable })
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there is nothing to set")]
fn set_dumpable(_: bool) -> io::Result<()> {
    Ok(())
}
