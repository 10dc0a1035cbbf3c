//! The revocation promise, explored: every order of events in small worlds, and long random runs in
//! bigger ones. Each safeguard is then taken away, and the checker must find out.
//!
//! A failing test prints the steps that lead to the violation, one a line.
//! `KEYWARD_SIMULATION_SEED=17 cargo test --test coherence_model simulation` repeats one random run.

#![allow(clippy::print_stdout)] // the counterexamples and state counts, for `--nocapture`

mod rules;
mod world;
mod worlds;

use std::time::Duration;

use keyward::auth::coherence::CoherenceTimings;
use test_support::model::{Explored, explore, seeds, simulate};

use rules::{Budget, Fault, Rules, settings};
use world::{Tally, World};
use worlds::*;

/// Random runs, and the steps of each.
const RUNS: u64 = 24;
const STEPS: usize = 3_000;

fn must_hold(rules: &Rules) -> Explored<Tally> {
    let explored = explore::<World>(rules);
    if let Some(story) = &explored.counterexample {
        panic!("the promise is broken:\n{story}");
    }
    assert!(explored.tally.believed > 0, "no cached entry was ever believed");
    let heard = explored.tally.settled_by_acknowledgement + explored.tally.settled_by_expiry;
    assert!(heard + explored.tally.settled_unheard > 0, "no revoke ever returned");
    println!("{} states, {:?}", explored.states, explored.tally);
    explored
}

#[test]
fn the_promise_holds_when_all_listen() {
    for rules in [steady(), with_rows(steady())] {
        let tally = must_hold(&rules).tally;
        assert!(tally.settled_by_acknowledgement > 0 && tally.settled_by_expiry > 0);
    }
}

#[test]
fn the_promise_holds_when_two_replicas_send_pulses() {
    must_hold(&two_send_pulses());
}

#[test]
fn the_promise_holds_beside_a_replica_that_knows_no_pulses() {
    for older in [0, 1] {
        must_hold(&beside_older(older, one_heartbeat()));
    }
    must_hold(&beside_older(0, revoker_begins_to_listen()));
}

#[test]
fn the_promise_holds_when_a_holder_loses_its_listener() {
    must_hold(&holder_reconnects());
    must_hold(&with_rows(holder_reconnects()));
}

#[test]
fn the_promise_holds_when_the_revoker_has_only_just_begun_to_listen() {
    must_hold(&revoker_begins_to_listen());
    must_hold(&with_rows(revoker_begins_to_listen()));
}

#[test]
fn the_promise_holds_when_the_revoker_loses_its_listener() {
    must_hold(&revoker_reconnects());
    must_hold(&with_rows(revoker_reconnects()));
}

#[test]
fn the_promise_holds_for_a_revoke_from_the_command_line() {
    must_hold(&command_line());
}

#[test]
fn the_promise_holds_in_the_replica_that_revokes() {
    must_hold(&revoker_holds());
}

#[test]
fn the_promise_holds_when_a_holder_leaves() {
    must_hold(&holder_leaves());
    must_hold(&with_rows(holder_leaves()));
}

#[test]
fn the_promise_holds_for_two_changes_at_once() {
    must_hold(&two_changes());
}

#[test]
fn the_promise_holds_when_there_are_more_replicas_than_are_followed() {
    must_hold(&too_many_to_follow());
}

#[test]
fn the_promise_holds_when_there_are_more_changes_than_are_followed() {
    must_hold(&too_many_changes_to_follow());
}

#[test]
fn the_promise_holds_beside_a_replica_that_proves_nothing() {
    for rules in [holder_proves_nothing(), holder_proves_nothing_beside_pulses()] {
        assert!(must_hold(&rules).tally.settled_by_expiry > 0);
    }
}

#[test]
fn the_promise_holds_when_somebody_repeats_messages() {
    must_hold(&messages_are_repeated());
    must_hold(&with_rows(Rules { revokes: 1, ..messages_are_repeated() }));
    must_hold(&with_rows(Rules { forgeries: 1, ..one_heartbeat() }));
}

#[test]
fn the_promise_holds_when_answers_come_later_than_what_they_are_about() {
    must_hold(&answers_come_late());
    must_hold(&with_rows(answers_come_late()));
}

#[test]
fn the_promise_holds_when_a_server_that_was_superseded_goes_on() {
    must_hold(&superseded_beside_a_new_replica());
    must_hold(&with_rows(superseded_beside_a_new_replica()));
    must_hold(&superseded_beside_a_command_line());
}

/// The checker must find what the missing safeguard lets through.
fn must_be_found(fault: Fault, rules: Rules) {
    let rules = Rules { fault: Some(fault), ..rules };
    let explored = explore::<World>(&rules);
    let story = explored.counterexample;
    let story = story.unwrap_or_else(|| panic!("{fault:?} makes no difference"));
    println!("{fault:?}, after {} states:\n{story}", explored.states);
}

#[test]
fn without_the_epoch_guard_a_racing_fill_is_believed() {
    let rules = Rules { caches_later: true, ..steady() };
    must_be_found(Fault::TicketTakenAfterRead, rules);
}

#[test]
fn without_the_lease_a_deaf_replica_believes_for_ever() {
    must_be_found(Fault::NoLeaseCheck, steady());
}

#[test]
fn without_acknowledgements_a_slow_replica_still_believes() {
    must_be_found(Fault::NoWaitForAcknowledgements, steady());
}

#[test]
fn without_generations_what_changed_between_two_connections_is_missed() {
    must_be_found(Fault::NoGenerationCheck, holder_reconnects());
}

#[test]
fn a_change_that_is_announced_before_what_it_changes_is_acknowledged_too_early() {
    must_be_found(Fault::AnnouncedBeforeChanged, one_heartbeat());
    must_be_found(Fault::AnnouncedBeforeChanged, with_rows(one_heartbeat()));
}

#[test]
fn a_revoker_that_has_just_begun_to_listen_does_not_know_everyone() {
    must_be_found(Fault::NewListenerTrusted, revoker_begins_to_listen());
}

#[test]
fn a_revoker_that_begins_to_listen_must_read_who_may_hold_a_lease() {
    must_be_found(Fault::HoldersNotRead, with_rows(revoker_begins_to_listen()));
}

#[test]
fn before_its_own_notification_is_back_a_revoker_does_not_know_everyone() {
    must_be_found(Fault::OwnNotificationNotAwaited, steady());
}

#[test]
fn looking_at_the_entry_before_the_lease_is_too_early() {
    must_be_found(Fault::EntryBeforeLease, steady());
}

#[test]
fn a_lease_that_counts_from_the_return_outlives_the_wait() {
    must_be_found(Fault::LeaseFromReturn, steady());
    must_be_found(Fault::LeaseFromReturn, with_rows(steady()));
}

#[test]
fn a_replica_that_leaves_must_give_up_its_lease() {
    must_be_found(Fault::LeaveKeepsLease, holder_leaves());
}

#[test]
fn a_read_begun_before_the_revoke_must_not_be_shared_unasked() {
    let rules = Rules { caches_later: true, ..steady() };
    must_be_found(Fault::ReadSharedUnasked, rules);
}

#[test]
fn a_revoker_that_cannot_hear_must_wait() {
    must_be_found(Fault::DeafRevokerReturns, command_line());
}

#[test]
fn anybodys_word_that_a_change_was_applied_proves_nothing() {
    must_be_found(Fault::ForgeriesBelieved, steady());
}

#[test]
fn who_proves_nothing_must_be_waited_for() {
    must_be_found(Fault::UnprovenNotCounted, holder_proves_nothing());
}

#[test]
fn with_heartbeats_that_no_standby_confirms_a_superseded_server_gives_leases() {
    must_be_found(Fault::HeartbeatsNotDurable, superseded_beside_a_command_line());
    must_be_found(Fault::HeartbeatsNotDurable, superseded_beside_a_new_replica());
}

#[test]
fn a_heartbeat_whose_commit_was_cut_short_proves_nothing() {
    must_be_found(Fault::LeaseWithoutAnswer, superseded_beside_a_command_line());
    must_be_found(Fault::LeaseWithoutAnswer, with_rows(superseded_beside_a_command_line()));
}

#[test]
fn who_is_named_by_a_pulse_must_be_waited_for() {
    must_be_found(Fault::PulsesNotCounted, with_rows(steady()));
}

#[test]
fn each_new_heartbeat_in_a_pulse_must_be_noticed() {
    must_be_found(Fault::RenewalsNotNoticed, with_rows(steady()));
}

#[test]
fn a_heartbeat_that_can_be_named_before_it_is_sent_brings_a_lease_too_early() {
    must_be_found(Fault::SequencesGuessed, with_rows(one_heartbeat()));
}

#[test]
fn a_row_of_a_superseded_server_is_believed_unless_a_commit_proves_it() {
    must_be_found(Fault::ReadNotProven, superseded_beside_a_command_line());
}

/// Three different leases; the margin is a `margin_part`th of each, or nothing.
fn big_settings(margin_part: u64) -> Vec<CoherenceTimings> {
    let with = |lease: u64| settings(lease, lease.checked_div(margin_part).unwrap_or(0));
    vec![with(200), with(300), with(150)]
}

/// Three replicas, two keys, a command line; connections lost, pauses, restarts, leaves; clocks whose
/// rates differ by a quarter, which is all that a margin of a fifth allows.
fn big_world() -> Rules {
    let endless = Budget {
        connections: u32::MAX,
        heartbeats: u32::MAX,
        fills: u32::MAX,
        leaves: u32::MAX,
        restarts: u32::MAX,
        pauses: u32::MAX,
    };
    Rules {
        settings: big_settings(5),
        longest_lease: Duration::from_nanos(300),
        has_rows: true,
        has_pulses: true,
        older: None,
        fault: None,
        connected: vec![true; 3],
        budgets: vec![endless; 3],
        clock_rates: vec![10, 8, 9],
        keys: 2,
        revokers: vec![Some(0), Some(1), Some(2), None],
        revokes: u32::MAX,
        ticks: u64::MAX,
        caches_later: true,
        answers_later: true,
        unproven: None,
        may_be_superseded: false,
        repetitions: 0,
        forgeries: 0,
    }
}

#[test]
fn the_promise_holds_in_long_random_simulations() {
    let rules = big_world();
    let mut tally = Tally::default();
    for seed in seeds(RUNS) {
        // With rows and pulses; with messages alone; with messages and pulses, where one replica knows no pulses.
        let rules = Rules {
            has_rows: seed % 3 == 0,
            has_pulses: seed % 3 != 1,
            older: (seed % 3 == 2).then_some(1),
            ..rules.clone()
        };
        match simulate::<World>(&rules, seed, STEPS) {
            Ok(world) => tally.add(&world.tally),
            Err(story) => panic!("the promise is broken: {story}"),
        }
    }
    println!("{tally:?}");
    assert!(tally.settled_by_acknowledgement > 0 && tally.settled_by_expiry > 0);
    assert!(tally.settled_unheard > 0 && tally.believed > 0);
}

#[test]
fn without_a_margin_a_random_simulation_finds_that_clocks_differ() {
    let rules = Rules { settings: big_settings(0), longest_lease: Duration::from_nanos(300), ..big_world() };
    let found = (0..10 * RUNS).find_map(|seed| simulate::<World>(&rules, seed, STEPS).err());
    println!("{}", found.expect("clocks at different rates make no difference"));
}
