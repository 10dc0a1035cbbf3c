//! The allowed values of the section `[keys]`.

use std::{fmt::Display, str::FromStr, time::Duration};

use super::{KeyPolicy, Keys, scopes::catalogue};
use crate::{
    config::{
        loading::Check,
        weak::{MAKE_ONE, weakness},
    },
    domain::{api_key::Pepper, scope::catalogue::Catalogue, secret::SecretString, timestamp::span},
};

/// The maximum number of peppers: a forged key is checked against each of them.
const MAX_PEPPERS: usize = 8;

impl Keys {
    /// The section, or `None` after its problems were recorded. All of it is read before the first `?`.
    pub(in crate::config) fn read(check: &mut Check<'_>, jwt_secret: Option<&str>) -> Option<Self> {
        let prefix = parsed(check, "keys.prefix");
        let environment = parsed(check, "keys.environment");
        let peppers = peppers(check, jwt_secret);
        let policy = KeyPolicy::read(check);
        let retention = retention(check);
        Some(Self {
            prefix: prefix?,
            environment: environment?,
            peppers: peppers?,
            policy: policy?,
            retention: retention?,
        })
    }
}

impl KeyPolicy {
    /// These settings of the section, or `None` after their problems were recorded.
    pub(in crate::config) fn read(check: &mut Check<'_>) -> Option<Self> {
        let max_lifetime = check.duration("keys.max_lifetime", "0s", "3650d");
        if max_lifetime.is_some_and(|span| !span.is_zero() && span < Duration::from_secs(1)) {
            check.problem("keys.max_lifetime", "is shorter than a second; 0s allows any lifetime");
        }
        let max_per_owner = check.number("keys.max_per_owner", 0..=1_000_000);
        let max_new_per_day = check.number("keys.max_new_per_day", 0..=10_000_000);
        let max_changes_per_day = check.number("keys.max_changes_per_day", 0..=10_000_000);
        let require_name = check.value("keys.require_name", "true or false");
        let catalogue = catalogue(check);
        let refuse_unknown_scopes = check.value("keys.refuse_unknown_scopes", "true or false");
        let rotation_grace = check.duration("keys.rotation_grace", "0s", "365d");
        let max_rotation_grace = check.duration("keys.max_rotation_grace", "0s", "365d");
        if let (Some(usual), Some(longest)) = (rotation_grace, max_rotation_grace)
            && usual > longest
        {
            let longest = span(longest);
            check.problem("keys.rotation_grace", format!("is longer than keys.max_rotation_grace, which is {longest}"));
        }
        Some(Self {
            max_lifetime: Some(max_lifetime?).filter(|span| !span.is_zero()),
            max_per_owner: Some(max_per_owner?).filter(|count| *count > 0),
            max_new_per_day: Some(max_new_per_day?).filter(|count| *count > 0),
            max_changes_per_day: Some(max_changes_per_day?).filter(|count| *count > 0),
            require_name: require_name?,
            refuse_unknown_scopes: demand_catalogue(check, refuse_unknown_scopes?, catalogue.as_ref())?,
            catalogue: catalogue?,
            rotation_grace: rotation_grace?,
            max_rotation_grace: max_rotation_grace?,
        })
    }
}

/// Without a catalogue, no key could be given any scope, which nobody means.
fn demand_catalogue(check: &mut Check<'_>, refuse_unknown: bool, catalogue: Option<&Catalogue>) -> Option<bool> {
    if refuse_unknown && catalogue.is_some_and(|catalogue| catalogue.as_slice().is_empty()) {
        check.problem("keys.refuse_unknown_scopes", "is true, but no [[scopes]] says which ones there are");
        return None;
    }
    Some(refuse_unknown)
}

/// A request with an `Idempotency-Key` is remembered for a day, so the key that it created must be kept as long.
fn retention(check: &mut Check<'_>) -> Option<Option<Duration>> {
    const LEAST: Duration = Duration::from_secs(86_400);
    let setting = "keys.retention";
    let retention = check.duration(setting, "0s", "3650d")?;
    if !retention.is_zero() && retention < LEAST {
        check.problem(setting, "is less than a day: choose 1d or more, or 0s to keep ended keys for ever");
        return None;
    }
    Some(Some(retention).filter(|span| !span.is_zero()))
}

/// A short string that a domain type parses.
pub(in crate::config) fn parsed<T: FromStr<Err: Display>>(check: &mut Check<'_>, setting: &str) -> Option<T> {
    match check.text(setting, 64)?.parse() {
        Ok(value) => Some(value),
        Err(cause) => {
            check.problem(setting, format!("is not allowed ({cause})"));
            None
        }
    }
}

fn peppers(check: &mut Check<'_>, jwt_secret: Option<&str>) -> Option<Vec<Pepper>> {
    let setting = "keys.peppers";
    let texts = check.secrets(setting)?;
    if texts.is_empty() {
        check.problem(setting, format!("is not set: {MAKE_ONE}"));
        return None;
    }
    if texts.len() > MAX_PEPPERS {
        let count = texts.len();
        check.problem(setting, format!("holds {count} peppers, but at most {MAX_PEPPERS} are allowed"));
        return None;
    }
    let mut peppers = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let pepper = if texts[..index].contains(text) {
            Err("is there twice: remove one of them".to_owned())
        } else if jwt_secret == Some(text.as_str()) {
            Err(format!("is the same as jwt.secret, so whoever signs JWTs could forge keys: {MAKE_ONE}"))
        } else if let Some(weakness) = weakness(text) {
            Err(format!("{weakness}: {MAKE_ONE}"))
        } else {
            Pepper::new(SecretString::from(text.clone())).map_err(|cause| format!("is too weak ({cause}): {MAKE_ONE}"))
        };
        match pepper {
            Ok(pepper) => peppers.push(pepper),
            Err(cause) => {
                let number = index + 1;
                check.problem(setting, format!("is not allowed: pepper number {number} {cause}"));
            }
        }
    }
    (peppers.len() == texts.len()).then_some(peppers)
}
