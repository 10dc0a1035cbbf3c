//! Describes a response that should have been a key set.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// The text is not a key set (RFC 7517 §5), but something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each says itself what it is")]
pub enum NotAKeySet {
    #[error("not a JSON Web Key Set")]
    Object,
    #[error("nothing at all, not a JSON Web Key Set")]
    Nothing,
    #[error("HTML, not a JSON Web Key Set: perhaps a page to log in, or of a proxy")]
    Html,
    #[error("XML, not a JSON Web Key Set")]
    Xml,
    #[error("a PEM file, not a JSON Web Key Set: save it, and give it as public_keys_file")]
    Pem,
    #[error("gzip that is not declared as Content-Encoding, not a JSON Web Key Set")]
    Gzip,
    #[error("UTF-16, not a JSON Web Key Set in UTF-8")]
    Utf16,
    #[error("bytes that are no UTF-8, not a JSON Web Key Set")]
    Bytes,
    #[error("text that is no JSON, not a JSON Web Key Set")]
    Text,
    #[error("broken JSON ({0}), not a JSON Web Key Set")]
    BrokenJson(String),
    #[error("JSON that has a member twice, not a JSON Web Key Set")]
    Repeated,
    #[error("a list, not a JSON Web Key Set, which is an object: {{\"keys\": [...]}}")]
    List,
    #[error("JSON that is no object, not a JSON Web Key Set")]
    Scalar,
    #[error("one JSON Web Key, not a set of them: {{\"keys\": [...]}}")]
    Key,
    #[error("a discovery document, not a JSON Web Key Set: set discovery = true, or give the address in its jwks_uri")]
    Discovery,
    #[error("an error, not a JSON Web Key Set")]
    Error,
}

impl NotAKeySet {
    /// Describes a text that is not a JSON object without repeated members. The text itself is not repeated, because a
    /// stranger wrote it.
    pub(super) fn text(bytes: &[u8]) -> Self {
        const GZIP: &[u8] = &[0x1f, 0x8b];
        if bytes.starts_with(GZIP) {
            return Self::Gzip;
        }
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Self::Utf16;
        }
        let Ok(text) = str::from_utf8(bytes) else { return Self::Bytes };
        let text = text.trim_ascii();
        let begins = |with: &str| text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
        match text.as_bytes().first() {
            None => Self::Nothing,
            Some(b'<') if begins("<?xml") => Self::Xml,
            Some(b'<') => Self::Html,
            Some(b'-') if begins("-----begin ") => Self::Pem,
            Some(b'{' | b'[' | b'"' | b'0'..=b'9' | b'-' | b't' | b'f' | b'n') => Self::json(text),
            Some(_) => Self::Text,
        }
    }

    fn json(text: &str) -> Self {
        match serde_json::from_str::<IgnoredAny>(text) {
            Err(_) if !text.starts_with(['{', '[']) => Self::Text,
            Err(error) => Self::BrokenJson(error.to_string()),
            Ok(_) if text.starts_with('{') => Self::Repeated,
            Ok(_) if text.starts_with('[') => Self::List,
            Ok(_) => Self::Scalar,
        }
    }

    /// Describes an object without a list of keys.
    pub(super) fn object(object: &Map<String, Value>) -> Self {
        if object.contains_key("kty") {
            Self::Key
        } else if object.contains_key("jwks_uri") {
            Self::Discovery
        } else if object.contains_key("error") {
            Self::Error
        } else {
            Self::Object
        }
    }
}
