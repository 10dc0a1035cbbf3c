//! `deploy/nginx`.

use std::{fs, path::Path, process::Command};

use test_support::program::Folder;

use crate::{
    gateway::{Gateway, Places, is_installed, shipped},
    proofs::{prove, prove_all},
};

struct Nginx;

/// What a distribution's nginx.conf does with ours: it includes conf.d. And what it has elsewhere is in the test's
/// folder.
const MAIN: &str = "daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include conf.d/*.conf;
}
";

impl Gateway for Nginx {
    const PROGRAM: &'static str = "nginx";

    fn command(program: &Path, folder: &Folder, places: &Places) -> Command {
        for name in ["conf.d", "snippets"] {
            fs::create_dir(folder.path().join(name)).expect("a new folder");
        }
        let replicas: Vec<String> = places.keyward.iter().map(|address| format!("server {address};")).collect();
        let configuration = shipped(
            "nginx/keyward.conf",
            &[
                ("server 127.0.0.1:3000;", &replicas.join("\n")),
                ("server 127.0.0.1:9000;", &format!("server {};", places.api)),
                ("listen 8080;", &format!("listen 127.0.0.1:{};", places.port)),
            ],
        );
        folder.file("conf.d/keyward.conf", &configuration);
        for name in ["snippets/keyward.conf", "snippets/keyward-headers.conf", "snippets/keyward-limits.conf"] {
            folder.file(name, &shipped(&format!("nginx/{name}"), &[]));
        }
        let main = folder.file("nginx.conf", MAIN);
        let mut command = Command::new(program);
        command.arg("-p").arg(folder.path()).args(["-c", &main, "-e", "stderr"]);
        command
    }
}

prove_all!(Nginx);
prove! { Nginx: what_is_left_of_a_limit_is_told_with_what_the_api_answers, }

#[tokio::test]
async fn by_the_unix_socket_the_gateway_is_believed() {
    if is_installed::<Nginx>() {
        crate::proofs::by_the_unix_socket_the_gateway_is_believed::<Nginx>("unix:").await;
    }
}
