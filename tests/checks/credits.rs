//! Credits in one replica: what is spent, when the database is asked, and what happens without it.

use std::time::Duration;

use keyward::{
    auth::Undecided,
    domain::{
        limits::{Holder, SpentCredits},
        verdict::Verdict,
    },
};
use test_support::world::{Plan, TestKey, World, assert_granted, assert_limited};

const THREE_A_MONTH: &str = r#"[{"name": "three", "limit": 3, "window": "month"}]"#;
const SOON: Duration = Duration::from_millis(20);

fn holder() -> Holder {
    Holder::from_u128(7)
}

/// A key with these limits, and so many credits.
async fn rich_key(world: &World, limits: &str, credits: u64) -> TestKey {
    let key = world.limited_key(limits, "[]").await;
    world.limits.set_credits(holder(), credits);
    world.store.set(key.id, |record| record.credits = Some(SpentCredits { holder: holder(), version: 1 }));
    key
}

/// How many requests are granted until one is refused.
async fn granted(world: &World, key: &TestKey) -> usize {
    let mut granted = 0;
    loop {
        match world.check(key).await.expect("a decision") {
            Verdict::Granted(_) => granted += 1,
            Verdict::Limited(_) => return granted,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn limits_and_credits_are_charged_together_or_not_at_all() {
    let world = World::usual().await;
    let key = rich_key(&world, THREE_A_MONTH, 5).await;
    assert_eq!(granted(&world, &key).await, 3);
    assert_eq!(assert_limited(&world.check(&key).await), ["three"]);
    world.checker.credit_exchange().give_back_all().await;
    let balance = world.limits.balance(holder());
    assert_eq!((balance.remaining, balance.unsettled, balance.spent), (2, 0, 3), "refusals cost no credits");
}

#[tokio::test]
async fn a_flood_beyond_the_credits_costs_no_statement() {
    let world = World::usual().await;
    let key = rich_key(&world, "[]", 40).await;
    assert_eq!(granted(&world, &key).await, 40);
    let before = world.limits.statements();
    for _ in 0..10_000 {
        let outcome = world.check(&key).await;
        assert!(assert_limited(&outcome).is_empty());
        let Ok(Verdict::Limited(exceeded)) = outcome else { unreachable!("just asserted") };
        assert_eq!((exceeded.credits.of_key, exceeded.retry_after), (true, None));
    }
    assert_eq!(world.limits.statements(), before);
}

#[tokio::test]
async fn a_large_balance_is_taken_in_parts_and_what_is_not_spent_goes_back() {
    let world = World::usual().await;
    let key = rich_key(&world, "[]", 100_000).await;
    for _ in 0..5_000 {
        assert_granted(&world.check(&key).await);
    }
    assert!(world.limits.statements() < 80, "{}", world.limits.statements());
    assert!(world.limits.balance(holder()).unsettled > 0, "nothing is in hand");
    world.checker.credit_exchange().give_back_all().await;
    let balance = world.limits.balance(holder());
    assert_eq!((balance.remaining, balance.unsettled, balance.spent), (95_000, 0, 5_000));
}

#[tokio::test]
async fn without_the_database_what_is_in_hand_is_spent_and_lost_answers_cost_nothing() {
    let world = World::start(Plan { max_limit_wait: SOON, ..Plan::default() }).await;
    let key = rich_key(&world, "[]", 10_000).await;
    for _ in 0..200 {
        assert_granted(&world.check(&key).await);
    }
    world.limits.set_down(true);
    let mut spent = 200;
    loop {
        match world.check(&key).await {
            Ok(Verdict::Granted(_)) => spent += 1,
            outcome => break assert!(matches!(outcome, Err(Undecided::Limits)), "{outcome:?}"),
        }
    }
    assert!(spent > 200, "nothing was in hand");
    // What the lost answers granted was committed.
    assert!(world.limits.balance(holder()).unsettled > 0);
    world.limits.set_down(false);
    world.eventually(&key, |verdict| matches!(verdict, Verdict::Granted(_))).await;
    world.checker.credit_exchange().give_back_all().await;
    let balance = world.limits.balance(holder());
    assert_eq!((balance.unsettled, balance.remaining + balance.spent), (0, 10_000));
    assert!(balance.spent > spent, "{balance:?}");
}

#[tokio::test]
async fn a_new_balance_voids_what_is_in_hand() {
    let world = World::usual().await;
    let key = rich_key(&world, "[]", 10_000).await;
    for _ in 0..200 {
        assert_granted(&world.check(&key).await);
    }
    world.limits.set_credits(holder(), 3);
    world.change(&key, |record| record.credits = Some(SpentCredits { holder: holder(), version: 2 })).await;
    assert_eq!(granted(&world, &key).await, 3);
    world.checker.credit_exchange().give_back_all().await;
    let balance = world.limits.balance(holder());
    assert_eq!((balance.remaining, balance.unsettled, balance.spent, balance.granted), (0, 0, 203, 203));
}
