//! What a check costs: nothing for what is not ours, nothing for what is known.

use keyward::domain::{
    api_key::{Environment, KeyId},
    denial::Denial,
    scope::Scopes,
    verdict::Verdict,
};
use test_support::world::{
    NOTHING, NOW, ONE_QUERY, ONE_QUERY_AND_HASH, World, assert_denied, assert_granted, keyring_of,
};
use time::Duration;

#[tokio::test]
async fn a_mistyped_key_costs_no_query_and_no_hash() {
    let world = World::usual().await;
    let key = world.key().await;
    refuse_mistyped(&world, &key.text).await;
    assert_eq!(world.costs(), NOTHING);
    // Nor does it when the right key is known: then its tag is not the first thing that is looked at.
    assert_granted(&world.check(&key).await);
    refuse_mistyped(&world, &key.text).await;
    assert_eq!(world.costs(), ONE_QUERY_AND_HASH);
}

async fn refuse_mistyped(world: &World, key: &str) {
    let wrong_character = |at: usize| {
        let other = if key.as_bytes()[at] == b'a' { "b" } else { "a" };
        format!("{}{other}{}", &key[..at], &key[at + 1..])
    };
    let mut mistyped: Vec<String> = (0..key.len()).map(wrong_character).collect();
    mistyped.extend([key[1..].to_owned(), key[..key.len() - 1].to_owned(), key.repeat(2), format!("{key} ")]);
    mistyped.extend(["".to_owned(), " ".repeat(key.len()), "\0".repeat(key.len()), "🔑".repeat(key.len() / 4)]);
    for text in mistyped {
        assert_denied(&world.checker.check(text.as_bytes(), NOW, None).await, Denial::KeyMalformed);
    }
}

#[tokio::test]
async fn a_forged_or_foreign_key_costs_no_query_and_no_hash() {
    let world = World::usual().await;
    let own = world.key().await;
    refuse_forged(&world, own.id).await;
    assert_eq!(world.costs(), NOTHING);
    assert_granted(&world.check(&own).await);
    refuse_forged(&world, own.id).await;
    assert_eq!(world.costs(), ONE_QUERY_AND_HASH);
}

async fn refuse_forged(world: &World, own: KeyId) {
    let another_server = keyring_of("keyward", "q");
    let another_product = keyring_of("stripe", "p");
    for foreign in [another_server, another_product] {
        let key = foreign.generate(Environment::Live, NOW).text;
        assert_denied(&world.checker.check(key.expose().as_bytes(), NOW, None).await, Denial::KeyMalformed);
        // The id of a key that exists, with a secret and a tag of one's own.
        let forged = key.expose().replacen(&foreign_id(key.expose()), &own.to_string(), 1);
        assert_denied(&world.checker.check(forged.as_bytes(), NOW, None).await, Denial::KeyMalformed);
    }
}

fn foreign_id(key: &str) -> String {
    key.split('_').nth(2).expect("an id")[..22].to_owned()
}

#[tokio::test]
async fn a_first_check_costs_one_query_and_one_hash_and_the_next_ones_nothing() {
    let world = World::usual().await;
    let key = world.key().await;
    assert_granted(&world.check(&key).await);
    assert_eq!(world.costs(), ONE_QUERY_AND_HASH);
    for _ in 0..100 {
        assert_granted(&world.check(&key).await);
    }
    assert_eq!(world.costs(), ONE_QUERY_AND_HASH);
}

#[tokio::test]
async fn the_policy_is_applied_to_what_is_cached() {
    let world = World::usual().await;
    let key = world.key().await;
    let end = NOW + Duration::hours(1);
    world.store.set(key.id, |record| record.expires_at = Some(end));
    assert_granted(&world.check(&key).await);
    let check_at = |now| world.checker.check(key.text.as_bytes(), now, None);
    assert_granted(&check_at(end - Duration::NANOSECOND).await);
    assert_denied(&check_at(end).await, Denial::KeyExpired);
    assert_eq!(world.costs(), ONE_QUERY_AND_HASH);
}

#[tokio::test]
async fn a_refusal_is_cached_as_well() {
    let world = World::usual().await;
    let key = world.key().await;
    world.store.set(key.id, |record| record.enabled = false);
    for _ in 0..3 {
        assert_denied(&world.check(&key).await, Denial::KeyDisabled);
    }
    assert_eq!(world.costs(), ONE_QUERY_AND_HASH);
}

#[tokio::test]
async fn a_proof_survives_a_change_of_its_row() {
    let world = World::usual().await;
    let key = world.warm_key().await;
    let before = world.costs();
    world.change(&key, |record| record.scopes = Scopes::parse(["orders:read"]).expect("a scope")).await;
    for _ in 0..3 {
        let Ok(Verdict::Granted(principal)) = world.check(&key).await else { panic!("refused") };
        assert_eq!(principal.scopes().iter().collect::<Vec<_>>(), ["orders:read"]);
    }
    assert_eq!(world.costs() - before, ONE_QUERY);
}

#[tokio::test]
async fn a_key_that_is_gone_is_remembered_as_absent() {
    let world = World::usual().await;
    let key = world.deleted_key();
    for _ in 0..3 {
        assert_denied(&world.check(&key).await, Denial::KeyUnknown);
    }
    assert_eq!(world.costs(), ONE_QUERY);
}

#[tokio::test]
async fn a_key_that_comes_back_untold_is_not_taken_for_absent_for_long() {
    let world = World::usual().await;
    let key = world.key().await;
    let row = world.store.delete(key.id);
    assert_denied(&world.check(&key).await, Denial::KeyUnknown);
    world.store.put(row);
    assert_denied(&world.check(&key).await, Denial::KeyUnknown);
    assert_eq!(world.costs(), ONE_QUERY);
    world.eventually(&key, |verdict| matches!(verdict, Verdict::Granted(_))).await;
    assert_eq!(world.costs() - ONE_QUERY, ONE_QUERY_AND_HASH);
}
