//! A restore brings revoked keys back; what the audit or a list says is revoked again.

use std::{collections::HashSet, path::Path, process::Command};

use keyward_local_postgres::programs::Programs;
use serde_json::{Value, json};
use test_support::{
    TestDatabase,
    actors::Person,
    asking::{MadeKey, SHORT_LEASE},
    database,
    program::{Ended, Folder, run_beside},
    replica::{Replica, command},
};

async fn revokes(database: &TestDatabase, arguments: &[&str]) -> Ended {
    let mut revoke = command();
    revoke.args(["keys", "revoke"]).args(arguments).env("DATABASE_URL", database.url());
    run_beside(revoke).await
}

/// As a backup has them that was made before.
async fn restore(database: &TestDatabase) {
    let rows = database.superuser_pool().await;
    sqlx::query("UPDATE api_keys SET revoked_at = NULL").execute(&rows).await.expect("a restore");
}

struct Scene {
    database: TestDatabase,
    replica: Replica,
    /// Revoked before the restore, which makes them good again.
    back: Vec<MadeKey>,
    /// Never revoked.
    good: MadeKey,
    /// A page of the audit from before the restore.
    audit: String,
}

impl Scene {
    async fn set() -> Self {
        let database = database().await;
        let replica = Replica::start_on(database.url(), &[SHORT_LEASE]).await;
        let alice = Person::named("alice");
        let mut back = Vec::new();
        for _ in 0..3 {
            back.push(alice.creates(&replica, json!({})).await);
        }
        let good = alice.creates(&replica, json!({})).await;
        alice.patches(&replica, &good.path(), json!({ "name": "stays" })).await.is(200);
        for key in &back {
            alice.deletes(&replica, &key.path()).await.is(200);
        }
        let audit = Person::administrator().gets(&replica, "/v1/admin/audit?limit=100").await.is(200);
        restore(&database).await;
        for key in back.iter().chain([&good]) {
            assert_eq!(key.status(&replica).await, 200);
        }
        Self { database, replica, back, good, audit: audit.to_string() }
    }

    async fn only_the_good_one_is_accepted(&self) {
        for key in &self.back {
            assert_eq!(key.status(&self.replica).await, 401);
        }
        assert_eq!(self.good.status(&self.replica).await, 200);
    }
}

#[tokio::test]
async fn what_an_export_of_the_audit_says_was_revoked_is_revoked_again_and_nothing_else() {
    let scene = Scene::set().await;
    let folder = Folder::new();
    let page = folder.file("audit.json", &scene.audit);
    let arguments = ["--from-audit", &page, "--reason", "restored", "--json"];
    let done: Value = serde_json::from_str(&revokes(&scene.database, &arguments).await.succeeded()).expect("JSON");
    // The audit has the other event as well, so what it tells of was in the backup.
    assert_eq!(done, json!({ "revoked": 3, "revokedBefore": 0, "unknown": 0, "notRepeated": {} }));
    scene.only_the_good_one_is_accepted().await;
    // Once more does no harm, in whatever form.
    let events: Value = serde_json::from_str(&scene.audit).expect("JSON");
    let each: Vec<_> = events["events"].as_array().expect("events").iter().map(Value::to_string).collect();
    let lines = folder.file("audit.ndjson", &each.join("\n"));
    let again = revokes(&scene.database, &["--from-audit", &lines]).await.succeeded();
    assert!(again.contains("Revoked no key") && again.contains("3 were revoked before"), "{again}");
    assert!(!again.contains("Not repeated"), "{again}");
    scene.only_the_good_one_is_accepted().await;
}

#[tokio::test]
async fn the_keys_of_a_list_are_revoked_and_those_that_the_backup_has_not_got_are_counted() {
    let scene = Scene::set().await;
    let folder = Folder::new();
    let ids: Vec<_> = scene.back.iter().map(|key| key.path().rsplit('/').next().expect("an id").to_owned()).collect();
    let list = format!("# after the restore\n{}\n\n{} # alice\n{}\n0352mXAgJX8YoWA3E5sR9r\n", ids[0], ids[1], ids[2]);
    let done = revokes(&scene.database, &["--ids-file", &folder.file("ids", &list)]).await.succeeded();
    assert!(done.contains("Revoked 3 keys") && done.contains("1 does not exist"), "{done}");
    assert!(!done.contains("Not repeated"), "{done}");
    scene.only_the_good_one_is_accepted().await;
}

#[tokio::test]
async fn what_else_was_taken_away_since_the_backup_is_counted_by_action_so_that_nobody_takes_a_revoke_for_all() {
    let (database, older) = (database().await, database().await);
    let replica = Replica::start_on(database.url(), &[SHORT_LEASE]).await;
    let (alice, root) = (Person::named("alice"), Person::administrator());
    let key = alice.creates(&replica, json!({})).await;
    alice.posts(&replica, &format!("{}/disable", key.path()), json!({})).await.is(200);
    alice.posts(&replica, &format!("{}/enable", key.path()), json!({})).await.is(200);
    alice.posts(&replica, &format!("{}/rotate", key.path()), json!({ "gracePeriod": 0 })).await.is(201);
    root.posts(&replica, "/v1/admin/owners/AGFsaWNl/disable", json!({})).await.is(200);
    root.posts(&replica, "/v1/admin/owners/AGFsaWNl/enable", json!({})).await.is(200);
    for token in ["1", "2"] {
        root.posts(&replica, "/v1/admin/tokens/revoke", json!({ "issuer": "", "tokenId": token })).await.is(200);
    }
    let audit = root.gets(&replica, "/v1/admin/audit?limit=100").await.is(200);
    let folder = Folder::new();
    let of_later = folder.file("audit.json", &format!("{audit}{}", json!({ "action": "key.\u{1b}[2Jlost" })));
    let told = revokes(&older, &["--from-audit", &of_later]).await.succeeded();
    let expected = format!(
        "Revoked no key: {of_later} names none.\n\
         Not repeated: 1 key.\\u{{1b}}[2Jlost, 1 key.disabled, 1 key.rotated, 1 owner.disabled, 2 token.revoked. \
         See docs/operations.md, After a restore.\n"
    );
    assert_eq!(told, expected);
    let page = folder.file("page", &audit.to_string());
    for (database, expected) in [
        (&older, json!({ "key.disabled": 1, "key.rotated": 1, "owner.disabled": 1, "token.revoked": 2 })),
        (&database, json!({})),
    ] {
        let told = revokes(database, &["--from-audit", &page, "--json"]).await;
        let told: Value = serde_json::from_str(&told.succeeded()).expect("JSON");
        assert_eq!(told["notRepeated"], expected);
    }
}

#[tokio::test]
async fn of_a_file_with_a_mistake_nothing_is_done_and_the_line_is_named() {
    let scene = Scene::set().await;
    let folder = Folder::new();
    let id = scene.back[0].path().rsplit('/').next().expect("an id").to_owned();
    for (content, told) in
        [(format!("{id}\n{}\n", scene.back[1].holder.key), "line 2"), (format!("{id}\nnone\n"), "line 2")]
    {
        let message = revokes(&scene.database, &["--ids-file", &folder.file("ids", &content)]).await.failed();
        assert!(message.contains(told) && !message.contains(&scene.back[1].holder.key), "{message}");
    }
    for (content, told) in [
        ("not JSON", "not JSON"),
        // As a command leaves it that has failed, for instance: each Keyward has events.
        ("", "has no event"),
        ("{\"events\":[]}", "has no event"),
        ("{\"a\":1}", "without an action"),
    ] {
        let message = revokes(&scene.database, &["--from-audit", &folder.file("audit", content)]).await.failed();
        assert!(message.contains(told), "{message}");
    }
    for key in &scene.back {
        assert_eq!(key.status(&scene.replica).await, 200);
    }
}

/// What makes a list may find nothing, as `jq` does in an audit without a rotation, and a script must go on.
#[tokio::test]
async fn a_list_of_nothing_is_nothing_to_do() {
    let database = database().await;
    let folder = Folder::new();
    for content in ["", "\n", "# nothing\n"] {
        let file = folder.file("rotated.txt", content);
        let told = revokes(&database, &["--ids-file", &file]).await.succeeded();
        assert_eq!(told, format!("Revoked no key: {file} names none.\n"));
    }
    let file = folder.file("audit.json", &json!({ "action": "key.created" }).to_string());
    let told = revokes(&database, &["--from-audit", &file, "--json"]).await.succeeded();
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told, json!({ "revoked": 0, "revokedBefore": 0, "unknown": 0, "notRepeated": {} }));
}

/// A dump of `database`, restored into an empty one.
async fn dumped_and_restored(database: &TestDatabase) -> TestDatabase {
    let restored = TestDatabase::empty().await;
    let programs = Programs::find().expect("Postgres's programs");
    let folder = Folder::new();
    let file = folder.path().join("keyward.dump");
    let mut dump = Command::new(programs.path("pg_dump"));
    dump.args(["--format=custom", "--dbname", database.url(), "--file"]).arg(&file);
    let mut restore = Command::new(programs.path("pg_restore"));
    restore.args(["--exit-on-error", "--no-owner", "--dbname", restored.url()]).arg(&file);
    for mut command in [dump, restore] {
        let ended = tokio::task::spawn_blocking(move || command.output()).await.expect("it ended").expect("it runs");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    restored
}

#[tokio::test]
async fn a_dump_that_was_restored_serves_at_once_and_keys_revoked_before_it_stay_revoked() {
    let database = database().await;
    let replica = Replica::start_on(database.url(), &[SHORT_LEASE]).await;
    let alice = Person::named("alice");
    let (good, before, after) = (
        alice.creates(&replica, json!({ "metadata": { "é": "☃" } })).await,
        alice.creates(&replica, json!({})).await,
        alice.creates(&replica, json!({})).await,
    );
    alice.deletes(&replica, &before.path()).await.is(200);
    let shown = alice.gets(&replica, &good.path()).await.is(200);
    let restored = dumped_and_restored(&database).await;
    let lost = alice.creates(&replica, json!({})).await;
    alice.deletes(&replica, &after.path()).await.is(200);
    // The replica is in the dump as well; nobody waits for it for longer than its lease.
    let replica = Replica::start_on(restored.url(), &[SHORT_LEASE]).await;
    assert_eq!((good.status(&replica).await, before.status(&replica).await), (200, 401));
    assert_eq!(alice.gets(&replica, &good.path()).await.is(200), shown);
    // What a restore costs: a key that was made since is gone, and one that was revoked since is good again.
    assert_eq!((lost.status(&replica).await, after.status(&replica).await), (401, 200));
    let folder = Folder::new();
    let file = folder.file("revoked.txt", &after.id);
    revokes(&restored, &["--ids-file", &file, "--reason", "restored from a backup"]).await.succeeded();
    assert_eq!((good.status(&replica).await, after.status(&replica).await), (200, 401));
    // And it goes on: with the audit, and with changes that other replicas confirm.
    let new = alice.creates(&replica, json!({})).await;
    new.is_everywhere(std::slice::from_ref(&replica), 200).await;
    alice.deletes(&replica, &new.path()).await.is(200);
    let audit = Person::administrator().gets(&replica, "/v1/admin/audit?limit=100").await.is(200);
    assert!(audit["events"].as_array().expect("events").len() >= 7, "{audit}");
}

/// As a word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The commands of docs/operations.md, in their order: what a restore gives back besides revoked keys.
fn documented_commands() -> Vec<&'static str> {
    let text = include_str!("../../docs/operations.md");
    let (_, text) = text.split_once("### What else was taken away").expect("the heading");
    let (text, _) = text.split_once("\n## ").expect("the next heading");
    text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[tokio::test]
#[allow(clippy::print_stdout, reason = "who skips a test says why")]
async fn what_else_was_taken_away_is_taken_away_again_by_what_the_documents_show() {
    if Command::new("jq").arg("--version").output().is_err() {
        println!("skipped: the program `jq` is not installed");
        return;
    }
    let database = database().await;
    let replica = Replica::start_on(database.url(), &[SHORT_LEASE]).await;
    let (alice, root) = (Person::named("alice"), Person::administrator());
    let mut keys = Vec::new();
    for _ in 0..4 {
        keys.push(alice.creates(&replica, json!({})).await);
    }
    let [beside_others, enabled_again, alone, limited] = &keys[..] else { unreachable!("four keys") };
    // In the backup, so nothing is to be done about it.
    root.posts(&replica, "/v1/admin/owners/AGNhcm9s/disable", json!({})).await.is(200);
    let restored = dumped_and_restored(&database).await;
    let disabled = json!({ "enabled": false, "name": "old" });
    alice.patches(&replica, &beside_others.path(), disabled.clone()).await.is(200);
    alice.patches(&replica, &enabled_again.path(), disabled).await.is(200);
    alice.patches(&replica, &enabled_again.path(), json!({ "enabled": true, "name": "new" })).await.is(200);
    alice.posts(&replica, &format!("{}/disable", alone.path()), json!({})).await.is(200);
    alice.patches(&replica, &limited.path(), json!({ "name": "limited" })).await.is(200);
    root.posts(&replica, "/v1/admin/owners/AGJvYg/disable", json!({})).await.is(200);
    for which in [json!({ "tokenId": "-abc" }), json!({ "tokenId": "it's" }), json!({ "subject": "--x" })] {
        let mut body = which;
        body["issuer"] = json!("");
        root.posts(&replica, "/v1/admin/tokens/revoke", body).await.is(200);
    }

    let folder = Folder::new();
    let program = command().get_program().to_owned();
    let program = Path::new(&program).parent().expect("a folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let shell = async |script: &str, database: &TestDatabase| {
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", script]).current_dir(folder.path()).env_clear();
        shell.envs(command().get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.env("PATH", &path).env("DATABASE_URL", database.url());
        run_beside(shell).await.succeeded()
    };
    let page = root.gets(&replica, "/v1/admin/audit?limit=100").await.is(200);
    let commands = documented_commands();
    let (first, commands) = commands.split_first().expect("commands");
    // In each form of an export, it says the same.
    let mut lost = HashSet::new();
    for export in [
        format!("printf %s {} > audit.json", quoted(&page.to_string())),
        "keyward audit list --json > audit.json".to_owned(),
        "keyward audit list --format ndjson > audit.json".to_owned(),
    ] {
        shell(&export, &database).await;
        shell(first, &restored).await;
        lost.insert(shell("jq -Sc . lost.json", &restored).await);
    }
    assert_eq!((lost.len(), lost.iter().next().expect("one").lines().count()), (1, 9), "{lost:?}");
    let mut told = String::new();
    for commands in commands {
        let printed = shell(commands, &restored).await;
        let again: Vec<&str> = printed.lines().filter(|line| line.starts_with("keyward ")).collect();
        told += &shell(&again.join("\n"), &restored).await;
        told += &printed;
    }
    assert!(told.contains("rotated.txt names none") && !told.contains("AGNhcm9s"), "{told}");

    for (key, state) in
        [(beside_others, "disabled"), (enabled_again, "active"), (alone, "disabled"), (limited, "active")]
    {
        let shown = shell(&format!("keyward keys show {} --json", key.id), &restored).await;
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(shown["state"], state, "{shown} {told}");
    }
    let audit = shell("keyward audit list --json", &restored).await;
    let audit: Vec<Value> = serde_json::from_str(&audit).expect("JSON");
    let revoked = |action: &str, place: &str| {
        let events = audit.iter().filter(|event| event["action"] == action);
        let mut ids: Vec<&str> = events.filter_map(|event| event.pointer(place)?.as_str()).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(revoked("token.revoked", "/details/tokenId"), ["-abc", "it's"]);
    assert_eq!(revoked("subject.tokens_revoked", "/owner/subject"), ["--x"]);
    assert_eq!(revoked("owner.disabled", "/owner/subject"), ["bob", "carol"]);
}
