//! Values on the command line: the limits are those of the API, what is wrong ends with 2, and nothing commands a
//! terminal.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use crate::commands::{json as parsed, keyward, keyward_fed};
use test_support::{
    actors::{KeyHolder, Person},
    database,
    program::{Folder, bare, run},
    replica::{JWT_SECRET, PEPPER, command},
};

const HUNDRED_YEARS_AND_A_DAY: &str = "36501d";

#[tokio::test]
async fn wrong_arguments_end_with_2_and_do_nothing() {
    let database = database().await;
    let create = |more: &[&str]| [&["keys", "create", "--subject=alice"], more].concat().join("\n");
    let lines = [
        create(&["--expires-in=0s"]),
        create(&[&format!("--expires-in={HUNDRED_YEARS_AND_A_DAY}")]),
        create(&["--expires-at=2020-01-01T00:00:00Z"]),
        create(&["--scope=two words"]),
        create(&["--metadata=[]"]),
        create(&["--metadata={"]),
        create(&["--name= "]),
        format!("keys\nrotate\n0352mXAgJX8YoWA3E5sR9r\n--grace-period={HUNDRED_YEARS_AND_A_DAY}"),
        "token\nmint\n--subject=alice\n--expires-in=0s".to_owned(),
        "token\nmint\n--subject=alice\n--expires-in=500ms".to_owned(),
        "token\nmint\n--subject=alice\n--scope=two words".to_owned(),
        "token\nmint\n--subject=alice\n--tenant=acme".to_owned(),
        "tokens\nrevoke\n--subject=alice\n--issuer=\n--not-before=2090-01-01T00:00:00Z".to_owned(),
        "tokens\nrevoke\n--token-id=a\n--issuer=\n--expires-at=2020-01-01T00:00:00Z".to_owned(),
    ];
    for line in &lines {
        let arguments: Vec<&str> = line.split('\n').collect();
        let ended = keyward(&database, &arguments).await;
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:#?}");
        assert!(ended.stderr.contains("error: "), "{ended:#?}");
    }
    assert_eq!(parsed(&keyward(&database, &["keys", "list", "--json"]).await.succeeded()), json!([]));
}

#[tokio::test]
async fn an_argument_that_carries_a_key_is_refused_and_kept_nowhere() {
    let database = database().await;
    let made = keyward(&database, &["keys", "create", "--subject=alice"]).await.succeeded();
    let holder = KeyHolder::of(made.trim_end());
    let (key, id) = (&*holder.key, holder.id());
    let reason = format!("it was {key} before");
    for arguments in [
        vec!["keys", "verify", key],
        vec!["keys", "revoke", key],
        vec!["no-command", key],
        vec!["keys", "update", id, "--name", &reason],
        vec!["keys", "revoke", id, "--reason", &reason],
        vec!["owners", "disable", "--subject=alice", "--reason", &reason],
    ] {
        let ended = keyward(&database, &arguments).await;
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains("carries the text of a key"), "{ended:#?}");
        let secret = &key[key.len() - 54..];
        assert!(!ended.stderr.contains(secret) && ended.stdout.is_empty(), "{ended:#?}");
        assert!(ended.stderr.contains(&format!("Its id is {id}")) && ended.stderr.contains("rotate it"), "{ended:#?}");
    }
    let shown = keyward(&database, &["keys", "show", id, "--json"]).await.succeeded();
    assert_eq!((&parsed(&shown)["state"], &parsed(&shown)["name"]), (&json!("active"), &json!(null)));
}

#[tokio::test]
async fn an_argument_that_carries_a_token_is_refused_and_kept_nowhere() {
    let database = database().await;
    let token = Person::named("alice").token;
    let made = keyward(&database, &["keys", "create", "--subject=alice", "--json"]).await.succeeded();
    let id = parsed(&made)["id"].as_str().expect("an id").to_owned();
    let (reason, metadata) = (format!("it was {token} before"), json!({ "old": token }).to_string());
    let (name, escaped) = (format!("jwt-{token}"), metadata.replacen("eyJ", "\\u0065yJ", 1));
    for arguments in [
        vec!["keys", "revoke", &token],
        vec!["keys", "create", "--subject=alice", "--name", &name],
        vec!["keys", "update", &id, "--metadata", &escaped],
        vec!["keys", "update", &id, "--name", &reason],
        vec!["keys", "update", &id, "--metadata", &metadata],
        vec!["keys", "revoke", &id, "--reason", &reason],
        vec!["owners", "disable", "--subject=alice", "--reason", &reason],
        vec!["tokens", "revoke", "--issuer=", "--token-id=1", "--reason", &reason],
    ] {
        let ended = keyward(&database, &arguments).await;
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains("carries a whole token") && ended.stdout.is_empty(), "{ended:#?}");
        assert!(!ended.stderr.contains(&token[token.len() - 30..]), "{ended:#?}");
    }
    let shown = keyward(&database, &["keys", "show", &id, "--json"]).await.succeeded();
    assert_eq!((&parsed(&shown)["state"], &parsed(&shown)["name"]), (&json!("active"), &json!(null)));
}

#[tokio::test]
async fn the_id_of_an_owner_that_hides_a_key_or_a_token_is_refused_and_kept_nowhere() {
    let database = database().await;
    let made = keyward(&database, &["keys", "create", "--subject=alice"]).await.succeeded();
    let token = Person::named("alice").token;
    for secret in [made.trim_end(), &token] {
        let id = URL_SAFE_NO_PAD.encode(format!("\0{secret}"));
        for arguments in [
            vec!["owners", "disable", &id],
            vec!["owners", "enable", &id],
            vec!["owners", "limits", &id, "--limit", "minute=1/1m"],
            vec!["owners", "credits", &id, "--set", "1"],
            vec!["owners", "plan", &id, "--none"],
            vec!["keys", "create", "--owner", &id],
        ] {
            let ended = keyward(&database, &arguments).await;
            assert_eq!(ended.code, Some(2), "{ended:#?}");
            assert!(ended.stderr.contains("the id of the owner carries") && ended.stdout.is_empty(), "{ended:#?}");
            assert!(!ended.stderr.contains(secret), "{ended:#?}");
        }
        let audit = keyward(&database, &["audit", "list", "--json"]).await.succeeded();
        let owners = keyward(&database, &["owners", "list", "--json"]).await.succeeded();
        assert!(!audit.contains(secret) && !owners.contains(secret), "{audit}{owners}");
    }
}

/// One of 64 ids in base64url does.
#[tokio::test]
async fn what_issuers_choose_may_begin_with_a_hyphen() {
    let database = database().await;
    for arguments in [
        &["tokens", "revoke", "--issuer", "", "--token-id", "-abc"][..],
        &["tokens", "revoke", "--issuer=", "--subject", "--x", "--not-before", "1h"],
        &["keys", "create", "--issuer", "-i", "--subject", "-x"],
        &["audit", "list", "--actor-subject", "-x", "--actor-issuer", "-i"],
        &["token", "mint", "--subject", "-x"],
    ] {
        keyward(&database, arguments).await.succeeded();
    }
    let owners = parsed(&keyward(&database, &["owners", "list", "--json"]).await.succeeded());
    let owner = &owners[0]["owner"];
    assert_eq!((&owner["subject"], &owner["issuer"]), (&json!("-x"), &json!("-i")), "{owners}");
    // A text is the operator's own. An empty variable of a script must not let it take what comes behind.
    let ended = keyward(&database, &["keys", "revoke-many", "--created-since=1h", "--reason", "--dry-run"]).await;
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    let given = ["keys", "revoke-many", "--created-since=1h", "--reason=-x"];
    keyward(&database, &given).await.succeeded();
}

#[tokio::test]
async fn two_keys_on_standard_input_are_refused() {
    let database = database().await;
    let ended = keyward_fed(&database, &["keys", "verify"], "one\ntwo\n").await;
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("give one key"), "{ended:#?}");
}

#[tokio::test]
async fn what_others_have_written_is_escaped_everywhere() {
    let database = database().await;
    let odd = "a\u{202e}b\u{2066}";
    let made = keyward(&database, &["keys", "create", "--subject", odd, "--name", odd, "--json"]).await.succeeded();
    let id = parsed(&made)["id"].as_str().expect("an id").to_owned();
    for arguments in [
        vec!["keys", "list"],
        vec!["keys", "show", &id],
        vec!["keys", "show", &id, "--json"],
        vec!["keys", "list", "--json"],
        vec!["owners", "list"],
        vec!["owners", "list", "--json"],
        vec!["owners", "show", "--subject", odd],
        vec!["owners", "disable", "--subject", odd, "--reason", odd],
        vec!["owners", "disable", "--subject", odd],
        vec!["owners", "show", "--subject", "x\u{202e}"],
        vec!["audit", "list"],
        vec!["audit", "list", "--json"],
        vec!["audit", "list", "--format=ndjson"],
        vec!["tokens", "revoke", "--issuer=", "--subject", odd],
    ] {
        let ended = keyward(&database, &arguments).await;
        for text in [&ended.stdout, &ended.stderr] {
            assert!(!text.contains(['\u{202e}', '\u{2066}']), "{arguments:?}: {ended:#?}");
        }
    }
    let listed = parsed(&keyward(&database, &["keys", "list", "--json"]).await.succeeded());
    assert_eq!(listed[0]["name"], odd, "an escape means the same");
}

#[tokio::test]
async fn show_says_who_has_disabled_a_key() {
    let database = database().await;
    let made = keyward(&database, &["keys", "create", "--subject=alice", "--json"]).await.succeeded();
    let id = parsed(&made)["id"].as_str().expect("an id").to_owned();
    keyward(&database, &["keys", "disable", &id, "--reason", "found"]).await.succeeded();
    let shown = keyward(&database, &["keys", "show", &id]).await.succeeded();
    assert!(shown.lines().any(|line| line.starts_with("disabled by ") && line.ends_with("administrator")), "{shown}");
    let events = parsed(&keyward(&database, &["audit", "list", "--json", "--limit=1"]).await.succeeded());
    assert_eq!(events[0]["details"]["reason"], "found", "{events}");
}

/// Commands about owners take the id.
#[tokio::test]
async fn show_says_the_id_of_the_owner_by_which_other_commands_find_them() {
    let database = database().await;
    let made = keyward(&database, &["keys", "create", "--subject=alice", "--json"]).await.succeeded();
    let id = parsed(&made)["id"].as_str().expect("an id").to_owned();
    let shown = keyward(&database, &["keys", "show", &id]).await.succeeded();
    let owner = shown.lines().find_map(|line| line.strip_prefix("owner ")).expect("a line").trim();
    let found = keyward(&database, &["owners", "show", owner]).await.succeeded();
    assert!(found.contains("alice"), "{found}");
}

#[tokio::test]
async fn a_dry_run_counts_and_the_conditions_are_those_of_lists() {
    let database = database().await;
    for name in ["night", "day"] {
        keyward(&database, &["keys", "create", "--subject=alice", "--name", name, "--scope=orders:read"])
            .await
            .succeeded();
    }
    let many = async |more: &[&str]| keyward(&database, &[&["keys", "revoke-many"], more].concat()).await.succeeded();
    for (conditions, count) in [
        (&["--search=NIG"][..], 1),
        (&["--scope=orders:read"], 2),
        (&["--state=active,disabled"], 2),
        (&["--unused-since=0s", "--subject=alice"], 2),
    ] {
        let told = many(&[conditions, &["--dry-run", "--json"]].concat()).await;
        assert_eq!(parsed(&told), json!({ "dryRun": true, "wouldBeRevoked": count }), "{conditions:?}");
    }
    assert!(many(&["--search=night", "--dry-run"]).await.contains("1 key would be revoked"));
    assert_eq!(parsed(&many(&["--search=night", "--json"]).await), json!({ "revoked": 1 }));
}

#[tokio::test]
async fn an_owner_who_is_disabled_already_is_told_of_with_the_reason_that_holds() {
    let database = database().await;
    keyward(&database, &["owners", "disable", "--subject=alice", "--reason=first"]).await.succeeded();
    let again = keyward(&database, &["owners", "disable", "--subject=alice", "--reason=second"]).await.succeeded();
    assert!(again.contains("Nothing has changed") && again.contains("first"), "{again}");
}

#[tokio::test]
async fn an_issuer_that_no_configuration_names_gets_a_notice() {
    let database = database().await;
    let arguments = ["tokens", "revoke", "--subject=alice", "--issuer=https://typo.example"];
    let ended = keyward(&database, &arguments).await;
    assert!(ended.code == Some(0) && ended.stderr.contains("No configured issuer has this name"), "{ended:#?}");
    let told = keyward(&database, &[&arguments[..], &["--json"]].concat()).await.succeeded();
    assert!(parsed(&told)["notice"].is_string(), "{told}");
}

#[tokio::test]
async fn a_schema_that_is_not_there_is_named_with_the_remedy() {
    let database = test_support::TestDatabase::empty().await;
    let told = keyward(&database, &["keys", "list"]).await.failed();
    assert!(told.contains("keyward migrate") && told.contains("api_keys"), "{told}");
    assert!(!told.contains("could not be reached"), "{told}");
}

fn configured(toml: &str, folder: &Folder) -> std::process::Command {
    let mut command = bare();
    command.arg("config").envs([("JWT_SECRET", JWT_SECRET), ("KEYWARD__KEYS__PEPPERS", PEPPER)]);
    command.env("DATABASE_URL", "postgres://u@h/d").arg("--config").arg(folder.file("keyward.toml", toml));
    command
}

#[test]
fn config_reads_the_key_files_and_refuses_what_serve_refuses() {
    let folder = Folder::new();
    let file = folder.file("bad.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    let table =
        format!("[[jwt.issuers]]\nissuer = \"https://a.example\"\naudience = [\"us\"]\npublic_keys_file = {file:?}\n");
    let told = run(&mut configured(&table, &folder)).failed();
    assert!(told.contains("https://a.example") && told.contains("public_keys_file"), "{told}");
    run(&mut configured("", &folder)).succeeded();
}

#[test]
fn config_shows_values_of_the_environment_with_the_type_of_the_setting() {
    let folder = Folder::new();
    let mut command = configured("", &folder);
    command.envs([("PORT", "8080"), ("KEYWARD__KEYS__REQUIRE_NAME", "true"), ("KEYWARD__COHERENCE__LEASE", "2s")]);
    let shown = run(&mut command).succeeded();
    for line in ["port = 8080 ", "require_name = true ", "lease = \"2s\" "] {
        assert!(shown.lines().any(|shown| shown.starts_with(line)), "{line} in {shown}");
    }
}

#[test]
fn unknown_rights_and_members_of_an_issuer_are_refused_with_a_hint_and_by_its_name() {
    let folder = Folder::new();
    let table = "[[jwt.issuers]]\nissuer = \"https://a.example\"\ndiscovery = true\n";
    for (member, told) in [
        ("keyward_scopes = [\"keyward:x\"]", "keyward:x"),
        ("keyward_scopes = [\"keyward:verfy\"]", "did you mean keyward:verify?"),
        ("audiance = [\"us\"]", "did you mean audience?"),
        ("max_lifetime = \"366d\"", "to 365d"),
    ] {
        let said = run(&mut configured(&format!("{table}{member}\n"), &folder)).failed();
        assert!(said.contains("(https://a.example)") && said.contains(told), "{said}");
    }
}

#[test]
fn an_address_that_this_machine_has_not_is_about_the_host() {
    let mut serve = command();
    serve.arg("serve").envs([("DATABASE_URL", "postgres://u@127.0.0.1:1/d"), ("KEYWARD__SERVER__HOST", "192.0.2.1")]);
    let told = run(&mut serve).failed();
    assert!(told.contains("server.host") && !told.contains("server.port"), "{told}");
}

#[test]
fn an_unknown_parameter_of_the_database_url_is_named_unless_it_may_be_a_part_of_a_password() {
    let told = |url: &str| {
        let mut migrate = command();
        run(migrate.arg("migrate").env("DATABASE_URL", url)).failed()
    };
    assert!(told("postgres://u@h/d?ssl_mode=require").contains("the parameter ssl_mode"));
    assert!(!told("postgres://u@h/d?password=a&hidden=1").contains("hidden"));
}

#[test]
fn healthcheck_says_why_it_is_not_ready() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let server = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        let _ = std::io::Read::read(&mut client, &mut [0; 1024]);
        let body = "{\"status\":\"unready\",\"database\":\"outdated\"}";
        let answer = format!("HTTP/1.1 503 Service Unavailable\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        std::io::Write::write_all(&mut client, answer.as_bytes()).expect("sent");
    });
    let mut healthcheck = bare();
    let told = run(healthcheck.arg("healthcheck").env("PORT", port)).failed();
    server.join().expect("no panic");
    assert!(told.contains("503") && told.contains("outdated"), "{told}");
}
