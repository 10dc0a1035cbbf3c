//! Into which other protocol a connection may go: WebSocket, and none else. Behind any other nobody is asked any more.

use test_support::{PATIENCE, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{KEY, WEB_SOCKET};
use crate::{
    gateway::{Gateway, Running},
    h2c::{H2cApi, Said, Stream, forges, headers_frame, http_2_begins},
    scene::{api, gets, request},
    server::{Conduct, Request, Server},
};

/// Header lines by which a client asks for HTTP/2, alone or beside WebSocket, or hides that it does.
const ASKING: [&str; 40] = [
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "Connection: Upgrade\r\nUpgrade: h2c\r\n",
    "Connection: upgrade\r\nUpgrade: H2C\r\n",
    "connection: UPGRADE\r\nupgrade: h2C\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
    "Connection: keep-alive, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "Connection: HTTP2-Settings,Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "Connection: close, Upgrade\r\nUpgrade: h2c\r\n",
    "Connection: Upgrade\r\nConnection: HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n",
    "Connection:\tUpgrade\t\r\nUpgrade:\th2c\t\r\n",
    "Connection: , Upgrade ,\r\nUpgrade: h2c\r\n",
    "Connection: Upgrade, X-Auth-Subject\r\nUpgrade: h2c\r\n",
    "Connection: HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "Connection: keep-alive\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "Upgrade: h2c\r\nConnection: Upgrade\r\n",
    // Beside WebSocket.
    "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket,h2c\r\n",
    "Connection: Upgrade\r\nUpgrade: h2c,websocket\r\n",
    "Connection: Upgrade\r\nUpgrade: h2c\t,\twebsocket\r\n",
    "Connection: Upgrade\r\nUpgrade: , h2c,\r\n",
    "Connection: Upgrade\r\nUpgrade: h2c websocket\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket;h2c\r\n",
    "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nX-Whatever: x\r\nUPGRADE: h2c\r\n",
    "Connection: Upgrade\r\nUpgrade:\r\nUpgrade: h2c\r\n",
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: websocket\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    // With a version, as others, in disguise.
    "Connection: Upgrade\r\nUpgrade: h2c/1\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket/13, h2c\r\n",
    "Connection: Upgrade\r\nUpgrade: h2\r\n",
    "Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n",
    "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
    "Connection: Upgrade\r\nUpgrade: websocketh2c\r\n",
    "Connection: Upgrade\r\nUpgrade : h2c\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket,\r\n h2c\r\n",
    "Connection: Upgrade\r\nUpgrade: \"h2c\"\r\n",
    "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
];

fn asks(method: &str, target: &str, lines: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nHost: keyward\r\n{KEY}: a key\r\n{lines}\r\n").into_bytes()
}

/// A gateway before this API, with a Keyward that knows everybody: the question is only what gets past it.
async fn gateway<G: Gateway>(api: &str) -> (Running, Server) {
    let keyward = Server::that(Conduct::Answers(200, vec![("X-Auth-Subject", "alice")], "")).await;
    let gateway = Running::start::<G>(keyward.address(), api).await;
    // Some ask nobody before they have found out who is ready.
    eventually("Keyward is asked", async || gets(&gateway, "/orders/7", &[(KEY, "a key")]).await.status == 200).await;
    (gateway, keyward)
}

pub(crate) async fn no_connection_becomes_one_on_which_nobody_is_asked<G: Gateway>() {
    let Some(api) = H2cApi::start().await else { return };
    let (gateway, _keyward) = gateway::<G>(&api.address()).await;
    refuses_to_tunnel(&gateway).await;
}

/// However a client asks for HTTP/2, it gets an answer in HTTP/1.1.
pub(crate) async fn refuses_to_tunnel(gateway: &Running) {
    for target in ["/public/x", "/orders/7"] {
        for method in ["GET", "OPTIONS"] {
            for lines in ASKING {
                let said = forges(&gateway.address(), &asks(method, target, lines)).await;
                let Said::Answer(status, body) = said else { panic!("{method} {target} {lines:?}: {said:?}") };
                // As any other request, or by a refusal of what is no good handshake. Clients that offer HTTP/2 by the
                // book must not suffer for it.
                let good = if lines == ASKING[0] { &[200][..] } else { &[200, 400, 403, 426] };
                assert!(good.contains(&status), "{method} {target} {lines:?}: {status} {body}");
                if status == 200 && lines == ASKING[0] {
                    assert!(body.contains(r#""version": "1.1""#), "{body}");
                }
            }
        }
    }
}

pub(crate) async fn the_api_is_asked_for_no_protocol_but_web_socket<G: Gateway>() {
    let api = api().await;
    let (gateway, keyward) = gateway::<G>(api.address()).await;
    for target in ["/public/x", "/orders/7"] {
        for lines in ASKING {
            // The answer may be that a WebSocket is spoken from now on; that it is one is said elsewhere.
            forges(&gateway.address(), &asks("GET", target, lines)).await;
        }
    }
    assert!(!api.requests().is_empty(), "nothing got through");
    assert_asked_for_no_protocol_but_web_socket(&[api.requests(), keyward.requests()].concat());
}

/// In HTTP/2, a client names another protocol in a pseudo-header (RFC 8441 §4). Not all take HTTP/2 without TLS.
pub(crate) async fn nor_is_it_by_a_client_in_http_2<G: Gateway>() {
    let api = api().await;
    let (gateway, _keyward) = gateway::<G>(api.address()).await;
    let request =
        |method, path| vec![(":method", method), (":scheme", "http"), (":authority", "keyward"), (":path", path)];
    let mut stream = TcpStream::connect(gateway.address()).await.expect("a connection");
    let mut frames = http_2_begins();
    for (number, protocol) in [(1, "h2c"), (3, "H2C"), (5, "websocket, h2c"), (7, "TLS/1.0")] {
        let connect = [request("CONNECT", "/public/x"), vec![(":protocol", protocol)]].concat();
        frames.extend(headers_frame(number, Stream::GoesOn, &connect));
    }
    frames.extend(headers_frame(9, Stream::Ends, &request("GET", "/public/last")));
    stream.write_all(&frames).await.expect("it is sent");
    // Until it has come through, or the gateway has had enough.
    let is_through = async || api.requests().iter().any(|request| request.target == "/public/last");
    let mut heard = [0; 1024];
    while !is_through().await {
        match timeout(PATIENCE, stream.read(&mut heard)).await.expect("an answer in time") {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    assert_asked_for_no_protocol_but_web_socket(&api.requests());
}

#[track_caller]
fn assert_asked_for_no_protocol_but_web_socket(requests: &[Request]) {
    for request in requests {
        let of = |name: &str| -> Vec<&str> {
            request.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
        };
        assert!(matches!(*of("upgrade"), [] | [""] | ["websocket"]), "{request:?}");
        assert_eq!(of("http2-settings").concat(), "", "{request:?}");
        let connection = of("connection").join(",").to_ascii_lowercase();
        assert!(!connection.contains("http2-settings"), "{request:?}");
    }
}

pub(crate) async fn a_web_socket_to_a_real_server_passes<G: Gateway>() {
    // "ping" by a client (RFC 6455 §5.2), under a mask of zeros, and the same by a server.
    const PING: [u8; 10] = [0x81, 0x84, 0, 0, 0, 0, b'p', b'i', b'n', b'g'];
    const ECHO: [u8; 6] = [0x81, 0x04, b'p', b'i', b'n', b'g'];
    let Some(api) = H2cApi::start().await else { return };
    let (gateway, _keyward) = gateway::<G>(&api.address()).await;
    for (connection, upgrade) in [("Upgrade", "websocket"), ("keep-alive, upgrade", "WebSocket")] {
        let headers = [&[(KEY, "a key"), ("Connection", connection), ("Upgrade", upgrade)], &WEB_SOCKET[1..]].concat();
        let talk = async {
            let mut stream = TcpStream::connect(gateway.address()).await?;
            stream.write_all(&request("GET", "/orders/live", &headers, b"")).await?;
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await?);
            }
            let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
            assert!(head.starts_with("http/1.1 101 ") && head.contains("upgrade: websocket\r\n"), "{head}");
            stream.write_all(&PING).await?;
            let mut echo = [0; ECHO.len()];
            stream.read_exact(&mut echo).await?;
            std::io::Result::Ok(echo)
        };
        let echo = timeout(PATIENCE, talk).await.expect("an answer in time").expect("the connection holds");
        assert_eq!(echo, ECHO);
    }
}
