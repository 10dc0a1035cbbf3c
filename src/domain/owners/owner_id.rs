//! Owner ids: issuer and subject, encoded for use in URLs, without a lookup in either direction.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::owner::{IDENTIFIER_MAX_BYTES, Owner};

/// Separates issuer and subject. Neither contains NUL.
const BETWEEN: &str = "\0";

/// The id of an owner.
pub fn write(owner: &Owner) -> String {
    let mut word = String::new();
    push(owner, &mut word);
    word
}

/// Appends the id of an owner to a string.
pub(crate) fn push(owner: &Owner, text: &mut String) {
    URL_SAFE_NO_PAD.encode_string([&*owner.issuer, BETWEEN, &*owner.subject].concat(), text);
}

/// The owner with this id; `None` if no token could name it.
pub fn read(word: &str) -> Option<Owner> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(word).ok()?).ok()?;
    let (issuer, subject) = text.split_once(BETWEEN)?;
    let fits = issuer.len() <= IDENTIFIER_MAX_BYTES && subject.len() <= IDENTIFIER_MAX_BYTES;
    (fits && !subject.is_empty() && !subject.contains(BETWEEN))
        .then(|| Owner { issuer: issuer.into(), subject: subject.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_comes_back_and_nothing_else_is_one() {
        for (issuer, subject) in [("", "alice"), ("https://issuer.example", "auth0|5f7c"), ("é", "☃")] {
            let owner = Owner { issuer: issuer.into(), subject: subject.into() };
            assert_eq!(read(&write(&owner)), Some(owner));
        }
        for word in ["", "AA", "YWxpY2U", "a b", "YQBiAGM"] {
            assert_eq!(read(word), None, "{word}");
        }
    }
}
