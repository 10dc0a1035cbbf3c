//! `keyward keys update`, `disable`, `enable` and `verify`: what the API does, on the database directly.

use serde_json::{Value, json as value};
use test_support::{
    actors::Person,
    asking::{ALL_KEYS, KEYS, MadeKey, VERIFY, replica, replica_with},
    database,
    replica::Replica,
    shown,
};

use crate::commands::{json, keyward, keyward_fed};

/// So that a change is true for everybody soon.
const LEASE: (&str, &str) = ("KEYWARD__COHERENCE__LEASE", "1s");

async fn shown_by_the_api(replica: &Replica, id: &str) -> Value {
    Person::administrator().gets(replica, &format!("{ALL_KEYS}/{id}")).await.is(200)
}

#[tokio::test]
async fn every_member_that_the_api_takes_can_be_given_changed_and_taken_back() {
    let replica = replica_with(&[LEASE]).await;
    let everything = [
        "keys",
        "create",
        "--owner=AGFsaWNl",
        "--name=night shift",
        "--description=counts sheep",
        "--scope=b",
        "--scope=a",
        "--environment=test",
        "--expires-at=2100-01-01T00:00:00+01:00",
        "--allowed-ip=192.0.2.7/24",
        r#"--metadata={"team":"payments","n":1}"#,
        "--enabled=false",
        "--json",
    ];
    let made = json(&keyward(replica.database(), &everything).await.succeeded());
    let id = made["id"].as_str().expect("an id");
    let expected = value!({
        "owner": { "id": "AGFsaWNl", "issuer": "", "subject": "alice" }, "name": "night shift",
        "description": "counts sheep", "scopes": ["a", "b"], "environment": "test", "state": "disabled",
        "expiresAt": "2099-12-31T23:00:00.000Z", "allowedIps": ["192.0.2.0/24"],
    });
    for (member, expected) in expected.as_object().expect("an object") {
        shown::same_json(&made[member], expected, member);
    }
    let update = async |options: &[&str]| {
        let arguments = [&["keys", "update", id, "--json"], options].concat();
        let updated = json(&keyward(replica.database(), &arguments).await.succeeded());
        shown::same_json(&updated, &shown_by_the_api(&replica, id).await, "");
        updated
    };
    let changes = [
        "--name=day shift",
        "--description=counts goats",
        "--scope=c",
        "--allowed-ip=::1",
        r#"--metadata={"team":null,"m":[1]}"#,
        "--enabled=true",
        "--expires-in=2h",
    ];
    let updated = update(&changes).await;
    let of_the_members = |names: &[&str]| names.iter().map(|name| updated[name].clone()).collect::<Vec<_>>();
    assert_eq!(of_the_members(&["name", "description"]), [value!("day shift"), value!("counts goats")]);
    assert_eq!(of_the_members(&["scopes", "allowedIps"]), [value!(["c"]), value!(["::1/128"])]);
    assert_eq!((&updated["state"], &updated["metadata"]["m"]), (&value!("active"), &value!([1])));
    assert!(updated["metadata"].get("team").is_none() && updated["metadata"].get("n").is_some(), "{updated}");

    // What is not named stays.
    let renamed = update(&["--name", "evening shift"]).await;
    assert_eq!((&renamed["scopes"], &renamed["metadata"]), (&updated["scopes"], &updated["metadata"]));
    let bare = update(&["--clear", "name,description,scopes,metadata,allowed-ips,expiry"]).await;
    let nothing = value!([null, null, [], {}, [], null]);
    let left = ["name", "description", "scopes", "metadata", "allowedIps", "expiresAt"].map(|name| bare[name].clone());
    assert_eq!(value!(left), nothing);
    let by_the_table = keyward(replica.database(), &["keys", "update", id, "--description", "x"]).await.succeeded();
    assert!(by_the_table.contains("description  x\n"), "{by_the_table}");
}

#[tokio::test]
async fn a_change_that_says_nothing_or_contradicts_itself_is_misuse_and_an_impossible_one_says_why() {
    let database = database().await;
    let key = MadeKey::of(json(&keyward(&database, &["keys", "create", "--subject", "a", "--json"]).await.succeeded()));
    let update = async |options: &[&str]| keyward(&database, &[&["keys", "update", &key.id], options].concat()).await;
    for (misuse, told) in [
        (&[][..], "say what to change"),
        (&["--name", "x", "--clear", "name"], "give --name, or --clear it"),
        (&["--expires-in", "1h", "--clear", "expiry"], "or --clear it"),
        (&["--clear", "owner"], "possible values"),
        (&["--expires-at", "tomorrow"], "must be a time such as"),
        (&["--expires-in", "1h", "--expires-at", "2100-01-01T00:00:00Z"], "cannot be used with"),
        (&["--enabled", "perhaps"], "possible values"),
        (&["--expires-at", "2001-01-01T00:00:00Z"], "must be in the future"),
        (&["--metadata", "[]"], "--metadata is not a JSON object"),
    ] {
        let ended = update(misuse).await;
        assert!(
            ended.code == Some(2) && ended.stdout.is_empty() && ended.stderr.contains(told),
            "{misuse:?}: {ended:#?}"
        );
    }
    for (impossible, told) in [(&["--scope", "keyward:admin"], "only tokens may carry keyward:admin")] {
        let message = update(impossible).await.failed();
        assert!(message.contains(told) && message.lines().count() == 1, "{impossible:?}: {message}");
    }
}

#[tokio::test]
async fn a_key_that_was_disabled_is_refused_until_it_is_enabled_and_not_by_its_owner() {
    let replica = replica_with(&[LEASE]).await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, value!({})).await;
    assert_eq!(key.status(&replica).await, 200);
    let told = keyward(replica.database(), &["keys", "disable", &key.id]).await;
    assert_eq!(told.succeeded(), format!("Disabled {}: it is disabled.\n", key.id));
    assert_eq!(key.status(&replica).await, 401);
    assert_eq!(shown_by_the_api(&replica, &key.id).await["disabledBy"], "administrator");
    let path = format!("{KEYS}/{}/enable", key.id);
    alice.posts(&replica, &path, value!({})).await.is_problem(403, "disabled_by_administrator");
    let enabled = json(&keyward(replica.database(), &["keys", "enable", &key.id, "--json"]).await.succeeded());
    assert_eq!(key.status(&replica).await, 200);
    assert_eq!(
        (&enabled["id"], &enabled["state"], &enabled["disabledBy"]),
        (&value!(key.id), &value!("active"), &value!(null))
    );
    for command in ["disable", "enable"] {
        let message = keyward(replica.database(), &["keys", command, "0000000000000000000001"]).await.failed();
        assert!(message.contains("there is no key 0000000000000000000001"), "{message}");
    }
}

#[tokio::test]
async fn a_rotation_can_say_when_the_successor_expires() {
    let database = database().await;
    let old = MadeKey::of(json(&keyward(&database, &["keys", "create", "--subject", "a", "--json"]).await.succeeded()));
    let rotate = ["keys", "rotate", &old.id, "--grace-period", "7d", "--expires-at", "2100-01-01T00:00:00Z", "--json"];
    let new = json(&keyward(&database, &rotate).await.succeeded());
    assert_eq!((&new["expiresAt"], &new["predecessorId"]), (&value!("2100-01-01T00:00:00.000Z"), &value!(old.id)));
}

#[tokio::test]
async fn verify_judges_as_the_api_does_and_its_exit_code_is_the_answer() {
    let replica = replica().await;
    let service =
        keyward(replica.database(), &["keys", "create", "--subject", "shop", "--scope", "keyward:verify"]).await;
    let service = test_support::actors::KeyHolder::of(service.succeeded().trim_end());
    let key = Person::named("alice").creates(&replica, value!({ "scopes": ["a"], "name": "ci" })).await;
    let by_the_api = async |question: Value| {
        let request = test_support::actors::stranger(&replica, reqwest::Method::POST, VERIFY);
        let request = request.header("x-api-key", &service.key).json(&question);
        test_support::asking::Reply::to(request).await.is(200)
    };
    let text = key.holder.key.as_str();
    for (options, question, code) in [
        (&[][..], value!({ "key": text }), 0),
        (&["--scope", "a", "--environment", "live"], value!({ "key": text, "scopes": ["a"] }), 0),
        (&["--scope", "b"], value!({ "key": text, "scopes": ["b"] }), 3),
        (
            &["--scope", "b", "--environment", "test", "--explain"],
            value!({ "key": text, "scopes": ["b"], "environment": "test", "explain": true }),
            3,
        ),
        (&["--client-address", "192.0.2.1"], value!({ "key": "nonsense" }), 3),
    ] {
        let arguments = [&["keys", "verify", "--json"], options].concat();
        let input = format!("{}\n", question["key"].as_str().expect("a text"));
        let ended = keyward_fed(replica.database(), &arguments, &input).await;
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        shown::same_json(&json(&ended.stdout), &by_the_api(question).await, &format!("{options:?}"));
    }
    let verify = async |options: &[&str], input: &str| {
        keyward_fed(replica.database(), &[&["keys", "verify"], options].concat(), input).await
    };
    assert_eq!(verify(&[], text).await.succeeded(), format!("{} valid\n", key.id));
    let refused = verify(&["--scope", "b", "--environment", "test", "--explain"], text).await;
    let told = format!("{} not valid: wrong_environment, insufficient_scope (b)\n", key.id);
    assert_eq!((refused.code, refused.stdout), (Some(3), told));
    assert_eq!(verify(&[], "nonsense").await.stdout, "not valid: not_found\n");
    assert!(verify(&[], "").await.failed().contains("there is no key on standard input"));
    // It would stand in the list of processes.
    assert_eq!(verify(&[text], "").await.code, Some(2));
    assert_eq!(shown_by_the_api(&replica, &key.id).await["lastUsedAt"], Value::Null);
}
