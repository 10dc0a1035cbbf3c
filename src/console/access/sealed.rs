//! Texts that we give to a browser, and know again when they come back, for a while.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::domain::api_key::Keyring;

/// The text with the time and a seal. `purpose`: what else is sealed has another one, and none is the beginning of
/// another.
pub(crate) fn seal(keyring: &Keyring, purpose: &str, text: &str, now: i64) -> String {
    let text = format!("{text}.{now}");
    let seal = URL_SAFE_NO_PAD.encode(keyring.seal(format!("{purpose} {text}").as_bytes()));
    format!("{text}.{seal}")
}

/// The text that was sealed for this purpose at most `lasts` seconds ago.
pub(crate) fn unseal<'a>(keyring: &Keyring, purpose: &str, sealed: &'a str, now: i64, lasts: i64) -> Option<&'a str> {
    let (text, seal) = sealed.rsplit_once('.')?;
    let seal = URL_SAFE_NO_PAD.decode(seal).ok()?;
    if !keyring.has_sealed(format!("{purpose} {text}").as_bytes(), &seal) {
        return None;
    }
    let (text, at) = text.rsplit_once('.')?;
    (0..=lasts).contains(&(now - at.parse::<i64>().ok()?)).then_some(text)
}
