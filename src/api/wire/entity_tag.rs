//! Entity tags and lists of them, as in `If-Match` and `If-None-Match` (RFC 9110 §8.8.3, §13.1).

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// An entity tag, without quotation marks. It may contain any byte except those and control characters, including
/// commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag {
    /// Whether the tag is weak: it only promises that two representations are equivalent.
    pub weak: bool,
    /// The bytes between the quotation marks.
    pub opaque: Vec<u8>,
}

/// The value of a precondition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagList {
    /// `*`: any representation.
    Any,
    /// At least one of these tags.
    These(Vec<EntityTag>),
}

impl TagList {
    /// Parses the combined value of all lines of a header. Elements may be empty (RFC 9110 §5.6.1.2). `None` if the
    /// value is malformed or names no tag.
    pub fn read(value: &[u8]) -> Option<Self> {
        if value.trim_ascii() == b"*" {
            return Some(Self::Any);
        }
        let (mut tags, mut rest) = (Vec::new(), value);
        loop {
            rest = rest.trim_ascii_start();
            if let Some(after) = rest.strip_prefix(b",") {
                rest = after;
            } else if rest.is_empty() {
                return (!tags.is_empty()).then_some(Self::These(tags));
            } else {
                let (tag, after) = EntityTag::take(rest)?;
                tags.push(tag);
                rest = after.trim_ascii_start();
                if !rest.is_empty() && !rest.starts_with(b",") {
                    return None;
                }
            }
        }
    }

    /// The list in this header; `Some(None)` if there is no such header, `None` if it is malformed.
    pub(crate) fn of(headers: &HeaderMap, name: HeaderName) -> Option<Option<Self>> {
        let lines: Vec<&[u8]> = headers.get_all(name).map(HeaderValue::as_bytes).collect();
        if lines.is_empty() {
            return Some(None);
        }
        // Several lines are one list (RFC 9110 §5.3).
        Self::read(&lines.join(&b", "[..])).map(Some)
    }

    /// Whether the list contains this strong tag by strong comparison, in which a weak tag matches nothing (RFC 9110
    /// §8.8.3.2).
    pub fn names(&self, current: &str) -> bool {
        self.any(|tag| !tag.weak && tag.opaque == current.as_bytes())
    }

    /// The same by weak comparison.
    pub fn names_weakly(&self, current: &str) -> bool {
        self.any(|tag| tag.opaque == current.as_bytes())
    }

    fn any(&self, fits: impl Fn(&EntityTag) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(fits),
        }
    }
}

impl EntityTag {
    /// The tag at the beginning of a text, and the rest.
    fn take(text: &[u8]) -> Option<(Self, &[u8])> {
        let (weak, rest) = text.strip_prefix(b"W/").map_or((false, text), |rest| (true, rest));
        let rest = rest.strip_prefix(b"\"")?;
        let end = rest.iter().position(|byte| *byte == b'"')?;
        let opaque = &rest[..end];
        let is_sound = opaque.iter().all(|byte| matches!(byte, 0x21..=0x7E | 0x80..));
        is_sound.then(|| (Self { weak, opaque: opaque.to_vec() }, &rest[end + 1..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weak_tag_is_named_weakly_only() {
        let list = TagList::read(br#"W/"a", "b""#).expect("a list");
        assert!(!list.names("a") && list.names_weakly("a"));
        assert!(list.names("b") && list.names_weakly("b"));
        assert!(!list.names("c") && !list.names_weakly("c"));
        assert!(TagList::Any.names("a") && TagList::Any.names_weakly("a"));
    }

    /// The table of RFC 9110 §8.8.3.2.
    #[test]
    fn tags_are_compared_as_rfc_9110_shows() {
        for (one, other, strong, weak) in
            [(r#"W/"1""#, "1", false, true), (r#"W/"1""#, "2", false, false), (r#""1""#, "1", true, true)]
        {
            let list = TagList::read(one.as_bytes()).expect("a list");
            assert_eq!((list.names(other), list.names_weakly(other)), (strong, weak), "{one} {other}");
        }
    }
}
