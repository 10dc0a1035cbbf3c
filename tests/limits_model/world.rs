//! Replicas that count one limit, their database, and everything that may go wrong between them.

use std::collections::BTreeMap;

use keyward::{
    auth::{
        coherence::MonotonicTime,
        limits::slice::{Question, Reading, Slice},
    },
    domain::{
        limits::{Holder, Limit},
        ports::limits::{SliceGrant, SliceRequest, SliceReturn},
    },
};
use test_support::{fingerprint::Part, limit_table::LimitTable, model::Model};
use time::{Duration, OffsetDateTime};

use crate::rules::{Fault, Rules, WINDOW};

#[derive(Clone, Debug, Hash)]
struct Replica {
    slice: Slice,
    /// Nanoseconds of its clock, now and a tick ago.
    clock: u64,
    before: u64,
    /// The requests that wait.
    waiting: u32,
    link: Link,
    /// The last answer.
    answer: Option<(Question, SliceGrant)>,
    requests: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Link {
    Idle,
    Begun,
    Sent(Question),
    Decided { question: Question, grant: SliceGrant, committed: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Tick,
    SetBack,
    Request(usize),
    Ask(usize),
    Commit(usize),
    RollBack(usize),
    Answer(usize),
    Fail(usize),
    Repeat(usize),
    Crash(usize),
    Stop(usize),
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct World {
    /// Seconds of the database's clock.
    second: i64,
    table: Part<LimitTable>,
    replicas: Vec<Part<Replica>>,
    /// What was admitted, by the database's clock.
    admitted: BTreeMap<i64, u64>,
    /// What was admitted, by the window of the slice.
    charged: BTreeMap<i64, u64>,
    ticks: u32,
    crashes: u32,
    stops: u32,
    losses: u32,
    repetitions: u32,
    set_back: u32,
}

impl Model for World {
    type Rules = Rules;
    type Action = Action;
    type Tally = u64;

    fn new(rules: &Rules) -> Self {
        let replica = Replica {
            slice: Slice::default(),
            // Not zero, as no clock is.
            clock: 1_000_000_000_000,
            before: 1_000_000_000_000,
            waiting: 0,
            link: Link::Idle,
            answer: None,
            requests: rules.requests,
        };
        Self {
            // In the middle of a window.
            second: 1000 * i64::from(WINDOW) + 2,
            table: Part::new(LimitTable::default()),
            replicas: vec![Part::new(replica); rules.rates.len()],
            admitted: BTreeMap::new(),
            charged: BTreeMap::new(),
            ticks: rules.ticks,
            crashes: rules.crashes,
            stops: rules.stops,
            losses: rules.losses,
            repetitions: rules.repetitions,
            set_back: rules.set_back,
        }
    }

    fn possible(&self, _: &Rules) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut add = |possible: bool, action| actions.extend(possible.then_some(action));
        add(self.ticks > 0, Action::Tick);
        add(self.set_back > 0, Action::SetBack);
        for (at, replica) in self.replicas.iter().enumerate() {
            add(replica.requests > 0, Action::Request(at));
            add(self.crashes > 0 && replica.slice != Slice::default(), Action::Crash(at));
            add(self.stops > 0 && replica.slice != Slice::default(), Action::Stop(at));
            add(self.repetitions > 0 && replica.answer.is_some(), Action::Repeat(at));
            match replica.link {
                Link::Idle => {}
                Link::Begun => add(true, Action::Ask(at)),
                Link::Sent(_) => {
                    add(true, Action::Commit(at));
                    add(self.losses > 0, Action::RollBack(at));
                }
                Link::Decided { committed, .. } => {
                    add(committed, Action::Answer(at));
                    add(self.losses > 0 || !committed, Action::Fail(at));
                }
            }
        }
        actions
    }

    fn perform(&mut self, rules: &Rules, action: Action) {
        match action {
            Action::Tick => {
                self.ticks -= 1;
                self.second += 1;
                for (replica, rate) in self.replicas.iter_mut().zip(&rules.rates) {
                    replica.before = replica.clock;
                    replica.clock += rate * 1_000_000;
                }
            }
            Action::SetBack => {
                self.set_back -= 1;
                self.second -= 2;
                if rules.has(Fault::SetBackForgets) {
                    self.table = Part::new(LimitTable::default());
                }
            }
            Action::Request(at) => {
                self.replicas[at].requests -= 1;
                self.request(rules, at);
            }
            Action::Ask(at) => {
                let replica = &mut *self.replicas[at];
                let question = replica.slice.ask(&rules.limit(), MonotonicTime::from_nanos(replica.clock));
                replica.link = Link::Sent(question);
            }
            Action::Commit(at) => self.decide(rules, at, true),
            Action::RollBack(at) => {
                self.losses -= 1;
                self.decide(rules, at, false);
            }
            Action::Answer(at) => self.answer(rules, at),
            Action::Fail(at) => self.fail(rules, at),
            Action::Repeat(at) => self.repeat(rules, at),
            Action::Stop(at) => {
                self.stops -= 1;
                self.give_back(rules, at);
            }
            Action::Crash(at) => {
                self.crashes -= 1;
                let replica = &mut *self.replicas[at];
                // What was sent may still be committed; its answer finds nobody, as one that is lost.
                if let Link::Sent(question) = replica.link {
                    let request = slice_request(rules, question);
                    self.table.take(&request, instant(self.second));
                }
                let replica = &mut *self.replicas[at];
                (replica.slice, replica.waiting) = (Slice::default(), 0);
                (replica.link, replica.answer) = (Link::Idle, None);
            }
        }
    }

    /// What was admitted beyond the amount.
    fn violation(&mut self, rules: &Rules) -> Option<String> {
        let beyond = |admitted: &BTreeMap<i64, u64>| {
            let found = admitted.iter().find(|(_, admitted)| **admitted > rules.amount);
            found.map(|(window, admitted)| format!("{admitted} of {} in the window {window}", rules.amount))
        };
        // Where the clock is set back, the same time comes twice, so it says nothing.
        let by_clock = if rules.set_back == 0 { beyond(&self.admitted) } else { None };
        beyond(&self.charged).or(by_clock)
    }

    /// How much was admitted in the busiest window.
    fn add_to(&self, most_admitted: &mut u64) {
        *most_admitted = self.admitted.values().copied().fold(*most_admitted, u64::max);
    }

    fn describe(&self, action: Action) -> String {
        format!("{action:?}")
    }

    /// Requests are frequent, and faults are rare.
    fn weight(action: Action) -> u32 {
        match action {
            Action::Request(_) | Action::Ask(_) | Action::Commit(_) | Action::Answer(_) => 40,
            Action::Tick => 4,
            Action::Fail(_)
            | Action::RollBack(_)
            | Action::Repeat(_)
            | Action::Crash(_)
            | Action::Stop(_)
            | Action::SetBack => 1,
        }
    }
}

impl World {
    /// A request arrives, or one that waited tries again.
    fn request(&mut self, rules: &Rules, at: usize) {
        let limit = rules.limit();
        let replica = &mut *self.replicas[at];
        let clock = if rules.has(Fault::OldClock) { replica.before } else { replica.clock };
        let now = MonotonicTime::from_nanos(clock);
        match replica.slice.read(&limit, limit.cost, now) {
            Reading::Enough => {
                let window = replica.slice.window_ends();
                replica.slice.charge(limit.cost);
                let low = replica.slice.is_low(&limit, now) && replica.slice.begin();
                if low {
                    replica.link = Link::Begun;
                }
                *self.admitted.entry(self.second.div_euclid(WINDOW.into())).or_default() += rules.cost;
                *self.charged.entry(window).or_default() += rules.cost;
            }
            Reading::Exhausted | Reading::Unavailable => {}
            Reading::Empty => {
                replica.slice.join(limit.cost);
                replica.waiting += 1;
                if replica.slice.begin() {
                    replica.link = Link::Begun;
                }
            }
        }
    }

    fn decide(&mut self, rules: &Rules, at: usize, committed: bool) {
        let Link::Sent(question) = self.replicas[at].link else { unreachable!("only what was sent is decided") };
        let request = slice_request(rules, question);
        let mut table = self.table.clone();
        let grant = table.take(&request, instant(self.second));
        if committed && !rules.has(Fault::DeductedLater) {
            self.table = table;
        }
        self.replicas[at].link = Link::Decided { question, grant, committed };
    }

    fn answer(&mut self, rules: &Rules, at: usize) {
        let Link::Decided { question, grant, .. } = self.replicas[at].link else { unreachable!("it was decided") };
        if rules.has(Fault::DeductedLater) {
            self.table.take(&slice_request(rules, question), grant.at);
        }
        self.hear(rules, at, question, grant);
        self.replicas[at].answer = Some((question, grant));
        self.released(rules, at);
    }

    fn fail(&mut self, rules: &Rules, at: usize) {
        let Link::Decided { question, grant, committed } = self.replicas[at].link else {
            unreachable!("it was decided")
        };
        self.losses -= u32::from(committed);
        if rules.has(Fault::UnknownUsed) {
            self.hear(rules, at, question, grant);
        } else {
            let replica = &mut *self.replicas[at];
            replica.slice.failed(question, MonotonicTime::from_nanos(replica.clock));
        }
        self.replicas[at].answer = Some((question, grant)).filter(|_| committed);
        self.released(rules, at);
    }

    /// The last answer arrives again, after the question was answered or given up.
    fn repeat(&mut self, rules: &Rules, at: usize) {
        self.repetitions -= 1;
        let (question, grant) = self.replicas[at].answer.expect("an answer");
        if rules.has(Fault::AnswersNotNumbered) {
            let replica = &mut *self.replicas[at];
            let mut slice = replica.slice.clone();
            slice.begin();
            let current = slice.ask(&rules.limit(), question.asked_at);
            replica.slice = slice;
            self.hear(rules, at, current, grant);
        } else {
            self.hear(rules, at, question, grant);
        }
    }

    /// A replica gives back what it has, and goes on: more than one that stops does.
    fn give_back(&mut self, rules: &Rules, at: usize) {
        let slice = &mut self.replicas[at].slice;
        let (before, ends) = (slice.clone(), slice.window_ends());
        let Limit { name, window, .. } = rules.limit();
        let amount = slice.give_back();
        if rules.has(Fault::ReturnedUsed) {
            *slice = before;
        }
        let ends = match rules.has(Fault::ReturnedAnytime) {
            true => window.span_at(self.second).ends,
            false => ends,
        };
        let part =
            SliceReturn { holder: Holder::from_u128(1), name, period: window.period(), ends: instant(ends), amount };
        self.table.give_back(&part);
    }

    fn hear(&mut self, rules: &Rules, at: usize, mut question: Question, mut grant: SliceGrant) {
        let replica = &mut *self.replicas[at];
        let now = MonotonicTime::from_nanos(replica.clock);
        if rules.has(Fault::NoWindowCheck) {
            grant.ends += Duration::seconds(WINDOW.into());
        }
        if rules.has(Fault::NoMargin) {
            grant.ends = grant.at + (grant.ends - grant.at) * 10 / 9;
        }
        if rules.has(Fault::CountedFromAnswer) {
            question.asked_at = now;
        }
        replica.slice.answered(question, &grant, now);
    }

    /// Whoever waited tries again.
    fn released(&mut self, rules: &Rules, at: usize) {
        let replica = &mut *self.replicas[at];
        replica.link = Link::Idle;
        for _ in 0..std::mem::take(&mut replica.waiting) {
            self.replicas[at].slice.leave(rules.cost);
            self.request(rules, at);
        }
    }

    /// How much was admitted in all.
    pub(crate) fn admitted(&self) -> u64 {
        self.admitted.values().sum()
    }
}

fn slice_request(rules: &Rules, question: Question) -> SliceRequest {
    let Limit { name, amount, window, .. } = rules.limit();
    let Question { least, need, want, .. } = question;
    SliceRequest { holder: Holder::from_u128(1), name, period: window.period(), amount, least, need, want }
}

fn instant(second: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::seconds(second)
}
