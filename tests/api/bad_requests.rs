//! Request heads that are no good: methods, targets, headers, framing.

use test_support::{
    actors::{CREATE, PROTECTED},
    wire::{Connection, head, with_header},
};

use crate::scene::Scene;

/// What `server.max_header_bytes` is by default.
const MAX_HEADER_BYTES: usize = 16_384;

/// A request whose head has `length` bytes on the wire.
fn of_length(length: usize, begin: &str, end: &str) -> String {
    let filler = length - begin.len() - end.len();
    format!("{begin}{}{end}", "a".repeat(filler))
}

#[tokio::test]
async fn a_head_is_refused_from_the_first_byte_over_the_limit_on() {
    let scene = Scene::set().await;
    let in_a_header = (format!("{}x-filler: ", head("GET", "/healthz")), "\r\n\r\n".to_owned());
    let in_the_target = ("GET /healthz?".to_owned(), " HTTP/1.1\r\nHost: keyward\r\n\r\n".to_owned());
    let credential = (format!("{}x-api-key: ", head("GET", PROTECTED)), "\r\n\r\n".to_owned());
    for (begin, end) in [&in_a_header, &in_the_target] {
        assert_eq!(scene.answer(of_length(MAX_HEADER_BYTES, begin, end)).await.status, 200, "{begin}");
    }
    for (begin, end) in [&in_a_header, &in_the_target, &credential] {
        scene.refuses_and_closes(431, of_length(MAX_HEADER_BYTES + 1, begin, end)).await;
    }
    for (begin, end) in [&in_a_header, &credential] {
        scene.refuses_and_closes(431, of_length(60_000, begin, end)).await;
    }
}

/// RFC 9112 §3: longer than any that we read.
#[tokio::test]
async fn a_target_that_is_longer_than_a_whole_head_may_be_is_414() {
    let scene = Scene::set().await;
    for begin in ["/", "/healthz?", PROTECTED, "http://keyward/", "*"] {
        for length in [MAX_HEADER_BYTES, 20_000, 70_000, 200_000] {
            let request = format!("GET {begin}{} HTTP/1.1\r\nHost: keyward\r\n\r\n", "a".repeat(length));
            scene.refuses_and_closes(414, request).await;
        }
    }
    // Where a head may be longer, its target may not: there is no type for such a one.
    let scene = Scene::set_with(&[("KEYWARD__SERVER__MAX_HEADER_BYTES", "131072")]).await;
    assert_eq!(
        scene.answer(format!("{}\r\n", head("GET", &format!("/healthz?{}", "a".repeat(65_000))))).await.status,
        200
    );
    scene.refuses_and_closes(414, format!("{}\r\n", head("GET", &format!("/healthz?{}", "a".repeat(66_000))))).await;
}

#[tokio::test]
async fn the_largest_limit_that_can_be_configured_is_kept_too() {
    let limit = 131_072;
    let scene = Scene::set_with(&[("KEYWARD__SERVER__MAX_HEADER_BYTES", &limit.to_string())]).await;
    let begin = format!("{}x-filler: ", head("GET", "/healthz"));
    assert_eq!(scene.answer(of_length(limit, &begin, "\r\n\r\n")).await.status, 200);
    scene.refuses(431, of_length(limit + 1, &begin, "\r\n\r\n")).await;
}

#[tokio::test]
async fn a_header_of_200_kilobytes_is_431() {
    let scene = Scene::set().await;
    for name in ["x-filler", "x-api-key", "Authorization", "Cookie"] {
        scene.refuses(431, with_header("GET", PROTECTED, name, "a".repeat(200_000))).await;
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut() {
    let scene = Scene::set().await;
    let mut connection = Connection::open(&scene.replica).await;
    connection.send(head("GET", "/healthz")).await;
    connection.send_until_closed(format!("x-filler: {}\r\n", "a".repeat(1000)).as_bytes()).await;
    scene.still_serves().await;
}

#[tokio::test]
async fn more_than_96_headers_are_431() {
    let scene = Scene::set().await;
    let with_count = |count: usize| {
        let further: String = (1..count).map(|number| format!("x-{number}: a\r\n")).collect();
        format!("{}{further}\r\n", head("GET", "/healthz"))
    };
    assert_eq!(scene.answer(with_count(96)).await.status, 200);
    scene.refuses_and_closes(431, with_count(97)).await;
    scene.refuses(431, with_count(2000)).await;
}

#[tokio::test]
async fn a_head_that_does_not_arrive_in_time_is_cut() {
    let scene = Scene::set_with(&[("KEYWARD__SERVER__HEADER_TIMEOUT", "1s")]).await;
    let begin = head("GET", "/healthz");
    let stalled = async |sent: &str| {
        let mut connection = Connection::open(&scene.replica).await;
        connection.send(sent).await;
        assert_eq!(connection.answer().await.status, 408, "{sent:?}");
        connection.ends().await;
    };
    let trickling = async {
        let mut connection = Connection::open(&scene.replica).await;
        connection.send(&begin).await;
        assert_eq!(connection.answer_to_trickle(b"x-filler: a\r\n").await.status, 408);
    };
    tokio::join!(stalled(""), stalled("GET "), stalled(&begin), trickling);
    scene.still_serves().await;
}

#[tokio::test]
async fn header_values_that_are_no_text_break_nothing() {
    let scene = Scene::set().await;
    for name in ["Accept", "Content-Type", "User-Agent", "Cookie", "x-request-id", "traceparent", "Forwarded"] {
        let value = [b"\xff\xfe\r\nx-api-key: ", scene.key.as_bytes()].concat();
        assert_eq!(scene.answer(with_header("GET", PROTECTED, name, value)).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn another_method_is_405_with_allow() {
    let scene = Scene::set().await;
    for (path, allowed) in
        [(CREATE, "POST"), (PROTECTED, "GET, HEAD"), ("/healthz", "GET, HEAD"), ("/readyz", "GET, HEAD")]
    {
        for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let answer = scene.refuses(405, format!("{}\r\n", head(method, path))).await;
            assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
        }
    }
    let answer = scene.answer(format!("{}Content-Length: 0\r\n\r\n", head("POST", PROTECTED))).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
    let answer = scene.answer(format!("{}\r\n", head("GET", CREATE))).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
}

/// RFC 9110 §9.1: names of methods are matched as they are written.
#[tokio::test]
async fn a_method_that_nobody_knows_is_501_wherever_it_is_sent() {
    let scene = Scene::set().await;
    for path in [CREATE, PROTECTED, "/healthz", "/v1/keys", "/unknown"] {
        for method in ["BREW", "get", "post", "Get", "x", "PROPFIND", "M-SEARCH", &"A".repeat(100)] {
            let answer = scene.refuses(501, format!("{}\r\n", head(method, path))).await;
            assert_eq!(answer.header("allow"), None, "{method} {path}");
        }
    }
}

/// RFC 9110 §9.3.7: it is about the server, and a way to ask whether that is alive.
#[tokio::test]
async fn options_of_the_server_as_a_whole_are_told() {
    let scene = Scene::set().await;
    let answer = scene.answer(format!("{}\r\n", head("OPTIONS", "*"))).await;
    assert_eq!((answer.status, answer.header("allow")), (204, Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")));
    scene.refuses_and_closes(400, format!("{}\r\n", head("GET", "*"))).await;
}

#[tokio::test]
async fn an_unknown_target_is_404_with_a_good_credential_and_without() {
    let scene = Scene::set().await;
    for target in [
        "/",
        "/api",
        "/api/",
        "/api/protected-resource/",
        "/api/protected-resource/..",
        "/api/protected-resource;x=1",
        "/api/protected-resource%00",
        "/API/protected-resource",
        "//api/protected-resource",
        "/api//protected-resource",
        "/api/./protected-resource",
        "/api/../api/protected-resource",
        "/healthz/../api/protected-resource",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/../../../../etc/passwd",
        "/api%2fprotected-resource",
        "/%ff%fe",
        "/%00",
        "/%",
        "/%zz",
        "/.git/config",
        "/index.php",
        "http://elsewhere.example",
        "http://elsewhere.example/unknown",
    ] {
        for request in
            [format!("{}\r\n", head("GET", target)), format!("{}x-api-key: {}\r\n\r\n", head("GET", target), scene.key)]
        {
            scene.refuses(404, request).await;
        }
    }
    scene.refuses(404, format!("{}\r\n", head("CONNECT", "elsewhere.example:443"))).await;
}

#[tokio::test]
async fn a_target_that_is_none_is_a_bad_request() {
    let scene = Scene::set().await;
    for target in [
        b"/\xff\xfe".as_slice(),
        "/é".as_bytes(),
        b"/\0",
        b"/\x01",
        b"/\x7f",
        b"/a\tb",
        b"/a b",
        b"/ ",
        b"/<>",
        b"/`",
        b"",
        // A fragment, which parsers of addresses drop without a word.
        b"/healthz#",
        b"/healthz#a",
        b"/healthz?a#b",
        b"/v1/authorize/public/x#/../../secret",
        b"http://keyward/healthz#a",
        b"#",
        // None of the four forms, or that of another method.
        b"*",
        b"healthz",
        b"healthz/",
        b"./healthz",
        b"?a",
        b"keyward:80",
        b"ftp://keyward/healthz",
        b"http:/healthz",
        b"http:",
        b"://keyward/",
        // Hosts that are none.
        b"http://",
        b"http:///healthz",
        b"http://u@keyward/healthz",
        b"http://key ward/healthz",
        b"http://keyward:port/healthz",
        b"http://[::1/healthz",
        b"http://k\xc3\xa4se/healthz",
    ] {
        let request = [b"GET ", target, b" HTTP/1.1\r\nHost: keyward\r\n\r\n"].concat();
        scene.refuses_and_closes(400, request).await;
    }
}

/// RFC 9112 §3.2.2: a server takes the absolute form, and the same checks stand before the route.
#[tokio::test]
async fn an_absolute_target_is_the_route_of_its_path_with_that_routes_checks() {
    let scene = Scene::set().await;
    let target = format!("http://elsewhere.example{PROTECTED}");
    assert_eq!(scene.answer(with_header("GET", &target, "x-api-key", &scene.key)).await.status, 200);
    let answer = scene.refuses(403, format!("{}\r\n", head("GET", &target))).await;
    assert_eq!(answer.body, r#"{"message":"No API key provided"}"#);
    assert_eq!(
        scene.refuses(401, with_header("GET", &target, "x-api-key", "nonsense")).await.body,
        r#"{"message":"Invalid API key"}"#
    );
}

#[tokio::test]
async fn another_spelling_of_a_route_has_that_routes_checks() {
    let scene = Scene::set().await;
    for target in [
        "/%61pi/protected-resource",
        "/api/protected%2Dresource",
        "/api/protected-resource?a=b",
        "/api/protected-resource?",
    ] {
        let answer = scene.answer(format!("{}\r\n", head("GET", target))).await;
        assert!(matches!(answer.status, 401 | 403 | 404), "{target}: {answer:?}");
    }
}

#[tokio::test]
async fn a_head_that_is_no_http_is_a_bad_request() {
    let scene = Scene::set().await;
    for request in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /healthz HTTP/2.0\r\nHost: keyward\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost : keyward\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: keyward\r\n folded\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: keyward\r\nno colon\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: keyward\r\n: no name\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: keyward\r\nx\0y: z\r\n\r\n",
        b"GET  /healthz HTTP/1.1\r\nHost: keyward\r\n\r\n",
        b"GET /healthz  HTTP/1.1\r\nHost: keyward\r\n\r\n",
        b"GET\t/healthz HTTP/1.1\r\nHost: keyward\r\n\r\n",
        b" GET /healthz HTTP/1.1\r\nHost: keyward\r\n\r\n",
        b"G(T /healthz HTTP/1.1\r\nHost: keyward\r\n\r\n",
        b"GET /healthz HTTP/1.1 \r\nHost: keyward\r\n\r\n",
        b"GET /healthz http/1.1\r\nHost: keyward\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        // A line feed alone ends a line for some and not for others.
        b"GET /healthz HTTP/1.1\nHost: keyward\n\n",
        b"GET /healthz HTTP/1.1\r\nHost: keyward\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: keyward\r\n\n",
        b"\nGET /healthz HTTP/1.1\r\nHost: keyward\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: keyward\rx: y\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n Host: keyward\r\n\r\n",
        b"{\"json\": true}\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"\xff\xff\xff\xff\r\n\r\n",
    ] {
        scene.refuses_and_closes(400, request).await;
    }
}

/// RFC 9112 §6.1, §6.3: what a proxy and we could read differently is refused, and nothing after it is read.
#[tokio::test]
async fn a_body_whose_end_is_ambiguous_is_refused_and_no_request_behind_it_is_answered() {
    let scene = Scene::set().await;
    let smuggled = format!("{}\r\n", head("GET", "/healthz"));
    let head = format!("{}Authorization: Bearer {}\r\n", head("POST", CREATE), scene.token);
    for framing in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        "Content-Length: 2, 2\r\n\r\n{}",
        "Content-Length: +2\r\n\r\n{}",
        "Content-Length: -2\r\n\r\n{}",
        "Content-Length: 0x2\r\n\r\n{}",
        "Content-Length: 2.0\r\n\r\n{}",
        "Content-Length: two\r\n\r\n{}",
        "Content-Length: \r\n\r\n",
        "Content-Length: 18446744073709551616\r\n\r\n{}",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: identity\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n",
        "Transfer-Encoding: chunked\r\n\r\n2;a\nb\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2 \r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n folded: a\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\na: b\nc: d\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nno colon\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n00000000000000002\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Encoding: identity\r\nContent-Length:\r\n\r\n0\r\n\r\n",
    ] {
        scene.refuses_and_closes(400, format!("{head}{framing}{smuggled}")).await;
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let scene = Scene::set().await;
    let requests = [
        with_header("GET", PROTECTED, "x-api-key", &scene.key),
        format!("{}\r\n", head("GET", "/unknown")).into_bytes(),
        with_header(
            "POST",
            CREATE,
            "Authorization",
            format!("Bearer {}\r\nContent-Length: 2\r\n\r\n{{}}", scene.token),
        )
        .strip_suffix(b"\r\n\r\n")
        .expect("the end of the head, which here is behind the body")
        .to_vec(),
        with_header("GET", PROTECTED, "x-api-key", "nonsense"),
        format!("{}Content-Length: 7\r\n\r\nignored", head("GET", "/healthz")).into_bytes(),
        format!("{}\r\n", head("GET", PROTECTED)).into_bytes(),
    ];
    let mut connection = Connection::open(&scene.replica).await;
    connection.send(requests.concat()).await;
    for expected in [200, 404, 201, 401, 200, 403] {
        assert_eq!(connection.answer().await.status, expected);
    }
}

#[tokio::test]
async fn http_1_0_is_answered_and_its_connection_closed() {
    let scene = Scene::set().await;
    for (lines, status) in [(format!("x-api-key: {}\r\n", scene.key), 200), (String::new(), 403)] {
        let mut connection = Connection::open(&scene.replica).await;
        connection.send(format!("GET {PROTECTED} HTTP/1.0\r\n{lines}\r\n")).await;
        assert_eq!(connection.answer().await.status, status);
        connection.ends().await;
    }
    for framing in ["", "Transfer-Encoding: chunked\r\n"] {
        let request = format!("POST {CREATE} HTTP/1.0\r\nAuthorization: {}\r\n{framing}\r\n0\r\n\r\n", scene.token);
        scene.refuses_and_closes(400, request).await;
    }
}

#[tokio::test]
async fn what_strangers_send_is_no_error_in_the_log() {
    let scene = Scene::set_with(&[]).await;
    scene.refuses_and_closes(400, "nonsense\r\n\r\n").await;
    scene.refuses_and_closes(431, with_header("GET", PROTECTED, "x-api-key", "a".repeat(200_000))).await;
    scene.refuses(401, with_header("GET", PROTECTED, "x-api-key", "last")).await;
    scene.replica.prints("key_malformed").await;
    assert!(!scene.replica.output().contains("ERROR"), "{}", scene.replica.last_output());
}
