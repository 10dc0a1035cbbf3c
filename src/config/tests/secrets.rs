use std::os::unix::fs::PermissionsExt;

use crate::domain::secret::SecretBytes;

use super::super::weak::weakness;
use super::*;

#[test]
fn every_secret_is_read_from_a_file_if_one_is_named() {
    let folder = Folder::new("files");
    let path = |name, text: &str| folder.file(name, text).display().to_string();
    let url = path("url", &format!("{URL}\n"));
    let password = path("password", "pass word\r\n");
    let owner_password = path("owner_password", "another one\n");
    let secret = path("secret", &format!("{SECRET}\n"));
    let peppers = path("peppers", &format!("{PEPPER}\n\n{OLD_PEPPER}\n"));
    let config = load(env(&[
        ("DATABASE_URL_FILE", &url),
        ("KEYWARD__DATABASE__PASSWORD_FILE", &password),
        ("KEYWARD__DATABASE__MIGRATE_URL", "postgres://owner@localhost/keyward"),
        ("KEYWARD__DATABASE__MIGRATE_PASSWORD_FILE", &owner_password),
        ("JWT_SECRET_FILE", &secret),
        ("KEYWARD__KEYS__PEPPERS_FILE", &peppers),
    ]))
    .validate()
    .expect("valid");
    assert_eq!(config.database.url.expose(), URL);
    let password = config.database.password.expect("set");
    assert_eq!(password.expose(), "pass word");
    assert_eq!(config.database.migrate_password.expect("set").expose(), "another one");
    assert_eq!(config.jwt.secret.as_ref().map(SecretBytes::expose), Some(SECRET.as_bytes()));
    assert_eq!(config.keys.peppers.len(), 2);
}

#[test]
fn a_password_for_a_role_that_is_not_named_is_a_mistake() {
    let problems =
        problems_of(load(env(&[("DATABASE_URL", URL), ("KEYWARD__DATABASE__MIGRATE_PASSWORD", "x")])).database());
    assert!(problems.len() == 1 && problems[0].contains("database.migrate_url, which is not set"), "{problems:?}");
}

#[test]
fn of_a_secret_and_its_file_the_higher_layer_wins_and_the_other_is_not_even_read() {
    let folder = Folder::new("twins");
    let missing = folder.missing("nowhere");
    let file = folder.file("keyward.toml", &format!("[jwt]\nsecret_file = {missing:?}\n"));
    let settings = load_with(Some(file), env(&[("JWT_SECRET", SECRET)]));
    assert_eq!(settings.jwt().expect("valid").secret.as_ref().map(SecretBytes::expose), Some(SECRET.as_bytes()));

    let other = folder.file("secret", OLD_PEPPER).display().to_string();
    let settings = load(env(&[("JWT_SECRET", SECRET), ("KEYWARD__JWT__SECRET_FILE", &other)]));
    assert_eq!(settings.jwt().expect("valid").secret.as_ref().map(SecretBytes::expose), Some(OLD_PEPPER.as_bytes()));
}

#[test]
fn a_secret_and_its_file_in_the_same_layer_are_an_error_that_names_both() {
    let settings = load(env(&[("JWT_SECRET", SECRET), ("JWT_SECRET_FILE", "/x")]));
    assert_eq!(
        problems_of(settings.jwt()),
        ["jwt.secret (env JWT_SECRET) and jwt.secret_file (env JWT_SECRET_FILE) are both set: \
             remove one of them"]
    );
}

#[test]
fn an_empty_secret_in_a_copy_of_the_defaults_does_not_hide_a_lower_layer() {
    let folder = Folder::new("copy");
    let sources = Sources {
        file: Some(folder.file("keyward.toml", super::super::DEFAULTS)),
        base: vec![("jwt.secret", SECRET.to_owned())],
        ..Sources::default()
    };
    let settings = Settings::load(sources).expect("readable");
    assert_eq!(settings.jwt().expect("valid").secret.as_ref().map(SecretBytes::expose), Some(SECRET.as_bytes()));
}

#[test]
fn a_secret_file_that_cannot_be_read_matters_only_to_who_needs_it_and_its_name_is_not_printed() {
    let folder = Folder::new("unreadable");
    let missing = folder.missing("the-secret-itself-by-mistake");
    let empty = folder.file("empty", "\n").display().to_string();
    let settings =
        load(env(&[("DATABASE_URL", URL), ("JWT_SECRET_FILE", &missing), ("KEYWARD__KEYS__PEPPERS_FILE", &empty)]));
    assert!(settings.database().is_ok());
    let text = problems_of(settings.validate()).join("\n");
    assert!(text.starts_with("jwt.secret_file (env JWT_SECRET_FILE) names a file that can't be"));
    assert!(text.contains("keys.peppers_file"), "{text}");
    assert!(!text.contains("by-mistake"), "{text}");
    assert!(!settings.show().contains("by-mistake"));
}

#[test]
fn a_secret_must_be_as_long_as_the_hash_of_its_algorithm() {
    let random = "Zr0mQ8pKx3vT7nYb2LwE5sHc9JdFgA4uM6iXo1BqDkVyRtWzNePlChUaGfSj0O3I";
    assert_eq!(random.len(), 64);
    for (algorithm, bytes) in [("HS256", 32), ("HS384", 48), ("HS512", 64)] {
        let enough = [("KEYWARD__JWT__ALGORITHM", algorithm), ("KEYWARD__JWT__SECRET", &random[..bytes])];
        config_with(&enough);
        let short = [("KEYWARD__JWT__ALGORITHM", algorithm), ("KEYWARD__JWT__SECRET", &random[..bytes - 1])];
        let text = problems_with(&short).join("\n");
        assert!(text.contains(&format!("has {} bytes, but {algorithm} needs {bytes}", bytes - 1)), "{text}");
    }
}

#[test]
fn well_known_and_trivial_secrets_are_refused() {
    for weak in [
        "secret",
        "changeme",
        "your_jwt_secret",
        "your-256-bit-secret",
        "a-string-secret-at-least-256-bits-long",
        "your-super-secret-jwt-token-with-at-least-32-characters-long",
        "CHANGE-ME-change-me-Change-Me-12345678",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "0123456789012345678901234567890123456789",
        "k7Bq2XvN9tRk7Bq2XvN9tRk7Bq2XvN9tRk7Bq2XvN9tR",
        "abcdefghijklmnopqrstuvwxyz0123456789ABCD",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    ] {
        assert!(weakness(weak).is_some(), "{weak}");
        let text = problems_with(&[("KEYWARD__JWT__SECRET", weak)]).join("\n");
        assert!(text.starts_with("jwt.secret (env "), "{text}");
        assert!(text.contains("openssl rand"), "{text}");
        let as_pepper = problems_with(&[("KEYWARD__KEYS__PEPPERS", weak)]).join("\n");
        assert!(as_pepper.contains("keys.peppers (env KEYWARD__KEYS__PEPPERS) is not allowed"), "{as_pepper}");
    }
}

#[test]
fn random_secrets_pass_in_base64_and_in_hexadecimal() {
    for good in [
        SECRET,
        PEPPER,
        OLD_PEPPER,
        "f3a91c07be5d48268e0b7c12d94fa6358e71c0d2b96f4a83157de08c6b92f4a1",
        "q1Zr8+Wm3Tz/Kx1Vb6Rn4Yq9Lp2Hs7Jd5Fc0GtE2aUiO4yNsXkBvMwPhCjDl6Q==",
        "changeme-f3a91c07be5d48268e0b7c12d94fa6358e71c0d2b96f4a83157de08c6b92f4a1",
    ] {
        assert_eq!(weakness(good), None, "{good}");
    }
}

#[test]
fn a_pepper_that_is_short_repeated_or_the_jwt_secret_is_refused() {
    for (peppers, cause) in [
        ("kB7q2XvN9tRw4ZyM", "pepper number 1 is too weak"),
        (&*format!("{PEPPER},{OLD_PEPPER},{PEPPER}"), "pepper number 3 is there twice"),
        (&*format!("{PEPPER},{SECRET}"), "pepper number 2 is the same as jwt.secret"),
        (&*[PEPPER; 9].join(","), "holds 9 peppers, but at most 8"),
    ] {
        let problems = problems_with(&[("KEYWARD__KEYS__PEPPERS", peppers)]);
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains(cause), "{problems:?}");
    }
}

#[test]
fn no_message_and_no_listing_ever_holds_a_secret() {
    let marked = "hunter2-Zr0mQ8";
    let folder = Folder::new("leaks");
    let file = folder.file(
        "keyward.toml",
        &format!(
            "[jwt]\nsecret = [[\"{marked}\"]]\n[keys]\npeppers = {{ a = \"{marked}\" }}\n\
             [database]\nurl = {{ a = \"{marked}\" }}\npassword = [\"{marked}\"]\n"
        ),
    );
    let in_file = load_with(Some(file), Vec::new());
    let in_env = load(env(&[
        ("DATABASE_URL", marked),
        ("JWT_SECRET", marked),
        ("KEYWARD__KEYS__PEPPERS", marked),
        ("KEYWARD__DATABASE__PASSWORD", "hunter2\u{fffd}"),
        ("KEYWARD__KEYS__PEPPER", marked),
    ]));
    for settings in [in_file, in_env] {
        let problems = problems_of(settings.validate());
        assert!(problems.len() >= 4, "{problems:#?}");
        assert!(!problems.join("\n").contains("hunter2"), "{problems:#?}");
        assert!(!settings.show().contains("hunter2"), "{}", settings.show());
    }
}

#[test]
fn files_with_secrets_that_everybody_may_read_are_found_wherever_they_are_named() {
    let folder = Folder::new("exposed");
    let with_mode = |name: &str, text: &str, mode: u32| {
        let file = folder.file(name, text);
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("permissions");
        file
    };
    let [pepper, url, secret] = [("pepper", 0o644), ("url", 0o602), ("secret", 0o640)]
        .map(|(name, mode)| with_mode(name, SECRET, mode).display().to_string());
    let of_issuer = with_mode("of-issuer", SECRET, 0o604).display().to_string();
    let table = format!("[[jwt.issuers]]\nissuer = \"https://a.example\"\nsecret_file = {of_issuer:?}\n");
    let files = [
        ("KEYWARD__KEYS__PEPPERS_FILE", pepper.as_str()),
        ("DATABASE_URL_FILE", url.as_str()),
        ("JWT_SECRET_FILE", secret.as_str()),
    ];
    let exposed = |toml: &str| {
        let file = with_mode("keyward.toml", toml, 0o644);
        let exposed = load_with(Some(file), env(&files)).exposed_files();
        exposed.into_iter().map(|exposed| exposed.setting).collect::<Vec<_>>()
    };
    let named = ["database.url_file", "keys.peppers_file", "secret_file of jwt.issuers"];
    assert_eq!(exposed(&table), named);
    // The configuration file itself, if it contains an effective secret.
    let with_secret = format!("{table}[database]\npassword = \"hunter2\"\n");
    assert_eq!(exposed(&with_secret), [&named[..], &["--config"]].concat());
    assert_eq!(exposed(&format!("[keys]\npeppers = [{SECRET:?}]\n")), ["database.url_file", "keys.peppers_file"]);
}

#[test]
fn a_token_of_the_metrics_that_is_another_secret_too_is_refused() {
    for (other, text) in [("jwt.secret", SECRET), ("keys.peppers", PEPPER)] {
        let problems = problems_with(&[("KEYWARD__METRICS__TOKEN", text)]);
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains(&format!("is the same as in {other}")), "{problems:#?}");
        assert!(!problems[0].contains(text), "{problems:#?}");
    }
    config_with(&[("KEYWARD__METRICS__TOKEN", "tGxq3Vv0kqfC6kJ8bYw1nZr5mHs9dPaL")]);
}

#[test]
fn white_space_around_the_address_of_the_database_is_not_part_of_it() {
    let folder = Folder::new("spaces");
    let file = folder.file("url", &format!("{URL} \n\n")).display().to_string();
    let in_environment = format!(" {URL}\n");
    for variables in [[("DATABASE_URL", in_environment.as_str())], [("DATABASE_URL_FILE", file.as_str())]] {
        let database = load(env(&variables)).database().expect("valid");
        assert_eq!(database.url.expose(), URL);
    }
    let problems = problems_of(load(env(&[("DATABASE_URL", " \n")])).database());
    assert!(problems[0].contains("is not set"), "{problems:?}");
}
