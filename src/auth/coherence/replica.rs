//! One replica's part in the protocol: receives, applies and acknowledges changes, and keeps its lease alive.

use std::collections::VecDeque;

use super::acknowledgements::Acknowledgements;
use super::confirmation::Confirmations;
use super::membership::Membership;
use super::{ChangeId, Freshness, Heartbeat, Holders, MonotonicTime, Notification, Progress, Records};
use super::{CoherenceTimings, ReplicaId};

/// The maximum number of heartbeats in flight. A lease from an older one would be useless.
const HEARTBEATS_UNDER_WAY: usize = 32;

/// Identifies a listening connection. Late messages of earlier connections are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Connection(u64);

/// The actions that a tick requests from the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticked {
    /// A heartbeat to send now. Report it with [`Replica::heartbeat_sent`].
    pub heartbeat: Option<Heartbeat>,
    /// No pulse has come for a while: send one with the heartbeat if the latest is still the one with this number.
    pub pulse_after: Option<u64>,
    /// The listening connection is dead: drop it, report it as lost, and reconnect.
    pub reconnect: bool,
}

/// The state machine. One task owns it; revokers access it through a lock that is never held across I/O. Checks use
/// only [`Freshness`].
///
/// Every call must be given the same [`Freshness`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replica {
    id: ReplicaId,
    settings: CoherenceTimings,
    listening: Option<Connection>,
    connections: u64,
    under_way: VecDeque<UnderWay>,
    /// The number of the latest pulse by the database's answers, and by pulses that nobody could have made up.
    pulse: u64,
    /// The latest pulse on this connection that named us.
    named: Option<Named>,
    leaving: bool,
    members: Membership,
    confirmations: Confirmations,
    acknowledgements: Acknowledgements,
}

/// A heartbeat that has not granted a lease yet. It does once it is both committed and received back, in either order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct UnderWay {
    sequence: u64,
    /// Read before the sending: when the heartbeat comes back, every change committed before this instant has been
    /// received.
    sent_at: MonotonicTime,
    /// When the database was known to have committed it as durably as a change; from then on, a missing delivery means
    /// that the listener is dead. A heartbeat without it proves nothing: if a server waits for a standby and the wait
    /// is cut short, the commit becomes visible even if another server has long become the primary.
    taken_at: Option<MonotonicTime>,
    /// Whether it was received back.
    heard: bool,
}

/// A pulse that named one of our heartbeats. Whoever listens can repeat the last one with another number, so it is
/// believed only as long as each heartbeat is named before the next is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Named {
    sequence: u64,
    pulse: u64,
    at: MonotonicTime,
}

impl Replica {
    /// A replica that neither listens nor trusts anything.
    pub fn new(id: ReplicaId, settings: CoherenceTimings) -> Self {
        Self {
            id,
            listening: None,
            connections: 0,
            under_way: VecDeque::new(),
            pulse: 0,
            named: None,
            leaving: false,
            members: Membership::new(settings.most_replicas),
            confirmations: Confirmations::new(settings.most_waiting),
            acknowledgements: Acknowledgements::default(),
            settings,
        }
    }

    /// LISTEN has taken effect on a new connection, which replaces any earlier one. Everything read before is
    /// invalidated, because changes between two connections were not received. `holders`, and the number of the latest
    /// pulse, were read after LISTEN took effect, and `now` after that.
    pub fn listener_connected(
        &mut self,
        now: MonotonicTime,
        holders: &Holders,
        pulse: u64,
        freshness: &Freshness,
    ) -> Connection {
        freshness.invalidate_all();
        self.connections += 1;
        let connection = Connection(self.connections);
        self.listening = Some(connection);
        self.under_way.clear();
        (self.pulse, self.named) = (pulse, None);
        self.members.start_over(now, holders, self.id);
        connection
    }

    /// Whether it listens.
    pub fn is_listening(&self) -> bool {
        self.listening.is_some()
    }

    /// Whether it has ever listened. Otherwise it has sent no heartbeat, and nobody knows it.
    pub fn has_listened(&self) -> bool {
        self.connections > 0
    }

    /// The listening connection is lost. The lease remains, because revokers wait for it until it ends.
    pub fn listener_lost(&mut self, connection: Connection) {
        if self.listening == Some(connection) {
            self.listening = None;
            self.under_way.clear();
        }
    }

    /// Must be called once per heartbeat interval, with the clock read *before* the heartbeat is sent, and with a
    /// [`sequence`](Heartbeat::sequence) that nobody can guess. Without a listener, and when leaving, there is nothing
    /// to send: a heartbeat that can't grant a lease would only make revokers wait for us.
    pub fn tick(&mut self, now: MonotonicTime, sequence: u64) -> Ticked {
        if self.listening.is_none() || self.leaving {
            return Ticked { heartbeat: None, pulse_after: None, reconnect: false };
        }
        let reconnect = self.is_deaf(now);
        let pulse_after = self.pulse_due(now);
        if self.under_way.len() == HEARTBEATS_UNDER_WAY {
            self.under_way.pop_front();
        }
        self.under_way.push_back(UnderWay { sequence, sent_at: now, taken_at: None, heard: false });
        let heartbeat = Heartbeat { replica: self.id, sequence, lease: self.settings.lease };
        Ticked { heartbeat: Some(heartbeat), pulse_after, reconnect }
    }

    /// The number of the pulse after which another is due: at once if none has named the last heartbeat, and three
    /// quarters of an interval after the latest otherwise, so that one is due at each heartbeat of a replica that is
    /// alone.
    fn pulse_due(&self, now: MonotonicTime) -> Option<u64> {
        match &self.named {
            Some(named) if self.under_way.is_empty() => {
                (named.at.after(self.settings.heartbeat_every * 3 / 4) <= now).then_some(named.pulse)
            }
            _ => Some(self.pulse),
        }
    }

    /// The database has confirmed the commit of this heartbeat, when the latest pulse had this number. Failed
    /// heartbeats are not reported.
    pub fn heartbeat_sent(&mut self, heartbeat: &Heartbeat, pulse: u64, now: MonotonicTime, freshness: &Freshness) {
        self.pulse = pulse;
        if let Some(sent) = self.under_way.iter_mut().find(|u| u.sequence == heartbeat.sequence) {
            sent.taken_at = Some(now);
        }
        self.take_lease(heartbeat.sequence, freshness);
    }

    /// A notification was delivered on `connection`. Must be called in delivery order, with the clock read after the
    /// arrival. Query [`acknowledgement_due`](Self::acknowledgement_due) after all received messages are handled.
    /// Returns the sender if the message is unproven and its sender was unknown.
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
            Notification::Heartbeat(Heartbeat { replica, sequence, .. }) if replica == self.id => {
                self.heard_own(sequence, freshness);
            }
            Notification::Heartbeat(ref heartbeat) => self.members.heard_heartbeat(heartbeat, now),
            Notification::Pulse { number, ref heartbeats } => {
                self.members.heard_pulse(heartbeats, now, self.id);
                if let Some(own) = heartbeats.iter().find(|heartbeat| heartbeat.replica == self.id) {
                    self.heard_pulse(number, own.sequence, now, freshness);
                }
            }
            Notification::Unproven(Heartbeat { replica, lease, .. }) => {
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

    /// The acknowledgement to send now, if any. When leaving, nobody waits for one.
    pub fn acknowledgement_due(&mut self, now: MonotonicTime) -> Option<Notification> {
        if self.leaving {
            return None;
        }
        self.acknowledgements.next(self.id, self.members.has_unproven(now))
    }

    /// The acknowledgement was sent, or it failed; then it is due again, and should be retried at the next tick.
    pub fn acknowledgement_finished(&mut self, sent: bool) {
        self.acknowledgements.finished(sent);
    }

    /// Must be called *before* the change commits, because its announcement may arrive before the commit's reply.
    pub fn announce_change(&mut self, change: ChangeId) {
        self.confirmations.announce(change);
    }

    /// The progress of a change. A change that was never announced, or whose announcement did not arrive, is settled by
    /// time alone: `unheard_until` is [`settled_unheard_at`](super::settled_unheard_at).
    pub fn progress(&self, change: ChangeId, unheard_until: MonotonicTime, now: MonotonicTime) -> Progress {
        self.confirmations.progress(change, unheard_until, now)
    }

    /// The changes that some replica has not acknowledged yet, as far as is known. Their acknowledgements are rows,
    /// which must be looked for while somebody waits.
    pub fn awaited(&self) -> Vec<ChangeId> {
        self.confirmations.awaited()
    }

    /// A row says that `replica` has applied these changes. That stays true, so it may be read at any time and from any
    /// server.
    pub fn acknowledged(&mut self, replica: ReplicaId, changes: &[ChangeId]) {
        self.confirmations.applied(replica, changes);
    }

    /// Stops following a change: it is settled, its transaction failed, or its client is gone. Must be called for every
    /// announced change.
    pub fn forget_change(&mut self, change: ChangeId) {
        self.confirmations.forget(change);
    }

    /// Gives up the lease for good. The returned message spares revokers the wait. Later checks read the row each time.
    pub fn leave(&mut self, freshness: &Freshness) -> Notification {
        self.leaving = true;
        freshness.end_lease();
        Notification::Left { replica: self.id }
    }

    /// The id of this replica.
    pub fn id(&self) -> ReplicaId {
        self.id
    }

    /// The number of other replicas that are remembered.
    pub fn other_replicas(&self) -> usize {
        self.members.len()
    }

    /// The number of other replicas that may hold a lease at `now`, as far as is known.
    pub fn other_holders(&self, now: MonotonicTime) -> usize {
        self.members.holders(now).len()
    }

    /// The number of changes that somebody waits for, for metrics.
    pub fn waiting_changes(&self) -> usize {
        self.confirmations.len()
    }

    /// Our own heartbeat came back: every change committed before it was sent has been delivered here. Returns whether
    /// it was one that had not come back before.
    fn heard_own(&mut self, sequence: u64, freshness: &Freshness) -> bool {
        // Otherwise it belongs to an earlier connection, is too old, or is a replay.
        let Some(sent) = self.under_way.iter_mut().find(|u| u.sequence == sequence) else { return false };
        sent.heard = true;
        self.take_lease(sequence, freshness);
        true
    }

    /// A pulse has named our heartbeat with this sequence.
    fn heard_pulse(&mut self, number: u64, sequence: u64, now: MonotonicTime, freshness: &Freshness) {
        let is_new = self.heard_own(sequence, freshness);
        if is_new {
            self.pulse = number;
        }
        if is_new || self.named.as_ref().is_some_and(|named| named.sequence == sequence) {
            self.named = Some(Named { sequence, pulse: number, at: now });
        }
    }

    fn take_lease(&mut self, sequence: u64, freshness: &Freshness) {
        let complete = |u: &UnderWay| u.sequence == sequence && u.heard && u.taken_at.is_some();
        let Some(index) = self.under_way.iter().position(complete) else { return };
        let sent_at = self.under_way[index].sent_at;
        // Earlier heartbeats were lost, or wait for a commit that no longer matters.
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
