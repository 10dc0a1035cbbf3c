//! Paths in one spelling, and patterns of paths.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use super::letters::folded;

/// Two readers could understand it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("can be understood in more than one way")]
pub struct Unclear;

/// The longest pattern, in bytes.
const PATTERN_MAX_BYTES: usize = 1024;
/// The most parts of a pattern: so deep is the index at most.
const PARTS_MAX: usize = 64;

/// The path of a request, percent-decoded, of which there is only one way to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath<'a>(
    /// Its parts with `/` between them, none of them empty; without the `/` at the beginning and the end.
    Cow<'a, str>,
);

impl<'a> RequestPath<'a> {
    /// Reads the target of a request (RFC 9112 §3.2.1): a path, perhaps with a query, which does not matter.
    ///
    /// # Errors
    /// [`Unclear`] when two readers could understand it differently.
    pub fn parse(target: &'a str) -> Result<Self, Unclear> {
        // A fragment is no part of a target, behind a query neither; who knows how its next reader takes it.
        if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(Unclear);
        }
        let path = decoded(target.split('?').next().unwrap_or(target))?;
        let Some(inner) = without_slashes(path) else { return Err(Unclear) };
        if parts(&inner).all(is_clear) { Ok(Self(inner)) } else { Err(Unclear) }
    }

    /// The parts with `/` between them, decoded. Nothing for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same in the letters that they are compared by.
    pub(super) fn folded(&self) -> Cow<'_, str> {
        folded(&self.0)
    }
}

/// Whether a part is this part to everybody.
fn is_clear(part: &str) -> bool {
    let has_disguise = || part.chars().any(is_separator_in_disguise);
    !is_nameless(part) && (part.is_ascii() || !has_disguise() && !is_nameless(&folded(part)))
}

/// An empty part is dropped by some, and one of dots leads elsewhere; Windows sees no spaces and dots at the end.
fn is_nameless(part: &str) -> bool {
    part.bytes().all(|byte| matches!(byte, b'.' | b' '))
}

/// A letter that becomes one with a meaning of its own, by Unicode's tables or by those of Windows' code pages.
fn is_separator_in_disguise(letter: char) -> bool {
    let means_more = |byte: u8| matches!(byte, b'/' | b'%') || is_ambiguous(byte);
    let becomes_one = |letter: char| letter.nfkd().any(|part| u8::try_from(part).is_ok_and(means_more));
    !letter.is_ascii() && (matches!(letter, '\u{2044}' | '\u{2215}' | '\u{2216}') || becomes_one(letter))
}

/// The parts of what stands between the first and the last slash. None of nothing at all, which is the root.
pub(super) fn parts(inner: &str) -> impl Iterator<Item = &str> {
    inner.split('/').take(if inner.is_empty() { 0 } else { usize::MAX })
}

/// Without the slash at the beginning, which must be there, and one at the end: many servers take both for the same.
fn without_slashes(path: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let inner = |path: &str| {
        let rest = path.strip_prefix('/')?;
        let end = if rest.len() > 1 { rest.strip_suffix('/').unwrap_or(rest).len() } else { rest.len() };
        Some(1..1 + end)
    };
    let range = inner(&path)?;
    Some(match path {
        Cow::Borrowed(path) => Cow::Borrowed(&path[range]),
        Cow::Owned(path) => Cow::Owned(path[range].to_owned()),
    })
}

/// Percent-decoded, once. What would mean something else when it is decoded, is decoded again or is not decoded, is
/// refused: separators and what some servers take for such, control characters, and a `%` that begins another escape.
fn decoded(text: &str) -> Result<Cow<'_, str>, Unclear> {
    if text.bytes().any(is_ambiguous) {
        return Err(Unclear);
    }
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, others)) = rest.split_first() {
        rest = others;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (escape, others) = rest.split_at_checked(2).ok_or(Unclear)?;
        let byte = hex(escape[0]).zip(hex(escape[1])).map(|(high, low)| high << 4 | low).ok_or(Unclear)?;
        if byte == b'/' || is_ambiguous(byte) {
            return Err(Unclear);
        }
        bytes.push(byte);
        rest = others;
    }
    let is_escape = |three: &[u8]| three[0] == b'%' && hex(three[1]).is_some() && hex(three[2]).is_some();
    if bytes.windows(3).any(is_escape) {
        return Err(Unclear);
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Unclear)
}

/// `\` is a `/` to some servers, and what follows `;` is no part of the path to others. A `?` or a `#` ends it for who
/// decodes too early.
fn is_ambiguous(byte: u8) -> bool {
    byte.is_ascii_control() || matches!(byte, b'\\' | b';' | b'?' | b'#')
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| value.try_into().ok())
}

/// A pattern of paths: its parts exactly, with `*` for any one part, and `**` at the end for any number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    pub(super) parts: Box<[Part]>,
    /// Whether any further parts may follow.
    pub(super) open: bool,
}

/// One part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Exactly(Box<str>),
    Any,
}

/// A text that is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// It has no slash at its beginning.
    #[error("must begin with /")]
    NoSlash,
    /// It is too long.
    #[error("must have at most {PATTERN_MAX_BYTES} bytes and {PARTS_MAX} parts")]
    TooLong,
    /// It has `**` elsewhere than at the end.
    #[error("may have ** only as its last part")]
    OpenMiddle,
    /// It has `*` within a part.
    #[error("may have * only as a whole part, for any one part; write %2A for the character itself")]
    StarWithin,
    /// No request that is not refused anyway could have such a path.
    #[error(
        "can fit no request: paths with a part of nothing but dots and spaces, with \\, ;, ?, #, control characters, what \
         becomes one of these, or escapes of them or of / or of another escape are always refused"
    )]
    Unclear,
}

impl From<Unclear> for InvalidPattern {
    fn from(_: Unclear) -> Self {
        Self::Unclear
    }
}

impl PathPattern {
    /// Reads a pattern. Characters that are not ASCII may stand in it as they are.
    ///
    /// # Errors
    /// [`InvalidPattern`].
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let Some(inner) = without_slashes(Cow::Borrowed(text)) else { return Err(InvalidPattern::NoSlash) };
        let mut texts: Vec<&str> = parts(&inner).collect();
        if text.len() > PATTERN_MAX_BYTES || texts.len() > PARTS_MAX {
            return Err(InvalidPattern::TooLong);
        }
        let open = texts.pop_if(|last| *last == "**").is_some();
        let parts = texts.into_iter().map(Part::parse).collect::<Result<_, _>>()?;
        Ok(Self { parts, open })
    }

    pub(super) fn takes_everything(&self) -> bool {
        self.parts.is_empty() && self.open
    }

    /// Whether it fits a path, capitals and all.
    pub(super) fn takes(&self, path: &RequestPath<'_>) -> bool {
        self.fits(path, |own, part| own == part)
    }

    /// Whether it fits a path by these letters.
    pub(super) fn fits(&self, path: &RequestPath<'_>, same: fn(&str, &str) -> bool) -> bool {
        let mut of_path = parts(&path.0);
        let all = self.parts.iter().all(|own| match (own, of_path.next()) {
            (_, None) => false,
            (Part::Any, Some(_)) => true,
            (Part::Exactly(own), Some(part)) => same(own, part),
        });
        all && (self.open || of_path.next().is_none())
    }
}

impl Part {
    fn parse(text: &str) -> Result<Self, InvalidPattern> {
        match text {
            "*" => Ok(Self::Any),
            "**" => Err(InvalidPattern::OpenMiddle),
            text if text.contains('*') => Err(InvalidPattern::StarWithin),
            text => match decoded(text)? {
                part if is_clear(&part) => Ok(Self::Exactly(part.into())),
                _ => Err(InvalidPattern::Unclear),
            },
        }
    }
}
