//! Where a request ends, held to what actix-http makes of the same bytes: requests of random parts, good and bad, in
//! random pieces. The fuzz targets look for the same with bytes of any kind.

use actix_codec::Decoder;
use actix_http::{
    ServiceConfig,
    h1::{Codec, Message, MessageType},
};
use actix_web::web::BytesMut;
use keyward::server::{Refusal, http1::incoming::Incoming};
use proptest::prelude::*;

const LIMIT: usize = 4096;

/// The requests in `bytes`, the last of which may be a part of one, and why nothing more was read.
fn requests(bytes: &[u8], sizes: &[usize]) -> (Vec<Vec<u8>>, Option<Refusal>) {
    let mut incoming = Incoming::new(LIMIT);
    let mut requests = vec![Vec::new()];
    let (mut rest, mut sizes) = (bytes, sizes.iter().cycle());
    while !rest.is_empty() {
        let (mut piece, behind) = rest.split_at((*sizes.next().expect("a cycle")).min(rest.len()));
        rest = behind;
        loop {
            let request = requests.last_mut().expect("the first at least");
            match incoming.take(piece) {
                Ok(good) => request.extend_from_slice(&piece[..good]),
                Err(refusal) => return (requests, Some(refusal)),
            }
            request.extend_from_slice(incoming.cleared());
            incoming.hand_over(incoming.cleared().len());
            if !incoming.is_whole() {
                break;
            }
            requests.push(Vec::new());
            incoming.next();
            piece = &[];
        }
    }
    (requests, None)
}

/// How much of a request actix-http finds in some bytes.
#[derive(Debug, PartialEq)]
enum Found {
    /// Not all of one.
    Part,
    /// All of one, and so many bytes behind it.
    Whole(usize),
    /// One that wants to switch to another protocol: whatever follows its head is content, and nothing is handed over
    /// after it.
    Endless,
}

fn as_actix_http_reads(config: &ServiceConfig, bytes: &[u8]) -> Found {
    let (mut codec, mut buffer) = (Codec::new(config.clone()), BytesMut::from(bytes));
    let good = |what: &str| format!("a good {what}: {}", bytes.escape_ascii());
    match codec.decode(&mut buffer).unwrap_or_else(|error| panic!("{error}, not {}", good("head"))) {
        Some(Message::Item(_)) => {}
        _ => return Found::Part,
    }
    match codec.message_type() {
        MessageType::None => return Found::Whole(buffer.len()),
        MessageType::Payload => {}
        MessageType::Stream => return Found::Endless,
    }
    loop {
        match codec.decode(&mut buffer).unwrap_or_else(|error| panic!("{error}, not {}", good("body"))) {
            Some(Message::Chunk(Some(_))) => {}
            Some(Message::Chunk(None)) => return Found::Whole(buffer.len()),
            Some(Message::Item(_)) => unreachable!("a request before the end of the one before"),
            None => return Found::Part,
        }
    }
}

/// What is handed over as one request is one, no byte more or less.
fn is_one_to_actix_http(config: &ServiceConfig, request: &[u8]) {
    let found = as_actix_http_reads(config, request);
    if found == Found::Endless {
        return;
    }
    assert_eq!(found, Found::Whole(0), "{}", request.escape_ascii());
    let begin = as_actix_http_reads(config, &request[..request.len() - 1]);
    assert_eq!(begin, Found::Part, "it ends earlier: {}", request.escape_ascii());
}

/// One of these texts, now and then with a byte changed.
fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let changed = (0..texts.len(), any::<prop::sample::Index>(), any::<u8>(), prop::bool::weighted(0.03));
    changed.prop_map(|(choice, at, byte, is_changed)| {
        let mut text = texts[choice].as_bytes().to_vec();
        if is_changed && !text.is_empty() {
            let at = at.index(text.len());
            text[at] = byte;
        }
        text
    })
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let line = one_of(&[
        "GET / HTTP/1.1\r\n",
        "POST /a?b HTTP/1.1\r\n",
        "HEAD http://b:80/c HTTP/1.1\r\n",
        "GET / HTTP/1.0\r\n",
        "POST / HTTP/1.0\r\n",
        "CONNECT a:1 HTTP/1.1\r\n",
        "OPTIONS * HTTP/1.1\r\n",
        "\r\nGET / HTTP/1.1\r\n",
        "GET /#a HTTP/1.1\r\n",
        "GET / HTTP/1.1\n",
        "BREW /a HTTP/1.1\r\n",
    ]);
    let host = one_of(&[
        "Host: a\r\n",
        "Host: a\r\n",
        "Host: a\r\n",
        "host:[::1]:80\r\n",
        "HOST: a.b:1 \r\n",
        "",
        "Host: a b\r\n",
    ]);
    let framing = one_of(&[
        "",
        "",
        "Content-Length: 3\r\n",
        "Content-Length: 0\r\n",
        "content-length:\t007\r\n",
        "Transfer-Encoding: chunked\r\n",
        "TRANSFER-ENCODING:CHUNKED\r\n",
        "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Content-Length: +3\r\n",
        "Content-Length: 3\n",
    ]);
    let further = one_of(&[
        "",
        "Connection: close\r\n",
        "Upgrade: websocket\r\n",
        "Expect: 100-continue\r\n",
        "x: y\r\n z\r\n",
        "x: y\rz\r\n",
        "x:\r\n",
        "x : y\r\n",
        ": y\r\n",
    ]);
    let end = one_of(&["\r\n", "\r\n", "\r\n", "\r\n", "\n", ""]);
    let body = one_of(&[
        "",
        "abc",
        "abcdefg",
        "0\r\n\r\n",
        "3\r\nabc\r\n0\r\n\r\n",
        "A;b=\"c\"\r\n0123456789\r\n0 ;d\r\n\r\n",
        "1\r\na\r\n0\r\nt: u\r\n\r\n",
        "3\nabc\n0\n\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "0\r\n t: u\r\n\r\n",
        "ffffffffffffffff\r\na",
        "00000000000000003\r\nabc\r\n0\r\n\r\n",
    ]);
    (line, host, framing, further, end, body)
        .prop_map(|parts| [parts.0, parts.1, parts.2, parts.3, parts.4, parts.5].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_ends_where_actix_http_ends_it_in_whatever_pieces_it_comes(
        all in prop::collection::vec(request(), 1..4),
        sizes in prop::collection::vec(1..60usize, 1..8),
    ) {
        let bytes = all.concat();
        let (found, refusal) = requests(&bytes, &[bytes.len()]);
        let (in_pieces, also) = requests(&bytes, &sizes);
        let whole = &found[..found.len() - 1];
        prop_assert_eq!(whole, &in_pieces[..in_pieces.len() - 1]);
        // What can become no head may be found out a little later when it comes bit by bit.
        prop_assert!(also.is_none() || refusal.is_some(), "{also:?}");
        // Its clock wants a runtime, though it is not asked for the time.
        actix_web::rt::System::new().block_on(async {
            let config = ServiceConfig::default();
            whole.iter().for_each(|request| is_one_to_actix_http(&config, request));
        });
    }
}

/// Every byte in the place of every other, and between any two, in requests that have something of everything.
#[test]
fn whatever_byte_stands_wherever_a_request_ends_where_actix_http_ends_it() {
    const REQUESTS: [&str; 4] = [
        "POST /a%20b?c=d HTTP/1.1\r\nHost: a.b:1\r\nX-y: z\r\nTransfer-Encoding: chunked\r\n\r\n\
         A;b=\"c\"\r\n0123456789\r\n0 ;d\r\nt: u\r\n\r\n",
        "\r\nPUT http://a/b HTTP/1.0\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc",
        "CONNECT a:1 HTTP/1.1\r\nhost:[::1]\r\nExpect: 100-continue\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ];
    actix_web::rt::System::new().block_on(async {
        let config = ServiceConfig::default();
        let mut good = 0;
        for request in REQUESTS {
            for at in 0..=request.len() {
                let (before, behind) = request.as_bytes().split_at(at);
                for byte in 0..=u8::MAX {
                    for behind in [behind, behind.get(1..).unwrap_or_default()] {
                        let bytes = [before, &[byte], behind].concat();
                        let (found, _) = requests(&bytes, &[bytes.len()]);
                        let whole = &found[..found.len() - 1];
                        whole.iter().for_each(|request| is_one_to_actix_http(&config, request));
                        good += whole.len();
                    }
                }
            }
        }
        assert!(good > 10_000, "{good}");
    });
}
