//! `deploy/caddy`.

use std::{path::Path, process::Command};

use test_support::program::Folder;

use crate::{
    gateway::{Gateway, Places, is_installed, shipped},
    proofs::{prove, prove_all},
};

struct Caddy;

impl Gateway for Caddy {
    const PROGRAM: &'static str = "caddy";

    fn command(program: &Path, folder: &Folder, places: &Places) -> Command {
        // The tests' servers are to be reached from this machine only.
        let file = folder
            .file("Caddyfile", &shipped("caddy/Caddyfile", &[("admin off", "admin off\n\tdefault_bind 127.0.0.1")]));
        let mut command = Command::new(program);
        command.args(["run", "--adapter", "caddyfile", "--config", &file]);
        command
            .env("SITE", format!("http://:{}", places.port))
            .env("KEYWARD", places.keyward.join(" "))
            .env("API", &places.api);
        // Where it keeps what it remembers.
        command.env("HOME", folder.path()).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
        command
    }
}

prove_all!(Caddy);
prove! { Caddy: what_is_left_of_a_limit_is_told_with_what_the_api_answers, }

#[tokio::test]
async fn by_the_unix_socket_the_gateway_is_believed() {
    if is_installed::<Caddy>() {
        crate::proofs::by_the_unix_socket_the_gateway_is_believed::<Caddy>("unix/").await;
    }
}
