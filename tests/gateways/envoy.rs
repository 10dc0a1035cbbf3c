//! `deploy/envoy`.

use std::{path::Path, process::Command};

use test_support::program::Folder;

use crate::{
    gateway::{Gateway, Places, is_installed, shipped},
    proofs::{prove, prove_what_all_can},
};

struct Envoy;

impl Gateway for Envoy {
    const PROGRAM: &'static str = "envoy";

    const POLICY: Option<&'static str> = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/envoy/policy.toml"));

    const RESOLVES_PATHS: bool = true;

    fn command(program: &Path, folder: &Folder, places: &Places) -> Command {
        let keyward: String = places.keyward.iter().map(|address| endpoint(address)).collect();
        // A socket has no name to look up; and where there are several names, Envoy listens when it has looked up the
        // first.
        let kind = if keyward.contains("pipe") || places.keyward.len() > 1 { "STATIC" } else { "STRICT_DNS" };
        let configuration = shipped(
            "envoy/envoy.yaml",
            &[
                (
                    "{ address: 0.0.0.0, port_value: 8080 }",
                    &format!("{{ address: 127.0.0.1, port_value: {} }}", places.port),
                ),
                (&cluster("STRICT_DNS"), &cluster(kind)),
                (&endpoint("127.0.0.1:3000"), &keyward),
                (&endpoint("127.0.0.1:9000"), &endpoint(&places.api)),
            ],
        );
        let mut command = Command::new(program);
        command.args(["--config-path", &folder.file("envoy.yaml", &configuration)]);
        // All on a machine would share memory, to take over from each other.
        command.args(["--disable-hot-restart", "--concurrency", "2", "--log-level", "warning"]);
        command
    }
}

/// How the cluster of Keyward begins.
fn cluster(kind: &str) -> String {
    format!("- name: keyward\n      type: {kind}\n")
}

/// How the file has a server.
fn endpoint(address: &str) -> String {
    let address = match address.rsplit_once(':') {
        Some((host, port)) => format!("socket_address: {{ address: {host}, port_value: {port} }}"),
        None => format!("pipe: {{ path: {address} }}"),
    };
    let line = |indent: usize, text: &str| format!("{}{text}\n", " ".repeat(indent));
    [line(14, "- endpoint:"), line(18, "address:"), line(20, &address)].concat()
}

prove_what_all_can!(Envoy);

prove! { Envoy:
    what_is_left_of_a_limit_is_told_with_what_the_api_answers,
    // It joins what a client says twice under one name.
    two_keys_are_no_key,
    while_keyward_hangs_nobody_passes_and_nobody_waits_for_long,
    a_question_that_is_never_answered_lets_nobody_pass,
    where_a_replica_is_dead_another_one_is_asked,
    // Of a 5xx it hands on nothing.
    who_waits_for_a_decision_is_told_to_try_again_in_a_second,
}

#[tokio::test]
async fn by_the_unix_socket_the_gateway_is_believed() {
    if is_installed::<Envoy>() {
        crate::proofs::by_the_unix_socket_the_gateway_is_believed::<Envoy>("").await;
    }
}
