//! The promise of credits, explored: every order of events in small worlds, and long random runs in bigger ones. Each
//! safeguard is then taken away, and the checker must find what is spent twice, or a sum that is broken.
//!
//! A failing test prints the steps that lead to the violation. `KEYWARD_SIMULATION_SEED=17 cargo test --test
//! credits_model simulations` repeats one random run.

#![allow(clippy::print_stdout)] // the counterexamples and counts, for `--nocapture`

mod rules;
mod world;

use test_support::model::{Explored, explore, seeds, simulate};

use rules::{Fault, Rules};
use world::World;

/// Random runs, and the steps of each.
const RUNS: u64 = 100;
const STEPS: usize = 2_000;

/// Two replicas that spend two credits.
fn usual() -> Rules {
    Rules {
        balance: 2,
        requests: vec![2, 1],
        impatient: 1,
        ticks: 1,
        crashes: 0,
        losses: 0,
        repetitions: 0,
        sweeps: 0,
        sets: 0,
        additions: 0,
        fault: None,
    }
}

fn with_losses() -> Rules {
    Rules { losses: 1, repetitions: 1, ..usual() }
}

fn with_a_new_balance() -> Rules {
    Rules { sets: 1, requests: vec![2, 2], ..usual() }
}

fn with_crashes() -> Rules {
    Rules { crashes: 1, sweeps: 1, ..usual() }
}

#[track_caller]
fn must_hold(rules: &Rules) -> Explored<u64> {
    let explored = explore::<World>(rules);
    if let Some(story) = &explored.counterexample {
        panic!("the promise is broken:\n{story}");
    }
    println!("{} states, at most {} spent", explored.states, explored.tally);
    explored
}

#[track_caller]
fn must_be_found(fault: Fault, rules: Rules) {
    let explored = explore::<World>(&Rules { fault: Some(fault), ..rules });
    let story = explored.counterexample.unwrap_or_else(|| panic!("{fault:?} makes no difference"));
    println!("{fault:?}, after {} states:\n{story}", explored.states);
}

#[test]
fn no_more_than_the_balance_is_spent_and_all_of_it_can_be() {
    let explored = must_hold(&usual());
    assert_eq!(explored.tally, 2, "the balance can be used up");
}

#[test]
fn it_holds_with_three_replicas_that_race_for_the_last() {
    must_hold(&Rules { balance: 1, requests: vec![1; 3], impatient: 0, ..usual() });
}

#[test]
fn it_holds_through_lost_answers_and_messages_that_come_late_or_twice() {
    must_hold(&with_losses());
}

#[test]
fn it_holds_when_replicas_crash_or_are_taken_to_be_gone() {
    must_hold(&Rules { balance: 1, ..with_crashes() });
}

#[test]
fn it_holds_when_the_balance_is_set_or_topped_up_meanwhile() {
    must_hold(&Rules { requests: vec![2, 1], ..with_a_new_balance() });
    must_hold(&Rules { additions: 1, losses: 1, impatient: 0, ..usual() });
}

#[test]
fn what_is_granted_is_taken_from_the_balance_at_once() {
    must_be_found(Fault::NotDeducted, usual());
}

#[test]
fn a_grant_that_may_not_have_been_committed_is_not_used() {
    must_be_found(Fault::UnknownUsed, with_losses());
}

#[test]
fn a_message_that_comes_after_a_later_one_must_change_nothing() {
    must_be_found(Fault::AnyOrder, with_losses());
}

#[test]
fn what_a_lost_answer_granted_must_go_back() {
    must_be_found(Fault::NothingRecovered, with_losses());
}

#[test]
fn what_was_taken_of_an_earlier_balance_must_not_go_to_the_new_one() {
    must_be_found(Fault::EpochIgnored, Rules { balance: 1, requests: vec![2, 1], ..with_a_new_balance() });
}

#[test]
fn a_replica_that_has_applied_a_new_balance_spends_nothing_of_the_old_one() {
    must_be_found(Fault::OldKept, with_a_new_balance());
}

#[test]
fn the_answer_to_a_question_from_before_a_new_balance_must_not_be_used() {
    must_be_found(Fault::OvertakenUsed, with_a_new_balance());
}

#[test]
fn what_a_silent_replica_has_must_not_go_back() {
    must_be_found(Fault::Incautious, with_crashes());
}

#[test]
fn what_is_given_back_must_not_be_used_any_more() {
    must_be_found(Fault::ReturnedKept, usual());
}

/// Three replicas, a balance of many, everything that may go wrong, for long.
fn big_world() -> Rules {
    Rules {
        balance: 300,
        requests: vec![u32::MAX; 3],
        impatient: u32::MAX,
        ticks: u32::MAX,
        crashes: 0,
        losses: u32::MAX,
        repetitions: u32::MAX,
        sweeps: 0,
        sets: u32::MAX,
        additions: u32::MAX,
        fault: None,
    }
}

#[test]
fn it_holds_in_long_random_simulations() {
    let deadly = Rules { crashes: u32::MAX, sweeps: u32::MAX, ..big_world() };
    for rules in [big_world(), deadly, Rules { sets: 0, ..big_world() }] {
        let mut spent = 0;
        for seed in seeds(RUNS) {
            match simulate::<World>(&rules, seed, STEPS) {
                Ok(world) => spent += world.spent(),
                Err(violation) => panic!("{violation}"),
            }
        }
        assert!(spent > 0, "nothing was ever spent");
        println!("{spent} spent");
    }
}
