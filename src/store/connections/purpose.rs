//! What connections are for, and what they need for it beyond the settings of all sessions.

use std::time::Duration;

/// The purpose of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Purpose {
    /// Reads and changes.
    Work,
    /// Heartbeats. A connection whose heartbeat fails is closed. Its successor terminates the sessions that this
    /// replica has left behind on the server: a process that waits for a standby does not notice that its client is
    /// gone, and many of them would exhaust the server's connections. `patience`: longer than any wait for such a
    /// session.
    Heartbeats { patience: Duration },
    /// Acknowledgements, which need not survive a crash, and looks for those of others.
    Acknowledgements,
}

impl Purpose {
    /// Whether it writes even where the default is to read only.
    pub(super) fn always_writes(self) -> bool {
        self != Self::Work
    }

    /// Its own settings, which win over those of all sessions.
    pub(super) fn settings(self) -> &'static [(&'static str, &'static str)] {
        // Where an operator stops changes, checks go on, and for that replicas must be able to write their own rows.
        const WRITES: (&str, &str) = ("default_transaction_read_only", "off");
        // A few statements, whose plans don't depend on their parameters, every second on every replica. Planning takes
        // longer than they do.
        const PLAN_ONCE: (&str, &str) = ("plan_cache_mode", "force_generic_plan");
        match self {
            Self::Work => &[],
            Self::Heartbeats { .. } => &[WRITES, PLAN_ONCE],
            Self::Acknowledgements => &[WRITES, PLAN_ONCE, ("synchronous_commit", "off")],
        }
    }

    /// Those that it has only on a session of its own, where they last.
    pub(super) fn lasting_settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // Postgres leaves the timer of a statement's limit running when the statement has ended, and wakes up for
            // nothing when it rings. One that rings later than the next heartbeat is used again. Whoever waits gives up
            // sooner, and the session that is left behind is terminated by its successor, or ends by this.
            Self::Heartbeats { .. } => &[("statement_timeout", "10s")],
            Self::Work | Self::Acknowledgements => &[],
        }
    }

    /// Whether commits must survive a crash.
    pub(super) fn is_durable(self) -> bool {
        self != Self::Acknowledgements
    }
}
