//! A world as it is explored.

use test_support::model::Model;

use super::{Tally, World};
use crate::rules::{Action, Rules};

impl Model for World {
    type Rules = Rules;
    type Action = Action;
    type Tally = Tally;

    fn new(rules: &Rules) -> Self {
        Self::begin(rules)
    }

    fn possible(&self, rules: &Rules) -> Vec<Action> {
        self.all_possible(rules)
    }

    fn perform(&mut self, rules: &Rules, action: Action) {
        self.step(rules, action);
    }

    fn violation(&mut self, rules: &Rules) -> Option<String> {
        self.broken_promise(rules)
    }

    fn add_to(&self, tally: &mut Tally) {
        tally.add(&self.tally);
    }

    fn weight(action: Action) -> u32 {
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

    fn is_settled(&self) -> bool {
        self.nothing_can_go_wrong()
    }

    fn describe(&self, action: Action) -> String {
        self.line(action)
    }

    fn trim(&mut self) {
        self.forget_what_all_have_read();
    }
}
