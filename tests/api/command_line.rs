//! The commands that are not a server.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path, process::Stdio, sync::LazyLock};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use test_support::{
    actors::Person,
    database, eventually,
    program::{Folder, bare, run, run_beside},
    replica::{JWT_SECRET, Output, PEPPER, Replica, command, exit_code, signal},
};

/// What a token says, unverified.
fn claims_in(token: &str) -> Value {
    let segment = token.trim().split('.').nth(1).expect("three segments");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).expect("base64url")).expect("JSON")
}

#[test]
fn config_shows_each_value_with_its_origin_and_no_secret() {
    let folder = Folder::new();
    let file = folder.file("keyward.toml", "[server]\nkeep_alive = \"33s\"\n");
    let mut command = command();
    command.args(["config", "--config", &file]).envs([
        ("DATABASE_URL", "postgres://keyward:hunter2hunter2@db:5432/keyward?sslmode=require&password=hunter2"),
        ("KEYWARD__DATABASE__PASSWORD", "hunter2-on-its-own"),
        ("KEYWARD__SERVER__PORT", ""),
        ("PORT", "4321"),
    ]);
    let shown = run(&mut command).succeeded();
    let has = |name: &str, value: &str, origin: &str| {
        let line = format!("{name} = {value}");
        shown.lines().any(|shown| shown.split_once(" # ").is_some_and(|(l, o)| l.trim_end() == line && o == origin))
    };
    let url = r#""postgres://keyward:********@db:5432/keyward?sslmode=require&password=********""#;
    assert!(has("port", "4321", "env PORT"), "{shown}");
    assert!(has("keep_alive", r#""33s""#, &format!("file {file}")), "{shown}");
    assert!(has("workers", "0", "default"), "{shown}");
    assert!(has("url", url, "env DATABASE_URL"), "{shown}");
    assert!(has("password", r#""********""#, "env KEYWARD__DATABASE__PASSWORD"), "{shown}");
    assert!(has("secret", r#""********""#, "env JWT_SECRET"), "{shown}");
    assert!(has("peppers", r#"["********"]"#, "env KEYWARD__KEYS__PEPPERS"), "{shown}");
    for secret in ["hunter2", JWT_SECRET, PEPPER] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn version_says_also_what_the_program_was_built_from() {
    let revision = option_env!("KEYWARD_REVISION").unwrap_or("unknown");
    let told = run(bare().arg("--version")).succeeded();
    assert_eq!(told, format!("keyward {} (revision {revision})\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn config_fails_where_serve_would_and_still_shows_what_there_is() {
    let ended = run(bare().arg("config").env("PORT", "4321"));
    assert!(ended.stdout.contains("# env PORT"), "{ended:#?}");
    let message = ended.failed();
    assert!(message.contains("`keyward serve` would not start with this"), "{message}");
    for setting in ["database.url", "jwt.secret", "keys.peppers"] {
        assert!(message.contains(&format!("{setting} is not set")), "{message}");
    }
}

#[tokio::test]
async fn a_minted_token_makes_a_key() {
    let replica = Replica::start().await;
    let mut mint = command();
    mint.args(["token", "mint", "--subject", "alice"]);
    let token = run_beside(mint).await.succeeded().trim_end().to_owned();
    let holder = Person { token }.makes_a_key(&replica).await;
    assert_eq!(holder.asks_for_the_resource(&replica).await.status(), 200);
}

#[test]
fn a_minted_token_says_what_was_asked_for() {
    let mut mint = command();
    mint.args(["token", "mint", "--subject", "alice", "--scope", "orders:read", "--scope", "orders:write"]);
    mint.args(["--expires-in", "15m"]);
    mint.envs([("KEYWARD__JWT__ISSUER", "https://issuer.example"), ("KEYWARD__JWT__AUDIENCE", "keyward,other")]);
    let claims = claims_in(&run(&mut mint).succeeded());
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["scope"], "orders:read orders:write");
    assert_eq!(claims["iss"], "https://issuer.example");
    assert_eq!(claims["aud"], "keyward");
    let seconds = |claim: &str| claims[claim].as_u64().expect("a number");
    assert_eq!(seconds("exp") - seconds("iat"), 15 * 60);
}

#[test]
fn a_token_that_would_be_refused_is_not_minted() {
    let mint = |arguments: &[&str]| run(command().args(["token", "mint"]).args(arguments));
    let message = mint(&["--subject", "alice", "--expires-in", "31d"]).failed();
    assert!(message.contains("jwt.max_lifetime"), "{message}");
    let two_words = &["--subject", "alice", "--scope", "two words"];
    for misuse in [&["--subject", ""][..], &["--subject", "alice", "--expires-in", "soon"], two_words, &[]] {
        let ended = mint(misuse);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{misuse:?}");
    }
    let message = run(bare().args(["token", "mint", "--subject", "alice"])).failed();
    assert!(message.contains("jwt.secret is not set"), "{message}");
}

/// One that is signed with new secrets would look good, and no server would take it.
#[test]
fn there_is_no_token_for_a_dev_that_does_not_run() {
    let folder = Folder::new();
    let data = folder.path().join("data");
    let message = run(bare().args(["token", "mint", "--dev", "--subject", "alice", "--data-dir"]).arg(&data)).failed();
    assert!(message.contains("no `keyward dev`") && message.contains("--data-dir"), "{message}");
    assert!(!data.exists());
}

/// `DATABASE_URL=… keyward …` looks as if it worked on that one.
#[tokio::test]
async fn who_names_two_databases_is_told_which_one_is_used_and_no_password() {
    let (database, folder) = (database().await, Folder::new());
    let url = folder.file("database-url", database.url());
    let restored = "postgres://keyward:hunter2hunter2@127.0.0.1:1/restored";
    let named = [("DATABASE_URL", restored), ("KEYWARD__DATABASE__URL_FILE", &*url)];
    let told = |text: &str| {
        let is_used = format!("KEYWARD__DATABASE__URL_FILE ({})", database.url());
        text.contains("DATABASE_URL (postgres://keyward:********@127.0.0.1:1/restored)")
            && text.contains(&is_used)
            && !text.contains("hunter2")
    };
    for words in [&["keys", "list"][..], &["migrate"], &["config"], &["doctor"]] {
        let mut command = command();
        command.args(words).envs(named);
        let ended = run_beside(command).await;
        assert!(ended.code == Some(0) && told(&ended.stderr), "{ended:#?}");
        let (_, name) = test_support::server_socket(database.url());
        let is_shown = |line: &str| line.contains(&format!("{name} on ")) && line.ends_with(", as the role postgres");
        assert!(words != ["doctor"] || ended.stdout.lines().any(is_shown), "{ended:#?}");
    }
    let replica = Replica::start_on(restored, &named[1..]).await;
    assert!(told(&replica.prints("two databases are named").await));
    // The same one twice is no mistake.
    let mut command = command();
    command.args(["keys", "list"]).envs([("DATABASE_URL", database.url()), named[1]]);
    assert_eq!(run_beside(command).await.stderr, "");
}

#[tokio::test]
async fn healthcheck_succeeds_only_while_the_server_is_ready() {
    let mut replica = Replica::start_with(&[("KEYWARD__SERVER__UNREADY_PERIOD", "1m")]).await;
    let port = replica.address().rsplit_once(':').expect("a port").1.to_owned();
    let healthcheck = || {
        let mut command = bare();
        command.arg("healthcheck").env("PORT", &port);
        run_beside(command)
    };
    // The default host is every address, which is asked on the loopback one.
    healthcheck().await.succeeded();
    replica.signal("TERM");
    eventually("not ready any more", async || healthcheck().await.code != Some(0)).await;
    let message = healthcheck().await.failed();
    assert!(message.contains(&format!("127.0.0.1:{port} is not ready")), "{message}");
    replica.signal("KILL");
    replica.exit_code().await;
    let message = healthcheck().await.failed();
    assert!(message.contains(&format!("no answer from 127.0.0.1:{port}")), "{message}");
}

const SECRETS: [&str; 3] = ["jwt_secret", "pepper", "database_password"];

fn secrets_in(folder: &Path) -> Vec<String> {
    SECRETS.iter().map(|name| fs::read_to_string(folder.join(name)).expect("a secret")).collect()
}

#[test]
fn secrets_are_generated_once_for_the_owner_alone_and_never_overwritten() {
    let folder = Folder::new();
    let dir = folder.path().join("new/secrets");
    let init = || run(bare().args(["secrets", "init", "--dir"]).arg(&dir)).succeeded();
    assert_eq!(init().matches("generated ").count(), 3);
    let first = secrets_in(&dir);
    for (name, secret) in SECRETS.iter().zip(&first) {
        assert!(secret.trim_end().len() >= 43, "{name} has fewer than 256 bits");
        let mode = fs::metadata(dir.join(name)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::metadata(&dir).expect("a folder").permissions().mode() & 0o777, 0o700);
    assert!(first[0] != first[1] && first[1] != first[2]);

    assert_eq!(init().matches("kept ").count(), 3);
    fs::remove_file(dir.join("database_password")).expect("removed");
    assert_eq!(init().matches("kept ").count(), 2);
    assert_eq!(secrets_in(&dir)[..2], first[..2]);
    assert_eq!(fs::read_dir(&dir).expect("a folder").count(), 3, "nothing else is left there");
}

/// Whoever takes over the service finds nothing that the audit could be rewritten with.
#[test]
fn the_password_of_the_tables_owner_is_kept_apart() {
    let (folder, apart) = (Folder::new(), Folder::new());
    let init = || {
        let mut command = bare();
        command.args(["secrets", "init", "--dir"]).arg(folder.path()).arg("--owner-dir").arg(apart.path());
        run(&mut command).succeeded()
    };
    assert_eq!(init().matches("generated ").count(), 4);
    assert_eq!(init().matches("kept ").count(), 4);
    let file = apart.path().join("database_owner_password");
    let password = fs::read_to_string(&file).expect("a secret");
    assert!(password.trim_end().len() >= 43 && !secrets_in(folder.path()).contains(&password));
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    let names = |folder: &Folder| fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!((names(&folder), names(&apart)), (3, 1));
}

#[test]
fn of_processes_that_generate_secrets_at_once_one_wins_and_all_agree() {
    for _ in 0..5 {
        let folder = Folder::new();
        let dir = folder.path().join("secrets");
        let outputs: Vec<String> = std::thread::scope(|scope| {
            let init = || run(bare().args(["secrets", "init", "--dir"]).arg(&dir)).succeeded();
            let running: Vec<_> = (0..4).map(|_| scope.spawn(init)).collect();
            running.into_iter().map(|init| init.join().expect("it succeeds")).collect()
        });
        let generated: usize = outputs.iter().map(|output| output.matches("generated ").count()).sum();
        assert_eq!(generated, 3, "each secret by one process: {outputs:#?}");
        assert_eq!(fs::read_dir(&dir).expect("a folder").count(), 3, "nothing else is left there");
    }
}

#[test]
fn the_generated_secrets_are_strong_enough_for_serve() {
    let folder = Folder::new();
    run(bare().args(["secrets", "init", "--dir"]).arg(folder.path())).succeeded();
    let file = |name: &str| folder.path().join(name);
    let mut config = bare();
    config.arg("config").env("DATABASE_URL", "postgres://keyward@db/keyward");
    config.env("JWT_SECRET_FILE", file("jwt_secret")).env("KEYWARD__KEYS__PEPPERS_FILE", file("pepper"));
    config.env("KEYWARD__DATABASE__PASSWORD_FILE", file("database_password"));
    let shown = run(&mut config).succeeded();
    for secret in secrets_in(folder.path()) {
        assert!(!shown.contains(secret.trim_end()));
    }
}

#[test]
fn completions_are_printed_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(bare().args(["completions", shell])).succeeded();
        for word in ["dev", "serve", "migrate", "token", "secrets", "healthcheck", "config", "completions"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn help_has_examples_for_every_command_that_takes_something() {
    for words in [
        "",
        "dev",
        "serve",
        "keys create",
        "keys list",
        "keys show",
        "keys update",
        "keys rotate",
        "keys disable",
        "keys enable",
        "keys revoke",
        "keys revoke-many",
        "keys verify",
        "owners list",
        "owners show",
        "owners disable",
        "owners enable",
        "audit list",
        "token mint",
        "tokens revoke",
        "secrets init",
        "healthcheck",
        "completions",
    ] {
        let help = run(bare().args(words.split_whitespace()).arg("--help")).succeeded();
        let examples = help.split_once("Examples:\n").unwrap_or_else(|| panic!("keyward {words}:\n{help}")).1;
        assert!(examples.contains(&format!("keyward {words}")), "{help}");
    }
}

/// Else a line that is too long for the terminal is broken, and half of it is pasted.
#[test]
fn examples_are_not_broken_in_a_narrow_terminal() {
    let mut seen = 0;
    for words in all_commands() {
        let help = |columns: &str| run(bare().env("COLUMNS", columns).args(words).arg("--help")).succeeded();
        let (narrow, wide) = (help("80"), help("1000"));
        let examples = |help: &str| {
            // What follows them is prose, and may be broken.
            help.split_once("Examples:\n").and_then(|(_, rest)| rest.split("\n\n").next()).map(str::to_owned)
        };
        assert_eq!(examples(&narrow), examples(&wide), "keyward {}", words.join(" "));
        seen += usize::from(examples(&wide).is_some());
    }
    assert!(seen > 10, "the examples were not found");
}

/// Or what was broken by hand is broken again by the terminal.
#[test]
fn each_sentence_behind_the_options_is_on_a_line_that_the_terminal_breaks() {
    let mut seen = 0;
    for words in all_commands() {
        let help = run(bare().env("COLUMNS", "1000").args(words).arg("--help")).succeeded();
        let before_examples = help.split("Examples:\n").next().unwrap_or_default();
        let footer = before_examples.lines().rev().take_while(|line| !line.starts_with(' '));
        for line in footer.filter(|line| !line.is_empty()) {
            assert!(line.ends_with(['.', ':']), "keyward {}: {line}", words.join(" "));
            seen += 1;
        }
    }
    assert!(seen > 10, "the sentences were not found");
}

#[test]
fn what_leads_to_a_dev_stands_apart_from_the_other_options() {
    for words in ["keys list", "owners show", "doctor", "token mint"] {
        let help = run(bare().args(words.split(' ')).arg("--help")).succeeded();
        let (before, after) = help.split_once("\nWith `keyward dev`:\n").unwrap_or_else(|| panic!("{help}"));
        assert!(!before.contains("--data-dir") && after.contains("--dev") && after.contains("--data-dir"), "{help}");
    }
    // And leads nowhere without it.
    let ended = run(bare()
        .args(["keys", "list", "--data-dir", "/tmp"])
        .env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/no"));
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("add --dev"), "{ended:#?}");
}

/// Every command with its sub-commands, as help lists them.
pub(crate) fn all_commands() -> &'static [Vec<String>] {
    static ALL: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
        let mut all = vec![Vec::new()];
        let mut next = 0;
        while next < all.len() {
            let words: Vec<String> = all[next].clone();
            let help = run(bare().args(&words).arg("--help")).succeeded();
            let commands =
                help.split_once("Commands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap_or(""));
            let names = commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
            for name in names.filter(|name| !["", "help"].contains(name)) {
                all.push([words.clone(), vec![name.to_owned()]].concat());
            }
            next += 1;
        }
        all
    });
    &ALL
}

#[test]
fn a_setting_that_dev_would_have_had_is_missed_with_a_hint() {
    for words in ["token mint --subject alice", "keys list", "keys create --subject alice"] {
        let message = run(bare().args(words.split(' '))).failed();
        assert!(
            message.contains("is not set") && message.contains("`keyward dev` on this machine, add --dev"),
            "{message}"
        );
    }
    // Who has said so needs no hint.
    let folder = Folder::new();
    let data = folder.path().join("data");
    let message = run(bare().args(["keys", "list", "--dev", "--data-dir"]).arg(&data)).failed();
    assert!(!message.contains("add --dev"), "{message}");
}

#[tokio::test]
async fn a_port_on_the_command_line_outranks_the_environment() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().expect("an address").port().to_string();
    let database = database().await;
    for name in ["PORT", "KEYWARD__SERVER__PORT"] {
        let mut serve = command();
        serve.args(["serve", "--port", "0"]).env("DATABASE_URL", database.url()).env(name, &taken);
        let mut process = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("keyward starts");
        let output = Output::collect(&mut process);
        output.line_with("Server running on port ").await;
        signal(process.id(), "INT");
        assert_eq!(exit_code(&mut process, &output).await, Some(0));
    }
    let message = run(bare().args(["serve", "--port", "70000"]));
    assert_eq!(message.code, Some(2), "{message:?}");
}
