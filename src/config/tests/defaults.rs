use super::super::DEFAULTS;
use super::super::loading::names::{SECRETS, file_twin, variable};
use super::*;
use std::time::Duration;

#[test]
fn the_defaults_with_the_three_secrets_are_a_valid_configuration() {
    let config = config_with(&[]);
    assert_eq!(config.server.host.to_string(), "0.0.0.0");
    assert_eq!(config.server.port, 3000);
    assert_eq!(config.server.keep_alive, Duration::from_secs(75));
    assert_eq!(config.database.pool_size, 10);
    assert!(config.database.migrate_on_start);
    assert!(config.database.password.is_none());
    assert!(config.jwt.issuer.is_none() && config.jwt.audience.is_empty());
    assert_eq!(config.jwt.max_lifetime, Duration::from_secs(30 * 86_400));
    assert_eq!(config.keys.peppers.len(), 1);
    let hashing = &config.hashing;
    assert_eq!((hashing.memory_kib, hashing.iterations, hashing.parallelism), (1024, 1, 1));
    assert_eq!(config.log.level, "info");
}

#[test]
fn zero_workers_and_zero_concurrency_mean_one_per_core() {
    let config = config_with(&[]);
    let cores = std::thread::available_parallelism().expect("cores are known");
    assert_eq!(config.server.workers, cores);
    assert_eq!(config.hashing.concurrency, cores);
}

#[test]
fn without_any_setting_only_the_secrets_are_missing() {
    let problems = problems_of(load(Vec::new()).validate());
    assert_eq!(problems.len(), 3, "{problems:#?}");
    for (problem, name) in problems.iter().zip(["database.url", "jwt.secret", "keys.peppers"]) {
        assert!(problem.starts_with(&format!("{name} is not set")), "{problem}");
        assert!(problem.contains(&variable(name)), "{problem}");
    }
}

#[test]
fn every_default_has_a_comment_above_it() {
    for setting in load(Vec::new()).known {
        assert!(!comment_of(&setting).is_empty(), "{setting}");
    }
}

#[test]
fn every_range_that_is_enforced_stands_in_the_comment_of_its_default() {
    let settings = load(Vec::new());
    let mut compared = 0;
    for setting in &settings.known {
        let too_much = match settings.value(setting).kind {
            config::ValueKind::I64(_) => "9999999999999",
            config::ValueKind::String(text) if humantime::parse_duration(&text).is_ok() => "99999d",
            _ => continue,
        };
        let problems = problems_with(&[(variable(setting).as_str(), too_much)]);
        assert_eq!(problems.len(), 1, "{problems:#?}");
        let range = problems[0]
            .split(" from ")
            .nth(1)
            .and_then(|rest| rest.split(';').next())
            .expect("the message names the range");
        assert!(
            comment_of(setting).contains(&format!("Range: {range}.")),
            "the comment of {setting} doesn't say: {range}"
        );
        compared += 1;
    }
    assert!(compared >= 20, "only {compared} settings with a range found");
}

#[test]
fn every_setting_can_be_set_by_its_environment_variable() {
    for setting in load(Vec::new()).known {
        let name = variable(&setting);
        let settings = load(env(&[(&name, "something")]));
        let origin = settings.value(&setting).origin().map(str::to_owned);
        assert_eq!(origin, Some(format!("env {name}")));
        assert!(settings.problems.is_empty());
    }
}

#[test]
fn every_secret_is_a_setting_with_a_file_twin_and_empty_by_default() {
    let settings = load(Vec::new());
    for secret in SECRETS {
        assert!(settings.known.contains(&secret.to_owned()), "{secret}");
        assert!(settings.known.contains(&file_twin(secret)), "{secret}");
    }
}

/// The comment lines directly above a setting in the defaults, joined.
fn comment_of(setting: &str) -> String {
    let (in_section, name) = match setting.rsplit_once('.') {
        Some((section, name)) => {
            (DEFAULTS.split_once(&format!("\n[{section}]\n")).expect("the section is there").1, name)
        }
        None => (DEFAULTS, setting),
    };
    let (before, _) = in_section.split_once(&format!("\n{name} = ")).expect("the setting is there");
    let mut lines: Vec<&str> = before.lines().rev().map_while(|line| line.strip_prefix('#')).map(str::trim).collect();
    lines.reverse();
    lines.join(" ")
}
