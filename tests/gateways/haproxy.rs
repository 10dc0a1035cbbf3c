//! `deploy/haproxy`.

use std::{path::Path, process::Command};

use test_support::program::Folder;

use crate::{
    gateway::{Gateway, Places, Running, is_installed, shipped},
    h2c::H2cApi,
    proofs::{prove, prove_all, refuses_to_tunnel},
    scene::{api, sends},
};

struct HaProxy;

impl Gateway for HaProxy {
    const PROGRAM: &'static str = "haproxy";

    fn command(program: &Path, folder: &Folder, places: &Places) -> Command {
        // A name of that kind exists once on a machine.
        let way = format!("abns@keyward-{}", places.port);
        let lua = folder.file("keyward.lua", &shipped("haproxy/keyward.lua", &[("abns@keyward", &way)]));
        let replicas = places.keyward.iter().enumerate();
        let replicas: String =
            replicas.map(|(number, address)| format!("    server keyward{number} {address}\n")).collect();
        let mut configuration = shipped(
            "haproxy/haproxy.cfg",
            &[
                ("/etc/haproxy/keyward.lua", &lua),
                ("bind abns@keyward", &format!("bind {way}")),
                ("bind :8080", &format!("bind 127.0.0.1:{}", places.port)),
                ("    server keyward1 127.0.0.1:3000\n", &replicas),
                (" 127.0.0.1:9000", &format!(" {}", places.api)),
            ],
        );
        if !rustix::process::geteuid().is_root() {
            // Only root can become somebody else.
            let is_kept =
                |line: &&str| !["user ", "group ", "chroot "].iter().any(|word| line.trim().starts_with(word));
            configuration = configuration.lines().filter(is_kept).map(|line| format!("{line}\n")).collect();
        }
        let file = folder.file("haproxy.cfg", &configuration);
        let mut command = Command::new(program);
        command.args(["-db", "-f", &file]);
        command
    }
}

prove_all!(HaProxy);
prove! { HaProxy: what_is_left_of_a_limit_is_told_with_what_the_api_answers, }

/// `deploy/compose`: the load balancer in front of Keyward itself.
struct Balancer;

impl Gateway for Balancer {
    const PROGRAM: &'static str = "haproxy";

    fn command(program: &Path, folder: &Folder, places: &Places) -> Command {
        let configuration = shipped(
            "compose/haproxy.cfg",
            &[
                ("bind :8080", &format!("bind 127.0.0.1:{}", places.port)),
                ("server-template replica 16 keyward:3000", &format!("server replica {}", places.keyward[0])),
            ],
        );
        let mut command = Command::new(program);
        command.args(["-db", "-f", &folder.file("haproxy.cfg", &configuration)]);
        command
    }
}

#[tokio::test]
async fn the_load_balancer_of_the_compose_file_asks_for_no_other_protocol() {
    if !is_installed::<Balancer>() {
        return;
    }
    let Some(api) = H2cApi::start().await else { return };
    refuses_to_tunnel(&Running::start::<Balancer>(&api.address(), "").await).await;
}

/// Replicas believe what it says of a client.
#[tokio::test]
async fn what_a_client_says_of_itself_ends_at_the_load_balancer_of_the_compose_file() {
    const CLAIMS: [(&str, &str); 4] = [
        ("X-Forwarded-For", "192.0.2.1"),
        ("Forwarded", "for=192.0.2.1;host=forged"),
        ("X-Forwarded-Host", "forged"),
        ("X-Forwarded-Proto", "https"),
    ];
    if !is_installed::<Balancer>() {
        return;
    }
    let keyward = api().await;
    let balancer = Running::start::<Balancer>(keyward.address(), "").await;
    for target in ["/v1/keys", "/.well-known/oauth-authorization-server", "/v1/authorize"] {
        assert_eq!(sends(&balancer, "GET", target, &CLAIMS, b"").await.status, 200);
        let got = keyward.requests().pop().expect("Keyward was asked");
        assert_eq!((got.header("x-forwarded-for"), got.header("forwarded")), (Some("127.0.0.1"), None));
        assert_eq!(got.header("x-forwarded-proto"), Some("http"));
        // Of a question, this is what it is about.
        let host = (target == "/v1/authorize").then_some("forged");
        assert_eq!(got.header("x-forwarded-host"), host, "{target}");
    }
}
