use super::super::{ClientAddressHeader, JwtAlgorithm, LogFormat};
use super::*;
use std::time::Duration;

#[test]
fn valid_values_arrive_in_their_types() {
    let config = config_with(&[
        ("KEYWARD__SERVER__HOST", "::1"),
        ("KEYWARD__SERVER__WORKERS", "3"),
        ("KEYWARD__SERVER__BODY_TIMEOUT", "1m 30s"),
        ("KEYWARD__DATABASE__MIGRATE_ON_START", "false"),
        ("KEYWARD__DATABASE__PASSWORD", "hunter3"),
        ("KEYWARD__JWT__ALGORITHM", "HS256"),
        ("KEYWARD__JWT__ISSUER", "https://issuer.example"),
        ("KEYWARD__JWT__LEEWAY", "0s"),
        ("KEYWARD__LOG__FORMAT", "json"),
    ]);
    assert_eq!(config.server.host.to_string(), "::1");
    assert_eq!(config.server.workers.get(), 3);
    assert_eq!(config.server.body_timeout, Duration::from_secs(90));
    assert!(!config.database.migrate_on_start);
    assert_eq!(config.database.password.expect("set").expose(), "hunter3");
    assert_eq!(config.jwt.algorithm, JwtAlgorithm::Hs256);
    assert_eq!(config.jwt.issuer.as_deref(), Some("https://issuer.example"));
    assert_eq!(config.jwt.leeway, Duration::ZERO);
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn the_usual_grace_period_is_one_that_a_rotation_may_ask_for() {
    let env =
        |usual, longest| [("KEYWARD__KEYS__ROTATION_GRACE", usual), ("KEYWARD__KEYS__MAX_ROTATION_GRACE", longest)];
    for (usual, longest) in [("31d", "30d"), ("1s", "0s")] {
        let problems = problems_with(&env(usual, longest));
        let expected = format!("is longer than keys.max_rotation_grace, which is {longest}");
        assert!(problems.len() == 1 && problems[0].contains(&expected), "{problems:?}");
        assert!(problems[0].starts_with("keys.rotation_grace (env KEYWARD__KEYS__ROTATION_GRACE)"), "{problems:?}");
    }
    for (usual, longest) in [("30d", "30d"), ("0s", "0s"), ("365d", "365d")] {
        let policy = config_with(&env(usual, longest)).keys.policy;
        assert!(policy.rotation_grace == policy.max_rotation_grace, "{usual} {longest}");
    }
}

#[test]
fn all_problems_are_reported_at_once_one_line_each() {
    let problems = load(env(&[
        ("PORT", "99999"),
        ("KEYWARD__SERVER__HOST", "localhost"),
        ("KEYWARD__SERVER__KEEP_ALIVE", "75"),
        ("KEYWARD__JWT__ALGORITHM", "RS256"),
        ("KEYWARD__JWT__LEEWAY", "2m"),
        ("KEYWARD__KEYS__PREFIX", "No"),
        ("KEYWARD__HASHING__ITERATIONS", "two\nlines"),
        ("KEYWARD__LOG__FORMAT", "xml"),
        ("KEYWARD__SEVER__PORT", "1"),
    ]))
    .validate()
    .err()
    .expect("invalid");
    let text = problems.to_string();
    // The eight invalid ones above, the unknown one, and the three missing secrets.
    assert_eq!(text.lines().count(), 12, "{text}");
    assert_eq!(problems.lines().len(), 12);
}

#[test]
fn a_problem_names_the_setting_its_origin_the_cause_and_how_to_set_it() {
    assert_eq!(
        problems_with(&[("PORT", "99999")]),
        ["server.port (env PORT) is \"99999\", not a whole number from 0 to 65535; set \
             KEYWARD__SERVER__PORT or PORT in the environment or `port` under [server] in the \
             configuration file"]
    );
}

#[test]
fn a_number_is_neither_rounded_nor_guessed() {
    for wrong in ["yes", "2.5", "-1", "1e3", ""] {
        let folder = Folder::new("numbers");
        let file = folder.file("keyward.toml", &format!("server.workers = {wrong:?}"));
        assert_eq!(problems_of(load_with(Some(file), Vec::new()).server()).len(), 1);
    }
    let folder = Folder::new("float");
    let file = folder.file("keyward.toml", "server.workers = 2.5");
    assert_eq!(problems_of(load_with(Some(file), Vec::new()).server()).len(), 1);
}

#[test]
fn values_of_the_wrong_shape_are_refused() {
    let folder = Folder::new("shapes");
    let text = "[server]\nport = [1]\nhost = { a = 1 }\n[log]\nlevel = \"a\\u0007\"\n\
                [jwt]\naudience = [\"a\", \"\"]\nissuer = [\"a\"]\n";
    let file = folder.file("keyward.toml", text);
    let settings = load_with(Some(file), good_env_and(&[]));
    let problems = problems_of(settings.validate());
    assert_eq!(problems.len(), 5, "{problems:#?}");
}

#[test]
fn a_wrong_value_is_quoted_on_one_line_and_cut_short() {
    let long = "x\n".repeat(500);
    let problems = problems_with(&[("KEYWARD__LOG__FORMAT", &long)]);
    assert_eq!(problems[0].lines().count(), 1);
    assert!(problems[0].len() < 400, "{}", problems[0]);
}

#[test]
fn log_directives_are_capped_in_length() {
    let of_length = |length: usize| format!("{}=info", "a".repeat(length - "=info".len()));
    assert_eq!(problems_with(&[("KEYWARD__LOG__LEVEL", &of_length(1025))]).len(), 1);
    config_with(&[("KEYWARD__LOG__LEVEL", &of_length(1024))]);
}

#[test]
fn a_mistyped_log_level_is_refused_and_not_taken_for_a_module() {
    for good in ["info", "WARN", "off", "info,keyward::auth=debug", "warn, sqlx=trace", "tracing_actix_web=info"] {
        config_with(&[("KEYWARD__LOG__LEVEL", good)]);
    }
    for bad in ["inof", "verbose", "info,", "info,keyward=", "keyward=3", "=info", "keyward::auth", "[span]=info"] {
        let problems = problems_with(&[("KEYWARD__LOG__LEVEL", bad)]);
        assert_eq!(problems.len(), 1, "{bad}");
        assert!(problems[0].starts_with("log.level (env KEYWARD__LOG__LEVEL) is not understood"), "{problems:?}");
    }
}

#[test]
fn a_profile_sets_what_a_hash_costs_and_a_parameter_that_is_given_replaces_its_own() {
    let light = [1024, 1, 1];
    let owasp = [19_456, 2, 1];
    for (given, parameters) in [
        (&[][..], light),
        (&[("PROFILE", "light")], light),
        (&[("PROFILE", "owasp")], owasp),
        (&[("PROFILE", "owasp"), ("ITERATIONS", "3")], [19_456, 3, 1]),
        (&[("MEMORY_KIB", "65536"), ("PARALLELISM", "4")], [65_536, 1, 4]),
        (&[("PROFILE", "owasp"), ("MEMORY_KIB", "1024"), ("ITERATIONS", "1")], light),
        (&[("PROFILE", "owasp"), ("MEMORY_KIB", "0"), ("ITERATIONS", "0"), ("PARALLELISM", "0")], owasp),
    ] {
        let names: Vec<_> = given.iter().map(|(name, value)| (format!("KEYWARD__HASHING__{name}"), *value)).collect();
        let variables: Vec<_> = names.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let hashing = config_with(&variables).hashing;
        assert_eq!([hashing.memory_kib, hashing.iterations, hashing.parallelism], parameters, "{given:?}");
    }
}

#[test]
fn what_is_weaker_than_the_profile_light_or_no_profile_is_refused() {
    for (name, value, cause) in [
        ("KEYWARD__HASHING__MEMORY_KIB", "1023", "is 1023: too weak, it must be at least 1024"),
        ("KEYWARD__HASHING__MEMORY_KIB", "1", "too weak"),
        ("KEYWARD__HASHING__PROFILE", "fast", "\"light\" or \"owasp\""),
    ] {
        let problems = problems_with(&[(name, value)]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(cause), "{problems:?}");
    }
}

#[test]
fn a_database_url_must_be_one_of_postgres() {
    for wrong in ["mysql://u:hunter2@h/d", "postgres://", "hunter2"] {
        let problems = problems_with(&[("KEYWARD__DATABASE__URL", wrong)]);
        assert_eq!(problems.len(), 1);
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
    }
    config_with(&[("KEYWARD__DATABASE__URL", "postgresql://h/d")]);
}

#[test]
fn a_section_needs_only_its_own_settings() {
    let settings = load(env(&[("DATABASE_URL", URL)]));
    assert!(settings.database().is_ok());
    assert!(settings.server().is_ok());
    assert!(settings.log().is_ok());
    assert!(settings.jwt().is_err());
}

#[test]
fn what_keys_and_their_owners_may_be_arrives_in_its_types() {
    let config = config_with(&[
        ("KEYWARD__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::1 ,192.0.2.7"),
        ("KEYWARD__SERVER__CLIENT_ADDRESS_HEADER", "forwarded"),
        ("KEYWARD__DATABASE__MIGRATE_URL", "postgres://owner@localhost/keyward"),
        ("KEYWARD__JWT__TENANT_CLAIM", "org_id"),
        ("KEYWARD__JWT__DISABLED_CLAIM", "suspended"),
        ("KEYWARD__JWT__SCOPE_BEARING", "true"),
        ("KEYWARD__KEYS__MAX_LIFETIME", "90d"),
        ("KEYWARD__KEYS__MAX_PER_OWNER", "5"),
        ("KEYWARD__KEYS__REQUIRE_NAME", "true"),
        ("KEYWARD__LAST_USED__WRITE_EVERY", "10s"),
        ("KEYWARD__AUDIT__RETENTION", "30d"),
    ]);
    let networks: Vec<String> = config.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "2001:db8::1/128", "192.0.2.7/32"]);
    assert_eq!(config.server.client_address_header, ClientAddressHeader::Forwarded);
    assert!(config.database.migrate_url.is_some_and(|url| url.expose().contains("owner@")));
    assert_eq!(config.jwt.tenant_claim, Some("org_id".parse().expect("a path")));
    assert_eq!(config.jwt.disabled_claim, Some("suspended".parse().expect("a path")));
    assert!(config.jwt.scope_bearing);
    let policy = config.keys.policy;
    assert_eq!(policy.max_lifetime, Some(Duration::from_secs(90 * 86_400)));
    assert_eq!((policy.max_per_owner, policy.require_name), (Some(5), true));
    assert_eq!(config.last_used.write_every, Duration::from_secs(10));
    assert_eq!(config.audit.retention, Some(Duration::from_secs(30 * 86_400)));
}

#[test]
fn a_socket_arrives_with_its_permissions_and_whoever_may_open_it_is_believed() {
    let config = config_with(&[("KEYWARD__SERVER__SOCKET", "/run/keyward/keyward.sock")]);
    let socket = config.server.socket.clone().expect("a socket");
    assert_eq!((socket.path.to_str(), socket.mode), (Some("/run/keyward/keyward.sock"), 0o660));
    assert!(config.server.trusts_anybody());
    let without = config_with(&[("KEYWARD__SERVER__SOCKET_MODE", "0600")]).server;
    assert!(without.socket.is_none() && !without.trusts_anybody());
}

#[test]
fn zero_and_nothing_mean_no_limit_and_no_claim() {
    let config = config_with(&[
        ("KEYWARD__KEYS__MAX_LIFETIME", "0s"),
        ("KEYWARD__KEYS__MAX_PER_OWNER", "0"),
        ("KEYWARD__AUDIT__RETENTION", "0s"),
        ("KEYWARD__JWT__TENANT_CLAIM", ""),
        ("KEYWARD__SERVER__TRUSTED_PROXIES", ""),
    ]);
    assert_eq!((config.keys.policy.max_lifetime, config.keys.policy.max_per_owner), (None, None));
    assert_eq!((config.audit.retention, config.jwt.tenant_claim), (None, None));
    assert!(config.server.trusted_proxies.is_empty());
}

#[test]
fn proxies_headers_and_policies_that_are_none_are_problems() {
    for (name, value) in [
        ("KEYWARD__SERVER__TRUSTED_PROXIES", "10.0.0.0/33"),
        ("KEYWARD__SERVER__TRUSTED_PROXIES", "gateway.internal"),
        ("KEYWARD__SERVER__CLIENT_ADDRESS_HEADER", "x-real-ip"),
        ("KEYWARD__SERVER__SOCKET", "keyward.sock"),
        ("KEYWARD__SERVER__SOCKET", &format!("/{}", "é".repeat(60))),
        ("KEYWARD__SERVER__SOCKET_MODE", "0680"),
        ("KEYWARD__SERVER__SOCKET_MODE", "1777"),
        ("KEYWARD__SERVER__SOCKET_MODE", "rw"),
        ("KEYWARD__DATABASE__MIGRATE_URL", "mysql://localhost"),
        ("KEYWARD__JWT__SCOPE_BEARING", "maybe"),
        ("KEYWARD__KEYS__MAX_LIFETIME", "10y 1s"),
        ("KEYWARD__KEYS__MAX_PER_OWNER", "-1"),
        ("KEYWARD__KEYS__REQUIRE_NAME", "often"),
        ("KEYWARD__LAST_USED__WRITE_EVERY", "0s"),
        ("KEYWARD__LAST_USED__MAX_PENDING", "0"),
        ("KEYWARD__AUDIT__RETENTION", "400"),
    ] {
        assert_eq!(problems_with(&[(name, value)]).len(), 1, "{name} {value}");
    }
}

#[test]
fn a_duration_in_months_or_years_is_a_typing_mistake_and_the_units_are_named() {
    let problems = problems_with(&[("KEYWARD__COHERENCE__LEASE", "5M"), ("KEYWARD__KEYS__RETENTION", "1y")]);
    assert_eq!(problems.len(), 2, "{problems:#?}");
    for (problem, unit) in problems.iter().zip(["y", "M"]) {
        assert!(
            problem.contains(&format!("in {unit}, which is no unit here; the units are ms, s, m (minutes)")),
            "{problem}"
        );
    }
    let problems = problems_with(&[("KEYWARD__COHERENCE__LEASE", "5")]);
    assert!(problems[0].contains("not a number with one of the units ms, s, m (minutes), h, d, w"), "{problems:#?}");
}
