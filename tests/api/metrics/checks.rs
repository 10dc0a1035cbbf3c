//! Checks by way and outcome, denials by reason, and what is in memory.

use serde_json::json;
use test_support::{
    TestDatabase,
    actors::{KeyHolder, Person, claims, sign},
    asking::{VERIFY, changes_are_confirmed_by, replica, replica_with},
    client, database, eventually,
    replica::Replica,
};

use super::{Scrape, becomes, grows};

const CHECKS: &str = "keyward_checks_total";
const DENIALS: &str = "keyward_denials_total";

fn key(outcome: &'static str, way: &'static str) -> [(&'static str, &'static str); 3] {
    [("kind", "key"), ("outcome", outcome), ("way", way)]
}

fn token(outcome: &'static str, way: &'static str) -> [(&'static str, &'static str); 3] {
    [("kind", "token"), ("outcome", outcome), ("way", way)]
}

/// The text with another last letter, so that its tag is wrong.
fn forged(key: &str) -> String {
    let (rest, last) = key.split_at(key.len() - 1);
    format!("{rest}{}", if last == "a" { "b" } else { "a" })
}

/// Another replica on the same database, which remembers no key, and has a lease.
async fn without_memory(database: &TestDatabase) -> Replica {
    let replica = Replica::start_on(database.url(), &[]).await;
    changes_are_confirmed_by(2, &replica).await;
    replica
}

#[tokio::test]
async fn a_key_is_checked_by_its_hash_then_from_memory_then_by_its_row_and_a_forged_one_by_its_tag() {
    let database = database().await;
    let first = Replica::start_on(database.url(), &[]).await;
    let alice = Person::named("alice");
    let made = alice.creates(&first, json!({})).await;
    let replica = without_memory(&database).await;
    let before = Scrape::of(&replica).await;
    assert_eq!(made.status(&replica).await, 200);
    grows(&replica, &before, CHECKS, &key("granted", "hash"), 1.0).await;
    assert_eq!(made.status(&replica).await, 200);
    grows(&replica, &before, CHECKS, &key("granted", "memory"), 1.0).await;
    // A change has to be read, but not to be hashed again.
    alice.patches(&replica, &made.path(), json!({ "name": "changed" })).await.is(200);
    assert_eq!(made.status(&replica).await, 200);
    grows(&replica, &before, CHECKS, &key("granted", "row"), 1.0).await;
    KeyHolder::of(forged(&made.holder.key)).is_refused(&replica).await;
    grows(&replica, &before, CHECKS, &key("denied", "tag"), 1.0).await;
    grows(&replica, &before, DENIALS, &[("reason", "key_malformed")], 1.0).await;
    alice.deletes(&replica, &made.path()).await.is(200);
    for _ in 0..2 {
        made.holder.is_refused(&replica).await;
    }
    grows(&replica, &before, CHECKS, &key("denied", "row"), 1.0).await;
    grows(&replica, &before, CHECKS, &key("denied", "memory"), 1.0).await;
    grows(&replica, &before, DENIALS, &[("reason", "key_revoked")], 2.0).await;
    becomes(&replica, "keyward_cache_entries", &[("cache", "keys")], |entries| entries == 1.0).await;
    // What was read again took its own place.
    becomes(&replica, "keyward_cache_evictions_total", &[("cache", "keys")], |evicted| evicted == 0.0).await;
    becomes(&replica, "keyward_cache_places_used", &[("cache", "keys")], |used| used >= 1.0).await;
    becomes(&replica, "keyward_cache_places", &[("cache", "keys")], |places| places >= 1_000_000.0).await;
}

#[tokio::test]
async fn a_token_is_checked_by_its_row_then_from_memory_and_a_bad_one_by_its_signature() {
    let replica = replica().await;
    let alice = Person::named("alice");
    let before = Scrape::of(&replica).await;
    changes_are_confirmed_by(1, &replica).await;
    let path = "/v1/keys";
    let before_tokens = Scrape::of(&replica).await;
    for _ in 0..2 {
        alice.gets(&replica, path).await.is(200);
    }
    eventually("one was read and one remembered", async || {
        let now = Scrape::of(&replica).await;
        let grown = |way| now.sum(CHECKS, &token("granted", way)) - before.sum(CHECKS, &token("granted", way));
        grown("row") >= 1.0 && grown("memory") >= 1.0
    })
    .await;
    let forged = Person { token: sign(&Default::default(), &claims("alice"), "another secret of thirty-two bytes") };
    forged.gets(&replica, path).await.is(401);
    grows(&replica, &before_tokens, CHECKS, &token("denied", "signature"), 1.0).await;
    grows(&replica, &before_tokens, DENIALS, &[("reason", "token_signature")], 1.0).await;
    becomes(&replica, "keyward_cache_entries", &[("cache", "tokens")], |entries| entries >= 1.0).await;
}

#[tokio::test]
async fn verifications_and_introspections_count_the_credentials_in_their_bodies() {
    let replica = replica().await;
    changes_are_confirmed_by(1, &replica).await;
    let service = Person::with_scopes("service", "keyward:verify");
    let made = Person::named("alice").creates(&replica, json!({ "scopes": ["a"] })).await;
    assert_eq!(made.status(&replica).await, 200);
    let before = Scrape::of(&replica).await;
    let unknown = forged(&made.holder.key);
    let checks = json!({ "checks": [
        { "key": made.holder.key }, { "key": unknown }, { "key": made.holder.key, "scopes": ["b"] },
        { "key": made.holder.key, "environment": "test" },
    ] });
    service.posts(&replica, VERIFY, checks).await.is(200);
    let introspect = async |text: &str| {
        let request = service.request(&replica, reqwest::Method::POST, "/v1/introspect");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.body(format!("token={text}")).send().await.expect("an answer").text().await.expect("a body")
    };
    assert_eq!(introspect(&unknown).await, r#"{"active":false}"#);
    assert_eq!(introspect("a.b.c").await, r#"{"active":false}"#);
    assert!(introspect(&made.holder.key).await.contains(r#""active":true"#));
    for (labels, by) in [(key("granted", "memory"), 2.0), (key("denied", "memory"), 2.0), (key("denied", "tag"), 2.0)] {
        grows(&replica, &before, CHECKS, &labels, by).await;
    }
    grows(&replica, &before, CHECKS, &token("denied", "signature"), 1.0).await;
    for (reason, by) in [
        ("key_malformed", 2.0),
        ("insufficient_scope", 1.0),
        ("policy_other_environment", 1.0),
        ("token_malformed", 1.0),
    ] {
        grows(&replica, &before, DENIALS, &[("reason", reason)], by).await;
    }
}

#[tokio::test]
async fn a_request_without_a_credential_and_one_without_the_scope_are_denials_and_no_checks() {
    let replica = replica().await;
    let before = Scrape::of(&replica).await;
    let stranger = client::get(replica.url("/v1/keys")).await.expect("an answer");
    assert_eq!(stranger.status(), 401);
    Person::named("alice").gets(&replica, "/v1/admin/keys").await.is(403);
    grows(&replica, &before, DENIALS, &[("reason", "credential_missing")], 1.0).await;
    grows(&replica, &before, DENIALS, &[("reason", "insufficient_scope")], 1.0).await;
    grows(&replica, &before, CHECKS, &[("outcome", "denied")], 0.0).await;
}

#[tokio::test]
async fn keys_that_are_forgotten_for_others_are_counted() {
    let replica =
        replica_with(&[("KEYWARD__CHECKS__CACHED_KEYS", "1000"), ("KEYWARD__JWT__CACHED_TOKENS", "1000")]).await;
    // Metadata takes places, so that a few keys suffice.
    let alice = Person::named("alice");
    let metadata = json!({ "metadata": { "text": "x".repeat(4000) } });
    for _ in 0..120 {
        let made = alice.creates(&replica, metadata.clone()).await;
        assert_eq!(made.status(&replica).await, 200);
    }
    becomes(&replica, "keyward_cache_evictions_total", &[("cache", "keys")], |evicted| evicted > 0.0).await;
    becomes(&replica, "keyward_cache_evictions_total", &[("cache", "tokens")], |evicted| evicted == 0.0).await;
    let scrape = Scrape::of(&replica).await;
    let (used, places) = (
        scrape.sum("keyward_cache_places_used", &[("cache", "keys")]),
        scrape.sum("keyward_cache_places", &[("cache", "keys")]),
    );
    assert!(
        used > 10.0 * scrape.sum("keyward_cache_entries", &[("cache", "keys")]) && used <= places,
        "{used} {places}"
    );
}
