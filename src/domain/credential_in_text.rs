//! Credentials in texts that are kept readable, for everybody who reads the database, the audit or a page.

use super::{
    api_key::{Keyring, find_key_form},
    owner::Owner,
    token::has_jwt_in,
};

/// What somebody could use who reads a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarriedCredential {
    /// The text of a key.
    Key,
    /// A whole JWT, of whatever issuer: nobody asks here whether it is still valid.
    Token,
}

/// The credential that a text carries: a key that this keyring has generated, or any JWT.
pub fn credential_in(text: &str, keyring: &Keyring) -> Option<CarriedCredential> {
    if keyring.has_key_in(text) {
        Some(CarriedCredential::Key)
    } else {
        has_jwt_in(text).then_some(CarriedCredential::Token)
    }
}

/// The same for the names of an owner, whose id hides them in base64.
pub fn credential_in_names_of(owner: &Owner, keyring: &Keyring) -> Option<CarriedCredential> {
    [&owner.issuer, &owner.subject].into_iter().find_map(|name| credential_in(name, keyring))
}

/// Whether a text carries anything of the form of a key or of a JWT, for where no pepper is at hand.
pub fn has_credential_form_in(text: &str) -> bool {
    find_key_form(text).is_some() || has_jwt_in(text)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::domain::api_key::{Environment, Pepper, Prefix};

    const TOKEN: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";

    fn keyring(pepper: &str) -> Keyring {
        let pepper = Pepper::new(pepper.repeat(32).into()).expect("32 bytes");
        Keyring::new(Prefix::default(), &[pepper]).expect("a pepper")
    }

    #[test]
    fn keys_of_this_keyring_and_all_tokens_are_found_wherever_they_stand() {
        let (ours, others) = (keyring("a"), keyring("b"));
        let generated = |keyring: &Keyring| {
            keyring.generate(Environment::Live, datetime!(2026-11-30 12:00 UTC)).text.expose().to_owned()
        };
        let (key, foreign) = (generated(&ours), generated(&others));
        let found = |text: &str| credential_in(text, &ours);
        assert_eq!(found(&format!("it was {key}, lost")), Some(CarriedCredential::Key));
        assert_eq!(found(&format!("[\"Bearer {TOKEN}\"]")), Some(CarriedCredential::Token));
        assert_eq!(found(&format!("{key} {TOKEN}")), Some(CarriedCredential::Key));
        assert_eq!(found(&foreign), None);
        assert!(has_credential_form_in(&foreign) && has_credential_form_in(TOKEN));
        for harmless in
            ["", "1.2.3", "eyJ.eyJ.x", "www.example.com", "a_live_b", &TOKEN[..TOKEN.rfind('.').unwrap_or(0)]]
        {
            assert!(found(harmless).is_none() && !has_credential_form_in(harmless), "{harmless}");
        }
        let owner = |issuer: &str, subject: &str| Owner { issuer: issuer.into(), subject: subject.into() };
        assert_eq!(credential_in_names_of(&owner("https://a.example", &key), &ours), Some(CarriedCredential::Key));
        assert_eq!(credential_in_names_of(&owner(TOKEN, "alice"), &ours), Some(CarriedCredential::Token));
        assert_eq!(credential_in_names_of(&owner("", "alice"), &ours), None);
    }
}
