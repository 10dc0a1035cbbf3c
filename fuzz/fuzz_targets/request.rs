//! What is taken for a request. The first byte says in what pieces the bytes come, the rest is what a client sends.
//!
//! It never panics; the pieces make no difference; and what is handed over as one request is what actix-http takes for one, no byte
//! more or less.
#![no_main]

mod codec;

use actix_codec::Decoder;
use actix_http::h1::{Message, MessageType};
use bytes::BytesMut;
use keyward::server::{Refusal, incoming::Incoming, target::is_host};
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

/// Whether actix-http finds a whole request in here, and what it leaves.
fn as_actix_http_reads(bytes: &[u8]) -> (bool, usize) {
    let mut codec = codec();
    let mut buffer = BytesMut::from(bytes);
    let Some(Message::Item(request)) = codec.decode(&mut buffer).expect("a good head") else { return (false, buffer.len()) };
    for host in request.headers().get_all("host") {
        assert!(is_host(host.to_str().expect("text")));
    }
    match codec.message_type() {
        MessageType::None => return (true, buffer.len()),
        MessageType::Payload => {}
        // A switch to another protocol: everything that follows is content, and nothing is handed over after it.
        MessageType::Stream => return (true, 0),
    }
    loop {
        match codec.decode(&mut buffer).expect("a good body") {
            Some(Message::Chunk(Some(_))) => {}
            Some(Message::Chunk(None)) => return (true, buffer.len()),
            Some(Message::Item(_)) => unreachable!("a request before the end of the one before"),
            None => return (false, buffer.len()),
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
        assert_eq!(as_actix_http_reads(&request), (true, 0));
        assert!(!as_actix_http_reads(&request[..request.len() - 1]).0, "it ends earlier");
    }
});
