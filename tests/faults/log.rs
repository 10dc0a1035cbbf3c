//! What the clients have seen, on one clock: the test process's own.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// An instant: the time since the log began.
pub(crate) type At = Duration;

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// An HTTP status.
    Status(u16),
    /// The connection failed, or nothing came in a long time.
    Nothing,
}

/// Somebody has presented a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    pub(crate) key: usize,
    pub(crate) replica: usize,
    /// Before the first byte was sent.
    pub(crate) start: At,
    /// After the answer had arrived.
    pub(crate) end: At,
    pub(crate) answer: Answer,
}

/// Somebody has revoked a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Revocation {
    pub(crate) key: usize,
    /// The replica that was asked to.
    #[allow(dead_code, reason = "for whoever reads of a violation")]
    pub(crate) via: usize,
    pub(crate) start: At,
    /// After the answer had arrived. With 200, no replica accepts the key from now on.
    pub(crate) end: At,
    pub(crate) answer: Answer,
}

impl Revocation {
    /// Whether the promise was given.
    pub(crate) fn succeeded(&self) -> bool {
        self.answer == Answer::Status(200)
    }
}

/// The log's clock has been looked at, as it is time and again: the machine woke us so much later than it was asked to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wake {
    pub(crate) at: At,
    pub(crate) late: Duration,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) checks: Vec<Check>,
    pub(crate) revocations: Vec<Revocation>,
    /// Those of earlier rounds, whose keys may still be presented.
    pub(crate) earlier_revocations: Vec<Revocation>,
    pub(crate) wakes: Vec<Wake>,
}

/// The log while it is being written.
pub(crate) struct Recorder {
    began: Instant,
    log: Mutex<Log>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), log: Mutex::default() }
    }

    /// The instant now.
    pub(crate) fn now(&self) -> At {
        self.began.elapsed()
    }

    pub(crate) fn check(&self, check: Check) {
        self.log().checks.push(check);
    }

    pub(crate) fn revocation(&self, revocation: Revocation) {
        self.log().revocations.push(revocation);
    }

    /// Notes for ever how late the machine wakes who sleeps.
    pub(crate) async fn watch_the_machine(self: Arc<Self>) {
        const NAP: Duration = Duration::from_millis(10);
        loop {
            let asleep_since = self.now();
            tokio::time::sleep(NAP).await;
            let at = self.now();
            self.log().wakes.push(Wake { at, late: at.saturating_sub(asleep_since + NAP) });
        }
    }

    /// How late the machine has woken sleepers in the last half second, on average, beyond the precision of the timer.
    pub(crate) fn lateness(&self) -> Duration {
        const LATELY: usize = 50;
        const PRECISION: Duration = Duration::from_millis(2);
        let log = self.log();
        let wakes = &log.wakes[log.wakes.len().saturating_sub(LATELY)..];
        let late: Duration = wakes.iter().map(|wake| wake.late).sum();
        (late / u32::try_from(wakes.len().max(1)).expect("few")).saturating_sub(PRECISION)
    }

    /// Whether `replica` has answered 200 for `key`.
    pub(crate) fn has_accepted(&self, key: usize, replica: usize) -> bool {
        let accepted =
            |check: &Check| check.key == key && check.replica == replica && check.answer == Answer::Status(200);
        self.log().checks.iter().rev().any(accepted)
    }

    /// What was written since the last call.
    pub(crate) fn take(&self) -> Log {
        let mut log = self.log();
        let mut earlier = log.earlier_revocations.clone();
        earlier.extend(&log.revocations);
        let next = Log { earlier_revocations: earlier, ..Log::default() };
        std::mem::replace(&mut *log, next)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("nobody panics while writing")
    }
}
