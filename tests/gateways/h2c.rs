//! A real API server that speaks HTTP/2 without TLS to whoever asks for it by `Upgrade: h2c` (Hypercorn, as it comes),
//! and a client that forges an identity in there.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use test_support::{PATIENCE, eventually, replica::Output};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::port::Port;

/// Who the client would like to be.
pub(crate) const FORGED: &str = "mallory";

/// A running Hypercorn. It ends with this value.
pub(crate) struct H2cApi {
    process: Child,
    port: Port,
    _output: Arc<Output>,
}

impl H2cApi {
    /// `None` where Hypercorn isn't installed.
    pub(crate) async fn start() -> Option<Self> {
        let python = python()?;
        let port = Port::claim();
        let mut command = Command::new(python);
        // In one process, which the test can end.
        command.args(["-B", "-m", "hypercorn", "--workers", "0", "--bind", &port.address(), "h2c_api:app"]);
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateways"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("Python starts");
        let api = Self { _output: Output::collect(&mut process), process, port };
        let address = api.address();
        eventually("Hypercorn listens", async || TcpStream::connect(&address).await.is_ok()).await;
        Some(api)
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.port.address()
    }
}

impl Drop for H2cApi {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The Python that `scripts/gateways.sh` has given Hypercorn. Where everything must be installed, it must be.
fn python() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("gateways");
    let python = folder.join("bin/python");
    let installed = Command::new(&python).args(["-c", "import hypercorn"]).stderr(Stdio::null()).status();
    if installed.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    let reason = "Hypercorn is not installed (scripts/gateways.sh installs it)";
    assert!(std::env::var_os("KEYWARD_REQUIRE_GATEWAYS").is_none(), "{reason}");
    println!("skipped: {reason}");
    None
}

/// What a server says to a client that would like to go on in another protocol.
#[derive(Debug)]
pub(crate) enum Said {
    /// A status and a body, perhaps in chunks: HTTP/1.1 goes on.
    Answer(u16, String),
    /// "Switching Protocols", and what it says to the forger's request in HTTP/2.
    Tunnel(String),
}

/// Sends a request of HTTP/1.1, and goes on in HTTP/2 where the server switches.
pub(crate) async fn forges(address: &str, request: &[u8]) -> Said {
    let talk = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        if status == 101 {
            stream.write_all(&forged_request()).await?;
            return std::io::Result::Ok(Said::Tunnel(read_until(&mut stream, FORGED).await?));
        }
        if head.contains("\r\ntransfer-encoding: chunked\r\n") {
            return Ok(Said::Answer(status, read_until(&mut stream, "\r\n0\r\n\r\n").await?));
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).await?;
        Ok(Said::Answer(status, String::from_utf8_lossy(&body).into_owned()))
    };
    let request = request.escape_ascii();
    let said = timeout(PATIENCE, talk).await.unwrap_or_else(|_| panic!("no answer in time to {request}"));
    said.unwrap_or_else(|error| panic!("{request}: {error}"))
}

/// What is said until this text, or to the end.
async fn read_until(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) && stream.read_buf(&mut read).await? > 0 {}
    Ok(String::from_utf8_lossy(&read).into_owned())
}

/// In HTTP/2, a request for what is protected, from whom the client would like to be. The first stream is the request
/// that led here.
fn forged_request() -> Vec<u8> {
    let headers = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "keyward"),
        (":path", "/orders/7"),
        ("x-auth-subject", FORGED),
    ];
    [http_2_begins(), headers_frame(3, Stream::Ends, &headers)].concat()
}

/// The beginning of a client's connection in HTTP/2 (RFC 9113 §3.4): the preface, and settings that change nothing.
pub(crate) fn http_2_begins() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[0, 0, 0, 4, 0, 0, 0, 0, 0][..]].concat()
}

/// Whether something follows a request's headers.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Ends = 0x05,
    GoesOn = 0x04,
}

/// A frame with all headers of a request (RFC 9113 §6.2), each spelled out (RFC 7541 §6.2.2).
pub(crate) fn headers_frame(number: u8, then: Stream, headers: &[(&str, &str)]) -> Vec<u8> {
    let short = |length: usize| u8::try_from(length).expect("what is short");
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            block.push(short(text.len()));
            block.extend(text.as_bytes());
        }
    }
    [&[0, 0, short(block.len()), 1, then as u8, 0, 0, 0, number][..], &block].concat()
}

/// A server that couldn't be reached so would prove nothing.
#[tokio::test]
async fn what_is_kept_from_this_api_would_reach_it() {
    let Some(api) = H2cApi::start().await else { return };
    for lines in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
    ] {
        let request = format!("GET /public/x HTTP/1.1\r\nHost: keyward\r\n{lines}\r\n");
        let said = forges(&api.address(), request.as_bytes()).await;
        assert!(matches!(&said, Said::Tunnel(text) if text.contains(FORGED) && text.contains("/orders/7")), "{said:?}");
    }
}
