//! What a Postgres server sends, cut into its messages: a type byte, then a length that counts
//! itself, then the content (PostgreSQL documentation, "Frontend/Backend Protocol").

const HEADER: usize = 5;

/// Received bytes.
#[derive(Default)]
pub(crate) struct Frames {
    received: Vec<u8>,
}

/// One message.
pub(crate) struct Frame(Vec<u8>);

impl Frames {
    /// Where to put what is received.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.received
    }

    /// The next whole message.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let length: [u8; 4] = self.received.get(1..HEADER)?.try_into().ok()?;
        let length = 1 + u32::from_be_bytes(length) as usize;
        if self.received.len() < length {
            return None;
        }
        Some(Frame(self.received.drain(..length).collect()))
    }
}

impl Frame {
    /// Whether it is a notification whose payload begins with `prefix`.
    pub(crate) fn is_notification(&self, prefix: &str) -> bool {
        // 'A', length, the sender's process id, the channel with a NUL, the payload with a NUL.
        self.0[0] == b'A'
            && self.0[HEADER + 4..]
                .split(|byte| *byte == 0)
                .nth(1)
                .is_some_and(|text| text.starts_with(prefix.as_bytes()))
    }

    /// The message as it is, or in two pieces, so that its reader sees half of it for a while.
    pub(crate) fn pieces(self, torn: bool) -> Vec<Vec<u8>> {
        let Self(mut first) = self;
        if !torn {
            return vec![first];
        }
        let second = first.split_off(first.len() / 2);
        vec![first, second]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(payload: &str) -> Vec<u8> {
        let content = [&[0, 0, 0, 7], b"keyward\0".as_slice(), payload.as_bytes(), &[0]].concat();
        let length = u32::try_from(content.len() + 4).expect("short").to_be_bytes();
        [b"A".as_slice(), length.as_slice(), &content].concat()
    }

    #[test]
    fn a_message_comes_out_whole_and_says_what_it_is() {
        let mut frames = Frames::default();
        let bytes = [notification("heartbeat 1"), notification("changed 2")].concat();
        frames.buffer().extend(&bytes[..bytes.len() - 1]);
        assert!(frames.next().expect("a whole one").is_notification("heartbeat"));
        assert!(frames.next().is_none());
        frames.buffer().extend(&bytes[bytes.len() - 1..]);
        let changed = frames.next().expect("a whole one");
        assert!(changed.is_notification("changed ") && !changed.is_notification("heartbeat"));
        assert_eq!(changed.pieces(true).concat(), notification("changed 2"));
    }
}
