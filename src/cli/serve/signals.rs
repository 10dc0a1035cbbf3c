//! What a signal to the process does.
//!
//! | signal | what it does |
//! | --- | --- |
//! | SIGTERM | stops, unready first; a second one hurries |
//! | SIGINT | stops at once; a second one hurries |
//! | SIGHUP | reads the policy file again |
//! | SIGUSR1, SIGUSR2 | nothing but a line in the log |

use anyhow::Context;
use keyward::startup::{Stop, StopOrders, Stopper};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that have a meaning, or would end the process by themselves.
pub(in crate::cli) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    users: [Signal; 2],
}

impl Signals {
    /// From now on, none of them ends the process by itself. To be called within the runtime.
    pub(in crate::cli) fn listen() -> anyhow::Result<Self> {
        let listen = |kind, name| signal(kind).with_context(|| format!("cannot listen for {name}"));
        Ok(Self {
            terminate: listen(SignalKind::terminate(), "SIGTERM")?,
            interrupt: listen(SignalKind::interrupt(), "SIGINT")?,
            hang_up: listen(SignalKind::hangup(), "SIGHUP")?,
            users: [listen(SignalKind::user_defined1(), "SIGUSR1")?, listen(SignalKind::user_defined2(), "SIGUSR2")?],
        })
    }

    /// Does what they mean from now on, in the current runtime. Gives back the one that reads the policy file again.
    ///
    /// SIGTERM comes from an orchestrator, which balances load: `on_terminate` says how to stop then. SIGINT comes from
    /// a person at a terminal, who wants to stop immediately.
    pub(in crate::cli) fn follow(self, on_terminate: Stop) -> (Signal, StopOrders) {
        let Self { mut terminate, mut interrupt, hang_up, users: [mut first, mut second] } = self;
        let (stopper, orders) = Stopper::new();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => stopper.order(on_terminate),
                    _ = interrupt.recv() => stopper.order(Stop::AtOnce),
                    _ = first.recv() => tell_unused("SIGUSR1"),
                    _ = second.recv() => tell_unused("SIGUSR2"),
                }
            }
        });
        (hang_up, orders)
    }
}

/// Programs that rotate logs send these, and would end the process: it has no log file, and reopens none.
fn tell_unused(name: &str) {
    tracing::info!(signal = name, "ignored a signal; SIGHUP reads the policy file again, and SIGTERM stops");
}
