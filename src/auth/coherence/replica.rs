//! One replica's part in the protocol: hears, applies, acknowledges, keeps its lease alive.

use std::{collections::VecDeque, time::Duration};

use super::acknowledgements::Acknowledgements;
use super::confirmation::Confirmations;
use super::membership::Membership;
use super::{ChangeId, Freshness, MonotonicTime, Notification, Progress, Records};
use super::{ReplicaId, Settings};

/// Heartbeats under way. Older ones than these would bring no lease worth having.
const HEARTBEATS_UNDER_WAY: usize = 32;

/// Names one listening connection. What an earlier one still delivers is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Connection(u64);

/// What a tick asks of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticked {
    /// To be sent now; report it with [`Replica::heartbeat_sent`].
    pub heartbeat: Option<Notification>,
    /// The listening connection is deaf: drop it, report it lost, connect anew.
    pub reconnect: bool,
}

/// The state machine. One task owns it (revokers reach it through a lock that is never held across
/// I/O); the checks use [`Freshness`] only.
///
/// Always the same [`Freshness`] is to be handed in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replica {
    id: ReplicaId,
    settings: Settings,
    listening: Option<Connection>,
    connections: u64,
    next_sequence: u64,
    under_way: VecDeque<UnderWay>,
    leaving: bool,
    members: Membership,
    confirmations: Confirmations,
    acknowledgements: Acknowledgements,
}

/// A heartbeat that has brought no lease yet. It does so when it has been both taken and heard, in either order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct UnderWay {
    sequence: u64,
    /// Before the sending: the database has nothing newer to tell than what we know when it returns.
    sent_at: MonotonicTime,
    /// When the database was known to have it as durably as any change; from then on a deaf listener is to blame.
    /// Without that it proves nothing: a server whose commits wait for a standby shows a commit whose wait is cut short
    /// to everybody, also when another server has long taken its place.
    taken_at: Option<MonotonicTime>,
    /// Whether it has come back.
    heard: bool,
}

impl Replica {
    /// Neither listening nor believing anything.
    pub fn new(id: ReplicaId, settings: Settings) -> Self {
        Self {
            id,
            listening: None,
            connections: 0,
            next_sequence: 0,
            under_way: VecDeque::new(),
            leaving: false,
            members: Membership::new(settings.most_replicas),
            confirmations: Confirmations::new(settings.most_waiting),
            acknowledgements: Acknowledgements::default(),
            settings,
        }
    }

    /// LISTEN has taken effect on a new connection, the only one from now on. Nothing read before is
    /// believed: what changed between two connections was told to nobody. `longest_lease` is what the
    /// database said after LISTEN took effect.
    pub fn listener_connected(
        &mut self,
        now: MonotonicTime,
        longest_lease: Duration,
        freshness: &Freshness,
    ) -> Connection {
        freshness.invalidate_all();
        self.connections += 1;
        let connection = Connection(self.connections);
        self.listening = Some(connection);
        self.under_way.clear();
        self.members.start_over(now, longest_lease);
        connection
    }

    /// The listening connection is gone. The lease stays: revokers reckon with it until it ends.
    pub fn listener_lost(&mut self, connection: Connection) {
        if self.listening == Some(connection) {
            self.listening = None;
            self.under_way.clear();
        }
    }

    /// To be called once per heartbeat interval, with the clock read *before* the heartbeat is sent.
    /// Without a listener, or when leaving, there is nothing to send: a heartbeat that can't bring us
    /// a lease would only make revokers wait for us.
    pub fn tick(&mut self, now: MonotonicTime) -> Ticked {
        if self.listening.is_none() || self.leaving {
            return Ticked { heartbeat: None, reconnect: false };
        }
        let reconnect = self.is_deaf(now);
        if self.under_way.len() == HEARTBEATS_UNDER_WAY {
            self.under_way.pop_front();
        }
        self.next_sequence += 1;
        self.under_way.push_back(UnderWay { sequence: self.next_sequence, sent_at: now, taken_at: None, heard: false });
        let heartbeat =
            Notification::Heartbeat { replica: self.id, sequence: self.next_sequence, lease: self.settings.lease };
        Ticked { heartbeat: Some(heartbeat), reconnect }
    }

    /// The database has taken this heartbeat of ours: it has answered that it is committed. One that failed isn't
    /// reported.
    pub fn heartbeat_sent(&mut self, heartbeat: &Notification, now: MonotonicTime, freshness: &Freshness) {
        let Notification::Heartbeat { sequence, .. } = heartbeat else {
            return;
        };
        if let Some(sent) = self.under_way.iter_mut().find(|u| u.sequence == *sequence) {
            sent.taken_at = Some(now);
        }
        self.take_lease(*sequence, freshness);
    }

    /// A notification was delivered on `connection`; to be called in the order of delivery, with the
    /// clock read after the arrival. Ask [`acknowledgement_due`](Self::acknowledgement_due) when what
    /// has arrived is all handled. Gives the replica that proves nothing, and was not heard of before, if it is one's.
    pub fn heard(
        &mut self,
        connection: Connection,
        notification: &Notification,
        now: MonotonicTime,
        freshness: &Freshness,
    ) -> Option<ReplicaId> {
        if self.listening != Some(connection) {
            return None;
        }
        match *notification {
            Notification::Heartbeat { replica, sequence, .. } if replica == self.id => {
                self.heard_own(sequence, freshness);
            }
            Notification::Heartbeat { replica, lease, .. } => self.members.heard_heartbeat(replica, now, lease),
            Notification::Unproven { replica, lease } => {
                let is_news = replica != self.id && self.members.heard_unproven(replica, now, lease);
                return is_news.then_some(replica);
            }
            Notification::Changed { number, ref records } => {
                apply(records, freshness);
                self.acknowledgements.applied(number);
            }
            Notification::Announced { change } => {
                if !self.confirmations.heard(change, now, &self.members) {
                    self.acknowledgements.announced(change);
                }
            }
            Notification::Applied { replica, ref changes, .. } => self.confirmations.applied(replica, changes),
            Notification::Left { replica } => {
                self.members.left(replica);
                self.confirmations.left(replica);
            }
        }
        None
    }

    /// The acknowledgement to send now, if any.
    pub fn acknowledgement_due(&mut self, now: MonotonicTime) -> Option<Notification> {
        self.acknowledgements.next(self.id, self.members.has_unproven(now))
    }

    /// The acknowledgement was sent, or it failed (then it is due again: try at the next tick).
    pub fn acknowledgement_finished(&mut self, sent: bool) {
        self.acknowledgements.finished(sent);
    }

    /// Call *before* the change commits: its announcement may arrive before the commit's reply.
    pub fn announce_change(&mut self, change: ChangeId) {
        self.confirmations.announce(change);
    }

    /// How far the change has come. A change that was never announced, or whose announcement didn't
    /// arrive, is settled by time alone: `unheard_until` is [`settled_unheard_at`](super::settled_unheard_at).
    pub fn progress(&self, change: ChangeId, unheard_until: MonotonicTime, now: MonotonicTime) -> Progress {
        self.confirmations.progress(change, unheard_until, now)
    }

    /// Nobody waits for this change any more: it is done, its transaction failed, or its client has
    /// hung up. Call it for every announced change.
    pub fn forget_change(&mut self, change: ChangeId) {
        self.confirmations.forget(change);
    }

    /// Gives up the lease for good; the result, sent afterwards, spares revokers the wait. Checks that
    /// are still answered read the row each time.
    pub fn leave(&mut self, freshness: &Freshness) -> Notification {
        self.leaving = true;
        freshness.end_lease();
        Notification::Left { replica: self.id }
    }

    /// Who this is.
    pub fn id(&self) -> ReplicaId {
        self.id
    }

    /// Other replicas heard of lately; for metrics.
    pub fn other_replicas(&self) -> usize {
        self.members.len()
    }

    /// Changes that somebody waits for; for metrics.
    pub fn waiting_changes(&self) -> usize {
        self.confirmations.len()
    }

    /// Our own heartbeat is back: every change committed before it was sent has been delivered here.
    fn heard_own(&mut self, sequence: u64, freshness: &Freshness) {
        if let Some(sent) = self.under_way.iter_mut().find(|u| u.sequence == sequence) {
            sent.heard = true;
        } // else it was sent for an earlier connection, or too long ago, or somebody repeats it
        self.take_lease(sequence, freshness);
    }

    fn take_lease(&mut self, sequence: u64, freshness: &Freshness) {
        let complete = |u: &UnderWay| u.sequence == sequence && u.heard && u.taken_at.is_some();
        let Some(index) = self.under_way.iter().position(complete) else { return };
        let sent_at = self.under_way[index].sent_at;
        // Those before it were lost, or wait for a commit that no longer matters.
        self.under_way.drain(..=index);
        if !self.leaving {
            freshness.extend_lease(sent_at.after(self.settings.believes_for()));
        }
    }

    fn is_deaf(&self, now: MonotonicTime) -> bool {
        let taken = self.under_way.iter().filter(|u| !u.heard).filter_map(|u| u.taken_at);
        taken.min().is_some_and(|t| t.after(self.settings.deaf_after) <= now)
    }
}

fn apply(records: &Records, freshness: &Freshness) {
    match records {
        Records::These(ids) => ids.iter().for_each(|id| freshness.invalidate(*id)),
        Records::All => freshness.invalidate_all(),
    }
}
