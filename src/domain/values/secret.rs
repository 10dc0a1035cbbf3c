//! Secret text and bytes: no `Debug`, `Display`, `Clone` or `Serialize`, and zeroed when dropped.

use zeroize::Zeroizing;

/// A secret string. [`expose`](Self::expose) is the only way to read it, so every use is found by searching for that
/// word.
pub struct SecretString(Zeroizing<String>);

impl SecretString {
    /// Takes ownership of `text`; the memory is zeroed when the secret is dropped.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself. Never log, format or store what this returns.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<Zeroizing<String>> for SecretString {
    fn from(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl From<String> for SecretString {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// A secret as bytes, not necessarily text. [`expose`](Self::expose) is the only way to read it.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes ownership of `bytes`; the memory is zeroed when the secret is dropped.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret itself. Never log, format or store what this returns.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

/// Converts to the bytes of the text.
impl From<String> for SecretBytes {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

/// Converts to the bytes of the text.
impl From<SecretString> for SecretBytes {
    fn from(text: SecretString) -> Self {
        Self::new(text.expose().as_bytes().to_vec())
    }
}
