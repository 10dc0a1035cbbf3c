//! Cursors: where a list goes on. Sealed, so that a changed one is an error and not another page.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::domain::api_key::Keyring;

/// Where this list goes on after `last`.
pub fn write(keyring: &Keyring, list: &str, last: Uuid) -> String {
    let mut bytes = last.as_bytes().to_vec();
    bytes.extend(keyring.seal(&sealed(list, last)));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// After what this list goes on; `None` for what it has not given.
pub fn read(keyring: &Keyring, list: &str, text: &str) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (id, seal) = bytes.split_first_chunk::<16>()?;
    let last = Uuid::from_bytes(*id);
    keyring.has_sealed(&sealed(list, last), seal).then_some(last)
}

fn sealed(list: &str, last: Uuid) -> Vec<u8> {
    [list.as_bytes(), last.as_bytes()].concat()
}
