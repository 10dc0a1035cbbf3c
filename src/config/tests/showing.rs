use super::*;

/// The line of a setting, with white space collapsed.
fn line(settings: &Settings, start: &str) -> String {
    let text = settings.show();
    let line = text.lines().find(|line| line.starts_with(start));
    let words: Vec<&str> = line.expect("shown").split_whitespace().collect();
    words.join(" ")
}

#[test]
fn every_setting_is_shown_with_its_origin() {
    let folder = Folder::new("show");
    let file = folder.file("keyward.toml", "[server]\nmax_connections = 7\n");
    let secret = folder.file("secret", SECRET).display().to_string();
    let mut variables = env(&[("PORT", "80"), ("KEYWARD__JWT__AUDIENCE", "a,b")]);
    variables.extend(env(&[("JWT_SECRET_FILE", &secret)]));
    let sources = Sources {
        file: Some(file.clone()),
        env: variables,
        base: vec![("keys.peppers", format!("{PEPPER},{OLD_PEPPER}"))],
        ..Sources::default()
    };
    let settings = Settings::load(sources).expect("readable");
    assert_eq!(line(&settings, "host "), "host = \"0.0.0.0\" # default");
    assert_eq!(line(&settings, "port "), "port = 80 # env PORT");
    assert_eq!(line(&settings, "max_connections "), format!("max_connections = 7 # file {}", file.display()));
    assert_eq!(line(&settings, "audience "), "audience = [\"a\", \"b\"] # env KEYWARD__JWT__AUDIENCE");
    assert_eq!(line(&settings, "secret "), format!("secret = \"********\" # file {secret} via env JWT_SECRET_FILE"));
    assert_eq!(line(&settings, "peppers "), "peppers = [\"********\", \"********\"] # keyward dev");
    assert_eq!(line(&settings, "url "), "url = \"\" # default");
    for setting in &settings.known {
        let name = setting.rsplit_once('.').map_or(setting.as_str(), |(_, name)| name);
        line(&settings, &format!("{name} = "));
    }
}

#[test]
fn a_password_inside_the_database_url_is_masked() {
    for (url, shown) in [
        (URL, "postgres://keyward:********@db:5432/keyward"),
        ("postgres://keyward@db/keyward", "postgres://keyward@db/keyward"),
        ("postgres://db:5432/keyward", "postgres://db:5432/keyward"),
        ("postgres://u:hunter2/hunter2@h/d", "postgres://u:********@h/d"),
        ("postgres://u:hunter2@hunter2@h/d", "postgres://u:********@h/d"),
        ("postgres://u:hunter2?hunter2@h/d", "postgres://u:********@h/d"),
        ("postgres://h/d?sslmode=require&password=hunter2", "postgres://h/d?sslmode=require&password=********"),
        ("postgres://h/d?password=hunter2@x", "********"),
        ("hunter2", "********"),
    ] {
        let settings = load(env(&[("KEYWARD__DATABASE__URL", url)]));
        assert_eq!(line(&settings, "url "), format!("url = \"{shown}\" # env KEYWARD__DATABASE__URL"));
    }
}

#[test]
fn of_each_address_only_the_password_is_masked_and_each_section_stands_apart() {
    let [listener, owner] = ["postgres://l:hunter2@db:5432/keyward", "postgres://o:hunter2@db/keyward"];
    let settings = load(env(&[
        ("KEYWARD__DATABASE__LISTEN_URL", listener),
        ("KEYWARD__DATABASE__MIGRATE_URL", owner),
        ("KEYWARD__DATABASE__MIGRATE_PASSWORD", "hunter2"),
    ]));
    assert!(line(&settings, "listen_url ").starts_with("listen_url = \"postgres://l:********@db:5432/keyward\" #"));
    assert!(line(&settings, "migrate_url ").starts_with("migrate_url = \"postgres://o:********@db/keyward\" #"));
    let text = settings.show();
    assert!(!text.contains("hunter2"), "{text}");
    for (at, section) in text.match_indices("\n[") {
        assert!(text[..at].ends_with('\n'), "{}{section}", &text[..at]);
    }
}

#[test]
fn a_secret_that_is_not_read_from_a_file_says_so_only_where_one_was_named() {
    let settings = load(env(&[("DATABASE_URL", URL)]));
    assert_eq!(line(&settings, "url_file "), "url_file = \"\" # default");
    let folder = Folder::new("unset");
    let file = folder.file("keyward.toml", "[database]\nurl_file = \"/run/secrets/url\"\n");
    let settings = load_with(Some(file), env(&[("DATABASE_URL", URL)]));
    assert_eq!(line(&settings, "url_file "), "url_file = \"\" # unset by env DATABASE_URL");
    assert!(settings.database().is_ok());
}
