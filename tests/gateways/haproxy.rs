//! `deploy/haproxy`.

use std::{path::Path, process::Command};

use crate::{
    gateway::{Gateway, Places, shipped},
    program::Folder,
    proofs::prove_all,
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
