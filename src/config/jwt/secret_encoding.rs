//! The encoding of a shared secret.

use std::str::FromStr;

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;

use crate::domain::secret::SecretBytes;

/// The encoding of a shared secret. The decoded bytes are used for signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SecretEncoding {
    /// The bytes of the text.
    Text,
    /// RFC 4648 §4 or §5, with or without padding.
    Base64,
    /// RFC 4648 §8, in either case.
    Hex,
}

/// The accepted names.
pub(super) const ENCODINGS: &str = "text, base64 or hex";

impl FromStr for SecretEncoding {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Ok(match name {
            "text" => Self::Text,
            "base64" => Self::Base64,
            "hex" => Self::Hex,
            _ => return Err(()),
        })
    }
}

impl SecretEncoding {
    /// Decodes the text, or says why it is invalid.
    pub(super) fn decode(self, text: &str) -> Result<SecretBytes, &'static str> {
        match self {
            Self::Text => Ok(SecretBytes::new(text.as_bytes().to_vec())),
            Self::Base64 => base64(text).map(SecretBytes::new).ok_or("is not base64 (RFC 4648, 4 and 5)"),
            Self::Hex => hex(text).map(SecretBytes::new).ok_or("is not hexadecimal: two digits for each byte"),
        }
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let alphabet = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&alphabet, config).decode(text).ok()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some((digit(*high)? << 4 | digit(*low)?) as u8);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoding: SecretEncoding, text: &str) -> Option<Vec<u8>> {
        encoding.decode(text).ok().map(|secret| secret.expose().to_vec())
    }

    #[test]
    fn each_encoding_is_read_in_every_way_that_it_is_written() {
        let bytes = [0xfb, 0xef, 0xff, 0x00];
        for text in ["++//AA==", "++//AA", "--__AA==", "--__AA"] {
            assert_eq!(decoded(SecretEncoding::Base64, text), Some(bytes.to_vec()), "{text}");
        }
        for text in ["fbefff00", "FBEFFF00", "FbEfFf00"] {
            assert_eq!(decoded(SecretEncoding::Hex, text), Some(bytes.to_vec()), "{text}");
        }
        assert_eq!(decoded(SecretEncoding::Text, "++//AA=="), Some(b"++//AA==".to_vec()));
    }

    #[test]
    fn what_is_written_in_another_way_is_refused() {
        for text in ["a b", "++__", "é", "A", "AAAA=A", "++//AB=="] {
            assert_eq!(decoded(SecretEncoding::Base64, text), None, "{text}");
        }
        for text in ["f", "0x00", "fg", "é", "00 00"] {
            assert_eq!(decoded(SecretEncoding::Hex, text), None, "{text}");
        }
    }
}
