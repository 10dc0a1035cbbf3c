//! Pagination cursors. They are sealed, so that a modified cursor is an error and not another page.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::Place;
use crate::domain::api_key::Keyring;

/// The cursor for the page after `last`.
pub fn write(keyring: &Keyring, list: &str, last: &Place) -> String {
    let mut bytes = last.id.as_bytes().to_vec();
    bytes.extend(keyring.seal(&sealed(list, last)));
    bytes.extend(last.value.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place that a cursor stands for; `None` if it was not issued for this list.
pub fn read(keyring: &Keyring, list: &str, text: &str) -> Option<Place> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (id, rest) = bytes.split_first_chunk::<16>()?;
    let (seal, value) = rest.split_first_chunk::<8>()?;
    let last = Place { id: Uuid::from_bytes(*id), value: str::from_utf8(value).ok()?.to_owned() };
    keyring.has_sealed(&sealed(list, &last), seal).then_some(last)
}

/// No list's name is a prefix of another's; otherwise a cursor of one list could be cut into a cursor of the other.
fn sealed(list: &str, last: &Place) -> Vec<u8> {
    [list.as_bytes(), last.id.as_bytes(), last.value.as_bytes()].concat()
}
