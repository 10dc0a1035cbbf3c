//! `keyward owners`: what the API says of owners, on the database directly.

use serde_json::{Value, json as value};
use test_support::{actors::Person, asking::replica_with, replica::Replica, shown};

use crate::commands::{json, keyward};

const ALICE: &str = "AGFsaWNl";

async fn by_the_api(replica: &Replica, path: &str) -> Value {
    Person::administrator().gets(replica, &format!("/v1/admin/owners{path}")).await.is(200)
}

#[tokio::test]
async fn owners_are_listed_shown_disabled_and_enabled_as_by_the_api() {
    let replica = replica_with(&[("KEYWARD__COHERENCE__LEASE", "1s")]).await;
    let owners = async |arguments: &[&str]| keyward(replica.database(), &[&["owners"], arguments].concat()).await;
    let key = Person::named("alice").creates(&replica, value!({})).await;
    Person::named("bob").creates(&replica, value!({})).await;
    let listed = json(&owners(&["list", "--json"]).await.succeeded());
    shown::same_json(&listed, &by_the_api(&replica, "").await["owners"], "");
    let searched = json(&owners(&["list", "--json", "--search", "LIC"]).await.succeeded());
    assert_eq!(searched, value!([listed[0]]));
    let limits = owners(&["limits", "--subject", "alice"]).await;
    assert!(limits.code == Some(0) && !limits.stderr.contains("has no keys"), "{limits:#?}");
    let table = owners(&["list"]).await.succeeded();
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["ID", "ISSUER", "SUBJECT", "STATE", "PLAN", "ACTIVE", "DISABLED", "EXPIRED", "REVOKED"]);
    assert_eq!(lines[1], [ALICE, "-", "alice", "active", "-", "1", "0", "0", "0"]);

    let disabled = json(&owners(&["disable", "--subject", "alice", "--reason", "unpaid", "--json"]).await.succeeded());
    assert_eq!(key.status(&replica).await, 401);
    shown::same_json(&disabled, &by_the_api(&replica, &format!("/{ALICE}")).await, "");
    assert_eq!((&disabled["state"], &disabled["disabledReason"]), (&value!("disabled"), &value!("unpaid")));
    assert_eq!(disabled["disabledBy"]["kind"], "command_line");
    assert_eq!(json(&owners(&["show", ALICE, "--json"]).await.succeeded()), disabled);
    let shown = owners(&["show", "--subject", "alice"]).await.succeeded();
    for fact in ["state        disabled\n", "disabled by  the command line\n", "reason       unpaid\n"] {
        assert!(shown.contains(fact), "{shown}");
    }
    let listed = json(&owners(&["list", "--state", "disabled", "--json"]).await.succeeded());
    assert_eq!(listed, value!([disabled]));
    let refused = keyward(replica.database(), &["keys", "create", "--owner", ALICE]).await.failed();
    assert!(refused.contains("the owner is disabled"), "{refused}");

    assert!(owners(&["enable", ALICE]).await.succeeded().contains(&format!("Enabled the owner {ALICE}")));
    assert_eq!(key.status(&replica).await, 200);
}

#[tokio::test]
async fn an_owner_must_be_named_and_one_who_is_not_known_is_told_so() {
    let database = test_support::database().await;
    let owners = async |arguments: &[&str]| keyward(&database, &[&["owners"], arguments].concat()).await;
    let message = owners(&["show", "--subject", "nobody"]).await.failed();
    assert!(message.contains(r#"the owner "nobody""#) && message.contains("keyward owners list"), "{message}");
    for misuse in [
        &["show"][..],
        &["show", "alice"],
        &["show", ALICE, "--subject", "alice"],
        &["show", "--issuer", "https://issuer.example"],
        &["disable"],
        &["list", "--state", "sleepy"],
    ] {
        assert_eq!(owners(misuse).await.code, Some(2), "{misuse:?}");
    }
    // Who has no key yet can be disabled beforehand, and is forgotten when enabled.
    let ended = owners(&["disable", "--subject", "nobody", "--json"]).await;
    assert!(ended.stderr.contains(r#"The owner "nobody" of the issuer "" has no keys"#), "{ended:#?}");
    let disabled = json(&ended.succeeded());
    assert_eq!((&disabled["state"], &disabled["keys"]["active"]), (&value!("disabled"), &value!(0)));
    let enabled = json(&owners(&["enable", "--subject", "nobody", "--json"]).await.succeeded());
    assert_eq!((&enabled["state"], &enabled["owner"]["subject"]), (&value!("active"), &value!("nobody")));
    for arguments in [&["limits", "--limit", "a=1/1m"][..], &["plan", "--none"]] {
        let ended = owners(&[arguments, &["--subject", "nobody"]].concat()).await;
        assert!(ended.code == Some(0) && ended.stderr.contains("has no keys"), "{ended:#?}");
    }
}
