//! The credential's format: generate, parse, tag.
//!
//! ```text
//! keyward_live_ 4fXq…22  Zr0…43  9bQ…11
//! prefix_env_   id       secret  tag
//! ```
//!
//! The tag is a keyed hash over everything before it. A forged or mistyped key fails on the tag,
//! which costs no query and no Argon2. The key that the tag is made with is derived from the
//! server's pepper, so a copy of the database alone is not enough to make or to test a key.

pub(crate) mod base62;
mod pepper;
mod prefix_and_environment;

use std::{fmt, str::FromStr};

use self::pepper::PepperKeys;
pub use self::{
    pepper::{Pepper, WeakPepper},
    prefix_and_environment::{Environment, InvalidPrefix, Prefix, UnknownEnvironment},
};
use super::secret::SecretString;
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

/// A key's public name: a UUIDv7 (RFC 9562 §5.7), written as 22 base62 characters. It may stand in
/// lists, logs and headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(Uuid);

impl KeyId {
    fn generate(now: OffsetDateTime) -> Self {
        let millis = u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        let random: [u8; 10] = system_random().random();
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// The first of the ids that are made at this instant or later.
    pub fn first_of(instant: OffsetDateTime) -> Self {
        let millis = u64::try_from(instant.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid())
    }

    /// When the key was made, to the millisecond (RFC 9562 §5.7).
    pub fn made_at(self) -> OffsetDateTime {
        let millis = self.0.as_u128() >> 80;
        let instant = i128::try_from(millis).ok().map(|millis| millis * 1_000_000);
        // 48 bits of milliseconds end in the year 10889, which no key of ours has seen.
        instant
            .and_then(|nanos| OffsetDateTime::from_unix_timestamp_nanos(nanos).ok())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The id as the database keeps it.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }

    /// Puts the public text of the id behind another text.
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

/// The text is not the id of a key.
#[derive(Debug, thiserror::Error)]
#[error("an id is {ID_LENGTH} letters and digits")]
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

/// The secret part of a key. Shown once to its owner, never stored.
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

/// A keyed hash of a key's text, by which this process recognises the very same key: 128 bits of SipHash-2-4 under a
/// key that no other process has. Two proofs are equal only for one and the same key. Without that key, nothing
/// follows from a proof.
#[derive(Clone)]
pub struct Proof([u64; 2]);

impl ConstantTimeEq for Proof {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.0.ct_eq(&other.0)
    }
}

/// The system's generator. It can fail only before the kernel has gathered its first entropy,
/// which a booted machine has.
fn system_random() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// Which pepper of the list a key was made with. A key stays with its pepper for its life.
#[derive(Clone, Copy)]
pub struct PepperIndex(usize);

/// A key as its owner gets it, once.
pub struct IssuedKey {
    /// The public name.
    pub id: KeyId,
    /// The environment in the key's text.
    pub environment: Environment,
    /// What the hasher stores a hash of.
    pub secret: KeySecret,
    /// Which pepper the hash needs.
    pub pepper: PepperIndex,
    /// The whole key.
    pub text: SecretString,
}

/// A text of the form of a key. *Anybody may have made it.*
pub struct KeyForm<'a> {
    /// The public name that it claims.
    pub id: KeyId,
    /// Recognises the very same text, of which more may be known already.
    pub proof: Proof,
    environment: Environment,
    text: &'a [u8],
    secret: &'a [u8; SECRET_LENGTH],
    tag: u64,
}

/// A key as it arrives: well formed and tagged by us, but *unproven*. Only `auth` makes a
/// [`Principal`](super::principal::Principal) of it.
pub struct PresentedKey<'a> {
    /// The public name.
    pub id: KeyId,
    /// The environment in the key's text.
    pub environment: Environment,
    /// What the stored hash must match, where it arrived: most checks need no copy of it.
    secret: &'a [u8; SECRET_LENGTH],
    /// Which pepper the hash was made with.
    pub pepper: PepperIndex,
    /// For recognising the very same key later.
    pub proof: Proof,
}

impl PresentedKey<'_> {
    /// The secret, for the hasher.
    pub fn secret(&self) -> KeySecret {
        KeySecret(Zeroizing::new(*self.secret))
    }
}

/// The text is not a key of ours: of another form, or with a tag that we did not make.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key of ours")]
pub struct NotOurs;

/// Makes and recognises keys: the configured prefix and the peppers.
pub struct Keyring {
    prefix: Prefix,
    peppers: Vec<PepperKeys>,
    /// What proofs are made with. Drawn at each start, since they stay in this process.
    recogniser: SipHasher24,
}

/// There is no pepper to make keys with.
#[derive(Debug, thiserror::Error)]
#[error("at least one pepper is needed")]
pub struct NoPepper;

impl Keyring {
    /// A keyring that makes keys with the first pepper and recognises keys of all of them.
    ///
    /// # Errors
    /// [`NoPepper`] when the list is empty.
    pub fn new(prefix: Prefix, peppers: &[Pepper]) -> Result<Self, NoPepper> {
        if peppers.is_empty() {
            return Err(NoPepper);
        }
        let recogniser = SipHasher24::new_with_key(&system_random().random());
        Ok(Self { prefix, peppers: peppers.iter().map(PepperKeys::of).collect(), recogniser })
    }

    /// The word that keys begin with.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Makes a new key. `now` becomes the time in its id.
    pub fn generate(&self, environment: Environment, now: OffsetDateTime) -> IssuedKey {
        let id = KeyId::generate(now);
        let secret = KeySecret::generate();
        let head = self.head(environment);
        // One allocation of the final size: a growing string would leave copies behind.
        let mut text = String::with_capacity(self.text_length());
        text.push_str(&head);
        push_ascii(&mut text, &id.to_text());
        push_ascii(&mut text, secret.expose());
        let tag = self.peppers[0].tag(text.as_bytes());
        push_ascii(&mut text, &base62::encode_u64(tag));
        IssuedKey { id, environment, secret, pepper: PepperIndex(0), text: text.into() }
    }

    /// Recognises a key by its form and its tag, without any I/O.
    ///
    /// # Errors
    /// [`NotOurs`] for anything that this keyring did not make.
    pub fn parse<'a>(&self, text: &'a [u8]) -> Result<PresentedKey<'a>, NotOurs> {
        self.form(text).and_then(|form| self.recognise(form))
    }

    /// Recognises the form of a key, whoever made it.
    ///
    /// # Errors
    /// [`NotOurs`] for anything of another form.
    pub fn form<'a>(&self, text: &'a [u8]) -> Result<KeyForm<'a>, NotOurs> {
        self.form_of(text).ok_or(NotOurs)
    }

    /// Recognises a key by its tag.
    ///
    /// # Errors
    /// [`NotOurs`] for a text that was not tagged with one of our peppers.
    pub fn recognise<'a>(&self, form: KeyForm<'a>) -> Result<PresentedKey<'a>, NotOurs> {
        let KeyForm { id, proof, environment, text, secret, tag } = form;
        let tagged = &text[..text.len() - TAG_LENGTH];
        let pepper = self.peppers.iter().position(|keys| keys.tag(tagged).ct_eq(&tag).into()).ok_or(NotOurs)?;
        Ok(PresentedKey { id, environment, secret, pepper: PepperIndex(pepper), proof })
    }

    /// The sub-key that a key's hash is made with.
    pub fn hash_secret(&self, pepper: PepperIndex) -> &[u8; 32] {
        &self.peppers[pepper.0].hash
    }

    /// Seals a text of ours, so that it is recognised when it comes back: 64 bits of a keyed hash.
    pub fn seal(&self, message: &[u8]) -> [u8; 8] {
        self.peppers[0].seal(message)
    }

    /// Whether `seal` is one of ours over `message`, with any of the peppers.
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
        // That the secret is base62 need not be asked: we tag no other.
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
