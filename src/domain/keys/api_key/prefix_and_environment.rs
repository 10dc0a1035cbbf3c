//! The two words at the beginning of a key, by which people and scanners recognise it.

use std::{borrow::Cow, ops::RangeInclusive, str::FromStr};

use super::{ID_LENGTH, KeyId, SECRET_LENGTH, TAG_LENGTH, base62};
use crate::domain::worded_enum::worded_enum;

/// The prefix of a key: `[a-z][a-z0-9]{1,15}`. Scanners recognise leaked keys by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

impl Default for Prefix {
    fn default() -> Self {
        Self("keyward".to_owned())
    }
}

impl Prefix {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The text before the id of a key.
    pub(super) fn head(&self, environment: Environment) -> String {
        format!("{}_{}_", self.0, environment.as_str())
    }

    /// Whether there is in a text the beginning of a key, with some of its secret. It may be any server's with this
    /// prefix.
    pub fn begins_a_secret_in(&self, text: &str) -> bool {
        Environment::ALL.into_iter().any(|environment| {
            let head = self.head(environment);
            let after = |(at, _)| text[at + head.len()..].bytes().take_while(u8::is_ascii_alphanumeric).count();
            text.match_indices(&head).map(after).any(|length| length > ID_LENGTH)
        })
    }

    /// Reads what pages show of a key, or the id alone.
    pub fn read_shown(&self, text: &str) -> Option<ShownKey> {
        let text = text.trim();
        let after_head = |one: Environment| Some((Some(one), text.strip_prefix(&self.head(one))?));
        let (environment, rest) = Environment::ALL.into_iter().find_map(after_head).unwrap_or((None, text));
        let (begin, end) = rest.split_once('…').or_else(|| rest.split_once("...")).unwrap_or((rest, ""));
        let fits = begin.len() >= SHOWN_MIN && begin.len() + end.len() <= ID_LENGTH;
        let is_plain = begin.bytes().chain(end.bytes()).all(|byte| byte.is_ascii_alphanumeric());
        (fits && is_plain).then(|| ShownKey { environment, begin: begin.to_owned(), end: end.to_owned() })
    }

    /// The part of a key's text that is not secret: everything up to the end of its id.
    pub fn start_of(&self, environment: Environment, id: KeyId) -> String {
        let mut start = self.head(environment);
        id.push_to(&mut start);
        start
    }
}

/// The text without the secrets of keys in it, whatever their prefix: what follows the id is replaced by asterisks.
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    let mut masked = Cow::Borrowed(text);
    for environment in Environment::ALL {
        let head = format!("_{}_", environment.as_str());
        let mut from = 0;
        while let Some(at) = masked[from..].find(&head) {
            let begin = from + at + head.len();
            let length = masked[begin..].bytes().take_while(u8::is_ascii_alphanumeric).count();
            if length > ID_LENGTH {
                masked.to_mut().replace_range(begin + ID_LENGTH..begin + length, "***");
            }
            from = begin;
        }
    }
    masked
}

/// The id of a key in a text that carries one, whoever's: by its form alone, with any prefix and a tag that nobody has
/// checked. For texts that must not be repeated where no pepper is at hand.
pub fn find_key_form(text: &str) -> Option<KeyId> {
    Environment::ALL.into_iter().find_map(|environment| {
        let middle = format!("_{}_", environment.as_str());
        text.match_indices(&middle).find_map(|(at, _)| {
            let (prefix, rest) = (&text.as_bytes()[..at], &text.as_bytes()[at + middle.len()..]);
            let (id, rest) = rest.split_at_checked(ID_LENGTH)?;
            let (secret, rest) = rest.split_at_checked(SECRET_LENGTH)?;
            let tag = rest.get(..TAG_LENGTH)?;
            let is_form = prefix.last()?.is_ascii_alphanumeric() && secret.iter().all(u8::is_ascii_alphanumeric);
            base62::decode_u64(tag.try_into().ok()?).filter(|_| is_form)?;
            KeyId::from_text(id)
        })
    })
}

/// The fewest characters of an id by which a key is looked for: as many as lists show.
const SHOWN_MIN: usize = 4;

/// What somebody has seen of a key: how its id begins, and perhaps how it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownKey {
    /// The environment, if it was among that.
    pub environment: Option<Environment>,
    begin: String,
    end: String,
}

impl ShownKey {
    /// The ids that begin so. Ids have the order of their texts.
    pub fn ids(&self) -> Option<RangeInclusive<KeyId>> {
        let filled = |digit: u8| {
            let mut text = [digit; ID_LENGTH];
            text[..self.begin.len()].copy_from_slice(self.begin.as_bytes());
            base62::decode_u128(&text).map(|number| KeyId(uuid::Uuid::from_u128(number)))
        };
        Some(filled(b'0')?..=filled(b'z').unwrap_or(KeyId(uuid::Uuid::max())))
    }

    /// The id, if it is whole.
    pub fn whole(&self) -> Option<KeyId> {
        self.begin.parse().ok()
    }

    /// Whether a key with this id in this environment is shown so.
    pub fn is(&self, id: KeyId, environment: Environment) -> bool {
        let text = id.to_string();
        let fits = text.starts_with(&self.begin) && text.ends_with(&self.end);
        fits && self.environment.is_none_or(|one| one == environment)
    }
}

/// The text is not `[a-z][a-z0-9]{1,15}`.
#[derive(Debug, thiserror::Error)]
#[error("must be 2 to 16 characters of a-z and 0-9, the first a letter")]
pub struct InvalidPrefix;

impl FromStr for Prefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let well_formed = (2..=16).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if well_formed { Ok(Self(text.to_owned())) } else { Err(InvalidPrefix) }
    }
}

worded_enum! {
    /// The environment of a key. Its word, always four letters, is part of the key's text, so that people see it at a
    /// glance.
    pub enum Environment {
        /// Real data.
        Live => "live",
        /// For trying things out.
        Test => "test",
    }
}

impl Environment {
    pub(super) fn from_ascii(word: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|environment| environment.as_str().as_bytes() == word)
    }
}

/// The text is neither `live` nor `test`.
#[derive(Debug, thiserror::Error)]
#[error("must be \"live\" or \"test\"")]
pub struct UnknownEnvironment;

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    fn from_str(text: &str) -> Result<Self, UnknownEnvironment> {
        Self::of(text).ok_or(UnknownEnvironment)
    }
}
