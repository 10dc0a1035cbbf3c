//! The arrow rule: which part of the program may know which.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A part, and what of the crate it may import. Every part may import itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("config", &["domain"]),
    ("telemetry", &["config", "domain"]),
    ("turns", &[]),
    ("auth", &["config", "domain", "telemetry", "turns"]),
    ("store", &["config", "domain", "telemetry", "turns"]),
    ("outbound", &["config", "domain", "telemetry"]),
    ("policy_file", &["config", "domain", "telemetry"]),
    ("protect", &["auth", "config", "domain", "telemetry"]),
    ("server", &["config", "domain", "protect"]),
    ("api", &["auth", "config", "domain", "protect", "server", "telemetry"]),
    ("console", &["auth", "domain", "protect", "telemetry"]),
    (
        "startup",
        &[
            "auth",
            "config",
            "console",
            "domain",
            "api",
            "outbound",
            "policy_file",
            "protect",
            "server",
            "store",
            "telemetry",
        ],
    ),
];

/// A crate, and the parts that may use it.
const BELONGS_TO: &[(&str, &[&str])] = &[
    ("utoipa", &["api"]),
    ("utoipa_swagger_ui", &["api"]),
    ("actix_web", &["api", "console", "protect", "server", "startup"]),
    ("askama", &["console"]),
    // Telemetry speaks of what it logs.
    ("actix_http", &["server", "telemetry"]),
    ("actix_server", &["server"]),
    ("httparse", &["server"]),
    ("tracing_actix_web", &["api"]),
    ("sqlx", &["store"]),
    ("reqwest", &["outbound"]),
    ("opentelemetry", &["telemetry"]),
    ("opentelemetry_otlp", &["outbound"]),
    ("argon2", &["auth"]),
    ("jsonwebtoken", &["auth"]),
    ("tokio", &["auth", "api", "outbound", "policy_file", "server", "startup", "store", "telemetry", "turns", "cli"]),
    ("toml", &["config"]),
    ("anyhow", &["startup", "cli"]),
    ("clap", &["cli"]),
    ("keyward_local_postgres", &["cli"]),
    ("test_support", &[]),
];

/// A crate of `crates`, and what else of this repository it may use.
const CRATES: &[(&str, &[&str])] =
    &[("local_postgres", &[]), ("models", &[]), ("test_support", &["keyward", "keyward_local_postgres"])];

/// The names by which our crates use each other.
const OURS: [&str; 3] = ["keyward", "keyward_local_postgres", "test_support"];

struct Source {
    path: PathBuf,
    part: String,
    /// Without comments and unit tests.
    code: String,
}

fn sources() -> Vec<Source> {
    let sources = sources_in("src");
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

/// Those below `folder`; a part is what stands directly in it.
fn sources_in(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&root).expect("below it");
            let part = inside.iter().next().expect("a name").to_string_lossy().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).expect("a readable file");
            let code = text.split("#[cfg(test)]\nmod tests {").next().expect("a first part");
            let code = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            Source { path, part, code }
        })
        .collect()
}

/// Whether `code` uses the crate: `sqlx::` but not `some_sqlx::`.
fn uses(code: &str, library: &str) -> bool {
    code.match_indices(&format!("{library}::"))
        .any(|(at, _)| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':'))
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// The parts that `code` imports: what follows `crate::`, alone or in braces.
fn imported_parts(code: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => top_level_names(group),
            None => vec![leading_name(rest)],
        };
        parts.extend(names);
    }
    parts
}

fn leading_name(text: &str) -> String {
    text.trim_start().chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

/// The first name of each member of a `{…}` group, which may hold further groups.
fn top_level_names(group: &str) -> Vec<String> {
    let mut names = vec![leading_name(group)];
    let mut depth = 0;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(leading_name(&group[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn imports_run_one_way() {
    for source in sources() {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(part, _)| *part == source.part) else { continue };
        for imported in imported_parts(&source.code) {
            let fine = imported == source.part || allowed.contains(&imported.as_str());
            assert!(fine, "{} must not import crate::{imported}", source.path.display());
        }
    }
}

#[test]
fn every_part_has_a_rule() {
    for source in sources() {
        let known = matches!(source.part.as_str(), "main" | "lib" | "cli")
            || MAY_IMPORT.iter().any(|(part, _)| *part == source.part);
        assert!(known, "{} belongs to no part that MAY_IMPORT knows", source.path.display());
    }
}

#[test]
fn a_library_stays_in_the_parts_it_belongs_to() {
    for source in sources() {
        for (library, parts) in BELONGS_TO {
            let fine = !uses(&source.code, library) || parts.contains(&source.part.as_str());
            assert!(fine, "{} must not use {library}", source.path.display());
        }
    }
}

#[test]
fn a_crate_uses_only_those_of_ours_that_it_may() {
    let sources = sources_in("crates");
    for (part, _) in CRATES {
        assert!(sources.iter().any(|source| source.part == *part), "crates/{part} was not found");
    }
    for source in sources {
        let (_, allowed) = CRATES.iter().find(|(part, _)| *part == source.part).expect("a rule in CRATES");
        for other in OURS.iter().filter(|other| !allowed.contains(other)) {
            assert!(!uses(&source.code, other), "{} must not use {other}", source.path.display());
        }
    }
}

#[test]
fn the_domain_reads_no_clock() {
    for source in sources().iter().filter(|source| source.part == "domain") {
        for clock in ["now_utc", "SystemTime", "Instant::now"] {
            assert!(!source.code.contains(clock), "{} reads a clock: {clock}", source.path.display());
        }
    }
}

#[test]
fn only_auth_makes_a_principal() {
    for source in sources() {
        let makes = source.code.contains("Principal::proven_");
        assert!(!makes || source.part == "auth", "{} makes a Principal", source.path.display());
    }
}

#[test]
fn the_rule_finds_what_breaks_it() {
    let code = "use crate::{\n    http::{server, routes},\n    domain::x,\n};\nfn f() { crate::store::open(); }";
    assert_eq!(imported_parts(code), ["http", "domain", "store"]);
}

/// What is not hidden is promised to applications, and a tool that compares versions holds us to it.
#[test]
fn every_module_of_the_library_is_hidden_from_applications() {
    let root = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("a readable file");
    let lines: Vec<&str> = root.lines().collect();
    let modules = lines.iter().enumerate().filter(|(_, line)| line.starts_with("pub mod "));
    let modules: Vec<_> = modules.map(|(number, line)| (lines[number - 1], *line)).collect();
    assert!(modules.len() > 5, "the modules were not found");
    for (before, module) in modules {
        assert_eq!(before, "#[doc(hidden)]", "{module}");
    }
}

/// Where a manifest names its tests, cargo finds no others.
#[test]
fn every_test_binary_is_named_in_a_manifest() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifests = ["Cargo.toml", "crates/models/Cargo.toml"];
    let manifests = manifests.map(|path| fs::read_to_string(root.join(path)).expect("a manifest")).concat();
    let entries = fs::read_dir(root.join("tests")).expect("tests").flatten().map(|entry| entry.path());
    let roots = entries.map(|path| if path.is_dir() { path.join("main.rs") } else { path });
    let mut count = 0;
    for path in roots.filter(|path| path.is_file() && path.extension().is_some_and(|extension| extension == "rs")) {
        let path = path.strip_prefix(root).expect("below it").display().to_string();
        assert!(manifests.contains(&format!("{path}\"\n")), "no manifest names {path}");
        count += 1;
    }
    assert!(count > 19, "the tests were not found");
}
