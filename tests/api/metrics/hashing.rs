//! The queue for hashes.

use futures_util::future::join_all;
use serde_json::json;
use test_support::{actors::Person, asking::replica_with};

use super::{Scrape, becomes};

#[tokio::test]
async fn hashes_waits_and_refusals_are_counted_and_the_queue_is_seen() {
    let replica = replica_with(&[
        ("KEYWARD__HASHING__CONCURRENCY", "1"),
        ("KEYWARD__HASHING__MEMORY_KIB", "262144"),
        ("KEYWARD__HASHING__ITERATIONS", "4"),
        ("KEYWARD__HASHING__MAX_WAIT", "10ms"),
    ])
    .await;
    let before = Scrape::of(&replica).await;
    assert_eq!(before.get("keyward_hashing_limit", &[]), Some(1.0));
    let people: Vec<_> = (0..4).map(|number| Person::named(&format!("person-{number}"))).collect();
    // Each hash takes so long that the others get no turn.
    let all = join_all(people.iter().map(|person| person.posts(&replica, "/v1/keys", json!({}))));
    let running = becomes(&replica, "keyward_hashing_running", &[], |running| running == 1.0);
    let (answers, ()) = tokio::join!(all, running);
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers.iter().filter(|answer| answer.status == 503).count();
    assert!(made >= 1 && refused >= 1 && made + refused == 4, "{made} {refused}");
    let (made, refused) = (made as f64, refused as f64);
    becomes(&replica, "keyward_hashing_refusals_total", &[("lane", "issue")], |count| count == refused).await;
    becomes(&replica, "keyward_hash_duration_seconds_count", &[], |count| count == made).await;
    becomes(&replica, "keyward_hash_duration_seconds_sum", &[], |seconds| seconds > 0.01).await;
    becomes(&replica, "keyward_hashing_wait_seconds_count", &[("lane", "issue")], |count| count == made).await;
    becomes(&replica, "keyward_hashing_queue", &[("lane", "issue")], |count| count == 0.0).await;
    becomes(&replica, "keyward_hashing_running", &[], |running| running == 0.0).await;
    becomes(&replica, "keyward_hashing_refusals_total", &[("lane", "check")], |count| count == 0.0).await;
}

#[tokio::test]
async fn hashes_that_wait_are_in_the_queue() {
    let replica = replica_with(&[
        ("KEYWARD__HASHING__CONCURRENCY", "1"),
        ("KEYWARD__HASHING__MEMORY_KIB", "131072"),
        ("KEYWARD__HASHING__ITERATIONS", "3"),
        ("KEYWARD__HASHING__MAX_WAIT", "30s"),
    ])
    .await;
    let people: Vec<_> = (0..4).map(|number| Person::named(&format!("person-{number}"))).collect();
    let all = join_all(people.iter().map(|person| person.creates(&replica, json!({}))));
    let queue = becomes(&replica, "keyward_hashing_queue", &[("lane", "issue")], |count| count >= 1.0);
    tokio::join!(all, queue);
}
