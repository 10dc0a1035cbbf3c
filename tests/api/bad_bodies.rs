//! Bodies that are no good.

use test_support::{
    actors::CREATE,
    wire::{Connection, head},
};

use crate::scene::{Scene, assert_tells_nothing};

const TEN_MEGABYTES: usize = 10 << 20;
/// What `server.max_body_bytes` is by default.
const MAX_BODY_BYTES: usize = 65_536;

/// The head of a request for a key, with further header lines.
fn asking(scene: &Scene, lines: &str) -> String {
    format!("{}Authorization: Bearer {}\r\n{lines}\r\n", head("POST", CREATE), scene.token)
}

fn with_body(scene: &Scene, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = asking(scene, &format!("Content-Length: {}\r\n{lines}", body.len()));
    [head.as_bytes(), body].concat()
}

fn in_chunks(scene: &Scene, body: &[u8]) -> Vec<u8> {
    let mut request = asking(scene, "Transfer-Encoding: chunked\r\n").into_bytes();
    for chunk in body.chunks(10_000) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_413_announced_or_in_chunks() {
    let scene = Scene::set().await;
    let body = vec![b'a'; TEN_MEGABYTES];
    for request in [with_body(&scene, "", &body), in_chunks(&scene, &body)] {
        let answer = scene.refuses(413, request).await;
        assert_eq!(answer.body, r#"{"message":"The body is too large"}"#);
        assert_eq!(answer.header("connection"), Some("close"));
    }
}

#[tokio::test]
async fn a_body_is_refused_from_the_first_byte_over_the_limit_on() {
    let scene = Scene::set().await;
    let (largest, larger) = (vec![b'a'; MAX_BODY_BYTES], vec![b'a'; MAX_BODY_BYTES + 1]);
    for request in [with_body(&scene, "", &largest), in_chunks(&scene, &largest)] {
        assert_eq!(scene.answer(request).await.status, 201);
    }
    for request in [with_body(&scene, "", &larger), in_chunks(&scene, &larger)] {
        scene.refuses(413, request).await;
    }
}

#[tokio::test]
async fn a_body_announced_too_large_is_refused_before_it_comes() {
    let scene = Scene::set().await;
    for length in [MAX_BODY_BYTES as u64 + 1, u64::MAX] {
        for expect in ["", "Expect: 100-continue\r\n"] {
            scene.refuses(413, asking(&scene, &format!("Content-Length: {length}\r\n{expect}"))).await;
        }
    }
}

#[tokio::test]
async fn a_body_without_end_is_refused_and_the_connection_cut() {
    let scene = Scene::set().await;
    let mut connection = Connection::open(&scene.replica).await;
    connection.send(asking(&scene, "Transfer-Encoding: chunked\r\n")).await;
    connection.send_until_closed(format!("2000\r\n{}\r\n", "a".repeat(0x2000)).as_bytes()).await;
    scene.still_serves().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_408_and_the_connection_cut() {
    let scene = Scene::set_with(&[("KEYWARD__SERVER__BODY_TIMEOUT", "1s")]).await;
    let stalled = async |framing: &str| {
        let mut connection = Connection::open(&scene.replica).await;
        connection.send(asking(&scene, framing)).await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (408, Some("close")), "{framing}");
        assert_tells_nothing(&answer);
        connection.ends().await;
    };
    tokio::join!(stalled("Content-Length: 60000\r\n"), stalled("Transfer-Encoding: chunked\r\n"));
    scene.still_serves().await;
}

#[tokio::test]
async fn a_body_that_trickles_in_is_408_and_the_connection_cut() {
    let scene = Scene::set_with(&[("KEYWARD__SERVER__BODY_TIMEOUT", "1s")]).await;
    let trickling = async |framing: &str, piece: &[u8]| {
        let mut connection = Connection::open(&scene.replica).await;
        connection.send(asking(&scene, framing)).await;
        let answer = connection.answer_to_trickle(piece).await;
        assert_eq!(answer.status, 408, "{framing}");
        assert_tells_nothing(&answer);
        connection.send_until_closed(piece).await;
    };
    tokio::join!(
        trickling("Content-Length: 60000\r\n", b"a"),
        trickling("Transfer-Encoding: chunked\r\n", b"1\r\na\r\n")
    );
    scene.still_serves().await;
}

/// A switch to another protocol would make everything that follows the body.
#[tokio::test]
async fn an_upgrade_is_not_waited_for() {
    let scene = Scene::set().await;
    let mut connection = Connection::open(&scene.replica).await;
    connection.send(asking(&scene, "Connection: upgrade\r\nUpgrade: websocket\r\n")).await;
    assert_eq!(connection.answer().await.status, 201);
    connection.ends().await;
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_a_bad_request() {
    let scene = Scene::set().await;
    for framing in ["Content-Length: 60000\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"] {
        let mut connection = Connection::open(&scene.replica).await;
        connection.send(asking(&scene, framing).strip_suffix("\r\n").expect("the end of the head")).await;
        connection.finish().await;
        let answer = connection.answer().await;
        assert_eq!(answer.status, 400, "{framing}");
        assert_tells_nothing(&answer);
        scene.still_serves().await;
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_json_and_is_not_is_a_bad_request() {
    let scene = Scene::set().await;
    let types =
        ["application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON"];
    for media_type in types {
        let answer = scene.refuses(400, with_body(&scene, &format!("Content-Type: {media_type}\r\n"), b"{")).await;
        assert_eq!(answer.body, r#"{"message":"The body is not valid JSON"}"#, "{media_type}");
    }
    let deep = "[".repeat(60_000);
    for body in [
        b"{".as_slice(),
        b"{}{}",
        b"{'a': 1}",
        b"{\"a\": 1,}",
        b"nul",
        b" ",
        b"\0",
        b"{}\0",
        b"NaN",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        b"\"\xff\"",
        b"{\"a\": \"\xc0\x80\"}",
        b"\"\x01\"",
        deep.as_bytes(),
    ] {
        scene.refuses(400, with_body(&scene, "Content-Type: application/json\r\n", body)).await;
    }
}

#[tokio::test]
async fn a_bad_body_of_a_stranger_gets_the_answer_of_a_stranger() {
    let scene = Scene::set().await;
    let request = format!("{}Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{{", head("POST", CREATE));
    assert_eq!(scene.refuses(403, request).await.body, r#"{"message":"No token provided"}"#);
}
