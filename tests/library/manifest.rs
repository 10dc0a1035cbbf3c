//! Who depends on the library alone builds nothing of the server, and downloads nothing that they don't need.

use std::{collections::BTreeSet, process::Command};

#[test]
fn without_the_server_none_of_its_libraries_is_built() {
    let cargo = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--package",
                "keyward",
                "--edges",
                "normal",
                "--prefix",
                "none",
                "--format",
                "{lib}",
                "--offline",
                "--locked",
            ])
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("names")
    };
    let (server, library) = (cargo(&[]), cargo(&["--no-default-features"]));
    let is_in = |tree: &str, name: &str| tree.lines().any(|line| line == name);
    for name in [
        "anyhow",
        "clap",
        "clap_complete",
        "config",
        "humantime",
        "keyward_local_postgres",
        "strsim",
        "tracing_actix_web",
        "tracing_subscriber",
        "utoipa",
        "utoipa_swagger_ui",
    ] {
        assert!(is_in(&server, name), "{name} is not what the server needs any more");
        assert!(!is_in(&library, name), "the library brings {name}");
    }
    assert!(is_in(&library, "actix_web") && is_in(&library, "sqlx"));
}

/// That what is packed can be built is a step of `scripts/check.sh`.
#[test]
fn what_is_packed_is_what_builds_and_readers_need() {
    let output = Command::new(env!("CARGO"))
        .args(["package", "--package", "keyward", "--list", "--allow-dirty", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let packed = String::from_utf8(output.stdout).expect("names");
    let tops: BTreeSet<&str> = packed.lines().map(|path| path.split('/').next().expect("a first part")).collect();
    // What cargo adds by itself, and `include` in Cargo.toml.
    let expected = [
        ".cargo_vcs_info.json Cargo.lock Cargo.toml Cargo.toml.orig",
        ".sqlx migrations sqlx.toml askama.toml keyward.default.toml src",
        "CHANGELOG.md LICENSE-APACHE LICENSE-MIT README.md SECURITY.md docs examples",
    ];
    let expected: BTreeSet<&str> = expected.iter().flat_map(|line| line.split(' ')).collect();
    // Without a repository, as in an archive of it, there is nothing to say of one.
    let of_git = BTreeSet::from([".cargo_vcs_info.json"]);
    assert_eq!(&tops | &of_git, expected);
    let below = |folder: &str| packed.lines().filter(|path| path.starts_with(folder)).collect::<Vec<_>>();
    assert_eq!(below("docs/"), ["docs/api.md", "docs/library.md", "docs/problems.md"]);
    assert_eq!(below("examples/"), ["examples/protected_app.rs"]);
    for (folder, extensions) in [
        ("src/", [".rs", ".css", ".html", ".js", ".svg"].as_slice()),
        ("migrations/", &[".sql"]),
        (".sqlx/", &[".json"]),
    ] {
        let files = below(folder);
        let others: Vec<_> = files.iter().filter(|path| !extensions.iter().any(|end| path.ends_with(end))).collect();
        assert!(files.len() > 4 && others.is_empty(), "{others:?}");
    }
}
