//! The promise of limits, explored: every order of events in small worlds, and long random runs in bigger ones. Each
//! safeguard is then taken away, and the checker must find what is used beyond the limit.
//!
//! A failing test prints the steps that lead to the violation. `KEYWARD_SIMULATION_SEED=17 cargo test --test
//! limits_model simulations` repeats one random run.

#![allow(clippy::print_stdout)] // the counterexamples and counts, for `--nocapture`

mod fleet;
mod rules;
mod world;

use test_support::model::{Explored, explore, seeds, simulate};

use rules::{Fault, Rules};
use world::World;

/// Random runs, and the steps of each.
const RUNS: u64 = 200;
const STEPS: usize = 3_000;

/// Two replicas at the turn of a window, with clocks as different as they may be.
fn usual() -> Rules {
    Rules {
        amount: 2,
        cost: 1,
        rates: vec![1000, 910],
        requests: 3,
        ticks: 2,
        crashes: 0,
        stops: 0,
        losses: 0,
        repetitions: 0,
        set_back: 0,
        fault: None,
    }
}

fn with_losses() -> Rules {
    Rules { requests: 2, ticks: 1, crashes: 1, losses: 2, repetitions: 1, ..usual() }
}

fn with_stops() -> Rules {
    Rules { requests: 2, stops: 1, ..usual() }
}

fn with_a_clock_set_back() -> Rules {
    Rules { requests: 2, set_back: 1, rates: vec![1000, 1000], ..usual() }
}

#[track_caller]
fn must_hold(rules: &Rules) -> Explored<u64> {
    let explored = explore::<World>(rules);
    if let Some(story) = &explored.counterexample {
        panic!("a limit is exceeded:\n{story}");
    }
    println!("{} states, at most {} admitted", explored.states, explored.tally);
    explored
}

#[track_caller]
fn must_be_found(fault: Fault, rules: Rules) {
    let explored = explore::<World>(&Rules { fault: Some(fault), ..rules });
    let story = explored.counterexample.unwrap_or_else(|| panic!("{fault:?} makes no difference"));
    println!("{fault:?}, after {} states:\n{story}", explored.states);
}

#[test]
fn no_window_has_more_than_the_limit_and_all_of_it_can_be_used() {
    let explored = must_hold(&usual());
    assert_eq!(explored.tally, 2, "the limit can be used up");
}

#[test]
fn it_holds_if_requests_cost_more_than_one() {
    must_hold(&Rules { amount: 3, cost: 2, requests: 2, ..usual() });
}

#[test]
fn it_holds_with_three_replicas_that_race_for_the_last() {
    must_hold(&Rules { amount: 1, rates: vec![1000, 910, 1000], requests: 1, ..usual() });
}

#[test]
fn it_holds_through_crashes_lost_answers_and_transactions_that_fail() {
    must_hold(&with_losses());
}

#[test]
fn it_holds_when_replicas_give_back_what_they_have() {
    must_hold(&with_stops());
}

#[test]
fn what_was_given_back_must_not_be_used() {
    must_be_found(Fault::ReturnedUsed, with_stops());
}

#[test]
fn what_was_taken_in_one_window_must_not_be_given_back_to_the_next() {
    must_be_found(Fault::ReturnedAnytime, with_stops());
}

#[test]
fn it_holds_in_each_counted_window_when_the_clock_is_set_back() {
    must_hold(&with_a_clock_set_back());
}

#[test]
fn a_slice_that_is_deducted_later_is_taken_twice() {
    must_be_found(Fault::DeductedLater, usual());
}

#[test]
fn a_grant_that_may_not_have_been_committed_is_not_deducted() {
    must_be_found(Fault::UnknownUsed, with_losses());
}

#[test]
fn a_slice_of_one_window_must_not_be_used_in_the_next() {
    must_be_found(Fault::NoWindowCheck, usual());
}

#[test]
fn a_slow_clock_sees_the_end_of_the_window_too_late() {
    must_be_found(Fault::NoMargin, usual());
}

#[test]
fn an_answer_that_takes_long_must_not_lengthen_the_window() {
    must_be_found(Fault::CountedFromAnswer, usual());
}

#[test]
fn an_answer_that_arrives_again_must_not_count_again() {
    must_be_found(Fault::AnswersNotNumbered, with_losses());
}

#[test]
fn the_clock_must_be_read_after_the_request_has_arrived() {
    must_be_found(Fault::OldClock, usual());
}

#[test]
fn a_clock_that_is_set_back_must_not_begin_a_window_again() {
    must_be_found(Fault::SetBackForgets, with_a_clock_set_back());
}

/// Three replicas, slices of several, everything that may go wrong, for long.
fn big_world() -> Rules {
    Rules {
        amount: 200,
        cost: 1,
        rates: vec![1000, 910, 950],
        requests: u32::MAX,
        ticks: u32::MAX,
        crashes: u32::MAX,
        stops: u32::MAX,
        losses: u32::MAX,
        repetitions: u32::MAX,
        set_back: 0,
        fault: None,
    }
}

#[test]
fn it_holds_in_long_random_simulations() {
    for rules in [big_world(), Rules { amount: 20, cost: 3, ..big_world() }] {
        let mut admitted = 0;
        for seed in seeds(RUNS) {
            match simulate::<World>(&rules, seed, STEPS) {
                Ok(world) => admitted += world.admitted(),
                Err(violation) => panic!("{violation}"),
            }
        }
        assert!(admitted > 0, "nothing was ever admitted");
        println!("{admitted} admitted");
    }
}

#[test]
fn simulations_find_every_missing_safeguard() {
    for fault in [
        Fault::DeductedLater,
        Fault::UnknownUsed,
        Fault::NoWindowCheck,
        Fault::CountedFromAnswer,
        Fault::AnswersNotNumbered,
        Fault::OldClock,
    ] {
        let rules = Rules { fault: Some(fault), amount: 20, ..big_world() };
        assert!((0..RUNS).any(|seed| simulate::<World>(&rules, seed, STEPS).is_err()), "{fault:?}");
    }
}
