//! The scopes that an operator describes.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{ALL_KEYS, KEYS, MadeKey, Reply, pairs, replica, replica_with},
    program::{Folder, run_beside},
    replica::{Replica, command},
};

const CATALOGUE: &str = "[[scopes]]\nname = \"orders:read\"\ndescription = \"See orders\"\ngroup = \"Orders\"\n\
    [[scopes]]\nname = \"orders:write\"\ngroup = \"Orders\"\n[[scopes]]\nname = \"reports\"\n";
const ONLY_THESE: (&str, &str) = ("KEYWARD__KEYS__REFUSE_UNKNOWN_SCOPES", "true");

/// A replica with the catalogue, and the folder of its file.
async fn described(env: &[(&str, &str)]) -> (Replica, Folder) {
    let folder = Folder::new();
    let file = folder.file("keyward.toml", CATALOGUE);
    let replica = replica_with(&[&[("KEYWARD_CONFIG", file.as_str())], env].concat()).await;
    (replica, folder)
}

fn refusals(list: &Value) -> Vec<(&str, Option<&str>)> {
    let scopes = list["scopes"].as_array().expect("a list");
    scopes.iter().map(|one| (one["name"].as_str().expect("a name"), one["refusal"].as_str())).collect()
}

#[tokio::test]
async fn whoever_is_signed_in_sees_what_scopes_mean() {
    let (replica, _folder) = described(&[]).await;
    let shown = Person::named("alice").gets(&replica, "/v1/scopes").await.is(200);
    assert_eq!(
        shown,
        json!({ "scopes": [
            { "name": "orders:read", "description": "See orders", "group": "Orders", "refusal": null },
            { "name": "orders:write", "description": null, "group": "Orders", "refusal": null },
            { "name": "reports", "description": null, "group": null, "refusal": null },
        ], "otherScopes": true })
    );
    Person::named("alice").creates(&replica, json!({ "scopes": ["others", "reports"] })).await;
    let plain = test_support::asking::replica().await;
    let nothing = json!({ "scopes": [], "otherScopes": true });
    Person::named("alice").gets(&plain, "/v1/scopes").await.is_json(200, &nothing);
}

#[tokio::test]
async fn what_a_token_or_a_plan_does_not_let_somebody_give_is_marked() {
    let (replica, _folder) = described(&[("KEYWARD__JWT__SCOPE_BEARING", "true")]).await;
    let alice = Person::with_scopes("alice", "orders:read reports");
    let list = alice.gets(&replica, "/v1/scopes").await.is(200);
    assert_eq!(refusals(&list), [("orders:read", None), ("orders:write", Some("scope_not_held")), ("reports", None)]);
    let root = Person::administrator();
    let puts = async |path: &str, body: Value| Reply::to(root.request(&replica, Method::PUT, path).json(&body)).await;
    puts("/v1/admin/plans/free", json!({ "scopes": ["reports"] })).await.is(201);
    puts("/v1/admin/owners/AGFsaWNl/plan", json!({ "plan": "free" })).await.is(200);
    let list = alice.gets(&replica, "/v1/scopes").await.is(200);
    assert_eq!(
        refusals(&list),
        [("orders:read", Some("scope_not_in_plan")), ("orders:write", Some("scope_not_held")), ("reports", None)]
    );
    // What is marked is what is refused, for the same reason.
    for (name, refusal) in refusals(&list) {
        let made = alice.posts(&replica, KEYS, json!({ "scopes": [name] })).await;
        match refusal {
            Some(code) => assert_eq!(made.wrong_fields(), pairs(&[("/scopes", code)]), "{name}"),
            None => drop(made.is(201)),
        }
    }
}

#[tokio::test]
async fn scopes_that_nobody_describes_are_refused_where_only_those_are_allowed() {
    let (replica, folder) = described(&[ONLY_THESE]).await;
    let alice = Person::with_scopes("alice", "keyward:verify");
    assert_eq!(alice.gets(&replica, "/v1/scopes").await.is(200)["otherScopes"], false);
    let refused = pairs(&[("/scopes", "unknown_scope")]);
    let wrong = alice.posts(&replica, KEYS, json!({ "scopes": ["orders:reads"] })).await;
    assert_eq!(wrong.wrong_fields(), refused);
    assert!(wrong.text.contains("unknown scope orders:reads;"), "{}", wrong.text);
    let new_key = json!({ "scopes": ["orders:reads"], "owner": { "subject": "bob" } });
    assert_eq!(Person::administrator().posts(&replica, ALL_KEYS, new_key).await.wrong_fields(), refused);
    let key = alice.creates(&replica, json!({ "scopes": ["orders:read", "keyward:verify"] })).await;
    let wrong = alice.patches(&replica, &key.path(), json!({ "scopes": ["orders:read", "x"] })).await;
    assert_eq!(wrong.wrong_fields(), refused);
    alice.patches(&replica, &key.path(), json!({ "scopes": ["orders:write"] })).await.is(200);

    let keys = async |arguments: &[&str]| {
        let mut command = command();
        command.arg("keys").args(arguments).env("DATABASE_URL", replica.database().url());
        command.env("KEYWARD_CONFIG", folder.path().join("keyward.toml")).envs([ONLY_THESE]);
        run_beside(command).await
    };
    let message = keys(&["create", "--subject", "alice", "--scope", "x"]).await.failed();
    assert!(message.contains("no [[scopes]] describes x"), "{message}");
    let message = keys(&["update", &key.id, "--scope", "x"]).await.failed();
    assert!(message.contains("no [[scopes]] describes x"), "{message}");
    keys(&["create", "--subject", "alice", "--scope", "reports"]).await.succeeded();
}

#[tokio::test]
async fn a_key_keeps_a_scope_that_the_catalogue_has_lost() {
    let free = replica().await;
    let alice = Person::named("alice");
    let key = alice.creates(&free, json!({ "scopes": ["old"] })).await;
    let folder = Folder::new();
    let file = folder.file("keyward.toml", CATALOGUE);
    let env = [test_support::asking::SHORT_LEASE, ("KEYWARD_CONFIG", file.as_str()), ONLY_THESE];
    let strict = Replica::start_on(free.database().url(), &env).await;
    for patch in [json!({ "name": "x" }), json!({ "scopes": ["old", "reports"] })] {
        alice.patches(&strict, &key.path(), patch).await.is(200);
    }
    let rotated = alice.posts(&strict, &format!("{}/rotate", key.path()), json!({})).await;
    let successor = MadeKey::of(rotated.is(201));
    assert_eq!(successor.body["scopes"], json!(["old", "reports"]));
    alice.patches(&strict, &successor.path(), json!({ "scopes": [] })).await.is(200);
    let back = alice.patches(&strict, &successor.path(), json!({ "scopes": ["old"] })).await;
    assert_eq!(back.wrong_fields(), pairs(&[("/scopes", "unknown_scope")]));
}
