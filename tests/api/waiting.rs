//! What is waited for, and for how long: heads, bodies, idle connections. Not only at the first request of a
//! connection.

use test_support::{
    actors::{CREATE, PROTECTED},
    eventually,
    wire::{Connection, head, with_header},
};

use crate::scene::Scene;

const HEAD_IN_TIME: (&str, &str) = ("KEYWARD__SERVER__HEADER_TIMEOUT", "1s");
const AUTHORIZE: &str = "/v1/authorize";
/// What `server.max_header_bytes` is by default, and bounds what of a chunked body is no content.
const MAX_HEADER_BYTES: usize = 16_384;

/// A connection on which a request has been answered.
async fn used(scene: &Scene) -> Connection {
    let mut connection = Connection::open(&scene.replica).await;
    connection.send(format!("{}\r\n", head("GET", "/healthz"))).await;
    assert_eq!(connection.answer().await.status, 200);
    connection
}

#[tokio::test]
async fn a_later_head_that_does_not_arrive_in_time_is_cut_like_the_first() {
    let scene = Scene::set_with(&[HEAD_IN_TIME]).await;
    let begin = head("GET", "/healthz");
    let stalled = async |sent: &str| {
        let mut connection = used(&scene).await;
        connection.send(sent).await;
        assert_eq!(connection.answer().await.status, 408, "{sent:?}");
        connection.ends().await;
    };
    let trickling = async |piece: &[u8]| {
        let mut connection = used(&scene).await;
        connection.send(&piece[..1]).await;
        assert_eq!(connection.answer_to_trickle(&piece[1..]).await.status, 408);
    };
    let behind_another = async {
        let mut connection = Connection::open(&scene.replica).await;
        connection.send(format!("{begin}\r\n{begin}")).await;
        assert_eq!(connection.answer().await.status, 200);
        assert_eq!(connection.answer().await.status, 408);
        connection.ends().await;
    };
    tokio::join!(
        stalled("G"),
        stalled(&begin),
        stalled("\r\n"),
        trickling(b"GGGGG"),
        trickling(b"\r\n\r"),
        behind_another
    );
    scene.still_serves().await;
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_on_a_used_connection_too() {
    let scene = Scene::set().await;
    for piece in ["x-filler: aaaaaaaaaaaaaaaaaaaaaaaaa\r\n", "\r\n", "a"] {
        let mut connection = used(&scene).await;
        if !piece.starts_with('\r') {
            connection.send(head("GET", "/healthz")).await;
        }
        connection.send_until_closed(piece.repeat(100).as_bytes()).await;
    }
    scene.still_serves().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let scene = Scene::set_with(&[("KEYWARD__SERVER__KEEP_ALIVE", "1s")]).await;
    used(&scene).await.ends().await;
}

/// It is waited for longer than its head may take.
#[tokio::test]
async fn a_connection_may_be_idle_for_longer_than_a_head_may_take() {
    let scene = Scene::set_with(&[HEAD_IN_TIME]).await;
    let mut idle = used(&scene).await;
    let mut silent = Connection::open(&scene.replica).await;
    assert_eq!(silent.answer().await.status, 408);
    idle.send(format!("{}\r\n", head("GET", "/healthz"))).await;
    assert_eq!(idle.answer().await.status, 200);
}

/// A gateway hands on the head of its client's request, and keeps the body.
#[tokio::test]
async fn a_body_that_nobody_reads_is_not_waited_for_and_the_refusal_is_logged() {
    let scene = Scene::set_with(&[("KEYWARD__SERVER__BODY_TIMEOUT", "5m")]).await;
    for framing in ["Content-Length: 77\r\n", "Content-Length: 65536\r\n", "Transfer-Encoding: chunked\r\n"] {
        for (method, path) in [
            ("GET", AUTHORIZE),
            ("POST", AUTHORIZE),
            ("PUT", "/v1/authorize/orders/7"),
            ("BREW", AUTHORIZE),
            ("GET", PROTECTED),
            ("HEAD", PROTECTED),
        ] {
            for (key, status) in [(scene.key.as_str(), 200), ("nonsense", 401)] {
                let mut connection = Connection::open(&scene.replica).await;
                connection.send(format!("{}x-api-key: {key}\r\n{framing}\r\n", head(method, path))).await;
                let answer = connection.answer_to(method).await;
                assert_eq!(
                    (answer.status, answer.header("connection")),
                    (status, Some("close")),
                    "{method} {path} {framing}"
                );
                connection.ends().await;
            }
        }
    }
    scene.replica.prints("key_malformed").await;
    for (method, path, status) in
        [("GET", "/healthz", 200), ("GET", "/docs/", 200), ("DELETE", "/v1/keys/self", 401), ("GET", "/unknown", 404)]
    {
        let answer = scene.answer(format!("{}Content-Length: 77\r\n\r\n", head(method, path))).await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn a_body_that_nobody_reads_and_that_is_there_costs_the_connection_nothing() {
    let scene = Scene::set().await;
    let mut connection = Connection::open(&scene.replica).await;
    for body in ["Content-Length: 7\r\n\r\nignored", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"] {
        for (method, path) in [("GET", "/healthz"), ("POST", AUTHORIZE), ("GET", PROTECTED)] {
            connection.send(format!("{}x-api-key: {}\r\n{body}", head(method, path), scene.key)).await;
            let answer = connection.answer().await;
            assert_eq!((answer.status, answer.header("connection")), (200, None), "{method} {path} {body}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_waited_for_is_no_request() {
    let scene = Scene::set().await;
    let mut connection = Connection::open(&scene.replica).await;
    connection.send(format!("{}x-api-key: {}\r\nContent-Length: 77\r\n\r\n", head("POST", AUTHORIZE), scene.key)).await;
    assert_eq!(connection.answer().await.status, 200);
    connection.send(format!("{}\r\n", head("GET", "/healthz"))).await;
    connection.ends().await;
}

#[tokio::test]
async fn a_body_that_is_late_is_logged() {
    let scene = Scene::set_with(&[("KEYWARD__SERVER__BODY_TIMEOUT", "1s")]).await;
    let head = format!(
        "{}Authorization: Bearer {}\r\nx-request-id: late-1\r\nContent-Length: 77\r\n\r\n",
        head("POST", CREATE),
        scene.token
    );
    assert_eq!(scene.answer(head).await.status, 408);
    let line = scene.replica.prints("body_timeout").await;
    assert!(line.contains("late-1") && line.contains("refused a request"), "{line}");
}

#[tokio::test]
async fn what_of_a_chunked_body_is_no_content_has_a_bound() {
    let scene = Scene::set().await;
    let asking =
        format!("{}Authorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\r\n", head("POST", CREATE), scene.token);
    let filler = "a".repeat(1_000);
    let enough = MAX_HEADER_BYTES / 1_000 - 1;
    let extensions = |count: usize| format!("1;{filler}\r\na\r\n").repeat(count) + "0\r\n\r\n";
    let trailers = |count: usize| "0\r\n".to_owned() + &format!("x: {filler}\r\n").repeat(count) + "\r\n";
    for body in [extensions(enough), trailers(enough)] {
        assert_eq!(scene.answer(format!("{asking}{body}")).await.status, 201);
    }
    for body in [
        extensions(enough + 3),
        trailers(enough + 3),
        format!("1;{}\r\n", filler.repeat(20)),
        format!("1{}\r\n", " ".repeat(17_000)),
    ] {
        scene.refuses_and_closes(400, format!("{asking}{body}")).await;
    }
    let mut endless = Connection::open(&scene.replica).await;
    endless.send(format!("{asking}0\r\n")).await;
    endless.send_until_closed(format!("x: {filler}\r\n").as_bytes()).await;
    scene.still_serves().await;
}

#[tokio::test]
async fn a_coded_body_is_415_and_told_what_is_taken() {
    let scene = Scene::set().await;
    let bearer = format!("Authorization: Bearer {}\r\n", scene.token);
    for coding in ["gzip", "x-gzip", "br", "identity, gzip", "GZIP", "whatever"] {
        for path in [CREATE, "/v1/keys", "/v1/introspect"] {
            let lines = format!(
                "{bearer}Content-Type: application/json\r\nContent-Encoding: {coding}\r\nContent-Length: 2\r\n\r\n{{}}"
            );
            let answer = scene.answer(format!("{}{lines}", head("POST", path))).await;
            assert_eq!((answer.status, answer.header("accept-encoding")), (415, Some("identity")), "{coding} {path}");
        }
    }
    for coding in ["identity", "Identity", ""] {
        let lines = format!("{bearer}Content-Encoding: {coding}\r\nContent-Length: 2\r\n\r\n{{}}");
        assert_eq!(scene.answer(format!("{}{lines}", head("POST", CREATE))).await.status, 201, "{coding}");
    }
    // Where there is no body, there is nothing that could be coded.
    assert_eq!(scene.answer(with_header("GET", "/healthz", "Content-Encoding", "gzip")).await.status, 200);
}

#[tokio::test]
async fn when_clients_hold_as_much_as_they_may_a_large_request_is_503_and_checks_go_on() {
    let scene = Scene::set_with(&[
        ("KEYWARD__SERVER__MAX_BUFFERED_BYTES", "1048576"),
        ("KEYWARD__SERVER__BODY_TIMEOUT", "5m"),
        ("KEYWARD__SERVER__HEADER_TIMEOUT", "1m"),
    ])
    .await;
    let asking = |length: usize| {
        format!("{}Authorization: Bearer {}\r\nContent-Length: {length}\r\n\r\n", head("POST", CREATE), scene.token)
    };
    // Twice as many as there is room for, so that there is none though some of them are refused themselves. All but
    // their last byte, for what is only announced is not held.
    let mut held = Vec::new();
    for _ in 0..64 {
        let mut connection = Connection::open(&scene.replica).await;
        connection.send(asking(32_768).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n")).await;
        connection.continues().await;
        connection.send("a".repeat(32_767)).await;
        held.push(connection);
    }
    let body = asking(40_000) + &"a".repeat(40_000);
    for large in [body, format!("{}x: {}", head("GET", PROTECTED), "a".repeat(10_000))] {
        eventually("there is no room", async || {
            let answer = scene.answer(&large).await;
            (answer.status, answer.header("retry-after")) == (503, Some("1"))
        })
        .await;
    }
    scene.replica.prints("server.max_buffered_bytes is used up").await;
    scene.still_serves().await;
    assert_eq!(scene.answer(asking(2) + "{}").await.status, 201);
    drop(held);
    eventually("what was held is free", async || scene.answer(asking(5_000) + &"a".repeat(5_000)).await.status == 201)
        .await;
}
