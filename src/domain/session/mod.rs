//! Sessions of people who have signed in to the console.
//!
//! - `hand_over`: links with which a product hands its customers over

mod hand_over;

use std::{net::IpAddr, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

pub use self::hand_over::{
    HAND_OVER_LASTS, HANDED_OVER_SECONDS, HandOver, HandOverSecret, HandedOver, InvalidReturnAddress,
    RETURN_ADDRESS_MAX_BYTES, ReturnAddress,
};
use crate::domain::{
    api_key::Keyring, audit::Actor, credential_in_text::without_controls, owner::Owner, scope::Scopes,
    secret::SecretString,
};

/// The random bytes of a secret: 256 bits that nobody can guess.
const SECRET_BYTES: usize = 32;
/// The maximum length of what a browser says of itself, in bytes.
const BROWSER_MAX_BYTES: usize = 200;

/// What is stored and shown instead of a browser's text that must not be.
const HIDDEN_BROWSER: &str = "hidden: it carries a key or a token";

/// Somebody who has signed in, as their tokens describe them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The owner whose keys they manage.
    pub owner: Owner,
    /// They themselves: the `sub` of their token. Only an organisation differs from its members.
    pub subject: Box<str>,
    /// What to call them.
    pub name: Option<String>,
    /// The scopes of their token.
    pub scopes: Scopes,
    /// Whether their keys may have only these scopes.
    pub scope_bearing: bool,
    /// The plan that their token claims, if it does not exist. It is not known what they may have.
    pub unknown_plan: Option<Box<str>>,
}

impl Person {
    /// The person as an actor of audit events.
    pub fn actor(&self) -> Actor {
        Actor::Token { issuer: self.owner.issuer.clone(), subject: self.subject.clone() }
    }

    /// What pages call them.
    pub fn shown_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.subject)
    }
}

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Names the session in lists. It is no secret.
    pub id: Uuid,
    /// Whose it is.
    pub person: Person,
    /// When they proved who they are, if the provider says so.
    pub authenticated_at: Option<OffsetDateTime>,
    /// When they signed in.
    pub signed_in_at: OffsetDateTime,
    /// The latest request, accurate to a minute.
    pub last_used_at: OffsetDateTime,
    /// When it ends at the latest.
    pub expires_at: OffsetDateTime,
    /// Where they signed in from, if known.
    pub address: Option<IpAddr>,
    /// What their browser calls itself.
    pub browser: Option<String>,
    /// How a product handed them over; `None` if they have signed in themselves.
    pub handed_over: Option<HandedOver>,
}

/// What an ID token says of a session.
#[derive(Clone, Debug, Default)]
pub struct AtProvider {
    /// `sub`: the person as the provider calls them.
    pub subject: Option<String>,
    /// `sid`: the provider's session.
    pub session: Option<String>,
    /// `iat`: when the token was issued, by the clock of the provider.
    pub issued_at: Option<OffsetDateTime>,
}

/// A session that is about to begin.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Names the session in lists.
    pub id: Uuid,
    /// Whose it is.
    pub person: Person,
    /// When they proved who they are, if the provider says so. They may have been signed in there for long.
    pub authenticated_at: Option<OffsetDateTime>,
    /// What the provider says of it, by which it says later that it has ended there.
    pub at_provider: AtProvider,
    /// How long it lasts at most.
    pub lasts: Duration,
    /// Where they signed in from, if known.
    pub address: Option<IpAddr>,
    /// What their browser calls itself.
    pub browser: Option<String>,
}

/// 256 random bits as text, with a seal of one of our peppers: what somebody has made up is refused without asking the
/// database.
struct SealedSecret(SecretString);

impl SealedSecret {
    /// A new one. `purpose` begins no other text that is sealed.
    fn generate(purpose: &str, keyring: &Keyring) -> Self {
        let random: [u8; SECRET_BYTES] = rand::random();
        let seal = keyring.seal(&to_seal(purpose, &random));
        Self(URL_SAFE_NO_PAD.encode([&random[..], &seal[..]].concat()).into())
    }

    fn parse(purpose: &str, text: &str, keyring: &Keyring) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (random, seal) = bytes.split_first_chunk::<SECRET_BYTES>()?;
        keyring.has_sealed(&to_seal(purpose, random), seal).then(|| Self(text.to_owned().into()))
    }

    /// A fast hash, because nobody can guess 256 bits.
    fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(purpose);
        hash.update([0]);
        hash.update(self.0.expose());
        hash.finalize().into()
    }
}

fn to_seal(purpose: &str, random: &[u8; SECRET_BYTES]) -> Vec<u8> {
    [purpose.as_bytes(), random].concat()
}

/// The secret of a session, which only the browser has.
pub struct SessionSecret(SealedSecret);

impl SessionSecret {
    const SEALED_AS: &str = "console session ";

    /// A new secret.
    pub fn generate(keyring: &Keyring) -> Self {
        Self(SealedSecret::generate(Self::SEALED_AS, keyring))
    }

    /// The secret in this text; `None` for any text that we have not made with one of these peppers.
    pub fn parse(text: &str, keyring: &Keyring) -> Option<Self> {
        SealedSecret::parse(Self::SEALED_AS, text, keyring).map(Self)
    }

    /// The text, for the browser. Never log or store it.
    pub fn expose(&self) -> &str {
        self.0.0.expose()
    }

    /// What the database has of it.
    pub fn hash(&self) -> [u8; 32] {
        self.0.derive("keyward console session")
    }

    /// What forms of this session carry, so that no other page can send them.
    pub fn form_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.derive("keyward console form"))
    }
}

/// What a browser says of itself, as it may be stored and shown. A program that takes the place of one may say anything.
pub fn browser(user_agent: &str) -> Option<String> {
    let Some(mut text) = without_controls(user_agent) else { return Some(HIDDEN_BROWSER.to_owned()) };
    while text.len() > BROWSER_MAX_BYTES {
        text.pop();
    }
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::api_key::{Pepper, Prefix};

    /// A keyring with peppers that begin so.
    pub(super) fn keyring(peppers: &[&str]) -> Keyring {
        let pepper = |text: &&str| Pepper::new(format!("{text}, long enough to be a pepper").into()).expect("a pepper");
        let peppers: Vec<Pepper> = peppers.iter().map(pepper).collect();
        Keyring::new(Prefix::default(), &peppers).expect("a keyring")
    }

    #[test]
    fn a_secret_is_read_as_it_was_written_and_gives_nothing_away() {
        let keyring = keyring(&["the pepper"]);
        let secret = SessionSecret::generate(&keyring);
        let again = SessionSecret::parse(secret.expose(), &keyring).expect("a secret");
        assert_eq!(again.hash(), secret.hash());
        assert_ne!(secret.form_token(), URL_SAFE_NO_PAD.encode(secret.hash()));
        assert!(!secret.form_token().contains(secret.expose()));
        let random = URL_SAFE_NO_PAD.encode([7; SECRET_BYTES]);
        for bad in ["", "short", &random, &"A".repeat(54), &format!("{}A", secret.expose()), &secret.expose()[..43]] {
            assert!(SessionSecret::parse(bad, &keyring).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_ours_for_as_long_as_we_have_the_pepper_that_sealed_it() {
        let secret = SessionSecret::generate(&keyring(&["the old pepper"]));
        let is_ours = |peppers: &[&str]| SessionSecret::parse(secret.expose(), &keyring(peppers)).is_some();
        assert!(is_ours(&["a new pepper", "the old pepper"]));
        assert!(!is_ours(&["a new pepper"]));
    }

    #[test]
    fn browsers_call_themselves_what_can_be_shown() {
        assert_eq!(browser("Mozilla/5.0\u{7f}\n (X11)").as_deref(), Some("Mozilla/5.0 (X11)"));
        assert_eq!(browser("\0"), None);
        assert!(browser(&"é".repeat(500)).is_some_and(|text| text.len() <= BROWSER_MAX_BYTES));
        let token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
        let split = token.replacen('.', ".\t", 1);
        // Also where it would be cut off, or has been pulled apart.
        for text in [token, &format!("Mozilla/5.0 {token}"), &format!("{} {token}", "x".repeat(199)), &split] {
            assert_eq!(browser(text).as_deref(), Some(HIDDEN_BROWSER), "{text}");
        }
    }
}
