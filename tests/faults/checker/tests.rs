//! The checker on logs made by hand: it finds each violation, and only that.

use super::*;

const OK: Answer = Answer::Status(200);
const REFUSED: Answer = Answer::Status(401);
const UNAVAILABLE: Answer = Answer::Status(503);

fn ms(millis: u64) -> At {
    At::from_millis(millis)
}

/// A check of key 7 that takes 2 ms.
fn check(replica: usize, start: u64, answer: Answer) -> Check {
    Check { key: 7, replica, start: ms(start), end: ms(start + 2), answer }
}

/// Two replicas accept key 7 until it is revoked from 100 to 110 ms.
fn good_log() -> Log {
    let mut checks = Vec::new();
    for replica in 0..2 {
        checks.extend([check(replica, 10, OK), check(replica, 104, OK)]);
        checks.extend((0..ENOUGH_CHECKS as u64).map(|n| check(replica, 111 + n, REFUSED)));
    }
    let revocation = Revocation { key: 7, via: 0, start: ms(100), end: ms(110), answer: OK };
    Log { checks, revocations: vec![revocation], ..Log::default() }
}

fn demands() -> Demands {
    Demands {
        replicas: 2,
        revoke_within: ms(20),
        may_be_unavailable: Vec::new(),
        may_be_silent: Vec::new(),
        least_revokes: 1,
    }
}

/// The one violation that this log shows.
fn violation(log: &Log, demands: &Demands) -> Violation {
    let violations = judge(log, demands).expect_err("a violation");
    assert_eq!(violations.len(), 1, "{violations:?}");
    violations[0]
}

#[test]
fn a_good_log_passes_and_is_measured() {
    let report = judge(&good_log(), &demands()).expect("no violation");
    assert_eq!(report.checks, 10);
    assert_eq!(report.revokes.percentile(50), ms(10));
    assert_eq!(report.last_acceptances.percentile(99), ms(4));
}

#[test]
fn one_acceptance_that_starts_after_the_revoke_returned_is_found() {
    let mut log = good_log();
    log.checks.push(check(1, 111, OK));
    let Violation::AcceptedAfterRevoke(stale, _) = violation(&log, &demands()) else { panic!("another violation") };
    assert_eq!((stale.replica, stale.start), (1, ms(111)));
}

#[test]
fn an_acceptance_that_started_before_the_revoke_returned_is_none() {
    let mut log = good_log();
    log.checks.push(Check { end: ms(900), ..check(1, 109, OK) });
    assert!(judge(&log, &demands()).is_ok());
}

#[test]
fn a_key_of_an_earlier_round_stays_revoked() {
    let mut log = good_log();
    log.earlier_revocations.push(Revocation { key: 3, ..log.revocations[0] });
    log.checks.push(Check { key: 3, ..check(0, 800, REFUSED) });
    assert!(judge(&log, &demands()).is_ok());
    log.checks.push(Check { key: 3, ..check(0, 900, OK) });
    assert!(matches!(violation(&log, &demands()), Violation::AcceptedAfterRevoke(..)));
}

#[test]
fn a_revoke_that_failed_promises_nothing() {
    let mut log = good_log();
    log.revocations[0].answer = UNAVAILABLE;
    log.checks.push(check(1, 111, OK));
    assert!(matches!(violation(&log, &demands()), Violation::TooFewRevokes(0)));
}

#[test]
fn a_key_that_nobody_revoked_must_not_be_refused() {
    let mut log = good_log();
    log.checks.push(check(0, 50, REFUSED));
    assert!(matches!(violation(&log, &demands()), Violation::RefusedBeforeRevoke(_)));
    let mut log = good_log();
    log.checks.push(Check { key: 8, ..check(0, 500, REFUSED) });
    assert!(matches!(violation(&log, &demands()), Violation::RefusedBeforeRevoke(_)));
}

#[test]
fn only_a_disturbed_replica_may_be_unavailable_or_silent() {
    for (answer, disturbed) in [
        (UNAVAILABLE, Demands { may_be_unavailable: vec![1], ..demands() }),
        (Answer::Nothing, Demands { may_be_silent: vec![1], ..demands() }),
    ] {
        let mut log = good_log();
        log.checks.push(check(1, 300, answer));
        assert!(judge(&log, &disturbed).is_ok());
        assert!(matches!(violation(&log, &demands()), Violation::UnexpectedAnswer(_)));
        log.checks.push(check(0, 300, answer));
        assert!(matches!(violation(&log, &disturbed), Violation::UnexpectedAnswer(_)));
    }
    let mut log = good_log();
    log.checks.push(check(1, 300, Answer::Status(500)));
    assert!(matches!(violation(&log, &demands()), Violation::UnexpectedAnswer(_)));
}

#[test]
fn a_log_that_proves_nothing_is_found() {
    let mut log = good_log();
    log.checks.retain(|check| check.replica == 0 || check.start > ms(100));
    assert!(matches!(violation(&log, &demands()), Violation::NeverAccepted(_, 1)));
    let mut log = good_log();
    log.checks.pop();
    assert!(matches!(violation(&log, &demands()), Violation::TooFewChecksAfter(_, 1)));
    let mut log = good_log();
    log.revocations[0].end = ms(110 + 15) + BUSY_MACHINE;
    log.checks.clear();
    assert_eq!(judge(&log, &demands()).expect_err("no checks").len(), 5);
}

/// The revoke took two seconds, and the machine's due is one.
fn log_of_a_slow_revoke() -> Log {
    let mut log = good_log();
    log.revocations[0].end = ms(2100);
    log.checks.iter_mut().filter(|check| check.start > ms(110)).for_each(|check| {
        check.start += ms(2000);
        check.end += ms(2000);
    });
    log
}

#[test]
fn a_revoke_that_takes_too_long_is_found() {
    let hasty = Demands { revoke_within: ms(999), ..demands() };
    assert!(matches!(violation(&log_of_a_slow_revoke(), &hasty), Violation::SlowRevoke(_)));
    let patient = Demands { revoke_within: ms(1000), ..demands() };
    assert!(judge(&log_of_a_slow_revoke(), &patient).is_ok());
}

#[test]
fn a_machine_that_was_busy_meanwhile_excuses_a_slow_revoke() {
    let slow = |at, late| Wake { at: ms(at), late: ms(late) };
    let mut log = log_of_a_slow_revoke();
    // Before and after, and for a moment.
    log.wakes = vec![slow(99, 500), slow(1000, 29), slow(1100, 1), slow(2101, 500)];
    assert!(matches!(violation(&log, &demands()), Violation::SlowRevoke(_)));
    log.wakes = vec![slow(1000, 29), slow(1100, 33)];
    assert!(judge(&log, &demands()).is_ok());
}
