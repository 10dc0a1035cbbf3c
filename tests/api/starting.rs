//! When `keyward serve` refuses to start, and what it says then.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use test_support::{
    TestDatabase,
    actors::Person,
    program::{Folder, bare, run},
    replica::{JWT_SECRET, Output, PEPPER, Replica, command},
};

/// Nobody listens there: a port that only root may use, and nobody does.
const NO_DATABASE: &str = "postgres://keyward:hunter2hunter2@127.0.0.1:1/keyward";

/// The part of a message that says what is wrong with `setting`.
fn line_about<'a>(message: &'a str, setting: &str) -> &'a str {
    let mut lines = message.lines().map(|line| line.trim_start_matches("error: "));
    lines.find(|line| line.starts_with(setting)).unwrap_or_else(|| panic!("nothing about {setting} in:\n{message}"))
}

#[test]
fn with_nothing_configured_all_that_is_missing_is_named_at_once_and_how_to_set_it() {
    let message = run(bare().arg("serve")).failed();
    for (setting, variable) in
        [("database.url", "DATABASE_URL"), ("jwt.secret", "JWT_SECRET"), ("keys.peppers", "KEYWARD__KEYS__PEPPERS")]
    {
        let line = line_about(&message, setting);
        assert!(line.starts_with(&format!("{setting} is not set")) && line.contains(variable), "{line}");
        assert!(line.contains("in the configuration file"), "{line}");
    }
    assert_eq!(message.lines().count(), 3, "{message}");
}

#[test]
fn every_kind_of_wrong_setting_is_reported_at_once_and_no_value_of_a_secret() {
    let mut command = bare();
    command.arg("serve").envs([
        ("DATABASE_URL", "mysql://keyward:hunter2hunter2@db/keyward"),
        ("JWT_SECRET", "hunter2hunter2"),
        ("KEYWARD__KEYS__PEPPERS", "your-super-secret-jwt-token-with-at-least-32-characters-long"),
        ("KEYWARD__SERVER__PROT", "80"),
        ("KEYWARD__LOG__LEVEL", "inof"),
        ("PORT", "99999"),
    ]);
    let message = run(&mut command).failed();
    assert!(line_about(&message, "jwt.secret").contains("has 14 bytes, but HS256 needs 32"), "{message}");
    assert!(line_about(&message, "keys.peppers").contains("is a well-known example"), "{message}");
    assert!(line_about(&message, "database.url").contains("is not a URL like postgres://"), "{message}");
    assert!(line_about(&message, "log.level").contains("is not understood: use error, warn"), "{message}");
    assert!(line_about(&message, "server.port").contains("not a whole number from 0 to 65535"), "{message}");
    let unknown = line_about(&message, "KEYWARD__SERVER__PROT");
    assert!(unknown.ends_with("did you mean KEYWARD__SERVER__PORT?"), "{unknown}");
    for secret in ["hunter2", "your-super-secret", "99999999"] {
        assert!(!message.contains(secret), "{message}");
    }
}

#[test]
fn a_port_in_use_is_named_with_what_to_set() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let database = TestDatabase::create();
    let mut command = command();
    command.arg("serve").env("DATABASE_URL", database.url());
    // By the usual name, which so is understood too.
    command.env_remove("KEYWARD__SERVER__PORT").env("PORT", &port);
    let message = run(&mut command).failed();
    assert!(message.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{message}");
    assert!(message.contains("PORT"), "{message}");
}

/// Its workers want several files each, and more of them than there are.
#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "how many files a worker opens is the system's")]
fn a_server_that_gets_no_files_for_its_workers_ends_and_says_so() {
    let database = TestDatabase::create();
    let serve = command();
    let mut limited = Command::new("sh");
    limited.env_clear().envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.args(["-c", "ulimit -n 100; exec \"$0\" serve"]).arg(serve.get_program());
    limited.env("DATABASE_URL", database.url()).env("KEYWARD__SERVER__WORKERS", "64");
    let message = run(&mut limited).failed();
    assert!(message.contains("error: the system lets this process open 100 files, and it needs "), "{message}");
}

#[tokio::test]
async fn serve_never_starts_a_database_of_its_own() {
    let folder = Folder::new();
    let witness = folder.path().join("was-run");
    for program in ["initdb", "postgres", "pg_config"] {
        let path = folder.file(program, &format!("#!/bin/sh\necho \"$0\" >> {}\nexit 1\n", witness.display()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("an executable file");
    }
    // Where we are root, they would be run as another user.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("an open folder");
    let home = folder.path().to_str().expect("UTF-8");
    let path = format!("{home}:{}", std::env::var("PATH").unwrap_or_default());
    let with_fakes = |mut command: std::process::Command| {
        command
            .env("PG_BIN_DIR", home)
            .env("PATH", &path)
            .env("HOME", home)
            .env("KEYWARD__DATABASE__CONNECT_TIMEOUT", "100ms");
        command
    };
    run(with_fakes(bare()).arg("serve")).failed();
    run(with_fakes(command()).arg("serve")).failed();
    let mut waiting = with_fakes(command());
    waiting.arg("serve").env("DATABASE_URL", NO_DATABASE).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut waiting = waiting.spawn().expect("keyward starts");
    let output = Output::collect(&mut waiting);
    output.line_with("waiting for the database").await;
    let _ = waiting.kill();
    let _ = waiting.wait();
    assert!(!witness.exists(), "{}", fs::read_to_string(&witness).unwrap_or_default());
    // The fakes are what would have been run.
    run(with_fakes(bare()).args(["dev", "--data-dir"]).arg(folder.path().join("data"))).failed();
    assert!(witness.exists());
}

#[tokio::test]
async fn secrets_are_read_from_the_files_that_the_variables_name() {
    let database = TestDatabase::create();
    let folder = Folder::new();
    // A newline at the end is an editor's, and no part of a secret.
    let secret = folder.file("jwt_secret", &format!("{JWT_SECRET}\n"));
    let peppers = folder.file("pepper", &format!("{PEPPER}\nan-older-one-k7Bq2XvN9tRw4ZyM1sLc8HdJ5fGp3QaE\n"));
    let url = folder.file("database_url", database.url());
    let password = folder.file("password", "any, for the tests' server asks for none\n");
    let from_files = [
        ("JWT_SECRET", ""),
        ("JWT_SECRET_FILE", &*secret),
        ("KEYWARD__KEYS__PEPPERS", ""),
        ("KEYWARD__KEYS__PEPPERS_FILE", &*peppers),
        ("DATABASE_URL_FILE", &*url),
        ("KEYWARD__DATABASE__PASSWORD_FILE", &*password),
    ];
    let replica = Replica::start_on("", &from_files).await;
    let holder = Person::named("alice").makes_a_key(&replica).await;
    // Another replica has the same secrets in its environment, and thinks the same of the key.
    let other = Replica::start_on(database.url(), &[]).await;
    assert_eq!(holder.asks_for_the_resource(&other).await.status(), 200);
}

#[test]
fn a_secret_file_that_is_not_there_is_named_by_its_setting() {
    let folder = Folder::new();
    let missing = folder.path().join("nothing").display().to_string();
    let mut command = command();
    command.arg("serve").env("DATABASE_URL", NO_DATABASE).env_remove("JWT_SECRET").env("JWT_SECRET_FILE", &missing);
    let message = run(&mut command).failed();
    assert!(line_about(&message, "jwt.secret_file").contains("(env JWT_SECRET_FILE) names a file that can't be read"));
    let message = run(command.env("JWT_SECRET_FILE", folder.file("empty", "\n"))).failed();
    assert!(line_about(&message, "jwt.secret_file").contains("(env JWT_SECRET_FILE) names a file that is empty"));
}
