//! docs/configuration.md lists exactly the settings of keyward.default.toml, with their defaults; and what it says of
//! memory fits the limits of the files that ship.

#![allow(clippy::print_stdout, reason = "a test says why it was skipped")]

use std::{collections::BTreeMap, fs, process::Command};

use config::{File, FileFormat, Source, Value, ValueKind};

const DEFAULTS: &str = include_str!("../keyward.default.toml");
const DOCS: &str = include_str!("../docs/configuration.md");

#[test]
fn the_documentation_lists_every_setting_with_its_default_and_no_other() {
    let actual = defaults();
    let documented = documented(|columns| columns[2].to_owned());
    assert!(!actual.is_empty());
    let mut differences = Vec::new();
    for (setting, default) in &actual {
        match documented.get(setting) {
            None => differences.push(format!("{setting} is not documented")),
            Some(told) if told != default => {
                differences.push(format!("{setting} is {default}, documented as {told}"));
            }
            Some(_) => {}
        }
    }
    for setting in documented.keys().filter(|name| !actual.contains_key(*name)) {
        differences.push(format!("{setting} is documented but doesn't exist"));
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn the_documentation_names_the_environment_variable_of_every_setting() {
    for (setting, variables) in documented(|columns| columns[1].to_owned()) {
        let name = format!("KEYWARD__{}", setting.to_uppercase().replace('.', "__"));
        let first = variables.split('`').next();
        assert_eq!(first, Some(name.as_str()), "{setting}");
    }
}

/// Every setting of the default file by its dotted name, with its default written like TOML.
fn defaults() -> BTreeMap<String, String> {
    let sections = File::from_str(DEFAULTS, FileFormat::Toml).collect().expect("the defaults are TOML");
    let mut settings = BTreeMap::new();
    for (name, value) in sections {
        put(&name, value, &mut settings);
    }
    settings
}

fn put(name: &str, value: Value, settings: &mut BTreeMap<String, String>) {
    match value.kind {
        ValueKind::Table(table) => {
            for (inner, value) in table {
                put(&format!("{name}.{inner}"), value, settings);
            }
        }
        _ => drop(settings.insert(name.to_owned(), toml(&value))),
    }
}

fn toml(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Array(items) => {
            let items: Vec<String> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// One column of the tables' rows, by setting. Rows are those whose first cell is code.
fn documented(column: fn(&[&str]) -> String) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for row in DOCS.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        assert_eq!(cells.len(), 4, "{row}");
        let twice = settings.insert(cells[0].to_owned(), column(&cells));
        assert!(twice.is_none(), "{} is documented twice", cells[0]);
    }
    settings
}

const COMPOSE: &str = include_str!("../docker-compose.yml");
const KUBERNETES: &str = include_str!("../deploy/kubernetes/keyward.yml");
const MIB: u64 = 1 << 20;

/// The parts of the table of memory: the setting, times so many bytes; the rest is the program's.
const MEMORY: [(&str, u64); 5] = [
    ("server.max_connections", 56 * 1024),
    ("server.max_buffered_bytes", 1),
    ("checks.cached_keys", 560),
    ("jwt.cached_tokens", 1000),
    ("last_used.max_pending", 48),
];
const PROGRAM: u64 = 48 * MIB;

/// What a replica takes at most with these settings, in bytes.
fn memory(setting: impl Fn(&str) -> u64) -> u64 {
    // Rows of the profile owasp need this whatever the profile is now.
    let hash = setting("hashing.memory_kib").max(19_456) * 1024;
    let hashes = setting("hashing.concurrency") * hash;
    PROGRAM + hashes + MEMORY.iter().map(|(name, bytes)| setting(name) * bytes).sum::<u64>()
}

#[test]
fn the_table_of_memory_says_what_is_added_up_here() {
    let section = DOCS.split("## Memory").nth(1).expect("that heading").split("\n## ").next().expect("its text");
    for (setting, bytes) in MEMORY {
        let factor = match bytes {
            1 => String::new(),
            bytes if bytes % 1024 == 0 => format!(" × {} KiB", bytes / 1024),
            bytes => format!(" × {bytes} bytes"),
        };
        let row = section.lines().find(|line| line.contains(&format!("| `{setting}`{factor} |")));
        let row = row.unwrap_or_else(|| panic!("no row with `{setting}`{factor}"));
        let default: u64 = defaults()[setting].parse().expect("a number");
        let mebibytes = (default * bytes).div_ceil(MIB).to_string();
        let told = row.rsplit('|').nth(1).expect("three cells").trim();
        let rounded = [mebibytes, (default * bytes / MIB).to_string()];
        assert!(rounded.iter().any(|number| *told == format!("{number} MiB")), "{row}: {rounded:?}");
    }
    assert!(section.contains(&format!("| {} MiB |", PROGRAM / MIB)));
}

#[test]
fn what_a_replica_may_take_fits_the_memory_limits_of_the_files_that_ship() {
    for (file, limit) in [(COMPOSE, "mem_limit: 512m"), (KUBERNETES, "limits: { memory: 512Mi }")] {
        assert!(file.contains(limit), "another limit than {limit}");
        let setting = |name: &str| {
            let variable = format!("KEYWARD__{}: ", name.to_uppercase().replace('.', "__"));
            let set = file.lines().find_map(|line| line.trim().strip_prefix(&variable));
            let value = set.map_or_else(|| defaults()[name].clone(), |set| set.trim_matches('"').to_owned());
            value.parse::<u64>().expect("a number")
        };
        let memory = memory(setting);
        assert!(memory <= 512 * MIB, "{} MiB with {limit}", memory / MIB);
    }
}

const SYSTEMD: &str = include_str!("../deploy/systemd/keyward.service");

#[test]
fn the_unit_for_systemd_names_settings_that_exist_and_is_valid_and_hardened() {
    let settings: Vec<String> = documented(|cells| cells[1].to_owned()).into_values().collect();
    for line in SYSTEMD.lines().filter_map(|line| line.strip_prefix("Environment=")) {
        let name = line.split('=').next().expect("a name");
        assert!(settings.iter().any(|names| names.contains(name)), "{name} is no setting");
    }
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("skipped: systemd-analyze is not installed");
        return;
    }
    let folder = std::env::temp_dir().join(format!("keyward-systemd-{}", std::process::id()));
    fs::create_dir(&folder).expect("a folder");
    let unit = folder.join("keyward.service");
    // The program where it is, so that it is found.
    fs::write(&unit, SYSTEMD.replace("/usr/local/bin/keyward", env!("CARGO_BIN_EXE_keyward"))).expect("written");
    let analyze = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze").args(arguments).arg(&unit).output().expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !errors.contains("keyward.service:"), "{arguments:?}: {errors}");
    };
    analyze(&["verify"]);
    // An exposure of 1.5 at most, of 10.
    analyze(&["security", "--offline=true", "--threshold=15"]);
    fs::remove_dir_all(&folder).expect("removed");
}
