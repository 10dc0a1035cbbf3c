//! A slice: the part of a limit that this replica has taken from the database, and may use without asking anybody. A
//! pure state machine: times and grants are arguments. `tests/limits_model` explores it.

mod pending;

use std::{num::NonZeroU32, time::Duration};

use self::pending::{Asking, Pending, Stage};
use crate::{
    auth::coherence::MonotonicTime,
    domain::{
        limits::{Limit, Span},
        ports::limits::SliceGrant,
    },
};

/// How long a slice is meant to last at the current pace.
const LASTS: Duration = Duration::from_millis(2_500);
/// The shortest time over which a pace is measured.
const PACE_OVER: Duration = Duration::from_millis(100);
/// The part of what is left of the window over which its use is foreseen at least. A few requests that come together
/// are no pace.
const FORESEEN_FROM: u128 = 64;
/// The part that is taken at once where use is slow, as a fraction of the amount. Long windows are counted in few
/// statements.
const SMALLEST_PART: u64 = 128;
/// The part that is taken while nothing is known of the pace.
const FIRST_PART: u64 = 1_024;
/// The largest part, as a fraction of the amount: what may lie idle in a replica while another one refuses.
const LARGEST_PART: u64 = 16;
/// How long whoever only looks believes what the database said of the part that nobody had taken.
const BELIEVED: Duration = Duration::from_secs(3);
/// How long nobody asks again after a failure.
const REST_AFTER_FAILURE: Duration = Duration::from_millis(500);

/// A part of a limit, in the hands of this replica. A line of the processor's cache, because there is one for each
/// limit of each key in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Slice {
    /// What is in hand.
    left: u64,
    /// Until when what is in hand may be used: before the window can have ended by the database's clock.
    usable_until: MonotonicTime,
    /// What nobody had taken when the latest answer was given.
    untaken: u64,
    /// What was used since the last question, which was asked at `asked_at`.
    used: u64,
    asked_at: MonotonicTime,
    /// How long after `usable_until` the window ends, in [`TURN_UNITS`]; `None` if nobody has said. An error delays or
    /// repeats a question, and does no harm.
    turns_after: Option<NonZeroU32>,
    /// When the window of the latest answer ends, in seconds of the database's clock. Until 2106; later ends still
    /// differ.
    ends: u32,
    /// Until when whoever only looks believes `untaken`, in [`BELIEF_UNITS`].
    believed_until: u32,
    /// Counts the questions, so that a late answer is recognised.
    questions: u32,
    pending: Pending,
}

/// 66 us: a tenth of the longest window is shorter than all of them.
const TURN_UNITS: u32 = 16;
/// A quarter of a second, so that they suffice for 36 years.
const BELIEF_UNITS: u32 = 28;

/// Whether a request can be charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Yes.
    Enough,
    /// No: too little is left anywhere until the window ends.
    Exhausted,
    /// The database has to be asked.
    Empty,
    /// The database did not answer a moment ago.
    Unavailable,
}

/// A question to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    number: u32,
    /// When it was asked, before it was sent.
    pub asked_at: MonotonicTime,
    /// With less than this, no request could be charged.
    pub least: u64,
    /// What the waiting requests need.
    pub need: u64,
    /// What would last for a while.
    pub want: u64,
}

/// The database's clock may run faster than ours by a ninth: a time span of ours may be longer by its clock.
/// Far more than the drift of quartz, and more than time daemons slew.
fn certainly_within(span: Duration) -> Duration {
    span * 9 / 10
}

impl Slice {
    /// Whether a request at `now` can be charged with `cost`. `now` was read after the request had arrived.
    pub fn read(&self, limit: &Limit, cost: u64, now: MonotonicTime) -> Reading {
        // Who only looks wants to see the current window, and what others have taken of it.
        let is_known = cost > 0 || now < self.turns_at() && beliefs(now) < self.believed_until;
        if is_known && self.usable(now) >= cost {
            Reading::Enough
        } else if cost > limit.amount || now < self.turns_at() && self.left + self.untaken < cost {
            Reading::Exhausted
        } else if now < self.pending.get().rests_until {
            Reading::Unavailable
        } else {
            Reading::Empty
        }
    }

    /// Charges a request with `cost`, for which there is [`Reading::Enough`].
    pub fn charge(&mut self, cost: u64) {
        self.left -= cost;
        self.used = self.used.saturating_add(cost);
    }

    /// Whether to ask in advance, before the slice is empty: when a quarter of what is [`wanted`](Self::wanted) is
    /// left. Small limits are taken one by one, so that nothing of them lies idle.
    pub fn is_low(&self, limit: &Limit, now: MonotonicTime) -> bool {
        let (largest, first) = (largest_part(limit), first_part(limit));
        let left = self.left.saturating_mul(4);
        // Asked for every request, so it compares with the bounds first, and divides nothing. Whatever the pace, a
        // slice is not low before an eighth of what is left was used.
        let is_plenty = left >= largest || left >= first && left >= self.used.saturating_mul(32);
        if is_plenty || largest < 8 * limit.cost {
            return false;
        }
        let Asking { stage, rests_until, .. } = self.pending.get();
        let worth_it = stage == Stage::Idle && self.untaken > 0 && now >= rests_until && now < self.turns_at();
        let used = u128::from(self.used);
        let is_less_than_paced =
            || u128::from(left) * self.elapsed(now, PACE_OVER.as_nanos()) < used * LASTS.as_nanos();
        let is_less_than_foreseen = || {
            let rest = self.rest_of_window(limit, now);
            left < first || u128::from(left) * 2 * self.elapsed(now, rest / FORESEEN_FROM) < used * rest
        };
        worth_it && (left < smallest_part(limit) && is_less_than_foreseen() || is_less_than_paced())
    }

    /// Marks that a question is about to be asked, unless one is already.
    pub fn begin(&mut self) -> bool {
        let begins = !self.is_asking();
        if begins {
            self.pending.change(|asking| asking.stage = Stage::Begun);
        }
        begins
    }

    /// The question that was begun could not be asked, because too many wait.
    pub fn give_up(&mut self, now: MonotonicTime) {
        self.pending.end(now.after(REST_AFTER_FAILURE));
    }

    /// A request that needs `cost` waits for the answer.
    pub fn join(&mut self, cost: u64) {
        self.pending.change(|asking| {
            asking.looks = cost == 0;
            asking.least = if asking.waiting == 0 { cost } else { asking.least.min(cost) };
            asking.waiting = asking.waiting.saturating_add(cost);
        });
    }

    /// A request that needs `cost` does not wait any more.
    pub fn leave(&mut self, cost: u64) {
        self.pending.change(|asking| {
            asking.waiting = asking.waiting.saturating_sub(cost);
            asking.least = if asking.waiting == 0 { 0 } else { asking.least };
        });
    }

    /// The question, which is sent after `now`.
    pub fn ask(&mut self, limit: &Limit, now: MonotonicTime) -> Question {
        self.questions = self.questions.wrapping_add(1);
        let number = self.questions;
        let Asking { looks, waiting, least, .. } = self.pending.get();
        self.pending.change(|asking| (asking.stage, asking.looks) = (Stage::Asked, false));
        if looks && waiting == 0 {
            // So much is never left, so nothing is taken, and nothing written.
            return Question { number, asked_at: now, least: u64::MAX, need: 0, want: 0 };
        }
        let in_hand = self.usable(now);
        let (waiting, least) = if waiting == 0 { (limit.cost, limit.cost) } else { (waiting, least) };
        let need = waiting.saturating_sub(in_hand).max(1);
        let want = self.wanted(limit, now).max(need);
        (self.asked_at, self.used) = (now, 0);
        let least = least.saturating_sub(in_hand).max(1);
        Question { number, asked_at: now, least, need, want }
    }

    /// The database has answered; `now` was read after that. An answer to an earlier question is ignored.
    pub fn answered(&mut self, question: Question, grant: &SliceGrant, now: MonotonicTime) {
        if !self.is_current(question) {
            return;
        }
        self.pending.end(MonotonicTime::default());
        let ends = u32::try_from(grant.ends.unix_timestamp().rem_euclid(1 << 32)).unwrap_or_default();
        if ends != self.ends {
            (self.ends, self.left) = (ends, 0);
        }
        self.left += grant.granted;
        self.untaken = grant.left;
        self.believed_until = beliefs(question.asked_at.after(BELIEVED));
        let lasts = (grant.ends - grant.at).try_into().unwrap_or(Duration::ZERO);
        // The clock was read after the question was asked, and before the answer came.
        self.usable_until = question.asked_at.after(certainly_within(lasts));
        let rest = nanos_between(self.usable_until, now.after(lasts)) >> TURN_UNITS;
        self.turns_after = NonZeroU32::new(u32::try_from(rest).unwrap_or(u32::MAX).max(1));
    }

    /// The database did not answer, or it is unknown what it did. Nothing of the question may be used.
    pub fn failed(&mut self, question: Question, now: MonotonicTime) {
        if self.is_current(question) {
            self.pending.end(now.after(REST_AFTER_FAILURE));
        }
    }

    /// What is left in the window at `now`, and how long that lasts. The number never rises within a window: what
    /// others take is taken from it, and what this replica takes stays in it. `second`: of the wall clock, where
    /// nothing is known yet.
    pub fn remaining(&self, limit: &Limit, now: MonotonicTime, second: impl FnOnce() -> i64) -> (u64, Duration) {
        let turns_at = self.turns_at();
        if now < turns_at {
            return (self.left + self.untaken, Duration::from_nanos(nanos_between(now, turns_at)));
        }
        // Nobody has asked in the current window.
        let since = Duration::from_nanos(nanos_between(turns_at, now)).as_secs().cast_signed();
        let second = if self.turns_after.is_some() { self.window_ends() + since } else { second() };
        let Span { ends, .. } = limit.window.span_at(second);
        (limit.amount, Duration::from_secs(u64::try_from(ends - second).unwrap_or_default()))
    }

    /// Passes on what is in hand, with what is known about the window. This slice has nothing any more.
    /// `amount_changed`: what is left of the limit is another number now, which nobody has said.
    pub fn hand_over(&mut self, amount_changed: bool) -> Self {
        let passed = Self { pending: Pending::default(), ..self.clone() };
        self.left = 0;
        match amount_changed {
            true => Self { untaken: 0, turns_after: None, ..passed },
            false => passed,
        }
    }

    /// Whether an answer may still come, with more.
    pub fn is_asking(&self) -> bool {
        self.pending.get().stage != Stage::Idle
    }

    /// Takes away what is in hand, so that it can be given back.
    pub fn give_back(&mut self) -> u64 {
        std::mem::take(&mut self.left)
    }

    /// When the window of the slice ends, in seconds of the database's clock.
    pub fn window_ends(&self) -> i64 {
        self.ends.into()
    }

    /// When the window ends, as far as we know.
    pub fn turns_at(&self) -> MonotonicTime {
        let after =
            |units: NonZeroU32| self.usable_until.after(Duration::from_nanos(u64::from(units.get()) << TURN_UNITS));
        self.turns_after.map_or_else(MonotonicTime::default, after)
    }

    /// What may be used at `now`.
    fn usable(&self, now: MonotonicTime) -> u64 {
        if now < self.usable_until { self.left } else { 0 }
    }

    /// What lasts for a while at the pace since the last question, within bounds. But no more than half of what will be
    /// used until the window ends: the rest would lie idle while other replicas refuse.
    fn wanted(&self, limit: &Limit, now: MonotonicTime) -> u64 {
        let at_pace = |least, span| {
            let used = u128::from(self.used) * span / self.elapsed(now, least).max(1);
            u64::try_from(used).unwrap_or(u64::MAX)
        };
        let rest = self.rest_of_window(limit, now);
        let foreseen = at_pace(rest / FORESEEN_FROM, rest) / 2;
        let paced = at_pace(PACE_OVER.as_nanos(), LASTS.as_nanos()).clamp(smallest_part(limit), largest_part(limit));
        paced.min(foreseen.max(first_part(limit)))
    }

    /// The nanoseconds over which a pace is measured, at least so many.
    fn elapsed(&self, now: MonotonicTime, least: u128) -> u128 {
        u128::from(nanos_between(self.asked_at, now)).max(least)
    }

    /// The nanoseconds until the window ends. If nobody has asked in the current one, all of it.
    fn rest_of_window(&self, limit: &Limit, now: MonotonicTime) -> u128 {
        match nanos_between(now, self.turns_at()) {
            0 => limit.window.longest().as_nanos(),
            rest => rest.into(),
        }
    }

    /// Whether this question is the one that was asked last, and has not been answered.
    fn is_current(&self, question: Question) -> bool {
        self.pending.get().stage == Stage::Asked && self.questions == question.number
    }
}

fn nanos_between(from: MonotonicTime, to: MonotonicTime) -> u64 {
    to.as_nanos().saturating_sub(from.as_nanos())
}

fn beliefs(at: MonotonicTime) -> u32 {
    u32::try_from(at.as_nanos() >> BELIEF_UNITS).unwrap_or(u32::MAX)
}

fn smallest_part(limit: &Limit) -> u64 {
    (limit.amount / SMALLEST_PART).max(limit.cost)
}

fn first_part(limit: &Limit) -> u64 {
    (limit.amount / FIRST_PART).max(limit.cost)
}

fn largest_part(limit: &Limit) -> u64 {
    (limit.amount / LARGEST_PART).max(limit.cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_takes_a_line_of_the_cache() {
        assert!(size_of::<Slice>() <= 64, "{}", size_of::<Slice>());
    }
}
