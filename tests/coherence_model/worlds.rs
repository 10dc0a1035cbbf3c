//! Small worlds, each for one thing that may happen.

use std::time::Duration;

use crate::rules::{Budget, Rules, settings};

const NOTHING: Budget = Budget { connections: 0, heartbeats: 0, fills: 0, leaves: 0, restarts: 0, pauses: 0 };

const REVOKER: Budget = Budget { connections: 1, ..NOTHING };

const HOLDER: Budget = Budget { connections: 1, heartbeats: 2, fills: 1, ..NOTHING };

/// One key, one revoke, leases of two ticks, clocks at one rate.
pub(crate) fn small_world(budgets: &[Budget], revoker: Option<usize>) -> Rules {
    Rules {
        settings: vec![settings(2, 0); budgets.len()],
        longest_lease: Duration::from_nanos(2),
        has_rows: false,
        has_pulses: false,
        older: None,
        fault: None,
        connected: vec![true; budgets.len()],
        budgets: budgets.to_vec(),
        clock_rates: vec![1; budgets.len()],
        keys: 1,
        revokers: vec![revoker],
        revokes: 1,
        ticks: 4,
        caches_later: false,
        answers_later: false,
        unproven: None,
        may_be_superseded: false,
        repetitions: 0,
        forgeries: 0,
    }
}

/// The revoker's own lease is shorter than the holder's: it must go by the holder's.
pub(crate) fn steady() -> Rules {
    Rules { settings: vec![settings(1, 0), settings(2, 0)], ..small_world(&[REVOKER, HOLDER], Some(0)) }
}

/// Both send pulses, which name each other.
pub(crate) fn two_send_pulses() -> Rules {
    let holder = Budget { heartbeats: 1, ..HOLDER };
    let revoker = Budget { fills: 0, ..holder };
    with_rows(Rules { ticks: 3, ..small_world(&[revoker, holder], Some(0)) })
}

pub(crate) fn one_heartbeat() -> Rules {
    let holder = Budget { heartbeats: 1, ..HOLDER };
    small_world(&[REVOKER, holder], Some(0))
}

pub(crate) fn holder_reconnects() -> Rules {
    let holder = Budget { connections: 2, heartbeats: 1, ..HOLDER };
    small_world(&[REVOKER, holder], Some(0))
}

/// The same with rows of all replicas, which whoever begins to listen reads, and with pulses.
pub(crate) fn with_rows(rules: Rules) -> Rules {
    Rules { has_rows: true, has_pulses: true, ..rules }
}

/// The same where this replica is of a version before pulses, so that the others tell it everything as before.
pub(crate) fn beside_older(older: usize, rules: Rules) -> Rules {
    Rules { has_pulses: true, older: Some(older), ..rules }
}

pub(crate) fn revoker_begins_to_listen() -> Rules {
    Rules { connected: vec![false, true], ..one_heartbeat() }
}

pub(crate) fn revoker_reconnects() -> Rules {
    let revoker = Budget { connections: 2, ..REVOKER };
    let holder = Budget { heartbeats: 1, ..HOLDER };
    small_world(&[revoker, holder], Some(0))
}

pub(crate) fn command_line() -> Rules {
    small_world(&[HOLDER], None)
}

pub(crate) fn revoker_holds() -> Rules {
    let alone = Budget { connections: 2, ..HOLDER };
    small_world(&[alone], Some(0))
}

pub(crate) fn holder_leaves() -> Rules {
    let holder = Budget { heartbeats: 1, leaves: 1, ..HOLDER };
    small_world(&[REVOKER, holder], Some(0))
}

pub(crate) fn two_changes() -> Rules {
    Rules { revokes: 2, ..one_heartbeat() }
}

pub(crate) fn too_many_to_follow() -> Rules {
    let mut rules = one_heartbeat();
    rules.settings[0].most_replicas = 0;
    rules
}

pub(crate) fn too_many_changes_to_follow() -> Rules {
    let mut rules = one_heartbeat();
    rules.settings[0].most_waiting = 0;
    rules
}

/// A holder of an older version, or with other peppers.
pub(crate) fn holder_proves_nothing() -> Rules {
    Rules { unproven: Some(1), ..steady() }
}

/// The same beside pulses, of which somebody sends some of their own.
pub(crate) fn holder_proves_nothing_beside_pulses() -> Rules {
    Rules { has_pulses: true, forgeries: 1, unproven: Some(1), ..one_heartbeat() }
}

/// Somebody repeats what was sent, while two changes are made.
pub(crate) fn messages_are_repeated() -> Rules {
    Rules { repetitions: 1, ticks: 2, ..two_changes() }
}

pub(crate) fn answers_come_late() -> Rules {
    Rules { answers_later: true, ..one_heartbeat() }
}

/// A holder that stays with the server that is superseded, and somebody who revokes on the new one.
pub(crate) fn superseded_beside_a_new_replica() -> Rules {
    let holder = Budget { heartbeats: 1, ..HOLDER };
    let small = small_world(&[REVOKER, holder], Some(0));
    Rules { connected: vec![false, true], may_be_superseded: true, ticks: 3, ..small }
}

pub(crate) fn superseded_beside_a_command_line() -> Rules {
    let holder = Budget { fills: 2, ..HOLDER };
    Rules { may_be_superseded: true, ticks: 3, ..small_world(&[holder], None) }
}
