use crate::domain::secret::SecretBytes;

use super::*;

fn port(file: Option<PathBuf>, variables: &[(&str, &str)]) -> u16 {
    load_with(file, env(variables)).server().expect("valid").port
}

#[test]
fn each_layer_wins_over_the_one_below() {
    let folder = Folder::new("layers");
    let file = folder.file("keyward.toml", "[server]\nport = 4001\n");
    let base_only = Sources { base: vec![("server.port", "4000".to_owned())], ..Sources::default() };
    let base_and_file =
        Sources { file: Some(file.clone()), base: vec![("server.port", "4000".to_owned())], ..Sources::default() };
    let port_of = |sources| {
        let settings = Settings::load(sources).expect("readable");
        settings.server().expect("valid").port
    };
    assert_eq!(port_of(Sources::default()), 3000);
    assert_eq!(port_of(base_only), 4000);
    assert_eq!(port_of(base_and_file), 4001);
    assert_eq!(port(Some(file.clone()), &[("PORT", "4002")]), 4002);
    let both = [("KEYWARD__SERVER__PORT", "4003"), ("PORT", "4002")];
    assert_eq!(port(Some(file), &both), 4003);
}

#[test]
fn what_is_decided_elsewhere_is_not_used_and_where_it_came_from_is_told() {
    let folder = Folder::new("decided");
    let file = folder.file("keyward.toml", "[server]\nport = 4001\n[jwt]\nissuer = \"a\"\nsecret_file = \"/no\"\n");
    let sources = Sources {
        file: Some(file.clone()),
        env: env(&[("DATABASE_URL", URL), ("KEYWARD__KEYS__PREFIX", "other"), ("KEYWARD__JWT__AUDIENCE", "")]),
        base: vec![("jwt.secret", SECRET.to_owned())],
        decided: &["database", "jwt", "keys"],
    };
    let settings = Settings::load(sources).expect("readable");
    assert_eq!(settings.server().expect("valid").port, 4001);
    let jwt = settings.jwt().expect("valid");
    assert_eq!(jwt.secret.as_ref().map(SecretBytes::expose), Some(SECRET.as_bytes()));
    assert_eq!(jwt.issuer, None);
    assert!(!settings.names_a_database());
    let file = format!("file {}", file.display());
    let unused: Vec<&str> = settings.unused().collect();
    assert_eq!(unused, ["env DATABASE_URL", "env KEYWARD__KEYS__PREFIX", &*file]);
}

#[test]
fn the_file_argument_wins_over_keyward_config() {
    let folder = Folder::new("which-file");
    let named = folder.file("a.toml", "server.port = 4001");
    let argument = folder.file("b.toml", "server.port = 4002");
    let variable = named.display().to_string();
    let variables = [("KEYWARD_CONFIG", variable.as_str())];
    assert_eq!(port(None, &variables), 4001);
    assert_eq!(port(Some(argument), &variables), 4002);
    assert_eq!(port(None, &[("KEYWARD_CONFIG", "")]), 3000);
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    assert_eq!(port(None, &[("PORT", ""), ("KEYWARD__SERVER__PORT", "")]), 3000);
}

#[test]
fn the_usual_names_set_what_people_expect() {
    let settings = load(env(&[("DATABASE_URL", URL), ("JWT_SECRET", SECRET), ("PORT", "80")]));
    assert_eq!(settings.database().expect("valid").url.expose(), URL);
    assert_eq!(settings.jwt().expect("valid").secret.as_ref().map(SecretBytes::expose), Some(SECRET.as_bytes()));
    assert_eq!(settings.server().expect("valid").port, 80);
}

#[test]
fn a_list_is_an_array_in_the_file_and_separated_by_commas_in_the_environment() {
    let folder = Folder::new("lists");
    let file = folder.file("keyward.toml", "[jwt]\naudience = [\"a\", \"b c\"]\n");
    let secret = env(&[("JWT_SECRET", SECRET)]);
    let from_file = load_with(Some(file), secret);
    assert_eq!(from_file.jwt().expect("valid").audience, ["a", "b c"]);
    let from_env = config_with(&[("KEYWARD__JWT__AUDIENCE", "x, y,")]);
    assert_eq!(from_env.jwt.audience, ["x", "y"]);
}

#[test]
fn a_mistyped_variable_is_refused_with_the_name_that_was_meant() {
    for (wrong, meant) in [
        ("KEYWARD__JTW__SECRET", "KEYWARD__JWT__SECRET"),
        ("KEYWARD__JWT_ISSUER", "KEYWARD__JWT__ISSUER"),
        ("KEYWARD_JWT_ISSUER", "KEYWARD__JWT__ISSUER"),
        ("KEYWARD__PORT", "KEYWARD__SERVER__PORT"),
        ("KEYWARD__jwt__secret", "KEYWARD__JWT__SECRET"),
    ] {
        let problems = problems_with(&[(wrong, "a-value-not-to-be-printed")]);
        let expected = format!("{wrong} in the environment is not a setting: did you mean {meant}?");
        assert_eq!(problems, [expected]);
    }
}

#[test]
fn a_mistyped_name_in_the_file_is_refused_with_the_name_that_was_meant() {
    let folder = Folder::new("typo");
    let text = "port = 1\n[jtw]\nsecret = \"not-to-be-printed\"\n[server]\nnonsense = 5\n";
    let file = folder.file("keyward.toml", text);
    let origin = format!("file {}", file.display());
    let problems = problems_of(load_with(Some(file), Vec::new()).server());
    assert_eq!(
        problems,
        [
            format!("jtw.secret ({origin}) is not a setting: did you mean jwt.secret?"),
            format!("port ({origin}) is not a setting: did you mean server.port?"),
            format!("server.nonsense ({origin}) is not a setting: docs/configuration.md lists every setting"),
        ]
    );
}

#[test]
fn variables_that_kubernetes_makes_for_a_service_called_keyward_are_ignored() {
    let settings = load(good_env_and(&[
        ("KEYWARD_PORT", "tcp://10.0.0.1:80"),
        ("KEYWARD_SERVER_PORT", "tcp://10.0.0.2:80"),
        ("KEYWARD_SERVICE_HOST", "10.0.0.1"),
        ("KEYWARD_PORT_80_TCP_ADDR", "10.0.0.1"),
    ]));
    assert_eq!(settings.server().expect("valid").port, 3000);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_that_names_it() {
    let folder = Folder::new("no-file");
    let path = folder.missing("nothing.toml");
    let sources = Sources { file: Some(PathBuf::from(&path)), ..Sources::default() };
    let problems = problems_of(Settings::load(sources));
    assert!(problems[0].contains(&path), "{problems:?}");
}

#[test]
fn a_file_without_an_end_is_refused_and_not_read_to_it() {
    let sources = Sources { file: Some(PathBuf::from("/dev/zero")), ..Sources::default() };
    let problems = problems_of(Settings::load(sources));
    assert!(problems[0].contains("/dev/zero") && problems[0].contains("is larger than"), "{problems:?}");
}

#[test]
fn invalid_toml_is_reported_by_its_line_but_the_line_is_not_printed() {
    let folder = Folder::new("bad-toml");
    for (line, column) in [
        ("secret = \"hunter2hunter2", 24),
        ("secret = hunter2", 10),
        ("secret = \"hunter2\" hunter2", 20),
        ("secret = \"hunter2\\q\"", 18),
    ] {
        let file = folder.file("keyward.toml", &format!("[jwt]\n{line}\n"));
        let sources = Sources { file: Some(file), ..Sources::default() };
        let text = problems_of(Settings::load(sources)).join("\n");
        assert!(text.contains("at line 2, column"), "{column}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
}
