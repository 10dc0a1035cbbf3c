//! Requests that come in one packet are answered as if each had come by itself (RFC 9112 §9.3.2).

use test_support::{
    actors::{CREATE, PROTECTED, Person},
    asking::replica,
    wire::{Answer, Connection, head},
};

use crate::scene::Scene;

fn request(method: &str, target: &str, lines: &str) -> String {
    format!("{}{lines}\r\n", head(method, target))
}

async fn sent(scene: &Scene, requests: impl AsRef<[u8]>) -> Connection {
    let mut connection = Connection::open(&scene.replica).await;
    connection.send(requests).await;
    connection
}

fn assert_is_health(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"ok"}"#));
}

#[tokio::test]
async fn a_get_before_a_head_has_its_content_and_a_head_before_a_get_has_none() {
    let scene = Scene::set().await;
    let methods = ["GET", "HEAD", "GET", "HEAD", "HEAD", "GET", "GET"];
    // One is answered at once, the other has to ask the database.
    for (path, content) in [("/healthz", r#"{"status":"ok"}"#), ("/readyz", r#"{"status":"ready"}"#)] {
        let requests: String = methods.iter().map(|method| request(method, path, "")).collect();
        let mut connection = sent(&scene, requests).await;
        for method in methods {
            let answer = connection.answer_to(method).await;
            let length = content.len().to_string();
            assert_eq!(
                (answer.status, answer.header("content-length")),
                (200, Some(length.as_str())),
                "{method} {path}"
            );
            assert_eq!(answer.body, if method == "HEAD" { "" } else { content }, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn nothing_behind_a_request_that_closes_the_connection_is_done() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let key = alice.creates(&replica, serde_json::json!({})).await;
    let delete = request("DELETE", &key.path(), &format!("Authorization: Bearer {}\r\n", alice.token));
    for close in [
        request("GET", "/healthz", "Connection: close\r\n"),
        request("GET", "/healthz", "Connection: keep-alive, Close\r\n"),
        "GET /healthz HTTP/1.0\r\n\r\n".to_owned(),
        request("HEAD", "/healthz", "Connection: close\r\n"),
    ] {
        let mut connection = Connection::open(&replica).await;
        connection.send(format!("{close}{delete}{delete}")).await;
        let answer = connection.answer_to(&close[..4]).await;
        assert_eq!((answer.status, answer.header("connection").unwrap_or("close")), (200, "close"), "{close}");
        connection.ends().await;
        assert_eq!(key.status(&replica).await, 200, "it was revoked behind {close}");
    }
}

#[tokio::test]
async fn nothing_behind_a_refused_request_is_answered() {
    let scene = Scene::set().await;
    let bearer = format!("Authorization: Bearer {}\r\n", scene.token);
    let behind = request("GET", "/healthz", "");
    for (status, refused) in [
        (431, request("GET", "/healthz", &format!("x-filler: {}\r\n", "a".repeat(17_000)))),
        (413, request("POST", CREATE, &format!("{bearer}Content-Length: 70000\r\n"))),
        (400, request("GET", "/healthz", "Host: again\r\n")),
        (400, request("POST", CREATE, &format!("{bearer}Transfer-Encoding: chunked\r\n")) + "zz\r\n"),
    ] {
        let mut connection = sent(&scene, format!("{refused}{behind}")).await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (status, Some("close")), "{answer:?}");
        connection.ends().await;
    }
}

#[tokio::test]
async fn a_bad_request_behind_good_ones_is_refused_after_them() {
    let scene = Scene::set().await;
    let good = request("GET", "/healthz", "");
    let mut connection = sent(&scene, format!("{good}{good}GET /healthz HTTP/1.1\r\n\r\n{good}")).await;
    for _ in 0..2 {
        assert_is_health(&connection.answer().await);
    }
    assert_eq!(connection.answer().await.status, 400);
    connection.ends().await;
}

#[tokio::test]
async fn each_answer_is_in_the_version_of_its_own_request() {
    let scene = Scene::set().await;
    let old = "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let new = request("GET", "/healthz", "");
    let mut connection = sent(&scene, format!("{new}{old}{new}")).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let answer = connection.answer().await;
        assert_is_health(&answer);
        kept.push(answer.header("connection").map(str::to_owned));
    }
    assert_eq!(kept, [None, Some("keep-alive".to_owned()), None]);
}

/// What actix-http remembers of the answer before, be it to somebody else, changes nothing.
#[tokio::test]
async fn an_answer_to_an_older_client_ends_nobody_elses_connection() {
    let scene = Scene::set_with(&[("KEYWARD__SERVER__WORKERS", "1")]).await;
    let new = request("GET", "/healthz", "");
    for old in ["GET /healthz HTTP/1.0\r\n\r\n", "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"] {
        assert_is_health(&scene.answer(old).await);
        let mut connection = Connection::open(&scene.replica).await;
        for _ in 0..3 {
            connection.send(&new).await;
            let answer = connection.answer().await;
            assert_is_health(&answer);
            assert_eq!(answer.header("connection"), None);
        }
    }
}

/// RFC 9110 §7.8: who asks for another protocol may be answered in this one. And when a connection ends, it is said.
#[tokio::test]
async fn who_asks_for_another_protocol_is_told_that_the_connection_ends() {
    let scene = Scene::set().await;
    for lines in [
        "Connection: upgrade\r\n",
        "Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
        "Upgrade: websocket\r\n",
    ] {
        let asks = request("GET", "/healthz", lines);
        let mut connection = sent(&scene, format!("{asks}{asks}")).await;
        let answer = connection.answer().await;
        assert_is_health(&answer);
        assert_eq!((answer.header("connection"), answer.header("upgrade")), (Some("close"), None), "{lines}");
        connection.ends().await;
    }
}

#[tokio::test]
async fn a_hundred_requests_in_pieces_of_any_size_are_a_hundred_answers() {
    let scene = Scene::set().await;
    let body = "{\"a\": 1}";
    let bearer = format!("Authorization: Bearer {}\r\n", scene.token);
    let create = request("POST", CREATE, &format!("{bearer}Content-Length: {}\r\n", body.len())) + body;
    let chunked = request("POST", CREATE, &format!("{bearer}Transfer-Encoding: chunked\r\n"))
        + "1\r\n{\r\n1;x=y\r\n}\r\n0\r\nz: z\r\n\r\n";
    let check = request("GET", PROTECTED, &format!("x-api-key: {}\r\n", scene.key));
    let all = [check, create, chunked, request("GET", "/unknown", "")].concat().repeat(25);
    for size in [1_000, 1_499] {
        let mut connection = Connection::open(&scene.replica).await;
        for piece in all.as_bytes().chunks(size) {
            connection.send(piece).await;
        }
        for number in 0..100 {
            assert_eq!(connection.answer().await.status, [200, 201, 201, 404][number % 4], "{number}");
        }
    }
}
