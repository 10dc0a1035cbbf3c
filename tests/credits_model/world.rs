//! Replicas that spend one balance, their database, and everything that may go wrong between them.

use keyward::{
    auth::{
        coherence::MonotonicTime,
        limits::purse::{Purse, Question, Reading},
    },
    domain::{
        limits::Holder,
        ports::limits::{CreditGrant, CreditRequest},
    },
};
use test_support::{
    credit_table::{CreditTable, Without},
    fingerprint::Part,
    model::Model,
};
use time::{Duration, OffsetDateTime};

use crate::rules::{Fault, Rules};

/// More than it takes until a purse counts as idle.
const TICK: u64 = 31;
/// The most messages of a replica that are on their way for long.
const ASTRAY_MAX: usize = 2;

#[derive(Clone, Debug, Hash)]
struct Replica {
    /// As the database knows it. New after a crash.
    id: u128,
    purse: Purse,
    /// The version of the balance that it has heard of.
    version: i64,
    waiting: u32,
    link: Link,
    /// Messages that were given up, and may still arrive.
    astray: Vec<CreditRequest>,
    requests: u32,
    /// Whether it has heard of a change of the balance since it asked.
    is_overtaken: bool,
    /// What it has given back or should not use, and goes on using, without a safeguard.
    pocket: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Link {
    Idle,
    Begun,
    Sent(Question),
    Decided(Question, CreditGrant),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Tick,
    Set,
    Add,
    /// The replica hears of the latest change of the balance.
    Learn(usize),
    Request(usize),
    Impatient(usize),
    Ask(usize),
    Commit(usize),
    Answer(usize),
    /// The replica gives up: the message is lost, or comes later, or its answer is lost.
    Fail(usize),
    Repeat(usize),
    Stray(usize, usize),
    Return(usize),
    Crash(usize),
    /// What the replica has counts as spent, because it was silent.
    Sweep(usize),
    SweepGone(usize),
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct World {
    table: Part<CreditTable>,
    replicas: Vec<Part<Replica>>,
    /// Those that crashed, and were not swept yet.
    gone: Vec<u128>,
    seconds: u64,
    /// What was really spent.
    spent: u64,
    /// What was spent since all replicas have applied the latest setting, and what it set.
    since_set: Option<(u64, u64)>,
    /// Whether somebody has set the balance and not every replica has heard of it.
    is_setting: bool,
    /// Whether anything was settled without knowing whether it was spent.
    is_written_off: bool,
    ticks: u32,
    impatient: u32,
    crashes: u32,
    losses: u32,
    repetitions: u32,
    sweeps: u32,
    sets: u32,
    additions: u32,
    ids: u128,
}

fn holder() -> Holder {
    Holder::from_u128(1)
}

impl Model for World {
    type Rules = Rules;
    type Action = Action;
    type Tally = u64;

    fn new(rules: &Rules) -> Self {
        let without = Without {
            order: rules.has(Fault::AnyOrder),
            epoch: rules.has(Fault::EpochIgnored),
            caution: rules.has(Fault::Incautious),
            recovery: rules.has(Fault::NothingRecovered),
            deduction: rules.has(Fault::NotDeducted),
        };
        let mut table = CreditTable::default();
        table.without = without;
        table.set(holder(), rules.balance);
        let replica = |(at, requests): (usize, &u32)| Replica {
            id: at as u128,
            purse: Purse::new(holder(), 1, table.version()),
            version: table.version(),
            waiting: 0,
            link: Link::Idle,
            astray: Vec::new(),
            requests: *requests,
            is_overtaken: false,
            pocket: 0,
        };
        Self {
            replicas: rules.requests.iter().enumerate().map(replica).map(Part::new).collect(),
            table: Part::new(table),
            gone: Vec::new(),
            seconds: 1_000,
            spent: 0,
            since_set: None,
            is_setting: false,
            is_written_off: false,
            ticks: rules.ticks,
            impatient: rules.impatient,
            crashes: rules.crashes,
            losses: rules.losses,
            repetitions: rules.repetitions,
            sweeps: rules.sweeps,
            sets: rules.sets,
            additions: rules.additions,
            ids: rules.requests.len() as u128,
        }
    }

    fn possible(&self, _: &Rules) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut add = |possible: bool, action| actions.extend(possible.then_some(action));
        add(self.ticks > 0, Action::Tick);
        add(self.sets > 0 && !self.is_setting, Action::Set);
        add(self.additions > 0, Action::Add);
        for (at, replica) in self.replicas.iter().enumerate() {
            add(replica.version != self.table.version(), Action::Learn(at));
            add(replica.requests > 0, Action::Request(at));
            add(self.impatient > 0 && replica.waiting > 0, Action::Impatient(at));
            add(self.crashes > 0, Action::Crash(at));
            add(self.sweeps > 0, Action::Sweep(at));
            let mut purse = replica.purse.clone();
            add(replica.link == Link::Idle && purse.begin_return(self.now(), false), Action::Return(at));
            for stray in 0..replica.astray.len() {
                add(true, Action::Stray(at, stray));
            }
            let has_room = replica.astray.len() < ASTRAY_MAX;
            match replica.link {
                Link::Idle => {}
                Link::Begun => add(true, Action::Ask(at)),
                Link::Sent(_) => {
                    add(true, Action::Commit(at));
                    add(self.losses > 0 && has_room, Action::Fail(at));
                    add(self.repetitions > 0 && has_room, Action::Repeat(at));
                }
                Link::Decided(..) => {
                    add(true, Action::Answer(at));
                    add(self.losses > 0, Action::Fail(at));
                }
            }
        }
        for at in 0..self.gone.len() {
            add(true, Action::SweepGone(at));
        }
        actions
    }

    fn perform(&mut self, rules: &Rules, action: Action) {
        let (now, clock) = (self.now(), self.clock());
        match action {
            Action::Tick => {
                self.ticks -= 1;
                self.seconds += TICK;
            }
            Action::Set => {
                self.sets -= 1;
                self.table.set(holder(), rules.balance);
                (self.is_setting, self.since_set) = (true, None);
            }
            Action::Add => {
                self.additions -= 1;
                self.table.add(holder(), 1);
                if let Some((_, set)) = &mut self.since_set {
                    *set += 1;
                }
            }
            Action::Learn(at) => self.learn(rules, at),
            Action::Request(at) => {
                self.replicas[at].requests -= 1;
                self.request(at);
            }
            Action::Impatient(at) => {
                self.impatient -= 1;
                let replica = &mut *self.replicas[at];
                replica.purse.leave(1);
                replica.waiting -= 1;
            }
            Action::Ask(at) => {
                let replica = &mut *self.replicas[at];
                replica.link = Link::Sent(replica.purse.ask(now));
                replica.is_overtaken = false;
            }
            Action::Commit(at) => {
                let replica = &mut *self.replicas[at];
                let Link::Sent(question) = replica.link else { unreachable!("only what was sent is decided") };
                let grant = self.table.exchange(replica.id, &question.request, clock);
                replica.link = Link::Decided(question, grant);
            }
            Action::Answer(at) => {
                let Link::Decided(question, grant) = self.replicas[at].link else { unreachable!("it was decided") };
                let replica = &mut *self.replicas[at];
                replica.purse.answered(question, &grant, now);
                if rules.has(Fault::OvertakenUsed) && replica.is_overtaken {
                    replica.pocket += grant.granted;
                }
                self.released(at);
            }
            Action::Fail(at) => self.fail(rules, at),
            Action::Repeat(at) => {
                self.repetitions -= 1;
                let replica = &mut *self.replicas[at];
                let Link::Sent(question) = replica.link else { unreachable!("only what was sent comes twice") };
                replica.astray.push(question.request);
            }
            Action::Stray(at, stray) => {
                let replica = &mut *self.replicas[at];
                let request = replica.astray.remove(stray);
                self.table.exchange(replica.id, &request, clock);
            }
            Action::Return(at) => {
                let replica = &mut *self.replicas[at];
                if rules.has(Fault::ReturnedKept) {
                    replica.pocket += replica.purse.in_hand();
                }
                assert!(replica.purse.begin_return(now, false));
                replica.link = Link::Begun;
            }
            Action::Crash(at) => self.crash(at),
            Action::Sweep(at) => {
                self.sweeps -= 1;
                self.is_written_off = true;
                self.table.settle(holder(), self.replicas[at].id);
            }
            Action::SweepGone(at) => {
                self.is_written_off = true;
                let id = self.gone.remove(at);
                self.table.settle(holder(), id);
            }
        }
    }

    /// What must never be.
    fn violation(&mut self, _: &Rules) -> Option<String> {
        let balance = self.table.balance(holder()).expect("a balance");
        if !balance.adds_up() {
            return Some(format!("the sum is broken: {balance:?}"));
        }
        let held = self.table.held(holder());
        if held != balance.unsettled {
            return Some(format!("replicas hold {held}: {balance:?}"));
        }
        if self.spent > balance.spent + balance.unsettled {
            return Some(format!("{} were spent: {balance:?}", self.spent));
        }
        if let Some((since, set)) = self.since_set.filter(|(since, set)| since > set) {
            return Some(format!("{since} of {set} were spent since the balance was set"));
        }
        let is_quiet = |replica: &Part<Replica>| {
            replica.link == Link::Idle && replica.astray.is_empty() && replica.purse.is_settled() && replica.pocket == 0
        };
        let is_exact = self.gone.is_empty() && !self.is_written_off && self.replicas.iter().all(is_quiet);
        if is_exact && (self.spent, 0) != (balance.spent, balance.unsettled) {
            return Some(format!("{} were spent, and all is settled: {balance:?}", self.spent));
        }
        None
    }

    /// The most that was spent.
    fn add_to(&self, most_spent: &mut u64) {
        *most_spent = self.spent.max(*most_spent);
    }

    fn describe(&self, action: Action) -> String {
        format!("{action:?}")
    }

    /// Requests are frequent, and faults are rare.
    fn weight(action: Action) -> u32 {
        match action {
            Action::Request(_) | Action::Ask(_) | Action::Commit(_) | Action::Answer(_) => 60,
            Action::Learn(_) | Action::Return(_) => 20,
            Action::Tick | Action::Add | Action::Impatient(_) | Action::Stray(..) => 6,
            _ => 1,
        }
    }
}

impl World {
    fn now(&self) -> MonotonicTime {
        MonotonicTime::from_nanos(self.seconds * 1_000_000_000)
    }

    fn clock(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::seconds(self.seconds.cast_signed())
    }

    fn learn(&mut self, rules: &Rules, at: usize) {
        let version = self.table.version();
        let replica = &mut *self.replicas[at];
        replica.version = version;
        replica.is_overtaken = matches!(replica.link, Link::Sent(_) | Link::Decided(..));
        if rules.has(Fault::OldKept) {
            replica.pocket += replica.purse.in_hand();
        }
        replica.purse.follow(version);
        if self.is_setting && self.replicas.iter().all(|replica| replica.version == version) {
            self.is_setting = false;
            let balance = self.table.balance(holder()).expect("a balance");
            // What is left of it, and what replicas have taken of it in the meantime and may still use.
            self.since_set = Some((0, balance.remaining + self.table.held_now(holder())));
        }
    }

    fn crash(&mut self, at: usize) {
        self.crashes -= 1;
        let replica = &mut *self.replicas[at];
        if let Link::Sent(question) = replica.link {
            replica.astray.push(question.request);
        }
        // What is under way may still arrive.
        let (old, clock) = (replica.id, self.clock());
        let astray = std::mem::take(&mut self.replicas[at].astray);
        for request in astray {
            self.table.exchange(old, &request, clock);
        }
        self.gone.push(old);
        let version = self.table.version();
        let replica = &mut *self.replicas[at];
        (replica.id, replica.purse) = (self.ids, Purse::new(holder(), 1, version));
        (replica.version, replica.waiting, replica.link, replica.pocket) = (version, 0, Link::Idle, 0);
        self.ids += 1;
        // A new replica knows nothing of before.
        if self.is_setting && self.replicas.iter().all(|replica| replica.version == version) {
            self.is_setting = false;
            let balance = self.table.balance(holder()).expect("a balance");
            self.since_set = Some((0, balance.remaining + self.table.held_now(holder())));
        }
    }

    /// A request arrives, or one that waited tries again.
    fn request(&mut self, at: usize) {
        let now = self.now();
        let replica = &mut *self.replicas[at];
        if replica.pocket > 0 {
            replica.pocket -= 1;
            return self.spend();
        }
        match replica.purse.read(1, now) {
            Reading::Enough => {
                replica.purse.charge(1, now);
                if replica.purse.begin_supply(now) {
                    replica.link = Link::Begun;
                }
                self.spend();
            }
            Reading::Exhausted | Reading::Unavailable => {}
            Reading::Empty => {
                replica.purse.join(1);
                replica.waiting += 1;
                if replica.purse.begin() {
                    replica.link = Link::Begun;
                }
            }
        }
    }

    fn spend(&mut self) {
        self.spent += 1;
        if let Some((since, _)) = &mut self.since_set {
            *since += 1;
        }
    }

    fn fail(&mut self, rules: &Rules, at: usize) {
        self.losses -= 1;
        let (now, clock) = (self.now(), self.clock());
        let replica = &mut *self.replicas[at];
        match replica.link {
            Link::Sent(question) if rules.has(Fault::UnknownUsed) => {
                let grant = self.table.clone().exchange(replica.id, &question.request, clock);
                replica.purse.answered(question, &grant, now);
            }
            Link::Sent(question) => {
                replica.astray.push(question.request);
                replica.purse.failed(question, now);
            }
            Link::Decided(question, _) => replica.purse.failed(question, now),
            Link::Idle | Link::Begun => unreachable!("it was sent"),
        }
        self.released(at);
    }

    /// Whoever waited tries again.
    fn released(&mut self, at: usize) {
        let replica = &mut *self.replicas[at];
        replica.link = Link::Idle;
        for _ in 0..std::mem::take(&mut replica.waiting) {
            self.replicas[at].purse.leave(1);
            self.request(at);
        }
    }

    /// How much was spent.
    pub(crate) fn spent(&self) -> u64 {
        self.spent
    }
}
