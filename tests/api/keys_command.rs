//! `keyward keys`: what an operator does on the database directly.

use std::process::Command;

use reqwest::Method;
use serde_json::Value;
use test_support::{
    TestDatabase,
    actors::{KeyHolder, Person, stranger},
    database,
    program::{Ended, bare, run, run_beside},
    replica::{Replica, command},
};

use crate::commands::{json, keyward};

/// `keyward keys` with the settings of the tests.
async fn keys(database: &TestDatabase, arguments: &[&str]) -> Ended {
    keyward(database, &[&["keys"], arguments].concat()).await
}

/// The same with nothing but the database's address.
fn with_the_database_alone(database: &TestDatabase, arguments: &[&str]) -> Command {
    let mut command = bare();
    command.arg("keys").args(arguments).env("DATABASE_URL", database.url());
    command
}

/// Makes a key of alice's; gives its text.
async fn created(database: &TestDatabase, arguments: &[&str]) -> KeyHolder {
    let arguments = [&["create", "--subject", "alice"], arguments].concat();
    KeyHolder::of(keys(database, &arguments).await.succeeded().trim_end())
}

/// The replica's word on a key, as its owner gets it.
async fn shown_by_the_api(replica: &Replica, owner: &Person, id: &str) -> Value {
    let request = stranger(replica, Method::GET, &format!("/v1/keys/{id}")).bearer_auth(&owner.token);
    request.send().await.expect("an answer").json().await.expect("JSON")
}

#[tokio::test]
async fn a_created_key_is_printed_once_and_alone_and_a_running_replica_accepts_it() {
    let replica = Replica::start().await;
    let made = keys(replica.database(), &["create", "--subject", "alice", "--name", "robot"]).await;
    let holder = KeyHolder::of(made.stdout.trim_end());
    assert!(made.stdout.starts_with("keyward_live_") && made.stdout.lines().count() == 1, "{made:#?}");
    assert!(made.stderr.contains(holder.id()) && !made.stderr.contains(&holder.key), "{made:#?}");
    assert_eq!(holder.asks_for_the_resource(&replica).await.status(), 200);
}

#[tokio::test]
async fn a_created_service_key_may_verify() {
    let replica = Replica::start().await;
    let service = created(replica.database(), &["--scope", "keyward:verify"]).await;
    let request = stranger(&replica, Method::POST, "/v1/keys/verify").header("x-api-key", &service.key);
    let answer = request.json(&serde_json::json!({ "key": service.key })).send().await.expect("an answer");
    assert_eq!(answer.json::<Value>().await.expect("JSON")["valid"], true);
}

#[tokio::test]
async fn everything_that_was_asked_for_is_in_the_key_and_its_json_is_that_of_the_api() {
    let replica = Replica::start().await;
    let everything = [
        "create",
        "--subject=alice",
        "--name=night shift",
        "--scope=orders:read",
        "--scope=orders:write",
        "--environment=test",
        "--expires-in=90d",
        "--allowed-ip=192.0.2.7",
        "--allowed-ip=2001:db8::/32",
        r#"--metadata={"team":"payments"}"#,
        "--json",
    ];
    let mut made = json(&keys(replica.database(), &everything).await.succeeded());
    let key = made.as_object_mut().expect("an object").remove("apiKey").expect("a secret");
    assert!(key.as_str().is_some_and(|key| key.starts_with("keyward_test_")), "{key}");
    for (member, value) in [
        ("name", serde_json::json!("night shift")),
        ("environment", serde_json::json!("test")),
        ("scopes", serde_json::json!(["orders:read", "orders:write"])),
        ("allowedIps", serde_json::json!(["192.0.2.7/32", "2001:db8::/32"])),
        ("metadata", serde_json::json!({ "team": "payments" })),
    ] {
        assert_eq!(made[member], value);
    }
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!(shown_by_the_api(&replica, &Person::named("alice"), &id).await, made);
    assert_eq!(json(&keys(replica.database(), &["show", &id, "--json"]).await.succeeded()), made);
    assert_eq!(json(&keys(replica.database(), &["list", "--json"]).await.succeeded()), serde_json::json!([made]));
}

#[tokio::test]
async fn a_list_is_a_table_newest_first_that_filters_narrow() {
    let database = database().await;
    let old = created(&database, &["--name", "old"]).await;
    let new = created(&database, &["--name", "new", "--environment", "test", "--scope", "a", "--scope", "b"]).await;
    let other = KeyHolder::of(keys(&database, &["create", "--subject", "bob"]).await.succeeded().trim_end());
    let rows = async |arguments: &[&str]| -> Vec<String> {
        let table = keys(&database, &[&["list"], arguments].concat()).await.succeeded();
        let mut lines = table.lines().map(str::to_owned);
        let header = lines.next().expect("a header");
        let columns: Vec<&str> = header.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
        let expected = ["ID", "STATE", "ENV", "OWNER", "NAME", "SCOPES", "CREATED", "EXPIRES", "LAST USED"];
        assert_eq!(columns, expected);
        lines.collect()
    };
    let ids = |rows: Vec<String>| rows.iter().map(|row| row[..22].to_owned()).collect::<Vec<_>>();
    let all = rows(&[]).await;
    assert!(all[1].contains("  active  test  alice  new   a b     "), "{all:#?}");
    assert_eq!(ids(all), [other.id(), new.id(), old.id()]);
    for (filter, expected) in [
        (&["--subject", "alice"][..], &[new.id(), old.id()][..]),
        (&["--subject", "alice", "--issuer", "https://elsewhere.example"], &[]),
        (&["--name", "old"], &[old.id()]),
        (&["--environment", "test"], &[new.id()]),
        (&["--state", "revoked"], &[]),
        (&["--limit", "1"], &[other.id()]),
    ] {
        assert_eq!(ids(rows(filter).await), expected, "{filter:?}");
    }
}

#[tokio::test]
async fn a_list_that_was_cut_says_so_beside_it() {
    let database = database().await;
    created(&database, &[]).await;
    created(&database, &[]).await;
    for (limit, is_cut) in [("1", true), ("3", false)] {
        let ended = keys(&database, &["list", "--json", "--limit", limit]).await;
        assert_eq!(ended.stderr.contains("there may be more"), is_cut, "{ended:#?}");
        json(&ended.succeeded());
    }
}

#[tokio::test]
async fn a_subject_with_control_characters_neither_breaks_the_table_nor_reaches_the_terminal() {
    let database = database().await;
    let key = KeyHolder::of(keys(&database, &["create", "--subject", "a\u{1b}[2J\nb"]).await.succeeded().trim_end());
    let table = keys(&database, &["list"]).await.succeeded();
    assert_eq!(table.lines().count(), 2, "{table:?}");
    for text in [table, keys(&database, &["show", key.id()]).await.succeeded()] {
        assert!(text.contains(r"a\u{1b}[2J\nb") && !text.contains('\u{1b}'), "{text:?}");
    }
}

#[tokio::test]
async fn show_tells_every_fact_a_line_each() {
    let database = database().await;
    let key = created(&database, &["--name", "robot", "--expires-in", "1h"]).await;
    let shown = keys(&database, &["show", key.id()]).await.succeeded();
    let facts = [("id", key.id()), ("name", "robot"), ("state", "active"), ("subject", "alice"), ("owner", "AGFsaWNl")];
    for (fact, value) in facts.into_iter().chain([("made by", "the command line"), ("predecessor", "-")]) {
        assert!(shown.contains(&format!("{fact:12} {value}\n")), "{shown}");
    }
    assert!(!shown.contains(&key.key), "{shown}");
    assert_eq!(shown.lines().count(), 24, "{shown}");
}

#[tokio::test]
async fn list_show_and_revoke_need_the_database_and_nothing_else() {
    let database = database().await;
    let key = created(&database, &[]).await;
    for arguments in [&["list"][..], &["show", key.id()], &["revoke", key.id()]] {
        run_beside(with_the_database_alone(&database, arguments)).await.succeeded();
    }
    for arguments in [&["create", "--subject", "alice"][..], &["rotate", key.id()]] {
        let message = run_beside(with_the_database_alone(&database, arguments)).await.failed();
        assert!(message.contains("keys.peppers is not set") && !message.contains("jwt.secret"), "{message}");
    }
    let message = run(bare().args(["keys", "list"])).failed();
    assert!(message.contains("database.url is not set"), "{message}");
}

#[tokio::test]
async fn a_revoke_tells_the_reason_to_the_owner_and_the_second_one_changes_nothing() {
    let replica = Replica::start_with(&[("KEYWARD__COHERENCE__LEASE", "1s")]).await;
    let key = created(replica.database(), &[]).await;
    let first = keys(replica.database(), &["revoke", key.id(), "--reason", "leaked", "--json"]).await;
    assert!(first.stderr.contains("Waiting 1s"), "{first:#?}");
    let revoked = json(&first.succeeded());
    assert_eq!((&revoked["state"], &revoked["revokedReason"]), (&"revoked".into(), &"leaked".into()));
    assert_eq!(key.asks_for_the_resource(&replica).await.status(), 401);
    let second = keys(replica.database(), &["revoke", key.id(), "--reason", "again", "--json"]).await;
    assert_eq!(json(&second.succeeded()), revoked);
    assert_eq!(shown_by_the_api(&replica, &Person::named("alice"), key.id()).await, revoked);
}

#[tokio::test]
async fn after_a_rotation_without_grace_only_the_printed_successor_works() {
    let replica = Replica::start_with(&[("KEYWARD__COHERENCE__LEASE", "1s")]).await;
    let old = created(replica.database(), &["--name", "robot"]).await;
    assert_eq!(old.asks_for_the_resource(&replica).await.status(), 200);
    let rotated = keys(replica.database(), &["rotate", old.id(), "--grace-period", "0s"]).await;
    let new = KeyHolder::of(rotated.stdout.trim_end());
    assert_eq!(rotated.stdout.lines().count(), 1, "{rotated:#?}");
    assert!(rotated.stderr.contains(&format!("{} stops now", old.id())), "{rotated:#?}");
    assert!(rotated.stderr.contains("Waiting 1s") && !rotated.stderr.contains(&new.key), "{rotated:#?}");
    assert_eq!(old.asks_for_the_resource(&replica).await.status(), 401);
    assert_eq!(new.asks_for_the_resource(&replica).await.status(), 200);
}

#[tokio::test]
async fn a_rotation_that_does_not_say_how_long_leaves_a_day() {
    let replica = Replica::start().await;
    let old = created(replica.database(), &[]).await;
    let new = json(&keys(replica.database(), &["rotate", old.id(), "--json"]).await.succeeded());
    assert!(new["predecessor"]["expiresAt"].is_string() && new["predecessor"]["revokedAt"].is_null(), "{new}");
    assert_eq!(old.asks_for_the_resource(&replica).await.status(), 200);
}

#[tokio::test]
async fn with_a_grace_period_both_keys_work_nobody_waits_and_the_json_is_that_of_the_api() {
    let replica = Replica::start().await;
    let old = created(replica.database(), &["--expires-in", "90d"]).await;
    let refused = keys(replica.database(), &["rotate", old.id(), "--grace-period", "31d"]).await.failed();
    assert!(refused.contains("keys.max_rotation_grace allows a grace period of 30d at most"), "{refused}");
    let rotated = keys(replica.database(), &["rotate", old.id(), "--grace-period", "7d", "--json"]).await;
    assert_eq!(rotated.stderr, "", "{rotated:#?}");
    let mut new = json(&rotated.succeeded());
    let members = new.as_object_mut().expect("an object");
    let predecessor = members.remove("predecessor").expect("the old key");
    let holder = KeyHolder::of(members.remove("apiKey").expect("a secret").as_str().expect("a text"));
    let alice = Person::named("alice");
    assert_eq!(shown_by_the_api(&replica, &alice, holder.id()).await, new);
    assert_eq!(shown_by_the_api(&replica, &alice, old.id()).await, predecessor);
    for key in [&old, &holder] {
        assert_eq!(key.asks_for_the_resource(&replica).await.status(), 200);
    }
}

#[tokio::test]
async fn the_audit_names_the_command_line() {
    let replica = Replica::start().await;
    created(replica.database(), &[]).await;
    let request = stranger(&replica, Method::GET, "/v1/audit").bearer_auth(Person::named("alice").token);
    let events: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(events["events"][0]["actor"]["kind"], "command_line", "{events}");
}

#[tokio::test]
async fn what_cannot_be_done_is_one_line_that_says_why() {
    let database = database().await;
    let key = created(&database, &[]).await;
    keys(&database, &["revoke", key.id()]).await.succeeded();
    let missing = "0000000000000000000001";
    for (arguments, expected) in [
        (&["show", missing][..], "there is no key 0000000000000000000001"),
        (&["revoke", missing], "there is no key 0000000000000000000001"),
        (&["rotate", missing], "there is no key 0000000000000000000001"),
        (&["rotate", key.id()], "was revoked, which is final"),
        (&["create", "--subject", "alice", "--scope", "keyward:admin"], "only tokens may carry keyward:admin"),
    ] {
        let ended = keys(&database, arguments).await;
        assert_eq!(ended.stdout, "", "{arguments:?}");
        let message = ended.failed();
        assert!(message.contains(expected) && message.lines().count() == 1, "{arguments:?}: {message}");
    }
    for (option, value, expected) in
        [("--scope", "two words", "a scope is"), ("--metadata", "[]", "--metadata is not a JSON object")]
    {
        let Ended { code, stdout, stderr } = keys(&database, &["create", "--subject", "alice", option, value]).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{option}: {stderr}");
        assert!(stderr.contains(expected) && stderr.lines().count() == 1, "{option}: {stderr}");
    }
}

#[tokio::test]
async fn a_policy_binds_the_command_line_too_but_for_the_name() {
    let database = database().await;
    let create = async |variable: (&str, &str)| {
        let mut create = command();
        create.args(["keys", "create", "--subject", "alice"]).env("DATABASE_URL", database.url());
        create.env(variable.0, variable.1).args(["--expires-in", "2d"]);
        run_beside(create).await
    };
    create(("KEYWARD__KEYS__REQUIRE_NAME", "true")).await.succeeded();
    let message = create(("KEYWARD__KEYS__MAX_LIFETIME", "1d")).await.failed();
    assert!(message.contains("keys.max_lifetime allows 1d at most"), "{message}");
    let message = create(("KEYWARD__KEYS__MAX_PER_OWNER", "1")).await.failed();
    assert!(message.contains("the owner has 1 key, the most that keys.max_per_owner allows"), "{message}");
}

#[test]
fn what_is_no_id_no_state_and_no_network_is_misuse() {
    for misuse in [
        &["show", "nonsense"][..],
        &["revoke"],
        &["list", "--state", "sleepy"],
        &["list", "--limit", "0"],
        &["list", "--issuer", "https://issuer.example"],
        &["create"],
        &["create", "--subject", ""],
        &["create", "--subject", "alice", "--allowed-ip", "home"],
        &["create", "--subject", "alice", "--expires-in", "soon"],
    ] {
        let ended = run(bare().arg("keys").args(misuse));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{misuse:?}");
    }
}

#[test]
fn without_a_running_dev_the_command_line_says_so() {
    let folder = test_support::program::Folder::new();
    let message = run(bare().args(["keys", "list", "--dev", "--data-dir"]).arg(folder.path())).failed();
    assert!(message.contains("no `keyward dev` with a database of its own runs on"), "{message}");
    assert!(message.contains("--data-dir"), "{message}");
}
