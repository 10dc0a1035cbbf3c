//! The format of API keys: generation, parsing and the tag.
//!
//! ```text
//! keyward_live_ 4fXq…22  Zr0…43  9bQ…11
//! prefix_env_   id       secret  tag
//! ```
//!
//! The tag is a keyed hash of everything before it. A forged or mistyped key fails on the tag, without a query and
//! without Argon2id. The tag's key is derived from the server's pepper, so a copy of the database alone suffices
//! neither to create a key nor to test one.

pub(crate) mod base62;
mod pepper;
mod prefix_and_environment;

use std::{fmt, str::FromStr};

use self::pepper::PepperKeys;
pub use self::{
    pepper::{Pepper, PepperFingerprint, WeakPepper},
    prefix_and_environment::{
        Environment, InvalidPrefix, Prefix, ShownKey, UnknownEnvironment, find_key_form, without_secrets,
    },
};
use crate::domain::secret::SecretString;
use rand::{RngExt, distr::Alphanumeric, rand_core::UnwrapErr, rngs::SysRng};
use siphasher::sip128::SipHasher24;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use uuid::Uuid;
use zeroize::Zeroizing;

const ID_LENGTH: usize = 22;
/// 43 uniform base62 characters carry 256.03 bits.
const SECRET_LENGTH: usize = 43;
const TAG_LENGTH: usize = 11;
const ENVIRONMENT_LENGTH: usize = 4;

/// A key's id: a UUIDv7 (RFC 9562 §5.7), written as 22 base62 characters. It is public, and may appear in lists, logs
/// and headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(Uuid);

impl KeyId {
    fn generate(now: OffsetDateTime) -> Self {
        let millis = u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        let random: [u8; 10] = system_random().random();
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// The smallest possible id of a key created at this instant or later.
    pub fn first_of(instant: OffsetDateTime) -> Self {
        let millis = u64::try_from(instant.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid())
    }

    /// When the key was created, in milliseconds (RFC 9562 §5.7).
    pub fn made_at(self) -> OffsetDateTime {
        let millis = self.0.as_u128() >> 80;
        let instant = i128::try_from(millis).ok().map(|millis| millis * 1_000_000);
        // 48 bits of milliseconds end in the year 10889, far beyond any key's creation.
        instant
            .and_then(|nanos| OffsetDateTime::from_unix_timestamp_nanos(nanos).ok())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The id as the database stores it.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }

    /// Appends the text of the id to a string.
    pub fn push_to(self, text: &mut String) {
        push_ascii(text, &self.to_text());
    }

    fn to_text(self) -> [u8; ID_LENGTH] {
        base62::encode_u128(self.0.as_u128())
    }

    fn from_text(text: &[u8]) -> Option<Self> {
        base62::decode_u128(text.try_into().ok()?).map(|value| Self(Uuid::from_u128(value)))
    }
}

impl From<Uuid> for KeyId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

/// The text is not a key's id.
#[derive(Debug, thiserror::Error)]
#[error("must be {ID_LENGTH} letters and digits")]
pub struct InvalidKeyId;

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        Self::from_text(text.as_bytes()).ok_or(InvalidKeyId)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(str::from_utf8(&self.to_text()).map_err(|_| fmt::Error)?)
    }
}

/// The secret part of a key. It is shown once to its owner and never stored.
pub struct KeySecret(Zeroizing<[u8; SECRET_LENGTH]>);

impl KeySecret {
    fn generate() -> Self {
        let mut secret = Zeroizing::new([0; SECRET_LENGTH]);
        let mut random = system_random();
        secret.fill_with(|| random.sample(Alphanumeric));
        Self(secret)
    }

    /// The secret itself, for the hasher. Never log, format or store what this returns.
    pub fn expose(&self) -> &[u8] {
        &*self.0
    }
}

/// A keyed hash of a key's text, by which this process recognises the same key again: 128 bits of SipHash-2-4 under a
/// key that no other process has. Two proofs are equal only if the keys are. Without the SipHash key, a proof reveals
/// nothing.
#[derive(Clone)]
pub struct Proof([u64; 2]);

impl ConstantTimeEq for Proof {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.0.ct_eq(&other.0)
    }
}

/// The system's random generator. It can fail only before the kernel has gathered entropy, which a booted machine has.
fn system_random() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// The index of the pepper that a key was created with. A key never changes its pepper.
#[derive(Clone, Copy)]
pub struct PepperIndex(usize);

/// A new key, as it is handed to its owner, once.
pub struct GeneratedKey {
    /// The key's id.
    pub id: KeyId,
    /// The environment in the key's text.
    pub environment: Environment,
    /// The secret, whose hash is stored.
    pub secret: KeySecret,
    /// The pepper that the hash needs.
    pub pepper: PepperIndex,
    /// The whole key.
    pub text: SecretString,
}

/// A text that has the form of a key. *Anybody may have made it.*
pub struct KeyForm<'a> {
    /// The id that the text claims.
    pub id: KeyId,
    /// Recognises the same text again, if it was checked before.
    pub proof: Proof,
    environment: Environment,
    text: &'a [u8],
    secret: &'a [u8; SECRET_LENGTH],
    tag: u64,
}

/// A presented key: well formed and with a valid tag, but *its secret is not verified*. Only `auth` turns it into a
/// [`Principal`](crate::domain::principal::Principal).
pub struct PresentedKey<'a> {
    /// The key's id.
    pub id: KeyId,
    /// The environment in the key's text.
    pub environment: Environment,
    /// The secret that the stored hash must match. Borrowed, because most checks need no copy.
    secret: &'a [u8; SECRET_LENGTH],
    /// The pepper that the hash was made with.
    pub pepper: PepperIndex,
    /// Recognises the same key again.
    pub proof: Proof,
}

impl PresentedKey<'_> {
    /// The secret, for the hasher.
    pub fn secret(&self) -> KeySecret {
        KeySecret(Zeroizing::new(*self.secret))
    }
}

/// The text is not a key of this server: it has another form, or an invalid tag.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key of this server")]
pub struct NotOurs;

/// Generates and recognises keys, with the configured prefix and peppers.
pub struct Keyring {
    prefix: Prefix,
    peppers: Vec<PepperKeys>,
    /// Makes proofs. Its key is random per process, because proofs never leave the process.
    recogniser: SipHasher24,
}

/// The list of peppers is empty.
#[derive(Debug, thiserror::Error)]
#[error("at least one pepper is required")]
pub struct NoPepper;

impl Keyring {
    /// A keyring that generates keys with the first pepper and recognises keys of all peppers.
    ///
    /// # Errors
    /// [`NoPepper`] if the list is empty.
    pub fn new(prefix: Prefix, peppers: &[Pepper]) -> Result<Self, NoPepper> {
        if peppers.is_empty() {
            return Err(NoPepper);
        }
        let recogniser = SipHasher24::new_with_key(&system_random().random());
        Ok(Self { prefix, peppers: peppers.iter().map(PepperKeys::of).collect(), recogniser })
    }

    /// The prefix of all keys.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Generates a key. `now` becomes the timestamp in its id.
    pub fn generate(&self, environment: Environment, now: OffsetDateTime) -> GeneratedKey {
        let id = KeyId::generate(now);
        let secret = KeySecret::generate();
        let head = self.head(environment);
        // One allocation of the final size: a growing string would leave copies of the secret behind.
        let mut text = String::with_capacity(self.text_length());
        text.push_str(&head);
        push_ascii(&mut text, &id.to_text());
        push_ascii(&mut text, secret.expose());
        let tag = self.peppers[0].tag(text.as_bytes());
        push_ascii(&mut text, &base62::encode_u64(tag));
        GeneratedKey { id, environment, secret, pepper: PepperIndex(0), text: text.into() }
    }

    /// Recognises a key by its form and its tag, without I/O.
    ///
    /// # Errors
    /// [`NotOurs`] for any text that this keyring did not generate.
    pub fn parse<'a>(&self, text: &'a [u8]) -> Result<PresentedKey<'a>, NotOurs> {
        self.form(text).and_then(|form| self.recognise(form))
    }

    /// Recognises the form of a key, without checking its tag.
    ///
    /// # Errors
    /// [`NotOurs`] for any other form.
    pub fn form<'a>(&self, text: &'a [u8]) -> Result<KeyForm<'a>, NotOurs> {
        self.form_of(text).ok_or(NotOurs)
    }

    /// Recognises a key by its tag.
    ///
    /// # Errors
    /// [`NotOurs`] if none of the peppers made the tag.
    pub fn recognise<'a>(&self, form: KeyForm<'a>) -> Result<PresentedKey<'a>, NotOurs> {
        let KeyForm { id, proof, environment, text, secret, tag } = form;
        let tagged = &text[..text.len() - TAG_LENGTH];
        let pepper = self.peppers.iter().position(|keys| keys.tag(tagged).ct_eq(&tag).into()).ok_or(NotOurs)?;
        Ok(PresentedKey { id, environment, secret, pepper: PepperIndex(pepper), proof })
    }

    /// Whether a text carries a key that this keyring has generated, which its tag proves, without I/O. For texts that
    /// are kept: whoever reads them must not find a key that works.
    pub fn has_key_in(&self, text: &str) -> bool {
        let is_key = |at: usize| {
            let window = text.as_bytes().get(at..at + self.text_length());
            window.is_some_and(|window| self.parse(window).is_ok())
        };
        let begins = [self.prefix.as_str(), "_"].concat();
        text.match_indices(&begins).any(|(at, _)| is_key(at))
    }

    /// The sub-key for the hash of a key.
    pub fn hash_secret(&self, pepper: PepperIndex) -> &[u8; 32] {
        &self.peppers[pepper.0].hash
    }

    /// Which pepper that is, for the database.
    pub fn fingerprint(&self, pepper: PepperIndex) -> PepperFingerprint {
        self.peppers[pepper.0].fingerprint
    }

    /// The fingerprints of all peppers, in their order: new keys are made with the first.
    pub fn fingerprints(&self) -> Vec<PepperFingerprint> {
        self.peppers.iter().map(|keys| keys.fingerprint).collect()
    }

    /// Seals data that clients send back to us: the first 64 bits of a keyed hash.
    pub fn seal(&self, message: &[u8]) -> [u8; 8] {
        self.peppers[0].seal(message)
    }

    /// Whether `seal` is valid for `message` under any of the peppers.
    pub fn has_sealed(&self, message: &[u8], seal: &[u8]) -> bool {
        self.peppers.iter().any(|keys| keys.seal(message).ct_eq(seal).into())
    }

    fn form_of<'a>(&self, text: &'a [u8]) -> Option<KeyForm<'a>> {
        if text.len() != self.text_length() {
            return None;
        }
        let rest = text.strip_prefix(self.prefix.as_str().as_bytes())?.strip_prefix(b"_")?;
        let (environment, rest) = rest.split_at(ENVIRONMENT_LENGTH);
        let environment = Environment::from_ascii(environment)?;
        let (id, rest) = rest.strip_prefix(b"_")?.split_at(ID_LENGTH);
        let id = KeyId::from_text(id)?;
        let (secret, tag) = rest.split_first_chunk()?;
        // Whether the secret is base62 need not be checked: only such secrets get a tag.
        let tag = base62::decode_u64(tag.try_into().ok()?)?;
        let proof = self.recogniser.hash(text);
        Some(KeyForm { id, proof: Proof([proof.h1, proof.h2]), environment, text, secret, tag })
    }

    fn head(&self, environment: Environment) -> String {
        self.prefix.head(environment)
    }

    fn text_length(&self) -> usize {
        self.prefix.as_str().len() + 1 + ENVIRONMENT_LENGTH + 1 + ID_LENGTH + SECRET_LENGTH + TAG_LENGTH
    }
}

fn push_ascii(text: &mut String, ascii: &[u8]) {
    text.push_str(str::from_utf8(ascii).expect("ASCII is UTF-8"));
}

#[cfg(test)]
mod tests;
