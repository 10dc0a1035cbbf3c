//! Protects this process: by default, no core dumps and no access to its memory, both of which would reveal the pepper,
//! the JWT secret and current keys.

use rustix::{
    io,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// A process that can't be dumped from the start. The configuration may allow dumps, but it already contains secrets.
pub(super) struct Hardened {
    /// The limit before the change.
    before: Rlimit,
    outcome: io::Result<()>,
}

impl Hardened {
    /// Hardens this process. Child processes are affected only by the limit on core dumps.
    pub(super) fn now() -> Self {
        let before = getrlimit(Resource::Core);
        let outcome = set_dumpable(false).and_then(|()| limit_core(Some(0), before.maximum));
        Self { before, outcome }
    }

    /// Applies the configuration, and logs if the protection is weaker than it should be.
    pub(super) fn settle(self, core_dumps: bool) {
        let outcome = if core_dumps {
            tracing::warn!(
                "process.core_dumps: the memory of this process, with all its secrets, may be written to a file and read by \
                 other processes of its user"
            );
            set_dumpable(true).and_then(|()| limit_core(self.before.current, self.before.maximum))
        } else {
            // Irrevocable: a hard limit of 0 can't be raised again.
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
