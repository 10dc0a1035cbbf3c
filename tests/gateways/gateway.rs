//! A gateway that runs with the file that ships.

use std::{
    fs, iter,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Instant,
};

use test_support::{PATIENCE, client, program::Folder, replica::Output};

use crate::{port::Port, server::READY};

/// A kind of gateway.
pub(crate) trait Gateway {
    /// The program's name.
    const PROGRAM: &'static str;

    /// The file of Keyward's policy, for a gateway whose own file can't demand a scope. Such a one asks with its
    /// client's method and path behind Keyward's, where others ask at an address of their own and tell them in headers.
    const POLICY: Option<&'static str> = None;

    /// Whether the API gets paths as the gateway has read them, where with others it gets what the client has written.
    const RESOLVES_PATHS: bool = false;

    /// What it answers where it gets no answer of Keyward's. A 503 has Keyward's form, and says when to try again.
    const UNDECIDED: u16 = 503;

    /// How it is started: with its files in `folder`, and these addresses in them.
    fn command(program: &Path, folder: &Folder, places: &Places) -> Command;
}

/// The addresses in a gateway's file.
pub(crate) struct Places {
    /// The port on the loopback interface that it listens on.
    pub(crate) port: u16,
    /// Of Keyward's replicas, each `host:port`.
    pub(crate) keyward: Vec<String>,
    /// `host:port`.
    pub(crate) api: String,
}

/// A running gateway. It ends with this value.
pub(crate) struct Running {
    process: Child,
    output: Arc<Output>,
    port: Port,
    _folder: Folder,
}

impl Running {
    /// Starts it; returns when requests get through it.
    pub(crate) async fn start<G: Gateway>(keyward: &str, api: &str) -> Self {
        Self::start_with_replicas::<G>(&[keyward], api).await
    }

    /// The same with several replicas of Keyward.
    pub(crate) async fn start_with_replicas<G: Gateway>(keyward: &[&str], api: &str) -> Self {
        let program = find::<G>().expect("a test of a gateway that isn't installed is skipped");
        let (folder, port) = (Folder::new(), Port::claim());
        let places = Places {
            port: port.number(),
            keyward: keyward.iter().map(|&address| address.to_owned()).collect(),
            api: api.to_owned(),
        };
        let mut command = G::command(&program, &folder, &places);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = Output::collect(&mut process);
        let mut running = Self { process, output, port, _folder: folder };
        running.is_ready().await;
        running
    }

    /// Some listen before they know their routes.
    async fn is_ready(&mut self) {
        let give_up = Instant::now() + PATIENCE;
        let url = format!("http://{}/public{READY}", self.address());
        while !client::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
            let ended = self.process.try_wait().expect("the process can be asked");
            let lost = ended.is_some() || Instant::now() > give_up;
            assert!(!lost, "nothing gets through the gateway; it has printed:\n{}", self.output.last());
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.port.address()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("the gateway has printed:\n{}", self.output.last());
        }
    }
}

/// The program: of the version that `scripts/gateways.sh` has installed, if it has one. Who isn't root may not have the
/// folders of servers among theirs.
fn find<G: Gateway>() -> Option<PathBuf> {
    let ours = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("gateways/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let further = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let places = iter::once(ours).chain(std::env::split_paths(&path)).chain(further);
    places.map(|place| place.join(G::PROGRAM)).find(|program| program.is_file())
}

/// Whether this gateway can be tested here. If not, says so, or fails where it must be.
pub(crate) fn is_installed<G: Gateway>() -> bool {
    let found = find::<G>().is_some();
    if !found {
        let reason = format!("the program `{}` is not installed", G::PROGRAM);
        assert!(std::env::var_os("KEYWARD_REQUIRE_GATEWAYS").is_none(), "{reason}");
        println!("skipped: {reason}");
    }
    found
}

/// A file as it ships, with each of these texts replaced, which must be in there.
pub(crate) fn shipped(path: &str, replacements: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (from, _) in replacements {
        assert!(text.contains(from), "{} has no {from}", path.display());
    }
    // In one pass, for what was put in could look like another text to replace.
    let (mut replaced, mut rest) = (String::new(), text.as_str());
    let next = |rest: &str| {
        let found = replacements.iter().filter_map(|(from, to)| Some((rest.find(from)?, from.len(), *to)));
        found.min_by_key(|(at, ..)| *at)
    };
    while let Some((at, length, to)) = next(rest) {
        replaced.push_str(&rest[..at]);
        replaced.push_str(to);
        rest = &rest[at + length..];
    }
    replaced + rest
}
