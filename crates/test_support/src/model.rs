//! Explores a model of a protocol: every order of events within its bounds, breadth first, so that a counterexample is
//! a shortest one; and long random runs, reproducible from their seeds.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasherDefault, Hash, Hasher},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::fingerprint::Fingerprint;

/// The states of a protocol. What makes two of them different is in their `Hash`. What is large in them is in
/// [`Part`](crate::fingerprint::Part)s.
pub trait Model: Clone + Hash {
    /// What may happen, how often, and which safeguard is taken away.
    type Rules;
    type Action: Copy;
    /// What shows that an exploration wasn't about nothing.
    type Tally: Default;

    fn new(rules: &Self::Rules) -> Self;

    /// What can happen next.
    fn possible(&self, rules: &Self::Rules) -> Vec<Self::Action>;

    fn perform(&mut self, rules: &Self::Rules, action: Self::Action);

    /// What must never be, if it is.
    fn violation(&mut self, rules: &Self::Rules) -> Option<String>;

    /// Adds what has happened in this state.
    fn add_to(&self, tally: &mut Self::Tally);

    /// How likely an action is in a random run, compared with the others that are possible.
    fn weight(action: Self::Action) -> u32;

    /// Whether nothing can go wrong any more.
    fn is_settled(&self) -> bool {
        false
    }

    /// A line about an action that is to be performed.
    fn describe(&self, action: Self::Action) -> String;

    /// Forgets what no longer matters, so that the memory of a long run stays flat.
    fn trim(&mut self) {}
}

pub struct Explored<T> {
    pub states: usize,
    /// The steps that lead to a violation.
    pub counterexample: Option<String>,
    pub tally: T,
}

/// Far more than any of the explorations needs; a bound so that a mistake here can't eat the machine.
const MOST_STATES: usize = 3_000_000;

/// How much of the end of a random run is told.
const TOLD: usize = 60;

/// The fingerprints of states. They are hashes already.
type Seen = HashSet<u64, BuildHasherDefault<Same>>;

#[derive(Default)]
struct Same(u64);

impl Hasher for Same {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only fingerprints are hashed");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Whether it is new. Not generic, so that it is compiled here, where it is optimised.
#[inline(never)]
fn is_new(seen: &mut Seen, fingerprint: u64) -> bool {
    seen.insert(fingerprint)
}

pub fn explore<M: Model>(rules: &M::Rules) -> Explored<M::Tally> {
    let mut seen = Seen::default();
    // How each state was reached: its predecessor and the action.
    let mut came_from: Vec<Option<(usize, M::Action)>> = vec![None];
    let mut frontier = vec![(0, M::new(rules))];
    let mut tally = M::Tally::default();
    while !frontier.is_empty() {
        let mut next = Vec::new();
        for (at, model) in frontier {
            for action in model.possible(rules) {
                let mut reached = model.clone();
                reached.perform(rules, action);
                if !is_new(&mut seen, Fingerprint::of(&reached)) {
                    continue;
                }
                came_from.push(Some((at, action)));
                let violation = reached.violation(rules);
                reached.add_to(&mut tally);
                if let Some(violation) = violation {
                    let story = tell::<M>(rules, &came_from, &violation);
                    return Explored { states: seen.len(), counterexample: Some(story), tally };
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

fn tell<M: Model>(rules: &M::Rules, came_from: &[Option<(usize, M::Action)>], violation: &str) -> String {
    let mut actions = Vec::new();
    let mut at = came_from.len() - 1;
    while let Some((before, action)) = came_from[at] {
        actions.push(action);
        at = before;
    }
    let mut model = M::new(rules);
    let mut story = String::new();
    for action in actions.into_iter().rev() {
        story += &model.describe(action);
        story.push('\n');
        model.perform(rules, action);
    }
    story + "=> " + violation
}

/// One random run: its last state, or the steps before the violation.
///
/// # Errors
/// If there was a violation.
pub fn simulate<M: Model>(rules: &M::Rules, seed: u64, steps: usize) -> Result<M, String> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut model = M::new(rules);
    let mut story = VecDeque::new();
    for step in 0..steps {
        let actions = model.possible(rules);
        let mut left = random.random_range(0..actions.iter().map(|action| M::weight(*action)).sum());
        let chosen = actions.into_iter().find(|action| {
            let found = left < M::weight(*action);
            left = left.saturating_sub(M::weight(*action));
            found
        });
        let action = chosen.expect("the weights sum up to the total");
        if story.len() == TOLD {
            story.pop_front();
        }
        story.push_back(model.describe(action));
        model.perform(rules, action);
        if let Some(violation) = model.violation(rules) {
            let story = Vec::from(story).join("\n");
            return Err(format!("seed {seed}, step {step}:\n{story}\n=> {violation}"));
        }
        model.trim();
    }
    Ok(model)
}

/// The seeds of random runs: this many, or the one in `KEYWARD_SIMULATION_SEED`.
pub fn seeds(runs: u64) -> std::ops::Range<u64> {
    match std::env::var("KEYWARD_SIMULATION_SEED") {
        Ok(seed) => seed.parse().map(|seed| seed..seed + 1).expect("KEYWARD_SIMULATION_SEED is a number"),
        Err(_) => 0..runs,
    }
}
