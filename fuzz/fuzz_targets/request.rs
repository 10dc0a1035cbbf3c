//! What is taken for a request. The first byte says in what pieces the bytes come, the rest is what a client sends.
//!
//! It never panics; the pieces make no difference; and what is handed over as one request is what actix-http takes for
//! one, no byte more or less.
#![no_main]

mod codec;

use actix_codec::Decoder;
use actix_http::{
    HttpMessage,
    h1::{Message, MessageType},
};
use bytes::BytesMut;
use keyward::server::{
    Refusal,
    http1::{incoming::Incoming, target::is_host},
};
use libfuzzer_sys::fuzz_target;

use self::codec::codec;

const LIMIT: usize = 4096;

/// The requests in `bytes`, the last of which may be a part of one, and why nothing more was read.
fn requests(bytes: &[u8], size: usize) -> (Vec<Vec<u8>>, Option<Refusal>) {
    let mut incoming = Incoming::new(LIMIT);
    let mut requests = vec![Vec::new()];
    for piece in bytes.chunks(size) {
        let mut piece = piece;
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

/// Whether actix-http finds a whole request in here, and what it leaves.
fn as_actix_http_reads(bytes: &[u8]) -> Found {
    let mut codec = codec();
    let mut buffer = BytesMut::from(bytes);
    let Some(Message::Item(request)) = codec.decode(&mut buffer).expect("a good head") else { return Found::Part };
    for host in request.headers().get_all("host") {
        assert!(is_host(host.to_str().expect("text")));
    }
    match codec.message_type() {
        MessageType::None => return Found::Whole(buffer.len()),
        MessageType::Payload => {}
        MessageType::Stream => return Found::Endless,
    }
    loop {
        match codec.decode(&mut buffer).expect("a good body") {
            Some(Message::Chunk(Some(_))) => {}
            Some(Message::Chunk(None)) => return Found::Whole(buffer.len()),
            Some(Message::Item(_)) => unreachable!("a request before the end of the one before"),
            None => return Found::Part,
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((size, bytes)) = data.split_first() else { return };
    let (found, refusal) = requests(bytes, bytes.len().max(1));
    let (in_pieces, also) = requests(bytes, usize::from(*size).max(1));
    // A body that turns out to be none is refused with its head, or, if that has been handed over, after it.
    let whole = |requests: &[Vec<u8>]| requests[..requests.len() - 1].to_vec();
    assert_eq!(whole(&found), whole(&in_pieces));
    // What can become no head may be found out a little later when it comes bit by bit.
    assert!(also.is_none() || refusal.is_some(), "{also:?}");
    for request in whole(&found) {
        let found = as_actix_http_reads(&request);
        if found != Found::Endless {
            assert_eq!(found, Found::Whole(0));
            assert_eq!(as_actix_http_reads(&request[..request.len() - 1]), Found::Part, "it ends earlier");
        }
    }
});
