//! The server's secret, and the keys derived from it.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::domain::secret::SecretString;

/// The minimum length at which guessing an HMAC-SHA256 key is no easier than guessing the hash (RFC 2104 §3).
const PEPPER_MIN_BYTES: usize = 32;

/// A secret of the server, of at least 32 bytes, that is never stored in the database.
pub struct Pepper(SecretString);

/// The pepper is shorter than 32 bytes.
#[derive(Debug, thiserror::Error)]
#[error("must be at least {PEPPER_MIN_BYTES} bytes")]
pub struct WeakPepper;

impl Pepper {
    /// A pepper of at least 32 bytes.
    ///
    /// # Errors
    /// [`WeakPepper`] if it is shorter.
    pub fn new(text: SecretString) -> Result<Self, WeakPepper> {
        if text.expose().len() < PEPPER_MIN_BYTES { Err(WeakPepper) } else { Ok(Self(text)) }
    }

    /// What the database keeps of this pepper.
    pub fn fingerprint(&self) -> PepperFingerprint {
        let whole = self.derive("keyward v1 fingerprint");
        PepperFingerprint(*whole.first_chunk().expect("32 bytes hold 16"))
    }

    /// Derives a sub-key for one purpose. Different labels give independent keys (like one block of RFC 5869 §2.3).
    pub(in crate::domain) fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let mut mac = keyed_hash(self.0.expose().as_bytes());
        mac.update(label.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

/// Recognises a pepper without revealing it: 128 bits of a keyed hash of a fixed text. It is no secret, and derived
/// independently of the sub-keys that protect keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PepperFingerprint([u8; 16]);

impl PepperFingerprint {
    /// As the database stores it; `None` if it has another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As the database stores it.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The first 32 bits, in hexadecimal: enough for people to tell a few peppers apart.
impl fmt::Display for PepperFingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

type KeyedHash = Hmac<Sha256>;

fn keyed_hash(key: &[u8]) -> KeyedHash {
    KeyedHash::new_from_slice(key).expect("HMAC takes a key of any length (RFC 2104 §2)")
}

/// Independent keys derived from one pepper.
pub(super) struct PepperKeys {
    /// An initialized MAC. Cloning it for each key saves half of the hash rounds.
    tag: KeyedHash,
    /// Argon2's secret input.
    pub(super) hash: Zeroizing<[u8; 32]>,
    seal: KeyedHash,
    pub(super) fingerprint: PepperFingerprint,
}

impl PepperKeys {
    pub(super) fn of(pepper: &Pepper) -> Self {
        Self {
            tag: keyed_hash(&*pepper.derive("keyward v1 tag")),
            hash: pepper.derive("keyward v1 argon2"),
            seal: keyed_hash(&*pepper.derive("keyward v1 seal")),
            fingerprint: pepper.fingerprint(),
        }
    }

    /// The tag of a key: the first 64 bits of a keyed hash.
    pub(super) fn tag(&self, tagged: &[u8]) -> u64 {
        u64::from_be_bytes(first_bytes(&self.tag, tagged))
    }

    pub(super) fn seal(&self, message: &[u8]) -> [u8; 8] {
        first_bytes(&self.seal, message)
    }
}

fn first_bytes(keyed: &KeyedHash, message: &[u8]) -> [u8; 8] {
    let mut mac = keyed.clone();
    mac.update(message);
    let whole: [u8; 32] = mac.finalize().into_bytes().into();
    *whole.first_chunk().expect("32 bytes hold 8")
}
