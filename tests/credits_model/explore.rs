//! Every order of events within the bounds, breadth first, so that a counterexample is a shortest one; and random orders.

use std::{
    collections::HashSet,
    hash::{Hash, Hasher},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use test_support::fingerprint::Fingerprint;

use crate::{
    rules::Rules,
    world::{Action, World},
};

pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) counterexample: Option<String>,
    /// The most that was spent.
    pub(crate) most_spent: u64,
}

/// Far more than any of the explorations needs; a bound so that a mistake here can't eat the machine.
const MOST_STATES: usize = 3_000_000;

pub(crate) fn explore(rules: &Rules) -> Explored {
    let mut seen = HashSet::new();
    // How each state was reached: its predecessor and the action.
    let mut came_from: Vec<(usize, Action)> = vec![(0, Action::Tick)];
    let mut frontier = vec![(0, World::new(rules))];
    let mut most_spent = 0;
    while !frontier.is_empty() {
        let mut next = Vec::new();
        for (at, world) in frontier {
            for action in world.possible() {
                let mut reached = world.clone();
                reached.perform(rules, action);
                let mut hasher = Fingerprint::default();
                reached.hash(&mut hasher);
                if !seen.insert(hasher.finish()) {
                    continue;
                }
                came_from.push((at, action));
                most_spent = most_spent.max(reached.spent());
                if let Some(violation) = reached.violation() {
                    let story = Some(tell(&came_from, &violation));
                    return Explored { states: seen.len(), counterexample: story, most_spent };
                }
                next.push((came_from.len() - 1, reached));
            }
        }
        assert!(seen.len() < MOST_STATES, "the bounds are too wide");
        frontier = next;
    }
    Explored { states: seen.len(), counterexample: None, most_spent }
}

/// One random run. Returns how much was spent.
pub(crate) fn simulate(rules: &Rules, seed: u64, steps: usize) -> Result<u64, String> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut world = World::new(rules);
    for _ in 0..steps {
        let actions = world.possible();
        // Requests are frequent, and faults are rare.
        let weight = |action: &Action| match action {
            Action::Request(_) | Action::Ask(_) | Action::Commit(_) | Action::Answer(_) => 60,
            Action::Learn(_) | Action::Return(_) => 20,
            Action::Tick | Action::Add | Action::Impatient(_) | Action::Stray(..) => 6,
            _ => 1,
        };
        let mut pick = random.random_range(0..actions.iter().map(weight).sum::<u32>());
        let chosen = actions.iter().find(|action| {
            let here = pick < weight(action);
            pick = pick.saturating_sub(weight(action));
            here
        });
        world.perform(rules, *chosen.expect("one of them"));
        if let Some(violation) = world.violation() {
            return Err(violation);
        }
    }
    Ok(world.spent())
}

fn tell(came_from: &[(usize, Action)], violation: &str) -> String {
    let mut actions = Vec::new();
    let mut at = came_from.len() - 1;
    while at != 0 {
        actions.push(format!("{:?}\n", came_from[at].1));
        at = came_from[at].0;
    }
    actions.reverse();
    format!("{}=> {violation}", actions.concat())
}
