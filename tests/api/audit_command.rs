//! `keyward audit list`: what the API tells of changes, on the database directly.

use serde_json::{Value, json as value};
use test_support::{
    actors::Person,
    asking::{Reply, replica},
    replica::Replica,
    shown,
};

use crate::commands::{json, keyward};

const ALL: &str = "/v1/admin/audit";

async fn audit(replica: &Replica, options: &[&str]) -> test_support::program::Ended {
    keyward(replica.database(), &[&["audit", "list"], options].concat()).await
}

#[tokio::test]
async fn events_are_told_in_every_form_as_by_the_api() {
    let (replica, root) = (replica().await, Person::administrator());
    let key = Person::named("=alice").creates(&replica, value!({ "name": "ci" })).await;
    Person::named("=alice").patches(&replica, &key.path(), value!({ "name": "a, \"b\"" })).await.is(200);
    keyward(replica.database(), &["keys", "create", "--subject", "bob"]).await.succeeded();
    let events = root.gets(&replica, ALL).await.is(200)["events"].clone();
    for options in [&["--json"][..], &["--format", "json"]] {
        shown::same_json(&json(&audit(&replica, options).await.succeeded()), &events, "");
    }
    let lines = audit(&replica, &["--format", "ndjson"]).await.succeeded();
    let lines: Vec<Value> = lines.lines().map(json).collect();
    shown::same_json(&value!(lines), &events, "");
    let request = root.request(&replica, reqwest::Method::GET, ALL).header("accept", "text/csv");
    assert_eq!(audit(&replica, &["--format", "csv"]).await.succeeded(), Reply::to(request).await.text);

    let table = audit(&replica, &[]).await.succeeded();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    let header: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(header, ["AT", "ACTION", "KEY", "OWNER", "ACTOR", "ADDRESS", "DETAILS"]);
    assert!(lines[1].contains("key.created") && lines[1].contains("  bob  ") && lines[1].contains("the command line"));
    assert!(lines[2].contains(&key.id) && lines[2].contains(r#""from":"ci""#), "{table}");
}

#[tokio::test]
async fn events_are_found_by_who_did_what_to_whose_key_and_when() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let key = alice.creates(&replica, value!({})).await;
    root.deletes(&replica, &format!("/v1/admin/keys/{}", key.id)).await.is(200);
    keyward(replica.database(), &["keys", "create", "--subject", "bob"]).await.succeeded();
    let actions = async |options: &[&str]| {
        let events = json(&audit(&replica, &[&["--json"], options].concat()).await.succeeded());
        let actions =
            events.as_array().expect("a list").iter().map(|event| event["action"].as_str().expect("a word").to_owned());
        actions.collect::<Vec<_>>()
    };
    let (created, revoked) = ("key.created", "key.revoked");
    for (options, expected) in [
        (&[][..], &[created, revoked, created][..]),
        (&["--action", "key.revoked"], &[revoked]),
        (&["--action", "key.revoked,owner.disabled"], &[revoked]),
        (&["--actor", "command_line"], &[created]),
        (&["--actor", "AGFsaWNl"], &[created]),
        (&["--actor-subject", "root"], &[revoked]),
        (&["--actor-subject", "root", "--actor-issuer", "https://elsewhere.example"], &[]),
        (&["--key", &key.id], &[revoked, created]),
        (&["--subject", "bob"], &[created]),
        (&["--owner", "AGFsaWNl", "--action", "key.created"], &[created]),
        (&["--from", "1h"], &[created, revoked, created]),
        (&["--from", "2001-01-01T00:00:00Z", "--to", "1h"], &[]),
        (&["--limit", "2"], &[created, revoked]),
    ] {
        assert_eq!(actions(options).await, expected, "{options:?}");
    }
    assert!(audit(&replica, &["--limit", "2"]).await.stderr.contains("there may be more"));
    for (misuse, told) in [
        (&["--from", "1h", "--to", "2h"][..], "--to must be later than --from"),
        (&["--action", "key.eaten"], "possible values: key.created"),
        (&["--actor", "alice"], "the id of an owner"),
        (&["--actor-issuer", "x"], "--actor-subject"),
        (&["--format", "xml"], "possible values: table, json, csv, ndjson"),
        (&["--json", "--format", "csv"], "cannot be used with"),
    ] {
        let ended = audit(&replica, misuse).await;
        assert!(ended.code == Some(2) && ended.stderr.contains(told), "{misuse:?}: {ended:#?}");
    }
}
