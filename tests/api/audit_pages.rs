//! Pages of events that are long: they end by bytes, and the list goes on.

use std::collections::HashSet;

use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{Reply, replica_with},
    filling::long_events,
    program::run_beside,
    replica::{Replica, command},
};

/// A page has a megabyte of text, one event more, and what stands around them.
const PAGE_MAX: usize = 1_200_000;

/// Programs that are not optimised take long to read such pages, above all beside others.
const PATIENT: (&str, &str) = ("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "20s");

/// The address of the next page (RFC 8288).
fn next(answer: &Reply) -> Option<String> {
    let link = answer.header("link")?.strip_prefix('<')?;
    Some(link.split_once('>')?.0.to_owned())
}

/// The ids of all events, page by page.
async fn walk(person: &Person, replica: &Replica, from: &str) -> Vec<Vec<String>> {
    let (mut pages, mut path) = (Vec::new(), Some(from.to_owned()));
    while let Some(here) = path {
        let answer = person.gets(replica, &here).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.text.len() < PAGE_MAX, "a page of {} bytes", answer.text.len());
        let events = answer.text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        pages.push(events.map(|event| event["id"].as_str().expect("an id").to_owned()).collect());
        path = next(&answer);
    }
    pages
}

#[tokio::test]
async fn a_page_ends_when_it_has_a_megabyte_and_the_list_goes_on_without_repetition_or_loss() {
    let (replica, alice, root) = (replica_with(&[PATIENT]).await, Person::named("alice"), Person::administrator());
    alice.creates(&replica, json!({})).await;
    long_events(replica.database(), 700).await;
    let all = walk(&alice, &replica, "/v1/audit?format=ndjson").await;
    let sizes: Vec<usize> = all.iter().map(Vec::len).collect();
    assert!(sizes[..sizes.len() - 1].iter().all(|size| (80..150).contains(size)), "{sizes:?}");
    let ids = all.concat();
    assert!(ids.is_sorted_by(|one, other| one > other), "newest first");
    assert_eq!((ids.len(), ids.iter().collect::<HashSet<_>>().len()), (701, 701));
    // In other sizes of pages, over everybody, and of one kind: by other ways to the rows.
    for path in [
        "/v1/audit?format=ndjson&limit=70",
        "/v1/admin/audit?format=ndjson",
        "/v1/admin/audit?format=ndjson&action=key.updated,key.created",
    ] {
        let person = if path.contains("admin") { &root } else { &alice };
        assert_eq!(walk(person, &replica, path).await.concat(), ids, "{path}");
    }
    let page = alice.gets(&replica, "/v1/audit?limit=100").await.is(200);
    assert!(page["events"].as_array().is_some_and(|events| events.len() > 80) && page["nextCursor"].is_string());
    let mut list = command();
    list.args(["audit", "list", "--format", "ndjson"]).env("DATABASE_URL", replica.database().url());
    list.env(PATIENT.0, PATIENT.1);
    let lines = run_beside(list).await.succeeded();
    assert_eq!(lines.lines().count(), 701);
    let details = serde_json::from_str::<Value>(lines.lines().last().expect("a line")).expect("JSON");
    assert_eq!(details["details"]["changes"]["metadata"]["to"]["a"].as_array().map(Vec::len), Some(580));
}

#[tokio::test]
async fn an_event_that_is_longer_than_a_page_comes_alone() {
    let (replica, alice) = (replica_with(&[PATIENT]).await, Person::named("alice"));
    alice.creates(&replica, json!({})).await;
    long_events(replica.database(), 3).await;
    let rows = replica.database().superuser_pool().await;
    let huge = "INSERT INTO audit_events (id, at, action, issuer, subject, actor_kind, details)
                SELECT overlay(id::text PLACING '00000002-ffff' FROM 1 FOR 13)::uuid, at, 'key.updated', issuer, subject,
                       'command_line', jsonb_build_object('reason', repeat('x', 3000000))
                FROM audit_events ORDER BY id DESC LIMIT 1";
    sqlx::query(huge).execute(&rows).await.expect("an event");
    let mut sizes = Vec::new();
    let mut path = Some("/v1/audit?limit=100".to_owned());
    while let Some(here) = path {
        let answer = alice.gets(&replica, &here).await;
        sizes.push(answer.is(200)["events"].as_array().expect("a list").len());
        path = next(&answer);
    }
    // The huge one is the last with which its page has a megabyte.
    assert_eq!(sizes, [3, 2]);
}
