//! Fifty replicas that count one limit for an hour, by their state machines and the database's counter, on simulated
//! time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use keyward::{
    auth::{
        coherence::MonotonicTime,
        limits::slice::{Question, Reading, Slice},
    },
    domain::{
        limits::{Holder, Limit, Limits},
        ports::limits::{SliceGrant, SliceRequest},
    },
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use test_support::limit_table::LimitTable;
use time::{Duration, OffsetDateTime};

const REPLICAS: usize = 50;
const AMOUNT: u64 = 100_000;
const HOUR_MS: u64 = 3_600_000;
/// How long a statement takes, in milliseconds.
const TAKES: u64 = 5;
/// Statements of all replicas in a second, on average over a few: at first, each replica asks at once.
const STATEMENTS_A_SECOND: u64 = 20;
const SECONDS: u64 = 5;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Answer(usize),
    Request(usize),
}

#[derive(Clone, Default)]
struct Replica {
    slice: Slice,
    waiting: u64,
    asked: Option<(Question, SliceGrant)>,
}

struct Fleet {
    limit: Limit,
    table: LimitTable,
    replicas: Vec<Replica>,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    admitted: u64,
    /// By the number of [`SECONDS`].
    statements: BTreeMap<u64, u64>,
}

impl Fleet {
    fn new() -> Self {
        let limits = format!(r#"[{{"name": "hour", "limit": {AMOUNT}, "window": "1h"}}]"#);
        let limit = Limits::from_stored(&limits).expect("a limit").as_slice()[0].clone();
        Self {
            limit,
            table: LimitTable::default(),
            replicas: vec![Replica::default(); REPLICAS],
            events: BinaryHeap::new(),
            admitted: 0,
            statements: BTreeMap::new(),
        }
    }

    /// So many requests in the hour, each at some time and at some replica; the first replicas get most of them.
    fn demand(&mut self, requests: u64, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        let weights: Vec<f64> = (1..=REPLICAS).map(|place| 1.0 / (place as f64).sqrt()).collect();
        let all: f64 = weights.iter().sum();
        for _ in 0..requests {
            let mut at = random.random_range(0.0..all);
            let replica = weights.iter().position(|weight| {
                at -= weight;
                at < 0.0
            });
            let request = Event::Request(replica.unwrap_or(REPLICAS - 1));
            self.events.push(Reverse((random.random_range(0..HOUR_MS), request)));
        }
    }

    /// Lets the hour pass.
    fn run(&mut self) {
        while let Some(Reverse((ms, event))) = self.events.pop() {
            match event {
                Event::Request(at) => self.request(at, ms),
                Event::Answer(at) => {
                    let (question, grant) = self.replicas[at].asked.take().expect("a question");
                    self.replicas[at].slice.answered(question, &grant, monotonic(ms));
                    for _ in 0..std::mem::take(&mut self.replicas[at].waiting) {
                        self.replicas[at].slice.leave(self.limit.cost);
                        self.request(at, ms);
                    }
                }
            }
        }
    }

    fn request(&mut self, at: usize, ms: u64) {
        let (limit, now) = (&self.limit, monotonic(ms));
        let Replica { slice, waiting, .. } = &mut self.replicas[at];
        let asks = match slice.read(limit, limit.cost, now) {
            Reading::Enough => {
                slice.charge(limit.cost);
                self.admitted += limit.cost;
                slice.is_low(limit, now) && slice.begin()
            }
            Reading::Exhausted | Reading::Unavailable => false,
            Reading::Empty => {
                slice.join(limit.cost);
                *waiting += 1;
                slice.begin()
            }
        };
        if asks {
            self.ask(at, ms);
        }
    }

    fn ask(&mut self, at: usize, ms: u64) {
        let Limit { name, amount, window, .. } = self.limit.clone();
        let question = self.replicas[at].slice.ask(&self.limit, monotonic(ms));
        let Question { least, need, want, .. } = question;
        let request =
            SliceRequest { holder: Holder::from_u128(1), name, period: window.period(), amount, least, need, want };
        // From the beginning of an hour on.
        let grant = self.table.take(&request, OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(ms.cast_signed()));
        self.replicas[at].asked = Some((question, grant));
        self.events.push(Reverse((ms + TAKES, Event::Answer(at))));
        *self.statements.entry(ms / 1_000 / SECONDS).or_default() += 1;
    }
}

fn monotonic(ms: u64) -> MonotonicTime {
    // Not zero, as no clock is.
    MonotonicTime::from_nanos(1_000_000_000_000 + ms * 1_000_000)
}

#[test]
fn fifty_replicas_use_nearly_all_of_a_limit_and_no_more_with_few_statements() {
    for demand in [AMOUNT / 2, AMOUNT * 9 / 10, AMOUNT, AMOUNT * 11 / 10, AMOUNT * 2, AMOUNT * 10] {
        let mut fleet = Fleet::new();
        fleet.demand(demand, 7);
        fleet.run();
        let (admitted, possible) = (fleet.admitted, demand.min(AMOUNT));
        let (all, busiest) = (fleet.statements.values().sum::<u64>(), fleet.statements.values().max().expect("some"));
        println!("{demand} requests: {admitted} admitted, {all} statements, at most {busiest} in {SECONDS} s");
        assert!(admitted <= AMOUNT, "{admitted} admitted");
        assert!(admitted * 100 >= possible * 99, "{admitted} admitted of {demand}");
        assert!(*busiest <= STATEMENTS_A_SECOND * SECONDS, "{busiest} statements in {SECONDS} s");
        assert!(all <= 1_000, "{all} statements in an hour");
    }
}
