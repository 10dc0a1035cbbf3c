//! The end of a request (RFC 9112 §6.3). A fuzz target checks that actix-http finds the same end.

/// The bytes do not follow the framing, so the beginning of the next request is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// The rest of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A fixed number of bytes.
    Length(u64),
    /// Chunks (RFC 9112 §7.1).
    Chunked(Chunked),
}

impl Framing {
    /// No body.
    pub const NONE: Self = Self::Length(0);

    /// Consumes the next bytes as far as they belong to the body, and returns their number.
    ///
    /// # Errors
    /// [`Unreadable`] if they violate the framing.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, Unreadable> {
        match self {
            Self::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                Ok(taken)
            }
            Self::Chunked(chunked) => chunked.advance(bytes),
        }
    }

    /// Whether the whole body was consumed.
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.next == Next::Nothing,
        }
    }
}

/// A chunked body. Only the exact grammar is accepted, because different interpretations allow request smuggling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunked {
    next: Next,
    /// The remaining bytes of the current chunk.
    size: u64,
    /// The number of digits of its size.
    digits: u8,
    /// The remaining limit for bytes that are not content: extensions and trailers.
    overhead_left: usize,
}

/// The next expected element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A digit of a chunk's size, or the end of the size.
    Size,
    /// White space before an extension.
    ExtensionSpace,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// A trailer field, or the end.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Nothing,
}

impl Chunked {
    /// The maximum that fits into 64 bits.
    const DIGITS_MAX: u8 = 16;

    /// A body whose extensions and trailers have at most this many bytes in total.
    pub fn new(overhead: usize) -> Self {
        Self { next: Next::Size, size: 0, digits: 0, overhead_left: overhead }
    }

    fn advance(&mut self, bytes: &[u8]) -> Result<usize, Unreadable> {
        let mut at = 0;
        while at < bytes.len() && self.next != Next::Nothing {
            if self.next == Next::Data {
                let taken = usize::try_from(self.size).unwrap_or(usize::MAX).min(bytes.len() - at);
                self.size -= taken as u64;
                at += taken;
                if self.size == 0 {
                    self.next = Next::DataCr;
                }
            } else {
                self.next = self.after(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    /// The next expected element after this byte.
    fn after(&mut self, byte: u8) -> Result<Next, Unreadable> {
        let next = match (self.next, byte) {
            (Next::Size, b'\r') if self.digits > 0 => Next::SizeLf,
            (Next::Size, b';') if self.digits > 0 => Next::Extension,
            (Next::Size, b' ' | b'\t') if self.digits > 0 => Next::ExtensionSpace,
            (Next::Size, byte) => return self.count(byte),
            (Next::ExtensionSpace, b' ' | b'\t') => Next::ExtensionSpace,
            (Next::ExtensionSpace, b';') => Next::Extension,
            (Next::Extension | Next::TrailerValue, byte) if is_field_text(byte) => self.next,
            (Next::Extension, b'\r') => Next::SizeLf,
            (Next::SizeLf, b'\n') if self.size > 0 => Next::Data,
            (Next::SizeLf, b'\n') => Next::Trailer,
            (Next::DataCr, b'\r') => Next::DataLf,
            (Next::DataLf, b'\n') => {
                self.digits = 0;
                Next::Size
            }
            (Next::Trailer, b'\r') => Next::EndLf,
            (Next::Trailer | Next::TrailerName, byte) if is_token(byte) => Next::TrailerName,
            (Next::TrailerName, b':') => Next::TrailerValue,
            (Next::TrailerValue, b'\r') => Next::TrailerLf,
            (Next::TrailerLf, b'\n') => Next::Trailer,
            (Next::EndLf, b'\n') => Next::Nothing,
            _ => return Err(Unreadable),
        };
        if matches!(next, Next::ExtensionSpace | Next::Extension | Next::TrailerName | Next::TrailerValue) {
            self.overhead_left = self.overhead_left.checked_sub(1).ok_or(Unreadable)?;
        }
        Ok(next)
    }

    /// Adds a digit of the size.
    fn count(&mut self, byte: u8) -> Result<Next, Unreadable> {
        let digit = char::from(byte).to_digit(16).filter(|_| self.digits < Self::DIGITS_MAX).ok_or(Unreadable)?;
        self.size = self.size << 4 | u64::from(digit);
        self.digits += 1;
        Ok(Next::Size)
    }
}

/// RFC 9110 §5.6.2
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a field value or a quoted string may contain this byte (RFC 9110 §5.5).
fn is_field_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERHEAD: usize = 20;

    /// How many bytes of `text` belong to the body, whether they arrive at once or one by one; `None` if the text is
    /// invalid.
    fn taken(text: &str) -> Option<(usize, bool)> {
        let mut at_once = Framing::Chunked(Chunked::new(OVERHEAD));
        let whole = at_once.advance(text.as_bytes());
        let mut piecemeal = Framing::Chunked(Chunked::new(OVERHEAD));
        let pieces = text.as_bytes().iter().try_fold(0, |taken, byte| Ok(taken + piecemeal.advance(&[*byte])?));
        assert_eq!(whole, pieces, "{text:?}");
        whole.ok().map(|taken| (taken, at_once.has_ended()))
    }

    #[test]
    fn a_chunked_body_ends_where_its_grammar_says() {
        for (body, rest) in [
            ("0\r\n\r\n", ""),
            ("0\r\n\r\n", "GET"),
            ("2\r\n{}\r\n0\r\n\r\n", "0\r\n\r\n"),
            ("002\r\n\r\n\r\n0\r\n\r\n", "x"),
            ("A\r\n0123456789\r\n00\r\n\r\n", ""),
            ("2;a=b;c=\"d\"\r\n{}\r\n0 ;e\r\n\r\n", ""),
            ("0\r\na: b\r\nc:\r\n\r\n", "d: e\r\n\r\n"),
        ] {
            assert_eq!(taken(&format!("{body}{rest}")), Some((body.len(), true)), "{body:?}");
        }
        for begin in ["", "2", "2\r\n{", "2\r\n{}\r\n", "0\r\n", "0\r\na: b\r\n", "0\r\n\r"] {
            assert_eq!(taken(begin), Some((begin.len(), false)), "{begin:?}");
        }
    }

    #[test]
    fn what_is_not_in_its_grammar_is_unreadable() {
        for text in [
            "\r\n",
            "x",
            "-1\r\n",
            "+1\r\n",
            "0x2\r\n",
            " 2\r\n",
            ";a\r\n",
            "2\n{}",
            "2\r{}",
            "2\r\n{}x",
            "2\r\n{}\n",
            "2\r\n{}\rx",
            "2 \r\n",
            "2 3\r\n",
            "2;a\n",
            "2;\0\r\n",
            "2;a\rb",
            "00000000000000002\r\n",
            "10000000000000000\r\n",
            "0\r\n a: b\r\n\r\n",
            "0\r\n: b\r\n\r\n",
            "0\r\na b: c\r\n\r\n",
            "0\r\na\r\n\r\n",
            "0\r\na: b\n\r\n",
            "0\r\na: b\rc\r\n\r\n",
            "0\r\n\n",
            "0\r\n\rx",
        ] {
            assert_eq!(taken(text), None, "{text:?}");
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded_together() {
        let body = |extension: usize, trailer: usize| {
            format!("1;{}\r\na\r\n0\r\nb:{}\r\n\r\n", "x".repeat(extension), "y".repeat(trailer))
        };
        let (extension, trailer) = (8, OVERHEAD - "; b:".replace(' ', "").len() - 8);
        assert!(taken(&body(extension, trailer)).is_some());
        assert!(taken(&body(extension + 1, trailer)).is_none() && taken(&body(extension, trailer + 1)).is_none());
        assert!(taken(&format!("1{}\r\n", " ".repeat(OVERHEAD + 1))).is_none());
    }

    #[test]
    fn a_body_with_a_length_has_that_length() {
        let mut body = Framing::Length(3);
        assert_eq!((body.advance(b"ab"), body.has_ended()), (Ok(2), false));
        assert_eq!((body.advance(b"cde"), body.has_ended()), (Ok(1), true));
        let mut none = Framing::NONE;
        assert_eq!((none.advance(b"a"), none.has_ended()), (Ok(0), true));
        assert_eq!(Framing::Length(u64::MAX).advance(b"ab"), Ok(2));
    }
}
