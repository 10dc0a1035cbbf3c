//! The head of a request: its end, and whether every reader interprets it the same way (RFC 9112 §2 to §6).
//!
//! The head is examined before actix-http sees it: actix-http's parsing of the next request affects how it handles the
//! previous one, and it is more lenient than proxies may be. Lines and fields are parsed by httparse, as in actix-http.

use std::mem::MaybeUninit;

use actix_web::http::Method;
use httparse::{Header, Status};
use memchr::memchr;

use super::{
    framing::{Chunked, Framing},
    target::{Target, is_host},
};
use crate::server::Refusal;

/// The maximum number of fields in a head, the same as actix-http's.
pub const FIELDS_MAX: usize = 96;
/// The maximum length of a field name in actix-http.
const NAME_MAX_BYTES: usize = 65_535;

/// A valid head.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// Its length in bytes, including the final empty line and empty lines before the head.
    pub bytes: usize,
    /// The framing of the body that follows.
    pub framing: Framing,
}

/// The progress in finding the end of a head. Each byte is examined once, however the bytes arrive.
#[derive(Debug, Default)]
pub struct Scanner {
    /// The number of bytes that were examined.
    seen: usize,
    /// The beginning of the current line.
    line: usize,
    /// Whether the request line has ended.
    begun: bool,
    /// The length at which the partial head is validated again. It doubles each time, so that a slow client does not
    /// cause a validation per byte.
    next_look: usize,
}

impl Scanner {
    /// Examines all bytes so far; the first `seen` bytes must be unchanged since the last call. `None`: the head is
    /// incomplete.
    ///
    /// # Errors
    /// The reason why this is not a valid head of at most `limit` bytes.
    pub fn scan(&mut self, bytes: &[u8], limit: usize) -> Result<Option<Head>, Refusal> {
        let within = &bytes[..bytes.len().min(limit)];
        while let Some(offset) = memchr(b'\n', &within[self.seen..]) {
            let end = self.seen + offset + 1;
            let line = &within[self.line..end];
            // Some readers accept a lone line feed as the end of a line, others do not.
            if !line.ends_with(b"\r\n") {
                return Err(Refusal::Malformed);
            }
            (self.seen, self.line) = (end, end);
            let is_empty = line.len() == 2;
            if is_empty && self.begun {
                return parse_head(&within[..end], limit).map(Some);
            }
            // Empty lines before a request are skipped (RFC 9112 §2.2).
            self.begun |= !is_empty;
        }
        self.seen = within.len();
        if bytes.len() >= limit {
            return Err(self.too_long(within));
        }
        if bytes.len() >= self.next_look {
            self.next_look = 2 * bytes.len();
            can_become_a_head(bytes)?;
        }
        Ok(None)
    }

    fn too_long(&self, bytes: &[u8]) -> Refusal {
        match can_become_a_head(bytes) {
            Err(refusal) => refusal,
            Ok(()) if self.begun => Refusal::HeadersTooLarge,
            Ok(()) => Refusal::TargetTooLong,
        }
    }
}

type Slots<'b> = [MaybeUninit<Header<'b>>; FIELDS_MAX];

fn parse<'h, 'b>(
    bytes: &'b [u8],
    slots: &'h mut Slots<'b>,
) -> Result<(httparse::Request<'h, 'b>, Status<usize>), Refusal> {
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, slots) {
        Ok(status) => Ok((request, status)),
        Err(httparse::Error::TooManyHeaders) => Err(Refusal::HeadersTooLarge),
        Err(_) => Err(Refusal::Malformed),
    }
}

fn can_become_a_head(bytes: &[u8]) -> Result<(), Refusal> {
    parse(bytes, &mut [const { MaybeUninit::uninit() }; FIELDS_MAX]).map(drop)
}

fn parse_head(bytes: &[u8], limit: usize) -> Result<Head, Refusal> {
    let mut slots = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let (request, status) = parse(bytes, &mut slots)?;
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(Refusal::Malformed);
    };
    if status != Status::Complete(bytes.len()) {
        return Err(Refusal::Malformed);
    }
    // actix-web's type for methods does not support tokens with `#` (RFC 9110 §9.1).
    Method::from_bytes(method.as_bytes()).map_err(|_| Refusal::Malformed)?;
    Target::read(method, target)?;
    let fields = Fields::read(request.headers)?;
    let is_http_1_1 = version == 1;
    match fields.host {
        Some(host) if str::from_utf8(host).is_ok_and(is_host) => {}
        None if !is_http_1_1 => {}
        _ => return Err(Refusal::InvalidHost),
    }
    let framing = match (fields.length, fields.is_chunked) {
        (None, true) if is_http_1_1 => Framing::Chunked(Chunked::new(limit)),
        (_, true) => return Err(Refusal::Malformed),
        // actix-http requires a length for these (RFC 1945 §7.2.2).
        (None, false) if !is_http_1_1 && method == "POST" => return Err(Refusal::Malformed),
        (length, false) => Framing::Length(length.unwrap_or(0)),
    };
    Ok(Head { bytes: bytes.len(), framing })
}

/// The fields that determine the host and the end of a request.
#[derive(Default)]
struct Fields<'b> {
    host: Option<&'b [u8]>,
    length: Option<u64>,
    is_chunked: bool,
}

impl<'b> Fields<'b> {
    fn read(fields: &[Header<'b>]) -> Result<Self, Refusal> {
        let mut read = Self::default();
        for Header { name, value } in fields {
            match name.len() {
                4 if name.eq_ignore_ascii_case("host") => {
                    if read.host.replace(value).is_some() {
                        return Err(Refusal::InvalidHost);
                    }
                }
                14 if name.eq_ignore_ascii_case("content-length") => {
                    if read.length.replace(length(value)?).is_some() {
                        return Err(Refusal::Malformed);
                    }
                }
                17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                    if read.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                        return Err(Refusal::Malformed);
                    }
                    read.is_chunked = true;
                }
                0..=NAME_MAX_BYTES => {}
                _ => return Err(Refusal::HeadersTooLarge),
            }
        }
        Ok(read)
    }
}

/// Only digits (RFC 9110 §8.6).
fn length(value: &[u8]) -> Result<u64, Refusal> {
    let digits = str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok()).ok_or(Refusal::Malformed)
}

/// The parts of a refused request that its answer needs.
pub(super) struct Remains<'b> {
    pub(super) is_head: bool,
    /// The path of the target, if it has the origin form.
    pub(super) path: &'b str,
    /// The raw value of `x-request-id`.
    pub(super) request_id: &'b [u8],
}

impl<'b> Remains<'b> {
    /// Extracts the parts from the received bytes of a head, valid or not.
    pub(super) fn of(bytes: &'b [u8]) -> Self {
        let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let request_line = lines.by_ref().find(|line| !line.is_empty()).unwrap_or_default();
        let mut words = request_line.split(|byte| *byte == b' ');
        let is_head = words.next() == Some(b"HEAD");
        let target = words.next().filter(|target| target.first() == Some(&b'/')).unwrap_or_default();
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        let request_id = lines.take(FIELDS_MAX).find_map(|line| {
            let (name, value) = line.split_at_checked("x-request-id:".len())?;
            name.eq_ignore_ascii_case(b"x-request-id:").then(|| value.trim_ascii())
        });
        Self { is_head, path: str::from_utf8(path).unwrap_or_default(), request_id: request_id.unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 4096;

    /// The result for these bytes, whether they arrive at once or one by one.
    fn scanned(bytes: impl AsRef<[u8]>) -> Result<Option<Head>, Refusal> {
        let bytes = bytes.as_ref();
        let at_once = Scanner::default().scan(bytes, LIMIT);
        let mut scanner = Scanner::default();
        let piecemeal = (1..=bytes.len()).map(|length| scanner.scan(&bytes[..length], LIMIT));
        let piecemeal = piecemeal.into_iter().find(|outcome| *outcome != Ok(None)).unwrap_or(Ok(None));
        assert_eq!(at_once, piecemeal, "{}", bytes.escape_ascii());
        at_once
    }

    fn framing(lines: &str) -> Result<Framing, Refusal> {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let found = scanned(format!("{head}GET / HTTP/1.1\r\n\r\n"))?.expect("it is whole");
        assert_eq!(found.bytes, head.len());
        Ok(found.framing)
    }

    #[test]
    fn a_head_ends_with_its_empty_line() {
        for (head, rest) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", ""),
            ("\r\n\r\nGET / HTTP/1.1\r\nhost:a\r\n\r\n", "\r\n"),
            ("GET / HTTP/1.0\r\n\r\n", "GET"),
            ("CONNECT a:1 HTTP/1.1\r\nHost: b\r\nx: \u{e9}\r\n\r\n", ""),
        ] {
            let found = Head { bytes: head.len(), framing: Framing::NONE };
            assert_eq!(scanned(format!("{head}{rest}")), Ok(Some(found)), "{head:?}");
        }
        for begin in ["", "\r\n", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r"] {
            assert_eq!(scanned(begin), Ok(None), "{begin:?}");
        }
    }

    #[test]
    fn the_framing_is_unambiguous_or_the_head_is_refused() {
        assert_eq!(framing(""), Ok(Framing::NONE));
        assert_eq!(framing("content-length:  007 \r\n"), Ok(Framing::Length(7)));
        let chunked = Framing::Chunked(Chunked::new(LIMIT));
        assert_eq!(framing("TRANSFER-ENCODING:\tChunked\r\n"), Ok(chunked));
        for lines in [
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: 1_0\r\n",
            "Content-Length:\r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding:\r\n",
            "Transfer-Encoding : chunked\r\n",
            "X: a\r\n Transfer-Encoding: chunked\r\n",
            "X: a\nTransfer-Encoding: chunked\r\n",
            "X: a\rTransfer-Encoding: chunked\r\n",
            "X: a\0\r\n",
        ] {
            assert_eq!(framing(lines), Err(Refusal::Malformed), "{lines:?}");
        }
        for head in ["POST / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"] {
            assert_eq!(scanned(head), Err(Refusal::Malformed), "{head:?}");
        }
    }

    #[test]
    fn the_host_is_there_once_and_is_one() {
        for lines in ["", "Host: a\r\nHost: a\r\n", "Host:\r\n", "Host: a b\r\n", "Host: a, b\r\n", "Host: \u{e4}\r\n"]
        {
            assert_eq!(scanned(format!("GET / HTTP/1.1\r\n{lines}\r\n")), Err(Refusal::InvalidHost), "{lines:?}");
        }
        for lines in ["Host: a b\r\n", "Host: a\r\nHost: a\r\n"] {
            assert_eq!(scanned(format!("GET / HTTP/1.0\r\n{lines}\r\n")), Err(Refusal::InvalidHost), "{lines:?}");
        }
        // Even if the target contains a host.
        assert_eq!(scanned("GET http://a/ HTTP/1.1\r\nHost: b c\r\n\r\n"), Err(Refusal::InvalidHost));
    }

    #[test]
    fn what_can_become_no_head_is_refused_before_its_end() {
        for begin in
            ["\x16\x03\x01", "\0", "\n", "GET  ", "GET / HTTP/2.0\r\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nx\0"]
        {
            assert_eq!(Scanner::default().scan(begin.as_bytes(), LIMIT), Err(Refusal::Malformed), "{begin:?}");
        }
    }

    #[test]
    fn a_head_over_the_limit_is_refused_by_what_makes_it_so_long() {
        let with = |begin: &str, length: usize| format!("{begin}{}", "a".repeat(length));
        assert_eq!(scanned(with("GET /", LIMIT)), Err(Refusal::TargetTooLong));
        assert_eq!(scanned(with("GET / HTTP/1.1\r\nx: ", LIMIT)), Err(Refusal::HeadersTooLarge));
        let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: a\r\n".repeat(count - 1));
        assert!(scanned(fields(FIELDS_MAX)).is_ok());
        assert_eq!(Scanner::default().scan(fields(FIELDS_MAX + 1).as_bytes(), LIMIT), Err(Refusal::HeadersTooLarge));
        let whole = with("GET /", LIMIT - 40);
        let whole = format!("{whole}{} HTTP/1.1\r\nHost: a\r\n\r\n", "b".repeat(LIMIT - whole.len() - 22));
        assert_eq!(whole.len(), LIMIT);
        assert!(scanned(&whole).is_ok_and(|head| head.is_some()));
    }

    #[test]
    fn what_remains_of_a_refused_head_is_found() {
        let head = b"\r\nHEAD /a/b?c HTTP/1.1\r\nX-Request-Id: 7 \r\n\0";
        let Remains { is_head, path, request_id } = Remains::of(head);
        assert_eq!((is_head, path, request_id), (true, "/a/b", b"7".as_slice()));
        for nonsense in [b"".as_slice(), b"\0", b"GET", b"GET \xff", b"GET x"] {
            let Remains { is_head, path, request_id } = Remains::of(nonsense);
            assert_eq!((is_head, path, request_id), (false, "", b"".as_slice()));
        }
    }
}
