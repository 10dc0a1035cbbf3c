//! Canonical paths, and patterns for them.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use super::letters::folded;

/// Two readers could interpret the text differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is ambiguous")]
pub struct Unclear;

/// The maximum length of a pattern, in bytes.
const PATTERN_MAX_BYTES: usize = 1024;
/// The maximum number of segments of a pattern, and so the depth of the index.
const PARTS_MAX: usize = 64;

/// The unambiguous path of a request, percent-decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath<'a>(
    /// The non-empty segments, joined by `/`, without a leading and a trailing `/`.
    Cow<'a, str>,
);

impl<'a> RequestPath<'a> {
    /// Parses the target of a request (RFC 9112 §3.2.1): a path with an optional query, which is ignored.
    ///
    /// # Errors
    /// [`Unclear`] if two readers could interpret it differently.
    pub fn parse(target: &'a str) -> Result<Self, Unclear> {
        // A target has no fragment, not even after a query; readers differ in how they treat one.
        if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(Unclear);
        }
        let path = decoded(target.split('?').next().unwrap_or(target))?;
        let Some(inner) = without_slashes(path) else { return Err(Unclear) };
        if parts(&inner).all(is_clear) { Ok(Self(inner)) } else { Err(Unclear) }
    }

    /// The decoded segments, joined by `/`. Empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The case-folded path, for comparisons.
    pub(super) fn folded(&self) -> Cow<'_, str> {
        folded(&self.0)
    }
}

/// Whether every reader interprets this segment the same way.
fn is_clear(part: &str) -> bool {
    let has_disguise = || part.chars().any(is_separator_in_disguise);
    !is_nameless(part) && (part.is_ascii() || !has_disguise() && !is_nameless(&folded(part)))
}

/// Some servers drop an empty segment, dots change the directory, and Windows ignores trailing spaces and dots. What
/// looks like nothing may be taken for a space, or dropped.
fn is_nameless(part: &str) -> bool {
    part.chars().all(|letter| letter == '.' || letter.is_whitespace() || letter.is_control() || letter == BLANK_BRAILLE)
}

/// A letter without ink that is neither white space nor ignorable ([`folded`]).
const BLANK_BRAILLE: char = '\u{2800}';

/// Letters that a Windows code page maps to a slash or a backslash: fraction slash, division slash, set minus. In the
/// code pages of Japanese and Korean, the backslash is the sign of the yen or the won, also in full width.
const SEPARATORS: [char; 7] = ['\u{2044}', '\u{2215}', '\u{2216}', '\u{a5}', '\u{20a9}', '\u{ffe5}', '\u{ffe6}'];

/// A character that Unicode normalization or a Windows code page maps to one with a special meaning.
fn is_separator_in_disguise(letter: char) -> bool {
    let means_more = |byte: u8| matches!(byte, b'/' | b'%') || is_ambiguous(byte);
    let becomes_one = |letter: char| letter.nfkd().any(|part| u8::try_from(part).is_ok_and(means_more));
    !letter.is_ascii() && (SEPARATORS.contains(&letter) || becomes_one(letter))
}

/// The segments between the first and the last slash. None if the text is empty, which is the root.
pub(super) fn parts(inner: &str) -> impl Iterator<Item = &str> {
    inner.split('/').take(if inner.is_empty() { 0 } else { usize::MAX })
}

/// Removes the leading slash, which is required, and a trailing one, which many servers ignore.
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

/// Percent-decodes once. Refuses everything whose meaning depends on how often it is decoded: separators and what some
/// servers treat as separators, control characters, and a `%` that begins another escape.
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

/// Some servers treat `\` like `/`, and for others the part after `;` does not belong to the path. `?` and `#` end the
/// path for a server that decodes too early.
fn is_ambiguous(byte: u8) -> bool {
    byte.is_ascii_control() || matches!(byte, b'\\' | b';' | b'?' | b'#')
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| value.try_into().ok())
}

/// A pattern of paths: literal segments, `*` for exactly one segment, and `**` at the end for any number of segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    pub(super) parts: Box<[Part]>,
    /// Whether any further segments may follow.
    pub(super) open: bool,
}

/// A segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Exactly(Segment),
    Any,
}

/// A literal segment. Its folded form is made once, because a long policy compares it with those of many other rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) text: Box<str>,
    /// None where it is the text itself.
    folded: Option<Box<str>>,
}

impl Segment {
    fn new(text: Cow<'_, str>) -> Self {
        let folded = Some(folded(&text)).filter(|folded| **folded != *text).map(Box::from);
        Self { text: text.into(), folded }
    }

    /// The case-folded text, for comparisons.
    pub(super) fn folded(&self) -> &str {
        self.folded.as_deref().unwrap_or(&self.text)
    }
}

/// The text is not a valid pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// It does not begin with a slash.
    #[error("must begin with /")]
    NoSlash,
    /// It exceeds a limit.
    #[error("must have at most {PATTERN_MAX_BYTES} bytes and {PARTS_MAX} segments")]
    TooLong,
    /// It has `**` before the end.
    #[error("may have ** only as its last segment")]
    OpenMiddle,
    /// It has `*` within a segment.
    #[error("may have * only as a whole segment, which matches any one segment; write %2A for a literal *")]
    StarWithin,
    /// Every request with such a path is refused.
    #[error(
        "can match no request: a path is always refused if a segment consists only of dots and white space, or if \
        it contains \\, ;, ?, #, a control character, a character that becomes one of these, or an escape of one of them, \
        of / or of another escape"
    )]
    Unclear,
}

impl From<Unclear> for InvalidPattern {
    fn from(_: Unclear) -> Self {
        Self::Unclear
    }
}

impl PathPattern {
    /// Parses a pattern. It may contain unescaped non-ASCII characters.
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

    /// `/**`
    pub(super) fn everything() -> Self {
        Self { parts: Box::default(), open: true }
    }

    pub(super) fn takes_everything(&self) -> bool {
        self.parts.is_empty() && self.open
    }

    /// Whether the pattern matches a path exactly, including case.
    pub(super) fn takes(&self, path: &RequestPath<'_>) -> bool {
        self.fits(path, |own, part| own == part)
    }

    /// Whether the pattern matches a path under this comparison.
    pub(super) fn fits(&self, path: &RequestPath<'_>, same: fn(&str, &str) -> bool) -> bool {
        let mut of_path = parts(&path.0);
        let all = self.parts.iter().all(|own| match (own, of_path.next()) {
            (_, None) => false,
            (Part::Any, Some(_)) => true,
            (Part::Exactly(own), Some(part)) => same(&own.text, part),
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
                part if is_clear(&part) => Ok(Self::Exactly(Segment::new(part))),
                _ => Err(InvalidPattern::Unclear),
            },
        }
    }
}
