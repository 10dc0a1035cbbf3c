//! Credentials in texts that are kept readable, for everybody who reads the database, the audit or a page.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{
    api_key::{KeyId, Keyring, find_key_form},
    jwt_in_text::has_jwt_in,
    owner::Owner,
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
    credential_in_any(&readings(text), keyring)
}

/// The same for all texts of a JSON value, which are the names of its members, too.
pub fn credential_in_json(value: &Value, keyring: &Keyring) -> Option<CarriedCredential> {
    let readings: Vec<Cow<'_, str>> = texts_of(value).into_iter().flat_map(readings).collect();
    credential_in_any(&readings, keyring)
}

/// The same for the names of an owner, whose id hides them in base64.
pub fn credential_in_names_of(owner: &Owner, keyring: &Keyring) -> Option<CarriedCredential> {
    [&owner.issuer, &owner.subject].into_iter().find_map(|name| credential_in(name, keyring))
}

/// Whether a text carries anything of the form of a key or of a JWT, for where no pepper is at hand.
pub fn has_credential_form_in(text: &str) -> bool {
    key_form_in(text).is_some() || has_token_in(text)
}

/// The id of a key in a text that carries anything of the form of one.
pub fn key_form_in(text: &str) -> Option<KeyId> {
    readings(text).iter().find_map(|reading| find_key_form(reading))
}

/// Whether a text carries a JWT.
pub fn has_token_in(text: &str) -> bool {
    readings(text).iter().any(|reading| has_jwt_in(reading))
}

/// A text without its control characters; `None` if it carries anything of the form of a key or of a JWT, with them or
/// without.
pub fn without_controls(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|letter| !letter.is_control()).collect();
    (!has_credential_form_in(text) && !has_credential_form_in(&plain)).then_some(plain)
}

fn credential_in_any(texts: &[Cow<'_, str>], keyring: &Keyring) -> Option<CarriedCredential> {
    if texts.iter().any(|text| keyring.has_key_in(text)) {
        Some(CarriedCredential::Key)
    } else {
        texts.iter().any(|text| has_jwt_in(text)).then_some(CarriedCredential::Token)
    }
}

/// A text as it stands, and without the escapes in which JSON and addresses may write any letter.
fn readings(text: &str) -> Vec<Cow<'_, str>> {
    let mut readings = vec![Cow::Borrowed(text)];
    if text.contains('%') {
        readings.push(percent_decode_str(text).decode_utf8_lossy());
    }
    if text.contains('\\')
        && let Ok(json) = serde_json::from_str::<Value>(text)
    {
        readings.extend(texts_of(&json).into_iter().map(|text| Cow::Owned(text.to_owned())));
    }
    readings
}

/// All strings of a JSON value, and the names of members.
fn texts_of(value: &Value) -> Vec<&str> {
    fn gather<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
        match value {
            Value::String(text) => texts.push(text),
            Value::Array(items) => items.iter().for_each(|item| gather(item, texts)),
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                texts.push(name);
                gather(value, texts);
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut texts = Vec::new();
    gather(value, &mut texts);
    texts
}

#[cfg(test)]
mod tests {
    use serde_json::json;
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

    #[test]
    fn a_credential_is_found_in_the_ways_in_which_json_and_addresses_write_letters() {
        let ours = keyring("a");
        let key = ours.generate(Environment::Live, datetime!(2026-11-30 12:00 UTC)).text.expose().to_owned();
        for (written, expected) in [
            (format!(r#"{{"a":["the token is:\n{TOKEN}"]}}"#), CarriedCredential::Token),
            (format!(r#"{{"a":"\u0065{}"}}"#, &TOKEN[1..]), CarriedCredential::Token),
            (format!(r#"{{"\u0065{}":1}}"#, &TOKEN[1..]), CarriedCredential::Token),
            (format!("https://a.example/?t=%22{TOKEN}"), CarriedCredential::Token),
            (TOKEN.replace('.', "%2E").replace('e', "%65"), CarriedCredential::Token),
            (format!(r#"{{"a":"{}"}}"#, key.replace('_', r"\u005f")), CarriedCredential::Key),
            (key.replace('_', "%5f"), CarriedCredential::Key),
        ] {
            assert_eq!(credential_in(&written, &ours), Some(expected), "{written}");
            assert!(has_credential_form_in(&written), "{written}");
        }
    }

    #[test]
    fn names_and_values_are_looked_through_however_deep_they_are_and_a_key_comes_first() {
        let ours = keyring("a");
        let key = ours.generate(Environment::Live, datetime!(2026-11-30 12:00 UTC)).text.expose().to_owned();
        let found = |value: Value| credential_in_json(&value, &ours);
        for value in [
            json!(format!("the token is:\n{TOKEN}")),
            json!({ "a": [1, { "b": format!("\t{TOKEN}") }] }),
            json!({ format!("k-{TOKEN}"): null }),
        ] {
            assert_eq!(found(value), Some(CarriedCredential::Token));
        }
        assert_eq!(found(json!({ "a": TOKEN, "b": [{ format!("\n{key}"): 1 }] })), Some(CarriedCredential::Key));
        assert_eq!(found(json!({ "a": [1.5, true, null, "1.2.3"], "eyJ.eyJ.x": {} })), None);
    }

    #[test]
    fn control_characters_hide_nothing_and_are_taken_out() {
        assert_eq!(without_controls("A\tB\n").as_deref(), Some("AB"));
        for hidden in [TOKEN.to_owned(), format!("Bearer\t{TOKEN}"), TOKEN.replace('.', ".\n")] {
            assert_eq!(without_controls(&hidden), None, "{hidden}");
        }
    }
}
