//! `deploy/traefik`.

use std::{path::Path, process::Command};

use test_support::program::Folder;

use crate::{
    gateway::{Gateway, Places, shipped},
    proofs::{prove, prove_what_all_can},
};

struct Traefik;

impl Gateway for Traefik {
    const PROGRAM: &'static str = "traefik";

    const RESOLVES_PATHS: bool = true;

    const UNDECIDED: u16 = 500;

    fn command(program: &Path, folder: &Folder, places: &Places) -> Command {
        let [keyward] = places.keyward.as_slice() else { panic!("Traefik asks at one address") };
        let routes = shipped(
            "traefik/keyward.yml",
            &[
                ("http://127.0.0.1:3000/", &format!("http://{keyward}/")),
                ("http://127.0.0.1:9000", &format!("http://{}", places.api)),
            ],
        );
        let routes = folder.file("keyward.yml", &routes);
        let listening = shipped(
            "traefik/traefik.yml",
            &[
                ("\":8080\"", &format!("127.0.0.1:{}", places.port)),
                ("filename: /etc/traefik/keyward.yml", &format!("filename: {routes}")),
            ],
        );
        let mut command = Command::new(program);
        command.arg(format!("--configfile={}", folder.file("traefik.yml", &listening)));
        command
    }
}

prove_what_all_can!(Traefik);

// Not what happens while Keyward hangs, for Traefik waits for 30 s, and no file changes that; nor with several
// replicas, for it knows one address of Keyward.
prove! { Traefik:
    who_shows_two_keys_is_told_so,
    when_keyward_will_decide_again_is_passed_on,
}
