//! Who depends on the library alone builds nothing of the server.

use std::process::Command;

#[test]
fn without_the_server_none_of_its_libraries_is_built() {
    let cargo = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--edges", "normal", "--prefix", "none", "--format", "{lib}", "--offline", "--locked"])
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
