//! Reads a log and says whether the promise was kept: after a revoke has returned, no replica
//! accepts the key. And whether the log can tell: the key was accepted before, and asked about after.

use std::{collections::HashMap, fmt, time::Duration};

use crate::log::{Answer, At, Check, Log, Revocation, Wake};

/// So many checks of a revoked key must each replica have answered after the revoke returned.
pub(crate) const ENOUGH_CHECKS: usize = 3;

/// What a busy machine may add to a revoke, or more where it was seen to be that busy.
pub(crate) const BUSY_MACHINE: Duration = Duration::from_secs(1);
/// So often does one process wait for another while a revoke is under way: client, replica and Postgres, with a wire
/// between each two, for half a dozen statements.
pub(crate) const WAKES_OF_A_REVOKE: u32 = 64;

/// What a log must show, besides the promise.
#[derive(Clone, Debug)]
pub(crate) struct Demands {
    /// How many replicas are asked.
    pub(crate) replicas: usize,
    /// A revoke that succeeds does so within this, and what a busy machine may add.
    pub(crate) revoke_within: Duration,
    /// Replicas that may answer 503.
    pub(crate) may_be_unavailable: Vec<usize>,
    /// Replicas that may give no answer at all.
    pub(crate) may_be_silent: Vec<usize>,
    /// Revokes that must have succeeded, or the log proves nothing.
    pub(crate) least_revokes: usize,
}

/// What a log must not show.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Violation {
    /// The promise is broken: this check began after this revoke had returned.
    AcceptedAfterRevoke(Check, Revocation),
    /// A key that nobody had revoked was refused.
    RefusedBeforeRevoke(Check),
    /// An answer that this replica had no reason to give.
    UnexpectedAnswer(Check),
    /// The revoke's answer came too late.
    SlowRevoke(Revocation),
    /// No acceptance by this replica was seen before the revoke, so its end proves nothing.
    NeverAccepted(Revocation, usize),
    /// This replica has answered too few checks since the revoke.
    TooFewChecksAfter(Revocation, usize),
    /// Only so many revokes have succeeded.
    TooFewRevokes(usize),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AcceptedAfterRevoke(check, revocation) => {
                write!(f, "accepted after a revoke had returned: {check:?}, {revocation:?}")
            }
            Self::RefusedBeforeRevoke(check) => write!(f, "refused though nobody had revoked it: {check:?}"),
            Self::UnexpectedAnswer(check) => write!(f, "an answer without a reason: {check:?}"),
            Self::SlowRevoke(revocation) => write!(f, "a slow revoke: {revocation:?}"),
            Self::NeverAccepted(revocation, replica) => {
                write!(f, "proves nothing: replica {replica} has not accepted it before: {revocation:?}")
            }
            Self::TooFewChecksAfter(revocation, replica) => {
                write!(f, "proves nothing: replica {replica} was not asked since: {revocation:?}")
            }
            Self::TooFewRevokes(count) => write!(f, "proves nothing: only {count} revokes have succeeded"),
        }
    }
}

/// What a log says of revokes that have succeeded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) checks: usize,
    /// How long each revoke took, for its client.
    pub(crate) revokes: Spread,
    /// From the sending of each revoke to the start of the last check that was accepted.
    pub(crate) last_acceptances: Spread,
}

/// Some durations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spread(Vec<Duration>);

impl Spread {
    /// The smallest of them that at least `percent` of them do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Report {
    /// Takes in another round's.
    pub(crate) fn add(&mut self, other: Self) {
        self.checks += other.checks;
        self.revokes.0.extend(other.revokes.0);
        self.last_acceptances.0.extend(other.last_acceptances.0);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { checks, revokes, last_acceptances } = self;
        write!(f, "{checks} checks, {} revokes", revokes.len())?;
        for (name, spread) in [("revoke", revokes), ("revoke to last acceptance", last_acceptances)] {
            let [p50, p99, max] = [50, 99, 100].map(|percent| spread.percentile(percent));
            write!(f, "; {name}: p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?}")?;
        }
        Ok(())
    }
}

/// Reads the log.
pub(crate) fn judge(log: &Log, demands: &Demands) -> Result<Report, Vec<Violation>> {
    let mut violations = Vec::new();
    let mut report = Report { checks: log.checks.len(), ..Report::default() };
    let checks = by_key(&log.checks);
    violations.extend(stale(log));
    for revocation in log.revocations.iter().filter(|revocation| revocation.succeeded()) {
        let checks = of_key(&checks, revocation.key);
        violations.extend(proves_nothing(revocation, checks, demands));
        let took = revocation.end - revocation.start;
        if took > demands.revoke_within + added_by_the_machine(&log.wakes, revocation) {
            violations.push(Violation::SlowRevoke(*revocation));
        }
        report.revokes.0.push(took);
        report.last_acceptances.0.push(last_acceptance(revocation, checks));
    }
    if report.revokes.len() < demands.least_revokes {
        violations.push(Violation::TooFewRevokes(report.revokes.len()));
    }
    violations.extend(wrong_answers(log, demands));
    if violations.is_empty() { Ok(report) } else { Err(violations) }
}

/// Keys that were accepted after their revoke had returned, and nothing else.
pub(crate) fn stale(log: &Log) -> Vec<Violation> {
    let checks = by_key(&log.checks);
    let revocations = log.earlier_revocations.iter().chain(&log.revocations);
    let succeeded = revocations.filter(|revocation| revocation.succeeded());
    succeeded.flat_map(|revocation| accepted_after(revocation, of_key(&checks, revocation.key))).collect()
}

/// Each of the waits of a revoke is as long, on average, as one that was watched meanwhile.
fn added_by_the_machine(wakes: &[Wake], revocation: &Revocation) -> Duration {
    let meanwhile = wakes.iter().filter(|wake| (revocation.start..=revocation.end).contains(&wake.at));
    let (count, late) = meanwhile.fold((0, Duration::ZERO), |(count, late), wake| (count + 1, late + wake.late));
    BUSY_MACHINE.max(late / count.max(1) * WAKES_OF_A_REVOKE)
}

type ByKey<'a> = HashMap<usize, Vec<&'a Check>>;

fn by_key(checks: &[Check]) -> ByKey<'_> {
    let mut keys = ByKey::new();
    for check in checks {
        keys.entry(check.key).or_default().push(check);
    }
    keys
}

fn of_key<'a>(checks: &'a ByKey<'a>, key: usize) -> &'a [&'a Check] {
    checks.get(&key).map_or(&[], Vec::as_slice)
}

fn accepted(check: &Check) -> bool {
    check.answer == Answer::Status(200)
}

fn accepted_after(revocation: &Revocation, checks: &[&Check]) -> Vec<Violation> {
    let stale = checks.iter().filter(|check| accepted(check) && check.start > revocation.end);
    stale.map(|check| Violation::AcceptedAfterRevoke(**check, *revocation)).collect()
}

fn last_acceptance(revocation: &Revocation, checks: &[&Check]) -> Duration {
    let starts = checks.iter().filter(|check| accepted(check)).map(|check| check.start);
    starts.max().unwrap_or_default().saturating_sub(revocation.start)
}

fn proves_nothing(revocation: &Revocation, checks: &[&Check], demands: &Demands) -> Vec<Violation> {
    let mut violations = Vec::new();
    for replica in 0..demands.replicas {
        let here = || checks.iter().filter(|check| check.replica == replica);
        if !here().any(|check| accepted(check) && check.start < revocation.start) {
            violations.push(Violation::NeverAccepted(*revocation, replica));
        }
        let after = here().filter(|check| check.start > revocation.end && check.answer != Answer::Nothing);
        if after.count() < ENOUGH_CHECKS {
            violations.push(Violation::TooFewChecksAfter(*revocation, replica));
        }
    }
    violations
}

/// Answers that nothing explains.
pub(crate) fn wrong_answers(log: &Log, demands: &Demands) -> Vec<Violation> {
    let mut first_attempts: HashMap<usize, At> = HashMap::new();
    for revocation in log.earlier_revocations.iter().chain(&log.revocations) {
        // A revoke that has failed may have been half done.
        let first = first_attempts.entry(revocation.key).or_insert(revocation.start);
        *first = revocation.start.min(*first);
    }
    let verdict = |check: &Check| match check.answer {
        Answer::Status(200) => None,
        Answer::Status(401) => {
            let may_be_revoked = first_attempts.get(&check.key).is_some_and(|start| *start < check.end);
            (!may_be_revoked).then_some(Violation::RefusedBeforeRevoke(*check))
        }
        Answer::Status(503) if demands.may_be_unavailable.contains(&check.replica) => None,
        Answer::Nothing if demands.may_be_silent.contains(&check.replica) => None,
        _ => Some(Violation::UnexpectedAnswer(*check)),
    };
    log.checks.iter().filter_map(verdict).collect()
}

#[cfg(test)]
mod tests;
