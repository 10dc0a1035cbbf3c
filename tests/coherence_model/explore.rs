//! Every order of events within the bounds, breadth first, so that a counterexample is a shortest one.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use test_support::fingerprint::Fingerprint;

use crate::rules::{Action, Rules};
use crate::world::{Tally, World};

pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) counterexample: Option<String>,
    pub(crate) tally: Tally,
}

/// Far more than any of the explorations needs; a bound so that a mistake here can't eat the machine.
const MOST_STATES: usize = 3_000_000;

pub(crate) fn explore(rules: &Rules) -> Explored {
    let mut seen = HashSet::new();
    // How each state was reached: its predecessor and the action.
    let mut came_from: Vec<(usize, Action)> = vec![(0, Action::Wait)];
    let mut frontier = vec![(0, World::new(rules))];
    let mut tally = Tally::default();
    while !frontier.is_empty() {
        let mut next = Vec::new();
        for (at, world) in frontier {
            for action in world.possible(rules) {
                let mut reached = world.clone();
                reached.tally = Tally::default();
                reached.perform(rules, action);
                if !seen.insert(fingerprint(&reached)) {
                    continue;
                }
                came_from.push((at, action));
                let violation = reached.violation(rules);
                tally.add(&reached.tally);
                if let Some(violation) = violation {
                    return Explored {
                        states: seen.len(),
                        counterexample: Some(tell(rules, &came_from, &violation)),
                        tally,
                    };
                }
                if !reached.is_settled() {
                    next.push((came_from.len() - 1, reached));
                }
            }
        }
        assert!(seen.len() < MOST_STATES, "the bounds are too wide");
        frontier = next;
    }
    Explored { states: seen.len(), counterexample: None, tally }
}

/// 64 bits: with a million states, a chance of one in 30 million that two are confused.
fn fingerprint(world: &World) -> u64 {
    let mut hasher = Fingerprint::default();
    world.hash(&mut hasher);
    hasher.finish()
}

fn tell(rules: &Rules, came_from: &[(usize, Action)], violation: &str) -> String {
    let mut actions = Vec::new();
    let mut at = came_from.len() - 1;
    while at != 0 {
        actions.push(came_from[at].1);
        at = came_from[at].0;
    }
    let mut world = World::new(rules);
    let mut story = String::new();
    for action in actions.into_iter().rev() {
        story += &world.describe(action);
        story.push('\n');
        world.perform(rules, action);
    }
    story + "=> " + violation
}
