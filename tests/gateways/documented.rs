//! What `docs/gateways.md` shows is what happens, behind each gateway.

use std::process::{Child, Command, Stdio};

use test_support::{
    eventually,
    session::{Dev, check},
};

use crate::{
    gateway::{Gateway, Running},
    port::Port,
    scene::settings,
};

const PAGE: &str = include_str!("../../docs/gateways.md");

/// The API that the page tries gateways with. It ends with this value.
struct Api {
    process: Child,
    port: Port,
}

impl Api {
    /// `None` where there is no Python.
    async fn start() -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/try/api.py");
        let port = Port::claim();
        let mut command = Command::new("python3");
        command.arg(script).arg(port.number().to_string()).stdin(Stdio::null()).stderr(Stdio::null());
        let api = Self { process: command.spawn().ok()?, port };
        let address = api.port.address();
        eventually("the API listens", async || tokio::net::TcpStream::connect(&address).await.is_ok()).await;
        Some(api)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) async fn the_session_in_the_documents_is_what_happens<G: Gateway>() {
    let Some(api) = Api::start().await else {
        println!("skipped: the program `python3` is not installed");
        return;
    };
    let dev = Dev::start_with(&format!("behind-{}", G::PROGRAM), &settings::<G>());
    dev.welcome().await;
    let gateway = Running::start::<G>(&dev.address().await, &api.port.address()).await;
    let steps = dev.session(&PAGE.replace("localhost:8080", &gateway.address())).await;
    assert!(steps.len() > 10, "the session was not found");
    check(&steps);
}
