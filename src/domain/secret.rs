//! Text that must never be seen: no `Debug`, `Display`, `Clone` or `Serialize`, zeroed when dropped.

use zeroize::Zeroizing;

/// A secret as text. The only way to read it is [`expose`](Self::expose), so every place that does
/// is found by searching for that word.
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
