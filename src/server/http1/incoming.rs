//! The incoming bytes of a connection, split into requests. Without sockets and clocks, so that a fuzz target can
//! compare it with actix-http's parser.

use super::{
    framing::Framing,
    head::{Head, Scanner},
};
use crate::server::Refusal;

/// Splits the bytes into one request after another. Bytes of the next request are buffered until it is requested.
pub struct Incoming {
    /// The maximum length of a head.
    limit: usize,
    part: Part,
    /// Bytes that were read but not handed over: the beginning of a head, or what follows a complete request.
    held: Vec<u8>,
    /// How many of these may be handed over.
    cleared: usize,
}

/// The next expected part of a request.
enum Part {
    Head(Scanner),
    Body(Framing),
    Nothing,
}

impl Incoming {
    /// A splitter for requests whose heads have at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, part: Part::Head(Scanner::default()), held: Vec::new(), cleared: 0 }
    }

    /// Accepts bytes that were read, and returns how many of them can be handed over directly. More may be
    /// [`cleared`](Self::cleared). Without bytes, it examines the buffer.
    ///
    /// # Errors
    /// The reason why nothing more can be read.
    pub fn take(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        if self.held.is_empty() {
            if bytes.is_empty() {
                return Ok(0);
            }
            let good = self.good(bytes)?;
            self.held.extend_from_slice(&bytes[good..]);
            return Ok(good);
        }
        self.held.extend_from_slice(bytes);
        self.look()?;
        Ok(0)
    }

    /// The request was answered. Further bytes belong to the next one, part of which may be buffered.
    pub fn next(&mut self) {
        self.part = Part::Head(Scanner::default());
    }

    fn look(&mut self) -> Result<(), Refusal> {
        let held = std::mem::take(&mut self.held);
        let good = self.good(&held);
        self.held = held;
        self.cleared = good?;
        Ok(())
    }

    /// How many of these bytes belong to the request; none until its head is complete.
    fn good(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let (head, mut framing) = match &mut self.part {
            Part::Nothing => return Ok(0),
            Part::Head(scanner) => match scanner.scan(bytes, self.limit)? {
                Some(Head { bytes, framing }) => (bytes, framing),
                None => return Ok(0),
            },
            Part::Body(framing) => (0, std::mem::replace(framing, Framing::NONE)),
        };
        let body = framing.advance(&bytes[head..]).map_err(|_| Refusal::BodyUnreadable)?;
        self.part = if framing.has_ended() { Part::Nothing } else { Part::Body(framing) };
        Ok(head + body)
    }

    /// The buffered bytes that may be handed over.
    pub fn cleared(&self) -> &[u8] {
        &self.held[..self.cleared]
    }

    /// Marks this many of them as handed over.
    pub fn hand_over(&mut self, bytes: usize) {
        self.cleared -= bytes;
        self.held.drain(..bytes);
        if self.held.is_empty() {
            self.held = Vec::new();
        }
    }

    /// Whether the request is complete and was handed over.
    pub fn is_whole(&self) -> bool {
        matches!(self.part, Part::Nothing) && self.cleared == 0
    }

    /// Whether a head is expected next.
    pub fn awaits_head(&self) -> bool {
        matches!(self.part, Part::Head(_))
    }

    /// The bytes that were read but not handed over.
    pub fn held(&self) -> &[u8] {
        &self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
    const TWO: &str = "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    const THREE: &str = "PUT /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";

    /// The requests in `bytes`, which arrive in pieces of this size.
    fn requests(bytes: &[u8], size: usize) -> Result<Vec<String>, Refusal> {
        let mut incoming = Incoming::new(4096);
        let mut requests = vec![Vec::new()];
        for piece in bytes.chunks(size) {
            let request = requests.last_mut().expect("the first at least");
            let good = incoming.take(piece)?;
            request.extend_from_slice(&piece[..good]);
            loop {
                let request = requests.last_mut().expect("the first at least");
                request.extend_from_slice(incoming.cleared());
                incoming.hand_over(incoming.cleared().len());
                if !incoming.is_whole() {
                    break;
                }
                requests.push(Vec::new());
                incoming.next();
                incoming.take(&[])?;
            }
        }
        Ok(requests.into_iter().map(|request| String::from_utf8(request).expect("text")).collect())
    }

    #[test]
    fn one_request_is_handed_over_at_a_time_however_the_bytes_come() {
        let all = [ONE, TWO, THREE, TWO].concat();
        for size in 1..=all.len() {
            assert_eq!(
                requests(all.as_bytes(), size),
                Ok([ONE, TWO, THREE, TWO, ""].map(str::to_owned).to_vec()),
                "{size}"
            );
        }
    }

    #[test]
    fn nothing_of_a_head_is_handed_over_before_it_is_whole_and_good() {
        let mut incoming = Incoming::new(4096);
        let (begin, rest) = TWO.split_at(TWO.len() - 1);
        assert_eq!(incoming.take(begin.as_bytes()), Ok(0));
        assert!(incoming.cleared().is_empty() && incoming.awaits_head());
        assert_eq!(incoming.take(rest.as_bytes()), Ok(0));
        assert_eq!(incoming.cleared(), TWO.as_bytes());

        let bad = TWO.replace("Host: a", "Host: a b");
        assert_eq!(Incoming::new(4096).take(bad.as_bytes()), Err(Refusal::InvalidHost));
    }

    #[test]
    fn what_is_bad_behind_a_good_request_is_refused_after_it() {
        let mut incoming = Incoming::new(4096);
        assert_eq!(incoming.take(format!("{TWO}\0").as_bytes()), Ok(TWO.len()));
        assert!(incoming.is_whole());
        incoming.next();
        assert_eq!(incoming.take(&[]), Err(Refusal::Malformed));
        let broken = THREE.replace("1\r\na", "x\r\na");
        assert_eq!(Incoming::new(4096).take(broken.as_bytes()), Err(Refusal::BodyUnreadable));
    }
}
