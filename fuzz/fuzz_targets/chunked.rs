//! Chunked bodies, in the pieces that the first byte says.
//!
//! It never panics; the pieces make no difference; and a body ends where it ends for actix-http.
#![no_main]

mod codec;

use actix_codec::Decoder;
use actix_http::h1::Message;
use bytes::BytesMut;
use keyward::server::http1::framing::{Chunked, Framing};
use libfuzzer_sys::fuzz_target;

use self::codec::codec;

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const OVERHEAD: usize = 256;

fuzz_target!(|data: &[u8]| {
    let Some((size, bytes)) = data.split_first() else { return };
    let mut at_once = Framing::Chunked(Chunked::new(OVERHEAD));
    let taken = at_once.advance(bytes);
    let mut piecemeal = Framing::Chunked(Chunked::new(OVERHEAD));
    let pieces = bytes.chunks(usize::from(*size).max(1));
    let in_pieces = pieces.into_iter().try_fold(0, |taken, piece| Ok(taken + piecemeal.advance(piece)?));
    assert_eq!(taken, in_pieces);
    let Ok(taken) = taken else { return };
    assert_eq!(at_once, piecemeal);

    let mut buffer = BytesMut::from([HEAD, bytes].concat().as_slice());
    let mut codec = codec();
    assert!(matches!(codec.decode(&mut buffer), Ok(Some(Message::Item(_)))));
    let ended = loop {
        match codec.decode(&mut buffer).expect("what is a body here is one there") {
            Some(Message::Chunk(Some(_))) => {}
            Some(Message::Chunk(None)) => break true,
            Some(Message::Item(_)) => unreachable!("a request before the end of the one before"),
            None => break false,
        }
    };
    assert_eq!((ended, bytes.len() - buffer.len()), (at_once.has_ended(), taken));
});
