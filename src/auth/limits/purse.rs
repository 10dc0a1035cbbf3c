//! A purse: the part of a balance that this replica has taken from the database, and may spend without asking anybody.
//! A pure state machine: times and grants are arguments. `tests/credits_model` explores it.
//!
//! Unlike a slice of a limit, what is not spent is given back. So the purse says in each message all that it has ever
//! spent, and what it has in hand. What is neither was returned, or was granted by an answer that never came.

use std::time::Duration;

use time::OffsetDateTime;

use crate::{
    auth::coherence::MonotonicTime,
    domain::{
        limits::{Holder, Refill},
        ports::limits::{CreditGrant, CreditOutcome, CreditRequest},
    },
};

/// How long what is in hand is meant to last at the current pace.
const LASTS: Duration = Duration::from_millis(2_500);
/// The shortest time over which a pace is measured.
const PACE_OVER: Duration = Duration::from_millis(100);
/// The smallest part that is taken at once, as a fraction of the balance.
const SMALLEST_PART: u64 = 128;
/// The largest part, as a fraction of the balance: what may lie idle in a replica while another one refuses.
const LARGEST_PART: u64 = 16;
/// How long nobody asks again after a failure.
const REST_AFTER_FAILURE: Duration = Duration::from_millis(500);
/// How long an answer about the balance is believed while other replicas have some of it, which may come back.
const BELIEVED_IF_SOME_IS_OUT: Duration = Duration::from_secs(3);
/// How long it is believed at most. A change of the balance by somebody is announced, so nothing depends on this.
const BELIEVED: Duration = Duration::from_secs(60);
/// After so long without use, what is in hand goes back.
const IDLE: Duration = Duration::from_secs(30);

/// A part of a balance, in the hands of this replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Purse {
    holder: Holder,
    /// Those that this process begins later have greater numbers.
    number: u64,
    /// The version of the balance when the purse was last told of it.
    version: i64,
    /// What is in hand.
    left: u64,
    /// All that was ever spent.
    used: u64,
    /// Whether the database has confirmed that nothing is in hand, and all that was spent.
    settled: bool,
    /// What was left of the balance when the latest answer was given.
    untaken: u64,
    /// When the next refill comes, as far as we know.
    refills_at: Option<MonotonicTime>,
    /// The same by the database's clock, and what each refill adds.
    refill: Option<(OffsetDateTime, Refill)>,
    /// A refill adds nothing beyond this.
    max: Option<u64>,
    /// Until when the latest answer is believed. An error delays or repeats a question, and does no harm.
    believed_until: MonotonicTime,
    /// Nobody asks before, because the database has not answered.
    rests_until: MonotonicTime,
    /// When it was last used.
    touched_at: MonotonicTime,
    /// What was spent since the last question, which was asked at `asked_at`.
    recent: u64,
    asked_at: MonotonicTime,
    /// Counts the questions, so that a late answer is recognised, here and in the database.
    messages: u64,
    /// What the requests need together that wait for the answer, and the least that one of them needs.
    waiting: u64,
    least: u64,
    stage: Stage,
    /// What the question under way was begun for.
    purpose: Purpose,
    /// What the question under way is granted must not be used, because it may have been asked before the balance was
    /// changed.
    is_overtaken: bool,
}

/// How far the question is of which there is at most one at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Stage {
    /// There is none.
    #[default]
    Idle,
    /// It is about to be asked.
    Begun,
    /// It was asked, under the number of the last message.
    Asked,
}

/// Why a question was begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Purpose {
    /// For the requests that wait, which may only want to look.
    #[default]
    Requests,
    /// To have more before it is needed.
    Supply,
    /// To give everything back.
    Return,
}

/// Whether a request can be charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Yes.
    Enough,
    /// No: too little is left.
    Exhausted,
    /// The database has to be asked.
    Empty,
    /// The database did not answer a moment ago.
    Unavailable,
}

/// A question to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// When it was asked, before it was sent.
    pub asked_at: MonotonicTime,
    /// What is sent.
    pub request: CreditRequest,
}

impl Purse {
    /// A purse with nothing in hand. `number` is greater than that of any earlier purse of this process.
    pub fn new(holder: Holder, number: u64, version: i64) -> Self {
        Self { holder, number, version, settled: true, ..Self::default() }
    }

    /// The key's row has this version of the balance. If it is another one than before, somebody has changed the
    /// balance: nothing that was taken before may be spent any more, and what was known of it is forgotten.
    pub fn follow(&mut self, version: i64) {
        if self.version == version {
            return;
        }
        self.version = version;
        self.left = 0;
        self.is_overtaken = self.stage == Stage::Asked;
        self.believed_until = MonotonicTime::default();
        // As if it had not been used for long, so that what is not in hand any more goes back soon.
        self.touched_at = MonotonicTime::default();
    }

    /// Whether a request at `now` can be charged with `cost`. With 0, it looks how much is left.
    pub fn read(&self, cost: u64, now: MonotonicTime) -> Reading {
        let is_known = now < self.believed_until;
        if self.left >= cost && (cost > 0 || is_known) {
            Reading::Enough
        } else if is_known && self.left + self.untaken < cost {
            Reading::Exhausted
        } else if now < self.rests_until {
            Reading::Unavailable
        } else {
            Reading::Empty
        }
    }

    /// Charges a request with `cost`, for which there is [`Reading::Enough`].
    pub fn charge(&mut self, cost: u64, now: MonotonicTime) {
        self.left -= cost;
        self.used += cost;
        self.recent = self.recent.saturating_add(cost);
        self.settled &= cost == 0;
        self.touched_at = now;
    }

    /// Marks that a question is about to be asked to have more in advance, if little is left. Small balances are taken
    /// one by one, so that nothing of them lies idle.
    pub fn begin_supply(&mut self, now: MonotonicTime) -> bool {
        let worth_it = self.stage == Stage::Idle && self.untaken > 0 && now >= self.rests_until;
        let is_low = worth_it && self.largest_part() >= 8 && self.left < self.wanted(now) / 4;
        if is_low {
            (self.stage, self.purpose) = (Stage::Begun, Purpose::Supply);
        }
        is_low
    }

    /// Marks that a question is about to be asked for the requests that wait, unless one is already.
    pub fn begin(&mut self) -> bool {
        let begins = self.stage == Stage::Idle;
        if begins {
            (self.stage, self.purpose) = (Stage::Begun, Purpose::Requests);
        }
        begins
    }

    /// Marks that everything is about to be given back, if there is anything, and nobody needs it: at `now` because it
    /// has not been used for a while, or in any case. Nothing of it can be spent any more.
    pub fn begin_return(&mut self, now: MonotonicTime, in_any_case: bool) -> bool {
        let is_idle = now >= self.touched_at.after(IDLE) && self.waiting == 0 && now >= self.rests_until;
        let begins = self.stage == Stage::Idle && !self.settled && (is_idle || in_any_case);
        if begins {
            (self.stage, self.purpose) = (Stage::Begun, Purpose::Return);
            self.left = 0;
        }
        begins
    }

    /// Whether there is nothing to give back or to tell.
    pub fn is_settled(&self) -> bool {
        self.settled && self.stage == Stage::Idle
    }

    /// The question that was begun could not be asked, because too many wait.
    pub fn give_up(&mut self, now: MonotonicTime) {
        self.stage = Stage::Idle;
        self.rests_until = now.after(REST_AFTER_FAILURE);
    }

    /// A request that needs `cost` waits for the answer.
    pub fn join(&mut self, cost: u64) {
        // Who only looks needs nothing.
        if cost == 0 {
            return;
        }
        self.least = if self.waiting == 0 { cost } else { self.least.min(cost) };
        self.waiting = self.waiting.saturating_add(cost);
    }

    /// A request that needs `cost` does not wait any more.
    pub fn leave(&mut self, cost: u64) {
        self.waiting = self.waiting.saturating_sub(cost);
        if self.waiting == 0 {
            self.least = 0;
        }
    }

    /// The question, which is sent after `now`.
    pub fn ask(&mut self, now: MonotonicTime) -> Question {
        let (least, need, want) = match self.purpose {
            Purpose::Return => (0, 0, 0),
            // They only look.
            Purpose::Requests if self.waiting == 0 => (0, 0, 0),
            _ => {
                let need = self.waiting.saturating_sub(self.left).max(1);
                (self.least.saturating_sub(self.left).max(1), need, self.wanted(now).max(need))
            }
        };
        self.messages += 1;
        self.stage = Stage::Asked;
        (self.asked_at, self.recent) = (now, 0);
        let request = CreditRequest {
            holder: self.holder,
            purse: self.number,
            message: self.messages,
            used: self.used,
            in_hand: self.left,
            least,
            need,
            want,
        };
        Question { asked_at: now, request }
    }

    /// The database has answered; `now` was read after that. An answer to an earlier question is ignored.
    pub fn answered(&mut self, question: Question, grant: &CreditGrant, now: MonotonicTime) {
        if !self.conclude(question) {
            return;
        }
        if std::mem::take(&mut self.is_overtaken) {
            self.settled = false;
            return;
        }
        let request = &question.request;
        match grant.outcome {
            CreditOutcome::Done | CreditOutcome::Refused => {
                self.left += grant.granted;
                // What was refused was not written down, so that an earlier message may still be heard.
                let is_heard = grant.outcome == CreditOutcome::Done && self.used == request.used;
                self.settled = is_heard && request.in_hand == 0 && grant.granted == 0;
                self.untaken = grant.left;
                let in_seconds = grant.next_refill.map(|at| (at - grant.at).try_into().unwrap_or(Duration::ZERO));
                self.refills_at = in_seconds.map(|span| now.after(span));
                (self.refill, self.max) = (grant.next_refill.zip(grant.refill), grant.max);
                let believed = if grant.elsewhere > 0 { BELIEVED_IF_SOME_IS_OUT } else { BELIEVED };
                self.believed_until = now.after(in_seconds.map_or(believed, |span: Duration| span.min(believed)));
                self.rests_until = MonotonicTime::default();
            }
            CreditOutcome::Changed => (self.left, self.believed_until) = (0, MonotonicTime::default()),
            // The row of the key will say so, too.
            CreditOutcome::Gone => {
                self.left = 0;
                self.settled = true;
                self.believed_until = MonotonicTime::default();
                self.rests_until = now.after(REST_AFTER_FAILURE);
            }
            // It came twice, and what the first one granted is unknown.
            CreditOutcome::Late => {
                self.settled = false;
                self.rests_until = now.after(REST_AFTER_FAILURE);
            }
        }
    }

    /// The database did not answer, or it is unknown what it did. Nothing of the question may be used.
    pub fn failed(&mut self, question: Question, now: MonotonicTime) {
        if self.conclude(question) {
            self.is_overtaken = false;
            self.settled = false;
            self.rests_until = now.after(REST_AFTER_FAILURE);
        }
    }

    /// What is left, as far as we know, and how long until the next refill.
    pub fn remaining(&self, now: MonotonicTime) -> (u64, Option<Duration>) {
        let until = |at: MonotonicTime| Duration::from_nanos(at.as_nanos().saturating_sub(now.as_nanos()));
        (self.left + self.untaken, self.refills_at.map(until))
    }

    /// What is in hand.
    pub fn in_hand(&self) -> u64 {
        self.left
    }

    /// When refills will have made enough for a request that costs so much; `None` if they never will.
    pub fn enough_at(&self, cost: u64) -> Option<MonotonicTime> {
        let (first, (at, refill)) = self.refills_at.zip(self.refill)?;
        if self.max.is_some_and(|max| max < cost) {
            return None;
        }
        let refills = cost.saturating_sub(self.left + self.untaken).div_ceil(refill.amount.max(1)).max(1);
        let last = refill.interval.after(at, refills - 1)?;
        Some(first.after((last - at).try_into().ok()?))
    }

    /// What lasts for a while at the pace since the last question, within bounds.
    fn wanted(&self, now: MonotonicTime) -> u64 {
        let elapsed = u128::from(now.as_nanos().saturating_sub(self.asked_at.as_nanos())).max(PACE_OVER.as_nanos());
        let paced = u128::from(self.recent) * LASTS.as_nanos() / elapsed;
        let smallest = ((self.left + self.untaken) / SMALLEST_PART).max(1);
        u64::try_from(paced).unwrap_or(u64::MAX).clamp(smallest, self.largest_part())
    }

    fn largest_part(&self) -> u64 {
        ((self.left + self.untaken) / LARGEST_PART).max(1)
    }

    /// Whether this question is the one that was asked last, and has not been answered. From now on it has.
    fn conclude(&mut self, question: Question) -> bool {
        let is_current = self.stage == Stage::Asked && self.messages == question.request.message;
        if is_current {
            self.stage = Stage::Idle;
        }
        is_current
    }
}
