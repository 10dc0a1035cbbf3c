//! Tokens: what a check costs, what memory is believed for, and what ends a token before it expires.

use std::{collections::HashMap, time::Duration};

use keyward::{
    auth::{
        Undecided,
        coherence::CoherenceTimings,
        jwt::TokenVerifier,
        tokens::check::{TokenChecker, TokenRoom},
    },
    domain::{
        denial::{Denial, TokenFault},
        token::{TokenEnd, TokenRecords},
        verdict::Verdict,
    },
};
use serde_json::{Value, json};
use test_support::{
    eventually,
    world::{
        NOW, Plan, World, assert_busy, assert_denied, assert_granted, poll_once,
        tokens::{ROOM, check, check_at, claims, settings, signed},
    },
};
use time::OffsetDateTime;

/// Signatures looked at, and statements.
fn costs(world: &World, tokens: &TokenChecker) -> (u64, usize) {
    (tokens.verified(), world.store.queries())
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims("1", "alice");
    claims[name] = value;
    claims
}

fn records(token_id: &str) -> TokenRecords {
    TokenRecords::of("", Some(token_id), "alice")
}

fn later(seconds: i64) -> OffsetDateTime {
    NOW + time::Duration::seconds(seconds)
}

const REVOKED: Denial = Denial::Token(TokenFault::Revoked);
const TOO_OLD: Denial = Denial::Token(TokenFault::BeforeNotBefore);
const EXPIRED: Denial = Denial::Token(TokenFault::Expired);

#[tokio::test]
async fn a_first_check_costs_one_signature_and_one_query_and_the_next_ones_nothing() {
    let world = World::usual().await;
    let (tokens, token) = (world.tokens(), signed(&claims("1", "alice")));
    assert!(tokens.check(token.as_bytes(), NOW).now().is_none());
    for _ in 0..100 {
        let Ok(Verdict::Granted(principal)) = check(&tokens, &token).await else { panic!("refused") };
        assert_eq!(&*principal.owner().subject, "alice");
        assert!(matches!(tokens.check(token.as_bytes(), NOW).now(), Some(Ok(Verdict::Granted(_)))));
    }
    assert_eq!(costs(&world, &tokens), (1, 1));
    // One bit more of it is another token.
    assert!(tokens.check(format!("{token}A").as_bytes(), NOW).now().is_none());
}

#[tokio::test]
async fn a_bad_token_costs_no_query_and_is_not_remembered() {
    let world = World::usual().await;
    let tokens = world.tokens();
    let good = signed(&claims("1", "alice"));
    let forged = format!("{}A", &good[..good.len() - 1]);
    let expired = signed(&with("exp", json!(NOW.unix_timestamp() - 60)));
    for times in 1..=3 {
        for (bad, why) in [(&forged, TokenFault::Signature), (&expired, TokenFault::Expired)] {
            assert_denied(&check(&tokens, bad).await, Denial::Token(why));
        }
        assert_eq!(costs(&world, &tokens), (2 * times, 0));
    }
}

#[tokio::test]
async fn a_token_that_was_revoked_is_refused_and_others_of_its_subject_go_on() {
    let world = World::usual().await;
    let (tokens, one, two) = (world.tokens(), signed(&claims("1", "alice")), signed(&claims("2", "alice")));
    for token in [&one, &two] {
        assert_granted(&check(&tokens, token).await);
    }
    world.end(records("1"), TokenEnd::Revoked).await;
    for _ in 0..2 {
        assert_denied(&check(&tokens, &one).await, REVOKED);
        assert_granted(&check(&tokens, &two).await);
    }
}

#[tokio::test]
async fn of_two_issuers_tokens_with_one_id_only_the_revoked_one_is_refused() {
    let world = World::usual().await;
    let tokens = world.tokens();
    let [ours, theirs] = ["https://a.example", "https://b.example"].map(|issuer| signed(&with("iss", json!(issuer))));
    for token in [&ours, &theirs] {
        assert_granted(&check(&tokens, token).await);
    }
    let records = TokenRecords::of("https://a.example", Some("1"), "alice");
    world.end(records, TokenEnd::Revoked).await;
    world.end(records, TokenEnd::NotBefore(later(5))).await;
    assert_denied(&check(&tokens, &ours).await, REVOKED);
    assert_granted(&check(&tokens, &theirs).await);
}

#[tokio::test]
async fn a_not_before_ends_the_subjects_earlier_tokens_and_those_that_do_not_say_when_they_were_issued() {
    let world = World::usual().await;
    let tokens = world.tokens();
    let issued = |ago: f64| signed(&with("iat", json!(NOW.unix_timestamp() as f64 - ago)));
    let (earlier, at, after) = (issued(60.5), issued(60.0), issued(59.5));
    let dateless = json!({ "sub": "alice", "exp": NOW.unix_timestamp() + 3600 });
    let somebody_else = signed(&with("sub", json!("bob")));
    for token in [&earlier, &at, &after, &signed(&dateless), &somebody_else] {
        assert_granted(&check(&tokens, token).await);
    }
    world.end(records("1"), TokenEnd::NotBefore(later(-60))).await;
    for token in [&earlier, &signed(&dateless)] {
        assert_denied(&check(&tokens, token).await, TOO_OLD);
    }
    for token in [&at, &after, &somebody_else] {
        assert_granted(&check(&tokens, token).await);
    }
}

#[tokio::test]
async fn a_token_without_an_id_is_remembered_and_ended_with_its_subject() {
    let world = World::usual().await;
    let tokens = world.tokens();
    for nameless in [Value::Null, json!("")] {
        let token = signed(&with("jti", nameless));
        for _ in 0..2 {
            assert_granted(&check(&tokens, &token).await);
        }
    }
    assert_eq!(costs(&world, &tokens), (2, 2));
    world.end(TokenRecords::of("", None, "alice"), TokenEnd::NotBefore(later(1))).await;
    assert_denied(&check(&tokens, &signed(&with("jti", Value::Null))).await, TOO_OLD);
}

#[tokio::test]
async fn a_token_whose_id_we_could_not_find_it_by_is_refused() {
    let world = World::usual().await;
    let tokens = world.tokens();
    for bad in [json!(1), json!(true), json!(["1"]), json!({}), json!("a\0b"), json!("x".repeat(1025))] {
        let token = signed(&with("jti", bad));
        assert_denied(&check(&tokens, &token).await, Denial::Token(TokenFault::TokenId));
    }
    assert_granted(&check(&tokens, &signed(&with("jti", json!("é".repeat(512))))).await);
}

#[tokio::test]
async fn with_a_lease_a_token_seen_before_needs_no_store() {
    let world = World::usual().await;
    let (tokens, seen, new) = (world.tokens(), signed(&claims("1", "alice")), signed(&claims("2", "alice")));
    assert_granted(&check(&tokens, &seen).await);
    world.store.set_down(true);
    assert_granted(&check(&tokens, &seen).await);
    assert!(matches!(check(&tokens, &new).await, Err(Undecided::Store(_))));
    assert_denied(&check(&tokens, "e30.e30.AAAA").await, Denial::Token(TokenFault::Algorithm));
    world.store.set_down(false);
    assert_granted(&check(&tokens, &new).await);
}

#[tokio::test]
async fn without_a_lease_each_check_verifies_the_token_and_reads_whether_it_was_ended() {
    let world = World::without_lease(Plan::default()).await;
    let (tokens, token) = (world.tokens(), signed(&claims("1", "alice")));
    for checks in 1..=5 {
        assert_granted(&check(&tokens, &token).await);
        assert!(tokens.check(token.as_bytes(), NOW).now().is_none());
        assert_eq!(costs(&world, &tokens), (checks, checks as usize));
    }
    world.store.set_down(true);
    assert!(matches!(check(&tokens, &token).await, Err(Undecided::Store(_))));
    world.store.set_down(false);
    // Nobody tells: that is what the lease is for.
    world.store.end(records("1"), TokenEnd::Revoked);
    assert_denied(&check(&tokens, &token).await, REVOKED);
}

#[tokio::test]
async fn when_the_lease_is_over_the_rows_are_read() {
    let settings = CoherenceTimings::for_lease(Duration::from_secs(1)).expect("a valid lease");
    let world = World::start(Plan { settings, ..Plan::default() }).await;
    let (tokens, token) = (world.tokens(), signed(&claims("1", "alice")));
    assert_granted(&check(&tokens, &token).await);
    world.channel.return_heartbeats(false);
    world.store.end(records("1"), TokenEnd::Revoked);
    eventually("the lease is over", async || tokens.check(token.as_bytes(), NOW).now().is_none()).await;
    assert_denied(&check(&tokens, &token).await, REVOKED);
}

#[tokio::test]
async fn a_token_that_was_ended_while_it_was_looked_up_is_not_remembered() {
    let world = World::usual().await;
    let (tokens, token) = (world.tokens(), signed(&claims("1", "alice")));
    for end in [TokenEnd::NotBefore(later(-1)), TokenEnd::NotBefore(later(1)), TokenEnd::Revoked] {
        let refused = end != TokenEnd::NotBefore(later(-1));
        world.store.reads.close();
        let mut began_before = Box::pin(check(&tokens, &token));
        assert!(poll_once(&mut began_before).is_none());
        world.store.reads.has_stopped(1).await;
        world.end(records("1"), end).await;
        world.store.reads.open();
        began_before.await.expect("a verdict");
        assert!(tokens.check(token.as_bytes(), NOW).now().is_none());
        assert_eq!(matches!(check(&tokens, &token).await, Ok(Verdict::Denied(_))), refused);
        // Whatever happens next is about a token that is not remembered.
        world.end(records("1"), TokenEnd::NotBefore(later(-1))).await;
    }
}

#[tokio::test]
async fn a_remembered_token_is_refused_when_it_has_expired_or_the_clock_was_set_back() {
    let world = World::usual().await;
    let tokens = world.tokens();
    let mut claims = claims("1", "alice");
    claims["nbf"] = json!(NOW.unix_timestamp() - 10);
    let token = signed(&claims);
    assert_granted(&check(&tokens, &token).await);
    // With the leeway of half a minute.
    for good in [later(3629), later(-30)] {
        assert_granted(&check_at(&tokens, &token, good).await);
    }
    assert_eq!(costs(&world, &tokens), (1, 1));
    assert_denied(&check_at(&tokens, &token, later(3630)).await, EXPIRED);
    let early = Denial::Token(TokenFault::IssuedInFuture);
    assert_denied(&check_at(&tokens, &token, later(-31)).await, early);
    assert_granted(&check(&tokens, &token).await);
}

#[tokio::test]
async fn a_token_that_says_its_owner_is_disabled_is_never_remembered() {
    let world = World::usual().await;
    let (tokens, token) = (world.tokens(), signed(&with("disabled", json!(true))));
    for checks in 1..=3 {
        assert!(matches!(check(&tokens, &token).await, Ok(Verdict::OwnerDisabled(_))));
        assert_eq!(costs(&world, &tokens), (checks, checks as usize));
    }
    // Once it is ended, what it says does not count any more.
    world.end(records("1"), TokenEnd::Revoked).await;
    assert_denied(&check(&tokens, &token).await, REVOKED);
}

#[tokio::test]
async fn more_tokens_than_there_is_room_for_are_not_remembered() {
    const ROOM: usize = 200;
    let world = World::usual().await;
    let verifier = || TokenVerifier::new(&settings(Vec::new()), &HashMap::new()).expect("usable keys");
    let scopes: Vec<String> = (0..40).map(|number| format!("scope:{number}:{}", "x".repeat(100))).collect();
    let small: Vec<_> = (0..5 * ROOM).map(|number| signed(&claims(&number.to_string(), "alice"))).collect();
    let large: Vec<_> = (0..5 * ROOM)
        .map(|number| {
            let mut claims = claims(&number.to_string(), "alice");
            claims["scope"] = json!(scopes.join(" "));
            signed(&claims)
        })
        .collect();
    for (texts, most) in [(small, ROOM), (large, ROOM / 15)] {
        let tokens = world.tokens_with(verifier(), TokenRoom { cached: ROOM, max_cold: 1024 });
        for text in &texts {
            assert_granted(&check(&tokens, text).await);
        }
        let is_remembered = |text: &&String| tokens.check(text.as_bytes(), NOW).now().is_some();
        let remembered = texts.iter().filter(is_remembered).count();
        assert!((1..=most).contains(&remembered), "{remembered} tokens remembered");
    }
}

#[tokio::test]
async fn many_new_tokens_are_looked_up_in_few_statements_and_beyond_the_most_the_answer_is_busy() {
    const MAX_COLD: usize = 100;
    let world = World::usual().await;
    let verifier = TokenVerifier::new(&settings(Vec::new()), &HashMap::new()).expect("usable keys");
    let tokens = world.tokens_with(verifier, TokenRoom { max_cold: MAX_COLD, ..ROOM });
    let seen = signed(&claims("seen", "alice"));
    assert_granted(&check(&tokens, &seen).await);
    let texts: Vec<_> = (0..=MAX_COLD).map(|number| signed(&claims(&number.to_string(), "alice"))).collect();
    world.store.reads.close();
    let mut checks: Vec<_> = texts[..MAX_COLD].iter().map(|text| Box::pin(check(&tokens, text))).collect();
    assert!(checks.iter_mut().all(|check| poll_once(check).is_none()));
    assert_busy(&poll_once(&mut Box::pin(check(&tokens, &texts[MAX_COLD]))).expect("an answer at once"));
    assert_granted(&poll_once(&mut Box::pin(check(&tokens, &seen))).expect("an answer at once"));
    world.store.reads.open();
    for check in checks {
        assert_granted(&check.await);
    }
    assert_granted(&check(&tokens, &texts[MAX_COLD]).await);
    assert!(world.store.queries() <= 8, "{} statements", world.store.queries());
}

#[tokio::test]
async fn whoever_hangs_up_holds_no_permit_any_more() {
    let world = World::usual().await;
    let verifier = TokenVerifier::new(&settings(Vec::new()), &HashMap::new()).expect("usable keys");
    let tokens = world.tokens_with(verifier, TokenRoom { max_cold: 1, ..ROOM });
    let token = signed(&claims("1", "alice"));
    for _ in 0..3 {
        world.store.reads.close();
        let mut hung_up = Box::pin(check(&tokens, &token));
        assert!(poll_once(&mut hung_up).is_none());
        drop(hung_up);
        world.store.reads.open();
    }
    assert_granted(&check(&tokens, &token).await);
}
