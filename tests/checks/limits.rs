//! Limits on keys and on owners, in one replica: what is charged, when the database is asked, and what happens without
//! it.

use std::{sync::Arc, time::Duration};

use keyward::{
    auth::Undecided,
    domain::{
        denial::Denial,
        limits::{Allowance, Spending},
        verdict::Verdict,
    },
};
use test_support::world::{NOW, Plan, TestKey, World, assert_denied, assert_granted, assert_limited, poll_once};

const THREE_A_MONTH: &str = r#"[{"name": "three", "limit": 3, "window": "month"}]"#;
const MANY_A_MONTH: &str = r#"[{"name": "many", "limit": 1000, "window": "month"}]"#;
const LOTS_A_MONTH: &str = r#"[{"name": "lots", "limit": 100000, "window": "month"}]"#;
/// For tests of what happens when the database does not answer.
const SOON: Duration = Duration::from_millis(20);

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

fn remaining(allowance: &Allowance) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    allowance.visit(&mut |state| all.push((state.limit.name.to_string(), state.remaining)));
    all
}

async fn allowance(world: &World, key: &TestKey) -> Allowance {
    match world.check(key).await.expect("a decision") {
        Verdict::Granted(principal) => principal.limits().expect("of a key").clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_key_is_granted_what_its_limit_allows_and_then_refused_until_the_window_ends() {
    let world = World::usual().await;
    let key = world.limited_key(THREE_A_MONTH, "[]").await;
    assert_eq!(granted(&world, &key).await, 3);
    let outcome = world.check(&key).await;
    assert_eq!(assert_limited(&outcome), ["three"]);
    let Ok(Verdict::Limited(exceeded)) = outcome else { unreachable!("just asserted") };
    assert!((1..=31 * 86_400).contains(&exceeded.retry_after_seconds().expect("a time")), "{exceeded:?}");
    assert_eq!(remaining(&exceeded.allowance), [("three".to_owned(), 0)]);
}

#[tokio::test]
async fn the_keys_of_an_owner_share_the_owners_limits() {
    let world = World::usual().await;
    let (one, two) = (world.limited_key("[]", THREE_A_MONTH).await, world.limited_key("[]", THREE_A_MONTH).await);
    assert_granted(&world.check(&one).await);
    assert_eq!(granted(&world, &two).await, 2);
    assert_eq!(assert_limited(&world.check(&one).await), ["three"]);
}

#[tokio::test]
async fn a_limit_that_refuses_leaves_the_others_as_they_are() {
    let world = World::usual().await;
    let key = world.limited_key(THREE_A_MONTH, MANY_A_MONTH).await;
    assert_eq!(granted(&world, &key).await, 3);
    for _ in 0..100 {
        assert_eq!(assert_limited(&world.check(&key).await), ["three"]);
    }
    let other = world.limited_key("[]", MANY_A_MONTH).await;
    assert_eq!(remaining(&allowance(&world, &other).await), [("many".to_owned(), 996)]);
}

#[tokio::test]
async fn all_limits_that_are_exhausted_are_named() {
    let world = World::usual().await;
    let own = r#"[{"name": "a", "limit": 3, "window": "month"}, {"name": "b", "limit": 9, "window": "month"}]"#;
    let key = world.limited_key(own, r#"[{"name": "c", "limit": 6, "window": "31d", "cost": 2}]"#).await;
    assert_eq!(granted(&world, &key).await, 3);
    assert_eq!(assert_limited(&world.check(&key).await), ["a", "c"]);
}

#[tokio::test]
async fn a_request_that_is_refused_for_another_reason_takes_nothing() {
    let world = World::usual().await;
    let key = world.limited_key(THREE_A_MONTH, "[]").await;
    for _ in 0..10 {
        let lacks = |_: keyward::domain::policy::Shown<'_>| Some(Denial::Scope("orders:read"));
        let outcome = world.checker.check_for(key.text.as_bytes(), NOW, None, Spending::default(), lacks).await;
        assert_denied(&outcome, Denial::Scope("orders:read"));
    }
    assert_eq!(world.limits.statements(), 0);
    assert_eq!(granted(&world, &key).await, 3);
    world.change(&key, |record| record.enabled = false).await;
    assert_denied(&world.check(&key).await, Denial::KeyDisabled);
}

#[tokio::test]
async fn a_flood_over_a_limit_costs_no_statement() {
    let world = World::usual().await;
    let key = world.limited_key(THREE_A_MONTH, MANY_A_MONTH).await;
    assert_eq!(granted(&world, &key).await, 3);
    let before = world.limits.statements();
    for _ in 0..10_000 {
        assert_limited(&world.check(&key).await);
    }
    assert_eq!(world.limits.statements(), before);
}

#[tokio::test]
async fn a_large_limit_is_taken_in_slices_and_used_up() {
    let world = World::usual().await;
    let key = world.limited_key(MANY_A_MONTH, "[]").await;
    assert_eq!(granted(&world, &key).await, 1000);
    assert!(world.limits.statements() < 80, "{}", world.limits.statements());
}

#[tokio::test]
async fn what_is_told_to_remain_never_rises() {
    let world = World::usual().await;
    let key = world.limited_key(MANY_A_MONTH, THREE_A_MONTH).await;
    let other = world.limited_key("[]", THREE_A_MONTH).await;
    let mut last = u64::MAX;
    for expected in [2, 1] {
        let all = remaining(&allowance(&world, &key).await);
        assert_eq!(all[1], ("three".to_owned(), expected));
        assert!(all[0].1 < last, "{all:?}");
        last = all[0].1;
    }
    assert_eq!(remaining(&allowance(&world, &other).await), [("three".to_owned(), 0)]);
}

#[tokio::test]
async fn simultaneous_requests_share_a_statement_and_none_gets_too_much() {
    let world = Arc::new(World::usual().await);
    let limit = r#"[{"name": "ten", "limit": 10, "window": "month"}]"#;
    let key = world.limited_key(limit, "[]").await;
    let other = world.limited_key(limit, "[]").await;
    assert_granted(&world.check(&other).await);
    let before = world.limits.statements();
    world.limits.answers.close();
    let requests: Vec<_> = (0..100)
        .map(|_| {
            let (world, key) = (Arc::clone(&world), key.clone());
            tokio::spawn(async move { world.check(&key).await.expect("a decision") })
        })
        .collect();
    world.limits.answers.has_stopped(1).await;
    world.limits.answers.open();
    let mut granted = 0;
    for request in requests {
        granted += usize::from(matches!(request.await.expect("no panic"), Verdict::Granted(_)));
    }
    assert_eq!(granted, 10);
    assert!(world.limits.statements() - before <= 10, "{}", world.limits.statements());
}

#[tokio::test]
async fn without_the_database_the_slice_in_hand_is_used_and_then_on_outage_decides() {
    let world = World::start(Plan { max_limit_wait: SOON, ..Plan::default() }).await;
    let limit = |on_outage: &str| {
        format!(r#"[{{"name": "l", "limit": 100000, "window": "month", "onOutage": "{on_outage}"}}]"#)
    };
    let refusing = world.limited_key(&limit("refuse"), "[]").await;
    let admitting = world.limited_key(&limit("admit"), THREE_A_MONTH).await;
    assert_granted(&world.check(&refusing).await);
    assert_granted(&world.check(&admitting).await);
    world.limits.set_down(true);
    // 1/1024 of the limit was in hand.
    for _ in 1..97 {
        assert_granted(&world.check(&refusing).await);
    }
    let outcome = world.check(&refusing).await;
    assert!(matches!(outcome, Err(Undecided::Limits)), "{outcome:?}");
    // Nobody asks again for a while, so nobody waits.
    let asked = world.limits.statements();
    for _ in 0..100 {
        let outcome = poll_once(&mut Box::pin(world.check(&refusing)));
        assert!(matches!(outcome, Some(Err(Undecided::Limits))), "{outcome:?}");
    }
    assert_eq!(world.limits.statements(), asked);
    // The owner's limit refuses in an outage, whatever the key's does.
    let outcome = world.check(&admitting).await;
    assert!(matches!(outcome, Err(Undecided::Limits)), "{outcome:?}");
    let only = world.limited_key(&limit("admit"), "[]").await;
    for _ in 0..1000 {
        assert_granted(&world.check(&only).await);
    }
    let uncounted = world.checker.limit_counts().outcomes().find(|(name, _)| *name == "uncounted");
    assert_eq!(uncounted, Some(("uncounted", 1000)));
    world.limits.set_down(false);
    world.eventually(&refusing, |verdict| matches!(verdict, Verdict::Granted(_))).await;
}

#[tokio::test]
async fn a_wait_for_the_database_ends() {
    let world = World::start(Plan { max_limit_wait: SOON, ..Plan::default() }).await;
    let key = world.limited_key(MANY_A_MONTH, "[]").await;
    world.limits.answers.close();
    let outcome = world.check(&key).await;
    assert!(matches!(outcome, Err(Undecided::Limits)), "{outcome:?}");
    world.limits.answers.open();
    world.eventually(&key, |verdict| matches!(verdict, Verdict::Granted(_))).await;
}

#[tokio::test]
async fn a_new_window_begins_with_the_whole_limit() {
    let world = World::usual().await;
    let key = world.limited_key(r#"[{"name": "second", "limit": 5, "window": "1s"}]"#, "[]").await;
    assert_eq!(granted(&world, &key).await % 5, 0);
    world.eventually(&key, |verdict| matches!(verdict, Verdict::Granted(_))).await;
}

#[tokio::test]
async fn at_a_stop_what_an_answer_under_way_brings_is_given_back_too() {
    let world = World::start(Plan { max_limit_wait: SOON, ..Plan::default() }).await;
    let key = world.limited_key(LOTS_A_MONTH, "[]").await;
    world.limits.answers.close();
    let outcome = world.check(&key).await;
    assert!(matches!(outcome, Err(Undecided::Limits)), "{outcome:?}");
    assert!(world.limits.taken() > 0, "nothing is under way");
    let exchange = Arc::clone(world.checker.credit_exchange());
    let mut giving_back = tokio::spawn(async move { exchange.give_back_all().await });
    let ends = tokio::time::timeout(SOON, &mut giving_back).await;
    assert!(ends.is_err(), "the answer has not come yet");
    world.limits.answers.open();
    giving_back.await.expect("no panic");
    assert_eq!(world.limits.taken(), 0);
}

#[tokio::test]
async fn a_changed_row_keeps_what_is_in_hand_of_limits_that_stay() {
    let world = World::usual().await;
    let key = world.limited_key(LOTS_A_MONTH, "[]").await;
    assert_granted(&world.check(&key).await);
    let asked = world.limits.requests();
    let two =
        r#"[{"name": "lots", "limit": 100000, "window": "month"}, {"name": "more", "limit": 900000, "window": "day"}]"#;
    for limits in [LOTS_A_MONTH, two, two] {
        let limits = keyward::domain::limits::Limits::from_stored(limits).expect("limits");
        world.change(&key, |record| record.limits = limits).await;
        assert_granted(&world.check(&key).await);
    }
    assert_eq!(world.limits.requests() - asked, 1, "only the new limit was asked for");
    let lower = keyward::domain::limits::Limits::from_stored(THREE_A_MONTH).expect("limits");
    world.change(&key, |record| record.limits = lower).await;
    assert_eq!(granted(&world, &key).await, 3);
}
