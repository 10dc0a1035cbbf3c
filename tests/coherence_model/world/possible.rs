//! What may happen next in a world.

use super::{Fill, World, record};
use crate::rules::{Action, Fault, Rules};

impl World {
    /// Everything that may happen next.
    pub(super) fn all_possible(&self, rules: &Rules) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.now < rules.ticks {
            actions.push(Action::Wait);
        }
        for i in 0..self.nodes.len() {
            self.possible_at(i, rules, &mut actions);
        }
        for (index, sent) in self.flying.iter().enumerate() {
            actions.push(Action::Commit(index));
            if rules.has_pulses && sent.pulse_after.is_some() && sent.read.is_none() && rules.budgets.len() > 1 {
                actions.push(Action::ReadHeartbeats(index));
            }
        }
        actions.extend((0..self.unanswered.len()).map(Action::Reply));
        if rules.may_be_superseded && self.primary == 0 {
            actions.push(Action::Supersede);
        }
        if self.repetitions_left > 0 {
            for (transaction, sent) in self.servers[self.primary].log.iter().enumerate() {
                actions.extend((0..sent.len()).map(|index| Action::Repeat(self.primary, transaction, index)));
            }
        }
        if self.forgeries_left > 0 {
            actions.extend((0..self.nodes.len()).map(Action::ForgePulse));
        }
        // Who works with a server that was superseded gets no answer to a change.
        let free =
            |by: &Option<usize>| by.is_none_or(|i| !self.nodes[i].paused && (self.nodes[i].server == self.primary));
        if self.revokes_left > 0 {
            let revokers = (0..rules.revokers.len()).filter(|r| free(&rules.revokers[*r]));
            actions.extend(revokers.flat_map(|r| (0..rules.keys).map(move |k| Action::Revoke(r, k))));
        }
        for (r, revoke) in self.revokes.iter().enumerate() {
            if revoke.committed_at.is_none() && free(&revoke.by) {
                actions.push(Action::RevokeReply(r));
            }
        }
        actions
    }

    fn possible_at(&self, i: usize, rules: &Rules, actions: &mut Vec<Action>) {
        let node = &self.nodes[i];
        if node.budget.restarts > 0 {
            actions.push(Action::Restart(i));
        }
        if node.paused {
            actions.push(Action::Resume(i));
            return;
        }
        if node.budget.pauses > 0 {
            actions.push(Action::Pause(i));
        }
        match &node.socket {
            None if node.budget.connections > 0 => actions.push(Action::ListenTakesEffect(i)),
            None => {}
            Some(socket) if socket.connection.is_none() => actions.push(Action::Connected(i)),
            Some(socket) => {
                // Without a connection left, a lost one is just one that delivers nothing more.
                if node.budget.connections > 0 {
                    actions.push(Action::ListenerLost(i));
                }
                if socket.delivered < self.servers[socket.server].log.len() {
                    actions.push(Action::Deliver(i));
                }
                if node.budget.heartbeats > 0 && !node.left {
                    actions.push(Action::Heartbeat(i, true));
                    if rules.has_pulses {
                        actions.push(Action::Heartbeat(i, false));
                    }
                }
            }
        }
        let awaited = node.replica.awaited();
        if self.servers[node.server].acknowledged.iter().any(|(_, change)| awaited.contains(change)) {
            actions.push(Action::Look(i));
        }
        if node.budget.leaves > 0 && !node.left {
            actions.push(Action::Leave(i));
        }
        for key in 0..rules.keys {
            match node.fills[key] {
                None if node.budget.fills > 0 => actions.push(Action::TakeTicket(i, key)),
                None => {}
                Some(Fill::Started(..)) => actions.push(Action::ReadRow(i, key)),
                Some(Fill::Read(_)) => actions.push(Action::StoreEntry(i, key)),
            }
            let old = node.cache[key].is_some_and(|e| e.version < self.returned[key]);
            if old && self.first_half_passes(rules, i, key) {
                actions.push(Action::CheckFirstHalf(i, key));
            }
        }
    }

    pub(super) fn first_half_passes(&self, rules: &Rules, i: usize, key: usize) -> bool {
        let node = &self.nodes[i];
        if node.half_checks[key] == Some(self.returned[key]) {
            return false; // passed before
        }
        match rules.fault {
            Some(Fault::EntryBeforeLease) => {
                node.cache[key].is_some_and(|e| node.freshness.is_current(&e.ticket, record(key)))
            }
            _ => node.freshness.lease_valid(self.clock(rules, i)),
        }
    }

    /// One line a step: the action, told before it is performed, with what it is about.
    pub(super) fn line(&self, action: Action) -> String {
        let about = match action {
            Action::Commit(index) => Some(std::slice::from_ref(&self.flying[index].message)),
            Action::Reply(index) => Some(std::slice::from_ref(&self.unanswered[index].1)),
            Action::Repeat(server, transaction, index) => {
                Some(std::slice::from_ref(&self.servers[server].log[transaction][index]))
            }
            Action::Deliver(i) => {
                let socket = self.nodes[i].socket.as_ref();
                let sent = socket.and_then(|socket| self.servers[socket.server].log.get(socket.delivered));
                sent.map(|sent| sent.as_slice())
            }
            _ => None,
        };
        match about {
            Some(messages) => format!("t={} {action}: {messages:?}", self.now),
            None => format!("t={} {action}", self.now),
        }
    }
}
