//! A check that memory can answer takes nothing from the heap. In a binary of its own, because its
//! allocator counts.

use allocation_counter::measure;
use keyward::{
    auth::Undecided,
    domain::{denial::Denial, verdict::Verdict},
};
use test_support::world::{
    NOW, World, assert_denied, assert_granted, assert_limited, poll_once,
    tokens::{claims, signed},
};

/// How often one check allocates, and what comes out if it does not have to wait.
fn allocations(world: &World, text: &[u8]) -> (u64, Option<Result<Verdict, Undecided>>) {
    let mut outcome = None;
    let counted =
        measure(|| outcome = poll_once(&mut std::pin::pin!(world.checker.check(text, NOW, None).into_future())));
    (counted.count_total, outcome)
}

#[tokio::test]
async fn a_warm_check_allocates_nothing() {
    let world = World::usual().await;
    let key = world.warm_key().await;
    for _ in 0..100 {
        let (allocations, outcome) = allocations(&world, key.text.as_bytes());
        assert_granted(&outcome.expect("an answer at once"));
        assert_eq!(allocations, 0);
    }
}

#[tokio::test]
async fn a_warm_check_of_a_key_with_limits_allocates_nothing_while_its_slices_last() {
    let world = World::usual().await;
    let own =
        r#"[{"name": "hour", "limit": 1000000, "window": "1h"}, {"name": "day", "limit": 9000000, "window": "day"}]"#;
    let owner = r#"[{"name": "month", "limit": 90000000, "window": "month"}]"#;
    let key = world.limited_key(own, owner).await;
    assert_granted(&world.check(&key).await);
    for _ in 0..100 {
        let (allocations, outcome) = allocations(&world, key.text.as_bytes());
        assert_granted(&outcome.expect("an answer at once"));
        assert_eq!(allocations, 0);
    }
}

#[tokio::test]
async fn a_refusal_by_an_exhausted_limit_allocates_nothing() {
    let world = World::usual().await;
    let key = world.limited_key(r#"[{"name": "month", "limit": 1, "window": "month"}]"#, "[]").await;
    assert_granted(&world.check(&key).await);
    for _ in 0..100 {
        let (allocations, outcome) = allocations(&world, key.text.as_bytes());
        assert_limited(&outcome.expect("an answer at once"));
        assert_eq!(allocations, 0);
    }
}

#[tokio::test]
async fn a_refusal_from_memory_allocates_nothing() {
    let world = World::usual().await;
    let (absent, forged) = (world.deleted_key(), world.key().await.text + "x");
    assert_denied(&world.check(&absent).await, Denial::KeyUnknown);
    for (text, why) in [(&absent.text, Denial::KeyUnknown), (&forged, Denial::KeyMalformed)] {
        let (allocations, outcome) = allocations(&world, text.as_bytes());
        assert_denied(&outcome.expect("an answer at once"), why);
        assert_eq!(allocations, 0);
    }
}

#[tokio::test]
async fn a_token_seen_before_allocates_nothing() {
    let world = World::usual().await;
    let (tokens, token) = (world.tokens(), signed(&claims("1", "alice")));
    assert_granted(&tokens.check(token.as_bytes(), NOW).await);
    for _ in 0..100 {
        let mut outcome = None;
        let counted = measure(|| outcome = tokens.check(token.as_bytes(), NOW).now());
        assert!(matches!(outcome, Some(Ok(Verdict::Granted(_)))));
        assert_eq!(counted.count_total, 0);
    }
}

#[tokio::test]
async fn the_allocations_of_a_cold_check_are_counted() {
    let world = World::usual().await;
    let key = world.key().await;
    let (allocations, outcome) = allocations(&world, key.text.as_bytes());
    assert!(outcome.is_none());
    assert!(allocations > 0);
}
