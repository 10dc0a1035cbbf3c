//! What the database does with balances, compared with what the model of it does.

use keyward::{
    domain::{
        limits::{Holder, Refill, RefillInterval},
        ports::limits::{CreditGrant, CreditOutcome, CreditRequest, LimitStore, SettledSlices},
    },
    store::Store,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sqlx::PgPool;
use test_support::{
    credit_table::{CreditTable, next_refill},
    database,
};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::sql::store;

fn uuid(holder: u128) -> Uuid {
    Uuid::from_u128(holder)
}

fn holder(number: u128) -> Holder {
    Holder::from_u128(number)
}

/// Balance, unsettled, spent, granted; and what the slices hold.
async fn row(rows: &PgPool, of: u128) -> (i64, i64, i64, i64, i64) {
    let query = "SELECT remaining, unsettled, spent, granted,
                        (SELECT coalesce(sum(held), 0)::bigint FROM credit_slices WHERE holder = $1)
                 FROM credits WHERE holder = $1";
    sqlx::query_as(query).bind(uuid(of)).fetch_one(rows).await.expect("a balance")
}

async fn set(rows: &PgPool, of: u128, to: i64) {
    let query = "SELECT define_credits($1, $2, NULL, NULL, NULL, NULL, 'administrator')";
    sqlx::query(query).bind(uuid(of)).bind(to).execute(rows).await.expect("credits");
}

/// A purse as the test has it: what it says of itself.
#[derive(Clone, Copy, Debug, Default)]
struct Purse {
    number: u64,
    message: u64,
    used: u64,
    in_hand: u64,
}

impl Purse {
    fn says(&mut self, of: u128, least: u64, need: u64, want: u64) -> CreditRequest {
        self.message += 1;
        let Self { number, message, used, in_hand } = *self;
        CreditRequest { holder: holder(of), purse: number, message, used, in_hand, least, need, want }
    }
}

/// Three replicas send what may be sent: messages are lost, come late and twice, purses are begun anew, and balances
/// change.
#[tokio::test]
async fn the_database_exchanges_credits_as_the_model_does() {
    let database = database().await;
    let rows = database.superuser_pool().await;
    let stores: Vec<std::sync::Arc<Store>> =
        vec![store(&database).await, store(&database).await, store(&database).await];
    let (mut table, mut random) = (CreditTable::default(), StdRng::seed_from_u64(18));
    let mut purses = [[Purse::default(); 2]; 3];
    let mut late: Vec<(usize, CreditRequest)> = Vec::new();
    let mut outcomes = [0; 5];
    for of in 0..2_u128 {
        set(&rows, of, 500).await;
        table.set(holder(of), 500);
    }
    for step in 0..2_000 {
        let (replica, of) = (random.random_range(0..3), random.random_range(0..2_u128));
        let purse = &mut purses[replica][of as usize];
        match random.random_range(0..40) {
            0 => {
                set(&rows, of, 500).await;
                table.set(holder(of), 500);
            }
            1 => {
                sqlx::query("SELECT add_credits($1, 40)").bind(uuid(of)).execute(&rows).await.expect("more");
                table.add(holder(of), 40);
            }
            2 => *purse = Purse { number: purse.number + 1, ..Purse::default() },
            3 => purse.in_hand = 0,
            _ => {}
        }
        let spent = random.random_range(0..=purse.in_hand);
        purse.used += spent;
        purse.in_hand -= spent;
        let least = random.random_range(1..4);
        let need = least * random.random_range(1..4);
        let want = if random.random_bool(0.2) { 0 } else { need.max(random.random_range(1..60)) };
        let (sender, request) = match late.pop() {
            Some(old) if random.random_bool(0.3) => old,
            _ => (replica, purse.says(of, least, need, want)),
        };
        let grants = stores[sender].exchange_credits(&[request]).await.expect("grants");
        let model = table.exchange(sender as u128, &request, grants[0].at);
        assert_eq!(grants[0], model, "step {step}: {request:?}");
        let (remaining, unsettled, spent, granted, held) = row(&rows, request.holder.as_u128()).await;
        let balance = table.balance(request.holder).expect("a balance");
        let numbers =
            [balance.remaining, balance.unsettled, balance.spent, balance.granted, table.held(request.holder)];
        assert_eq!([remaining, unsettled, spent, granted, held].map(i64::unsigned_abs), numbers, "step {step}");
        outcomes[model.outcome as usize] += 1;
        let purse = &mut purses[sender][request.holder.as_u128() as usize];
        let is_heard = request.purse == purse.number && request.message == purse.message && random.random_bool(0.9);
        match model.outcome {
            CreditOutcome::Done if is_heard => purse.in_hand += model.granted,
            CreditOutcome::Changed => purse.in_hand = 0,
            _ => {}
        }
        if random.random_bool(0.1) {
            late.push((sender, request));
        }
    }
    assert!(outcomes[CreditOutcome::Done as usize] > 1_000, "{outcomes:?}");
    assert!(
        outcomes[CreditOutcome::Late as usize] > 10 && outcomes[CreditOutcome::Changed as usize] > 5,
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn the_database_refills_on_the_same_days_and_as_much_as_the_model_does() {
    let database = database().await;
    let rows = database.superuser_pool().await;
    let (mut table, mut random) = (CreditTable::default(), StdRng::seed_from_u64(18));
    for turn in 0..400 {
        let second = random.random_range(0..4_000_000_000_i64);
        let after = OffsetDateTime::UNIX_EPOCH + Duration::seconds(second);
        let interval = match random.random_range(0..4) {
            0 => RefillInterval::Daily,
            _ => RefillInterval::Monthly(random.random_range(1..=31)),
        };
        let (word, day) = (interval.as_str(), interval.day().map(i32::from));
        let next: OffsetDateTime = sqlx::query_scalar("SELECT next_credit_refill($1, $2, $3)")
            .bind(word)
            .bind(day)
            .bind(after)
            .fetch_one(&rows)
            .await
            .expect("a refill");
        assert_eq!(next, next_refill(interval, after), "{interval:?} after {after}");
        // Some periods later.
        let later = next + Duration::seconds(random.random_range(0..20_000_000));
        let (amount, max) =
            (random.random_range(1..200_u64), random.random_bool(0.5).then(|| random.random_range(1..400_u64)));
        let of = turn as u128;
        table.set(holder(of), 100);
        table.refill(holder(of), max, Refill { amount, interval }, next);
        let model = table.balance(holder(of)).expect("a balance").refilled(later);
        let insert = "INSERT INTO credits (holder, remaining, granted, max, refill_amount, refill_every, refill_day, next_refill,
                                           set_by, epoch)
                      VALUES ($1, 100, 100, $2, $3, $4, $5, $6, 'administrator', 1)";
        let insert = sqlx::query(insert).bind(uuid(of)).bind(max.map(u64::cast_signed)).bind(amount.cast_signed());
        insert.bind(word).bind(day).bind(next).execute(&rows).await.expect("a balance");
        let query = "SELECT (refilled).remaining, (refilled).granted, (refilled).next_refill
                     FROM (SELECT refilled_credits(credits, $2) AS refilled FROM credits WHERE holder = $1) AS one";
        let (remaining, granted, following): (i64, i64, OffsetDateTime) =
            sqlx::query_as(query).bind(uuid(of)).bind(later).fetch_one(&rows).await.expect("a balance");
        let numbers = (remaining.unsigned_abs(), granted.unsigned_abs(), Some(following));
        assert_eq!(numbers, (model.remaining, model.granted, model.next_refill), "{interval:?} {next} {later} {max:?}");
    }
}

#[tokio::test]
async fn what_a_silent_replica_has_counts_as_spent_and_a_living_one_keeps_it() {
    let database = database().await;
    let rows = database.superuser_pool().await;
    let (silent, living) = (store(&database).await, store(&database).await);
    set(&rows, 1, 100).await;
    let mut purse = Purse { number: 1, ..Purse::default() };
    for store in [&silent, &living] {
        let grant = store
            .exchange_credits(&[Purse { number: 1, ..Purse::default() }.says(1, 1, 10, 10)])
            .await
            .expect("a grant");
        assert_eq!(grant[0].granted, 10);
    }
    let settles = async || silent.settle_silent_slices(holder(0), 10).await.expect("done");
    assert_eq!(settles().await, SettledSlices::default(), "nobody has been silent for long");
    sqlx::query("UPDATE credit_slices SET reported_at = now() - interval '11 minutes'")
        .execute(&rows)
        .await
        .expect("a change");
    let lives = "INSERT INTO replicas (id, version, lease_ms, started_at, heartbeat_at, sequence) VALUES ($1, '1', 5000, now(), now(), 1)";
    sqlx::query(lives).bind(uuid(living.replica_id().0)).execute(&rows).await.expect("a replica");
    assert_eq!(settles().await, SettledSlices { last: None, slices: 1, credits: 10 });
    assert_eq!(row(&rows, 1).await, (80, 10, 10, 100, 10));
    // It was only paused: what it spends meanwhile is paid for, and it begins anew.
    purse.message = 1;
    (purse.used, purse.in_hand) = (4, 6);
    let CreditGrant { outcome, granted, .. } =
        silent.exchange_credits(&[purse.says(1, 1, 5, 5)]).await.expect("a grant")[0];
    assert_eq!((outcome, granted), (CreditOutcome::Done, 5));
    assert_eq!(row(&rows, 1).await, (75, 15, 10, 100, 15));
    // An empty slice is deleted after an hour, also that of a living replica.
    let mut empty = Purse { number: 1, message: 1, used: 10, in_hand: 0 };
    living.exchange_credits(&[empty.says(1, 0, 0, 0)]).await.expect("a grant");
    sqlx::query("UPDATE credit_slices SET reported_at = now() - interval '61 minutes' WHERE held = 0")
        .execute(&rows)
        .await
        .expect("a change");
    assert_eq!(settles().await, SettledSlices::default());
    assert_eq!(row(&rows, 1).await, (75, 5, 20, 100, 5));
    let slices: i64 =
        sqlx::query_scalar("SELECT count(*) FROM credit_slices").fetch_one(&rows).await.expect("a number");
    assert_eq!(slices, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_with_nothing_to_settle_writes_nothing() {
    let database = database().await;
    let rows = database.superuser_pool().await;
    let store = store(&database).await;
    set(&rows, 1, 0).await;
    let mut purse = Purse { number: 1, ..Purse::default() };
    let written = async || -> (String, i64) {
        let query = "SELECT xmin::text, (SELECT count(*) FROM credit_slices) FROM credits";
        sqlx::query_as(query).fetch_one(&rows).await.expect("a row")
    };
    let before = written().await;
    for _ in 0..3 {
        let grant = store.exchange_credits(&[purse.says(1, 1, 1, 1)]).await.expect("a grant")[0];
        assert_eq!((grant.outcome, grant.granted, grant.left), (CreditOutcome::Refused, 0, 0));
    }
    assert_eq!(written().await, before);
}
