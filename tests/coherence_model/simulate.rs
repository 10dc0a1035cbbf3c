//! One long random run in a bigger world, reproducible from its seed.

use std::collections::VecDeque;

use crate::rules::{Action, Rules};
use crate::world::{Tally, World};

/// SplitMix64: the smallest generator that is good enough to wander with.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// How likely an action is, compared with the others that are possible.
fn weight(action: Action) -> u64 {
    match action {
        Action::Wait => 60,
        Action::Deliver(_) => 100,
        Action::Look(_) => 40,
        Action::Commit(_) | Action::Reply(_) => 100,
        Action::ReadHeartbeats(_) => 20,
        Action::Supersede | Action::Repeat(..) | Action::ForgePulse(_) => 1,
        Action::Heartbeat(..) => 25,
        Action::ReadRow(..) | Action::StoreEntry(..) => 40,
        Action::TakeTicket(..) | Action::CheckFirstHalf(..) => 10,
        Action::ListenTakesEffect(_) | Action::Connected(_) => 40,
        Action::Revoke(..) => 2,
        Action::RevokeReply(_) => 40,
        Action::Resume(_) => 4,
        Action::ListenerLost(_) | Action::Pause(_) => 1,
        Action::Restart(_) | Action::Leave(_) => 1,
    }
}

/// How much of the end of a run is told.
const TOLD: usize = 60;

pub(crate) fn simulate(rules: &Rules, seed: u64, steps: usize) -> Result<Tally, String> {
    let mut dice = Dice(seed);
    let mut world = World::new(rules);
    let mut story = VecDeque::new();
    for step in 0..steps {
        let actions = world.possible(rules);
        let total = actions.iter().map(|a| weight(*a)).sum();
        let mut left = dice.below(total);
        let chosen = actions.into_iter().find(|action| {
            let found = left < weight(*action);
            left = left.saturating_sub(weight(*action));
            found
        });
        let action = chosen.expect("the weights sum up to the total");
        if story.len() == TOLD {
            story.pop_front();
        }
        story.push_back(world.describe(action));
        world.perform(rules, action);
        if let Some(violation) = world.violation(rules) {
            let story = Vec::from(story).join("\n");
            return Err(format!("seed {seed}, step {step}:\n{story}\n=> {violation}"));
        }
        world.trim();
    }
    Ok(world.tally)
}
