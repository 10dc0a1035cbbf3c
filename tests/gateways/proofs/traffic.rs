//! What passes through, and what it costs.

use test_support::PATIENCE;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{KEY, WEB_SOCKET, assert_passed};
use crate::{
    gateway::{Gateway, Running},
    scene::{Scene, assert_is_problem, gets, request, sends},
    server::Wire,
};

pub(crate) async fn connections_to_keyward_are_kept<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    let wire = Wire::to(scene.keyward.address()).await;
    let gateway = Running::start::<G>(wire.address(), scene.api.address()).await;
    // Each from a client of its own.
    for _ in 0..50 {
        assert_passed(&gets(&gateway, "/orders/7", &[(KEY, &key)]).await);
        assert_is_problem(&gets(&gateway, "/orders/7", &[(KEY, "nonsense")]).await, 401);
    }
    // Some more than one is fine: workers have their own, and health checks come each second.
    assert!(wire.connections() < 20, "{} connections for 100 questions", wire.connections());
}

pub(crate) async fn a_request_reaches_the_api_as_it_was_sent<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    let target = "/orders/a%20b/%C3%A4?q=a%20b&r=%2F..%2F&x=1+1&y";
    let body: Vec<u8> = (0..500_000_u32).map(|number| (number % 251) as u8).collect();
    let headers = [(KEY, key.as_str()), ("Content-Type", "application/x-test"), ("X-Whatever", "kept")];
    let length = body.len().to_string();
    let whole = [&headers[..], &[("Content-Length", &length)]].concat();
    assert_passed(&sends(&scene.gateway, "PUT", target, &whole, &body).await);
    let in_chunks = [&headers[..], &[("Transfer-Encoding", "chunked")]].concat();
    let half = body.len() / 2;
    let chunk = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    let chunks = [chunk(&body[..half]), chunk(&body[half..]), chunk(b"")].concat();
    assert_passed(&sends(&scene.gateway, "PUT", target, &in_chunks, &chunks).await);
    for got in scene.api.requests() {
        assert_eq!((got.method.as_str(), got.target.as_str()), ("PUT", target));
        assert_eq!(got.header("content-type"), Some("application/x-test"));
        assert_eq!(got.header("x-whatever"), Some("kept"));
        assert!(got.body == body, "the body has changed: {} bytes", got.body.len());
    }
}

pub(crate) async fn a_web_socket_passes<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    // The server knows the answer to this key.
    let headers = [&[("Connection", "Upgrade")], &WEB_SOCKET[..]].concat();
    scene.refuses(401, "/orders/live", &headers).await;
    let mut stream = TcpStream::connect(scene.gateway.address()).await.expect("a connection");
    let talk = async {
        stream.write_all(&request("GET", "/orders/live", &[&headers[..], &[(KEY, &key)]].concat(), b"")).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
        stream.write_all(b"ping").await?;
        let mut echo = [0; 4];
        stream.read_exact(&mut echo).await?;
        std::io::Result::Ok(echo)
    };
    let echo = timeout(PATIENCE, talk).await.expect("an answer in time").expect("the connection holds");
    assert_eq!(&echo, b"ping");
    assert_eq!(scene.last().header("x-auth-subject"), Some("alice"));
}
