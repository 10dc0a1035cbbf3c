//! `keyward doctor`: what is wrong with a set-up is found, each with what to do.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::Value;
use test_support::{
    PrivateCluster, TestDatabase,
    actors::Person,
    asking::{changes_are_confirmed_by, three_replicas},
    database,
    program::{Ended, Folder, run_beside},
    replica::command,
};

use crate::commands;

/// What it finds for this database and these further settings, and how it ends.
pub(crate) async fn examined(url: &str, env: &[(&str, &str)]) -> (Vec<Value>, Ended) {
    let mut doctor = command();
    doctor.args(["doctor", "--json"]).env("DATABASE_URL", url).envs(env.iter().copied());
    let ended = run_beside(doctor).await;
    let findings = commands::json(&ended.stdout).as_array().expect("a list").clone();
    (findings, ended)
}

/// The findings of one check that are in this state.
pub(crate) fn in_state<'a>(findings: &'a [Value], check: &str, state: &str) -> Vec<&'a Value> {
    findings.iter().filter(|finding| finding["check"] == check && finding["state"] == state).collect()
}

/// The one that failed. It says what to do, and the exit code is 1.
#[track_caller]
pub(crate) fn failed<'a>((findings, ended): &'a (Vec<Value>, Ended), check: &str) -> &'a str {
    let found = in_state(findings, check, "failed");
    assert_eq!(found.len(), 1, "{findings:#?}");
    assert!(found[0]["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{found:#?}");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("error: "), "{ended:#?}");
    found[0]["found"].as_str().expect("a text")
}

#[track_caller]
pub(crate) fn warned<'a>((findings, ended): &'a (Vec<Value>, Ended), check: &str) -> &'a str {
    let found = in_state(findings, check, "warning");
    assert_eq!(found.len(), 1, "{findings:#?}");
    assert!(found[0]["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{found:#?}");
    assert_eq!(ended.code, Some(0), "a warning is no failure: {findings:#?}");
    found[0]["found"].as_str().expect("a text")
}

async fn run_on(database: &TestDatabase, statement: &str) {
    let pool = database.superuser_pool().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&pool).await.expect("done");
}

#[tokio::test]
async fn of_a_set_up_that_works_nothing_fails_and_people_read_it_line_by_line() {
    let (database, replicas) = three_replicas(&[]).await;
    changes_are_confirmed_by(3, &replicas[0]).await;
    let (findings, ended) = examined(database.url(), &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for check in ["configuration", "version", "schema", "clock", "commit", "listening", "notifications", "issuers"] {
        assert_eq!(in_state(&findings, check, "good").len(), 1, "{check}: {findings:#?}");
    }
    assert_eq!(in_state(&findings, "replicas", "good")[0]["found"], "3 alive");
    let mut doctor = command();
    doctor.arg("doctor").env("DATABASE_URL", database.url());
    let text = run_beside(doctor).await.succeeded();
    assert_eq!(
        text.lines().filter(|line| line.starts_with("ok ") || line.starts_with("warning ")).count(),
        findings.len()
    );
    assert!(!text.contains("FAILED") && text.contains("3 alive"), "{text}");
    // The user of the tests may do anything.
    assert!(text.contains("is a superuser"), "{text}");
    assert!(text.contains("docs/configuration.md, A role for the tables and one for the service"), "{text}");
}

#[tokio::test]
async fn a_wrong_setting_and_a_database_that_is_not_there_are_found_at_once() {
    let nowhere = "postgres://keyward:geheim@127.0.0.1:1/keyward?sslmode=disable";
    let seen = examined(nowhere, &[("KEYWARD__COHERENCE__LEASE", "1h")]).await;
    assert!(failed(&seen, "configuration").contains("lease"));
    assert!(failed(&seen, "database").ends_with("127.0.0.1:1 refuses connections: nothing listens there"));
    let remedy = &in_state(&seen.0, "database", "failed")[0]["remedy"];
    assert_eq!(remedy, "Start Postgres, or correct the host and the port");
    assert!(!seen.1.stdout.contains("geheim"));
}

#[tokio::test]
async fn a_database_without_the_schema_and_one_of_a_later_version_are_told_apart() {
    let empty = TestDatabase::empty().await;
    let seen = examined(empty.url(), &[]).await;
    assert!(failed(&seen, "schema").contains("migration 0"));
    let remedy = in_state(&seen.0, "schema", "failed")[0]["remedy"].as_str().expect("a remedy");
    assert!(remedy.starts_with("see that database.url names the right database"), "{remedy}");
    let old = database().await;
    run_on(&old, "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)").await;
    let seen = examined(old.url(), &[]).await;
    assert!(
        in_state(&seen.0, "schema", "failed")[0]["remedy"]
            .as_str()
            .expect("a remedy")
            .starts_with("run `keyward migrate`")
    );
    let later = database().await;
    run_on(
        &later,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', true, '', 0)",
    )
    .await;
    assert!(warned(&examined(later.url(), &[]).await, "schema").contains("9999"));
}

#[tokio::test]
async fn a_role_without_its_rights_is_found() {
    let database = database().await;
    let role = format!("doctor_{}", test_support::unique());
    run_on(&database, &format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON _sqlx_migrations TO {role}")).await;
    let url = database.url().replacen("postgres@", &format!("{role}@"), 1);
    let seen = examined(&url, &[]).await;
    assert!(failed(&seen, "rights").contains("SELECT on api_keys"));
    run_on(&database, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn a_standby_that_is_waited_for_and_lost_is_found() {
    let primary = PrivateCluster::start().await;
    let url = primary.create_migrated_database("keyward").await;
    let standby = primary.start_standby().await;
    let free = examined(&url, &[]).await;
    assert!(warned(&free, "standbys").contains("no commit waits"));
    primary.wait_for_standbys("*").await;
    let followed = examined(&url, &[]).await;
    assert_eq!(in_state(&followed.0, "standbys", "good").len(), 1, "{followed:#?}");
    standby.pause();
    failed(&examined(&url, &[]).await, "commit");
    standby.resume();
    drop(standby);
    test_support::eventually("it is gone", async || {
        primary.ask::<bool>("SELECT count(*) = 0 FROM pg_stat_replication").await
    })
    .await;
    let alone = examined(&url, &[]).await;
    assert!(failed(&alone, "standbys").contains("no standby is connected"));
    failed(&alone, "commit");
}

#[tokio::test]
async fn an_issuer_that_can_not_be_reached_is_found() {
    let database = database().await;
    let folder = Folder::new();
    let file = folder.file(
        "keyward.toml",
        "[[jwt.issuers]]\nissuer = \"https://127.0.0.1:1/\"\naudience = [\"api\"]\n\
         key_set = \"https://127.0.0.1:1/keys\"\n",
    );
    let seen = examined(database.url(), &[("KEYWARD_CONFIG", &file)]).await;
    assert!(failed(&seen, "issuers").contains("127.0.0.1:1"), "{seen:#?}");
}

#[tokio::test]
async fn replicas_that_are_silent_or_of_another_version_are_found() {
    let (database, replicas) = three_replicas(&[]).await;
    changes_are_confirmed_by(3, &replicas[0]).await;
    run_on(&database, "UPDATE replicas SET version = '0.0.9' WHERE id = (SELECT id FROM replicas LIMIT 1)").await;
    let seen = examined(database.url(), &[]).await;
    assert!(warned(&seen, "replicas").contains("0.0.9"));
    for replica in &replicas {
        replica.signal("KILL");
    }
    test_support::eventually("their leases are over", async || {
        let (findings, _) = examined(database.url(), &[]).await;
        findings.iter().any(|finding| finding["found"] == "0 alive")
    })
    .await;
    assert!(warned(&examined(database.url(), &[]).await, "replicas").starts_with("silent: "));
}

#[tokio::test]
async fn secret_files_that_everybody_may_read_or_replace_are_found() {
    let database = database().await;
    let folder = Folder::new();
    let file = folder.file("jwt_secret", "a secret that is long enough for HS256, and for HS512 as well: 64 bytes");
    let secret = [("KEYWARD__JWT__PREVIOUS_SECRET_FILE", file.as_str())];
    let with_modes = async |of_file: u32, of_folder: u32| {
        fs::set_permissions(&file, fs::Permissions::from_mode(of_file)).expect("permissions");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(of_folder)).expect("permissions");
        examined(database.url(), &secret).await
    };
    let good = with_modes(0o600, 0o755).await;
    assert_eq!(in_state(&good.0, "secret files", "good").len(), 1, "{good:#?}");
    assert!(warned(&with_modes(0o644, 0o755).await, "secret files").contains(&file));
    // Whoever may write to the folder can put another file in its place.
    let folder_name = folder.path().to_str().expect("UTF-8").to_owned();
    assert!(warned(&with_modes(0o600, 0o777).await, "secret files").contains(&folder_name));
    // Except where only its owner may take a file away, as in /tmp.
    let sticky = with_modes(0o600, 0o1777).await;
    assert_eq!(in_state(&sticky.0, "secret files", "good").len(), 1, "{sticky:#?}");
}

#[tokio::test]
async fn a_file_that_is_not_toml_is_a_finding() {
    let database = database().await;
    let folder = Folder::new();
    let file = folder.file("keyward.toml", "[server\nport = 1\n");
    let seen = examined(database.url(), &[("KEYWARD_CONFIG", &file)]).await;
    assert!(failed(&seen, "configuration").contains("keyward.toml"), "{seen:#?}");
}

#[tokio::test]
async fn it_changes_nothing_and_is_no_replica() {
    let (database, replicas) = three_replicas(&[]).await;
    changes_are_confirmed_by(3, &replicas[0]).await;
    examined(database.url(), &[]).await;
    changes_are_confirmed_by(3, &replicas[0]).await;
    let alice = Person::named("alice");
    assert_eq!(alice.gets(&replicas[0], "/v1/keys").await.is(200)["keys"], serde_json::json!([]));
}

#[tokio::test]
async fn a_database_that_takes_no_changes_is_found_whatever_refuses_them() {
    let database = database().await;
    let (findings, _) = examined(database.url(), &[]).await;
    assert_eq!(in_state(&findings, "writes", "good").len(), 1, "{findings:#?}");
    // It was tried, and undone.
    let count = "SELECT count(*) FROM api_keys";
    let keys: i64 = sqlx::query_scalar(count).fetch_one(&database.superuser_pool().await).await.expect("a count");
    assert_eq!(keys, 0);
    let trigger = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room'; END $$;
                   CREATE TRIGGER refuse BEFORE INSERT ON api_keys EXECUTE FUNCTION refuse()";
    run_on(&database, trigger).await;
    assert!(failed(&examined(database.url(), &[]).await, "writes").contains("no room"));
    run_on(&database, "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET default_transaction_read_only = on'; END $$").await;
    assert!(failed(&examined(database.url(), &[]).await, "writes").contains("default_transaction_read_only"));
}

#[tokio::test]
async fn one_warning_is_one_warning() {
    let database = database().await;
    let mut doctor = command();
    doctor.arg("doctor").env("DATABASE_URL", database.url());
    let ended = run_beside(doctor).await;
    let warnings = ended.stdout.lines().filter(|line| line.starts_with("warning ")).count();
    let words = if warnings == 1 { "1 warning.".to_owned() } else { format!("{warnings} warnings.") };
    assert!(ended.stderr.contains(&words), "{ended:#?}");
}
