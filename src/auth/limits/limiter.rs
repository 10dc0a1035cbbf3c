//! Applies limits to requests.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

use super::{
    credit_exchange::{CreditExchange, CreditQueue},
    fetcher::Fetcher,
    meter::{CREDITS, Meter, Meters, Obstacles, Slices},
    metrics::{LimitCounts, LimitOutcome},
    registry::Registry,
};
use crate::{
    auth::{Checked, Undecided, clock, coherence::MonotonicTime},
    domain::{
        key_record::KeyRecord,
        limits::{Allowance, Exceeded, LimitReadings, Price, Spending, SpentUp},
        ports::limits::LimitStore,
    },
};

/// Applies limits to requests.
pub(in crate::auth) struct Limiter {
    registry: Arc<Registry>,
    fetcher: Fetcher,
    credits: CreditQueue,
    counts: Arc<LimitCounts>,
    /// How long a request waits for the database.
    patience: Duration,
}

/// What came of a request.
pub(in crate::auth) type Charged = Result<Allowance, Exceeded>;

/// What came of an attempt that did not wait.
enum Attempt {
    Granted,
    /// A limit is exhausted, or could not be counted.
    Refused(Result<Exceeded, Undecided>),
    /// The database has to be asked first.
    Waits(Waits),
}

/// What a request waits for: the answers about these limits.
struct Waits {
    own: u32,
    owner: u32,
}

/// What a request is charged with: this price, on these limits.
#[derive(Clone, Copy)]
struct Charge {
    own: u32,
    owner: u32,
    price: Price,
}

/// Both meters, locked: always the key's first.
struct Locked<'a> {
    own: Option<Slices<'a>>,
    owner: Option<Slices<'a>>,
}

impl Limiter {
    /// A limiter that asks `store` on `runtime`. At most `waiting` questions wait for an answer, and a request waits
    /// for at most `patience`.
    pub(in crate::auth) fn new(
        store: Arc<dyn LimitStore>,
        waiting: usize,
        patience: Duration,
        runtime: &Handle,
    ) -> Self {
        let counts = Arc::<LimitCounts>::default();
        let fetcher = Fetcher::start(Arc::clone(&store), Arc::clone(&counts), waiting, runtime);
        let registry = Arc::<Registry>::default();
        let credits = CreditQueue::start(store, Arc::clone(&registry), Arc::clone(&counts), waiting, runtime);
        Self { registry, fetcher, credits, counts, patience }
    }

    /// The meters for a key whose row was read. The record gets the copies of its limits that others have already.
    pub(in crate::auth) fn meters(&self, record: &mut KeyRecord) -> Meters {
        self.registry.meters(record, self.credits.purses())
    }

    /// Who gives back what nobody needs.
    pub(in crate::auth) fn credit_exchange(&self) -> &Arc<CreditExchange> {
        self.credits.credit_exchange()
    }

    /// What was counted.
    pub(in crate::auth) fn counts(&self) -> &Arc<LimitCounts> {
        &self.counts
    }

    /// Charges a request on all limits, or on none. Decided at once if what is in hand suffices, or if a limit is
    /// exhausted. `now` was read after the request had arrived.
    ///
    /// # Errors
    /// [`Undecided`] if a limit that refuses in an outage could not be counted.
    pub(in crate::auth) fn charge(
        &self,
        meters: Meters,
        spending: Spending<'_>,
        now: MonotonicTime,
    ) -> Checked<Result<Charged, Undecided>, impl Future<Output = Result<Charged, Undecided>>> {
        if meters.are_none() {
            return Checked::Now(Ok(Ok(Allowance::default())));
        }
        if spending.used_already {
            return Checked::Now(Ok(Ok(meters.into())));
        }
        let charge = Charge::of(&meters, &spending);
        match self.attempt(&meters, charge, LimitOutcome::Granted, now, false) {
            Attempt::Granted => Checked::Now(Ok(Ok(meters.into()))),
            Attempt::Refused(refused) => Checked::Now(refused.map(Err)),
            Attempt::Waits(waits) => Checked::Later(self.wait(meters, charge, waits)),
        }
    }

    /// One attempt. `is_late`: whether to wait no longer.
    fn attempt(
        &self,
        meters: &Meters,
        charge: Charge,
        granted: LimitOutcome,
        now: MonotonicTime,
        is_late: bool,
    ) -> Attempt {
        let mut locked = Locked::of(meters);
        let (mut own, mut owner) = locked.obstacles(charge, now);
        if own.exhausted | owner.exhausted != 0 {
            drop(locked);
            self.counts.count(LimitOutcome::Refused);
            return Attempt::Refused(Ok(exceeded(meters, own, owner, now)));
        }
        if is_late {
            locked.give_up_waiting(&mut own, &mut owner);
        }
        if own.unavailable | owner.unavailable != 0 {
            self.counts.count(LimitOutcome::Undecided);
            return Attempt::Refused(Err(Undecided::Limits));
        }
        if own.empty | owner.empty != 0 {
            return Attempt::Waits(Waits { own: own.empty, owner: owner.empty });
        }
        let counted = Charge { own: charge.own & !own.admitting, owner: charge.owner & !owner.admitting, ..charge };
        let low = locked.charge(counted, now);
        drop(locked);
        self.ask(meters, low);
        let uncounted = own.admitting | owner.admitting != 0;
        self.counts.count(if uncounted { LimitOutcome::Uncounted } else { granted });
        Attempt::Granted
    }

    async fn wait(&self, meters: Meters, charge: Charge, mut waits: Waits) -> Result<Charged, Undecided> {
        let deadline = Instant::now() + self.patience;
        loop {
            // Created first: from now on, no answer is missed.
            let answered = (changed(meters.own.as_deref()), changed(meters.owner.as_deref()));
            let waiting = Waiting::join(self, &meters, charge.price, &waits);
            // The answer may have come between the attempt and now.
            let is_late = match self.attempt(&meters, charge, LimitOutcome::GrantedLater, clock::now(), false) {
                Attempt::Granted => return Ok(Ok(meters.clone().into())),
                Attempt::Refused(refused) => return refused.map(Err),
                Attempt::Waits(_) => {
                    let either = futures_util::future::select(Box::pin(answered.0), Box::pin(answered.1));
                    timeout_at(deadline, either).await.is_err() || Instant::now() >= deadline
                }
            };
            let next = self.attempt(&meters, charge, LimitOutcome::GrantedLater, clock::now(), is_late);
            drop(waiting);
            match next {
                Attempt::Granted => return Ok(Ok(meters.clone().into())),
                Attempt::Refused(refused) => return refused.map(Err),
                Attempt::Waits(next) => waits = next,
            }
        }
    }

    fn ask(&self, meters: &Meters, (own, owner): (u32, u32)) {
        for (meter, begun) in [(&meters.own, own), (&meters.owner, owner)] {
            let Some(meter) = meter.as_ref().filter(|_| begun != 0) else { continue };
            self.fetcher.ask(meter, begun & !CREDITS);
            if let Some(purse) = meter.purse().filter(|_| begun & CREDITS != 0) {
                self.credits.ask(purse);
            }
        }
    }
}

/// The next answer to this meter.
fn changed(meter: Option<&Meter>) -> impl Future<Output = ()> {
    let mut notified = meter.map(|meter| Box::pin(meter.answers().notified()));
    if let Some(notified) = &mut notified {
        notified.as_mut().enable();
    }
    async move {
        match notified {
            Some(notified) => notified.await,
            None => std::future::pending().await,
        }
    }
}

/// A request that waits, for as long as this exists. While it does, it counts as a need.
struct Waiting<'a> {
    meters: &'a Meters,
    price: Price,
    own: u32,
    owner: u32,
}

impl<'a> Waiting<'a> {
    fn join(limiter: &Limiter, meters: &'a Meters, price: Price, waits: &Waits) -> Self {
        let Waits { own, owner } = *waits;
        let join =
            |meter: &Option<Arc<Meter>>, limits| meter.as_ref().map_or(0, |meter| meter.lock().join(limits, price));
        let begun = (join(&meters.own, own), join(&meters.owner, owner));
        limiter.ask(meters, begun);
        Self { meters, price, own, owner }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        for (meter, limits) in [(&self.meters.own, self.own), (&self.meters.owner, self.owner)] {
            if let Some(meter) = meter {
                meter.lock().leave(limits, self.price);
            }
        }
    }
}

impl<'a> Locked<'a> {
    fn of(meters: &'a Meters) -> Self {
        let own = meters.own.as_ref().map(|meter| meter.lock());
        Self { own, owner: meters.owner.as_ref().map(|meter| meter.lock()) }
    }

    fn obstacles(&self, charge: Charge, now: MonotonicTime) -> (Obstacles, Obstacles) {
        let of = |slices: &Option<Slices<'_>>, chosen| {
            slices.as_ref().map_or_else(Obstacles::default, |one| one.obstacles(chosen, charge.price, now))
        };
        (of(&self.own, charge.own), of(&self.owner, charge.owner))
    }

    /// What was not answered in time counts as not available.
    fn give_up_waiting(&self, own: &mut Obstacles, owner: &mut Obstacles) {
        for (slices, found) in [(&self.own, own), (&self.owner, owner)] {
            if let Some(slices) = slices {
                let refusing = slices.refusing(found.empty);
                found.unavailable |= refusing;
                found.admitting |= found.empty & !refusing;
                found.empty = 0;
            }
        }
    }

    /// Charges a request. Returns the limits for which a question has begun.
    fn charge(&mut self, charge: Charge, now: MonotonicTime) -> (u32, u32) {
        let on = |slices: &mut Option<Slices<'_>>, chosen| {
            slices.as_mut().map_or(0, |slices| slices.charge(chosen, charge.price, now))
        };
        (on(&mut self.own, charge.own), on(&mut self.owner, charge.owner))
    }
}

impl Charge {
    fn of(meters: &Meters, spending: &Spending<'_>) -> Self {
        let chosen = |meter: &Option<Arc<Meter>>| meter.as_ref().map_or(0, |meter| meter.chosen_by(spending));
        Self { own: chosen(&meters.own), owner: chosen(&meters.owner), price: spending.price() }
    }
}

/// What is left of the limits that these meters count.
impl From<Meters> for Allowance {
    fn from(Meters { own, owner }: Meters) -> Self {
        let readings = |meter: Option<Arc<Meter>>| meter.map(|meter| meter as Arc<dyn LimitReadings>);
        Self { of_key: readings(own), of_owner: readings(owner) }
    }
}

fn exceeded(meters: &Meters, own: Obstacles, owner: Obstacles, now: MonotonicTime) -> Exceeded {
    let turns_at = own.turns_at.max(owner.turns_at);
    let is_final = own.is_final || owner.is_final;
    let retry_after = (!is_final).then(|| Duration::from_nanos(turns_at.as_nanos().saturating_sub(now.as_nanos())));
    let (of_key, of_owner) = (own.exhausted, owner.exhausted);
    let violated = of_key & !CREDITS | (of_owner & !CREDITS) << meters.own_count();
    let credits = SpentUp { of_key: of_key & CREDITS != 0, of_owner: of_owner & CREDITS != 0 };
    Exceeded { allowance: meters.clone().into(), violated, credits, retry_after }
}
