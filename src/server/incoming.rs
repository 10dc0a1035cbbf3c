//! What comes in on a connection, cut into requests. No sockets and no clocks, so that a fuzz target can hold it to what
//! actix-http makes of the same bytes.

use super::{
    framing::Framing,
    head::{Head, Scanner},
    refusal::Refusal,
};

/// The bytes of one request after the other. Those of the next are kept until it is asked for.
pub struct Incoming {
    /// The longest head.
    limit: usize,
    part: Part,
    /// Read, and not handed over: the begin of a head, or what has come behind a whole request.
    held: Vec<u8>,
    /// As many of these may be handed over.
    cleared: usize,
}

/// What of a request has to come next.
enum Part {
    Head(Scanner),
    Body(Framing),
    Nothing,
}

impl Incoming {
    /// Requests whose heads have at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, part: Part::Head(Scanner::default()), held: Vec::new(), cleared: 0 }
    }

    /// Takes what was read, and says how many of these bytes are to be handed over right away. More may be
    /// [`cleared`](Self::cleared). Without any bytes, it looks at what was kept.
    ///
    /// # Errors
    /// Why nothing more can be read.
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

    /// The request was answered. What comes from now on is the next one; some of it may have been kept.
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

    /// How many of these bytes belong to the request. As long as its head isn't whole, none do.
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

    /// What may be handed over of what was kept.
    pub fn cleared(&self) -> &[u8] {
        &self.held[..self.cleared]
    }

    /// So many of these bytes were.
    pub fn hand_over(&mut self, bytes: usize) {
        self.cleared -= bytes;
        self.held.drain(..bytes);
        if self.held.is_empty() {
            self.held = Vec::new();
        }
    }

    /// Whether the request has come to its last byte, and was handed over.
    pub fn is_whole(&self) -> bool {
        matches!(self.part, Part::Nothing) && self.cleared == 0
    }

    /// Whether a head is awaited.
    pub fn awaits_head(&self) -> bool {
        matches!(self.part, Part::Head(_))
    }

    /// What was read and isn't handed over.
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

    /// The requests in `bytes`, which come in pieces of this size.
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
