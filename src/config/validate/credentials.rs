//! The sections `[jwt]` and `[keys]`: the accepted credentials, and the form of new keys.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::config::{
    ClaimPath, Jwt, JwtAlgorithm, KeyPolicy, Keys,
    check::Check,
    issuers::issuers,
    secret_encoding::{ENCODINGS, SecretEncoding},
    weak::weakness,
};
use crate::domain::api_key::Pepper;
use crate::domain::secret::{SecretBytes, SecretString};

/// The remedy for a missing or invalid secret.
const MAKE_ONE: &str = "make one with `openssl rand -base64 48`";

/// The same for an algorithm that needs 64 bytes (the text itself is the key).
const MAKE_LONGER: &str = "make one with `openssl rand -base64 64 | tr -d '\\n'`";

/// The maximum number of peppers: a forged key is checked against each of them.
const MAX_PEPPERS: usize = 8;

pub(super) fn jwt(check: &mut Check<'_>) -> Option<Jwt> {
    let algorithm = check.value("jwt.algorithm", "HS256, HS384 or HS512");
    let encoding = check.value("jwt.secret_encoding", ENCODINGS);
    let secret = encoding.and_then(|encoding| jwt_secret(check, algorithm, encoding));
    let issuer = check.text("jwt.issuer", 512);
    let audience = check.list("jwt.audience", 16, 256);
    let leeway = check.duration("jwt.leeway", "0s", "1m");
    let max_lifetime = check.duration("jwt.max_lifetime", "1m", "365d");
    let malformed_scopes = check.value("jwt.malformed_scopes", "drop or refuse");
    let tenant_claim = claim(check, "jwt.tenant_claim");
    let disabled_claim = claim(check, "jwt.disabled_claim");
    let scope_bearing = check.value("jwt.scope_bearing", "true or false");
    let issuers = issuers(check);
    if let (Some(Some(_)), Some(shared), Some(issuers)) = (&secret, &issuer, &issuers)
        && issuers.iter().any(|listed| listed.issuer == *shared)
    {
        check.problem(
            "jwt.issuers",
            format!("has a table whose issuer {shared:?} is jwt.issuer, too, whose key is jwt.secret"),
        );
    }
    let key_set_refresh = check.duration("jwt.key_set_refresh", "10s", "1d");
    let key_set_cool_down = check.duration("jwt.key_set_cool_down", "1s", "1h");
    let key_set_keep = check.duration("jwt.key_set_keep", "1m", "30d");
    let cached_tokens = check.number("jwt.cached_tokens", 1_000..=10_000_000);
    Some(Jwt {
        secret: secret?,
        algorithm: algorithm?,
        issuer: Some(issuer?).filter(|issuer| !issuer.is_empty()),
        audience: audience?,
        leeway: leeway?,
        max_lifetime: max_lifetime?,
        malformed_scopes: malformed_scopes?,
        tenant_claim: tenant_claim?,
        disabled_claim: disabled_claim?,
        scope_bearing: scope_bearing?,
        issuers: issuers?,
        key_set_refresh: key_set_refresh?,
        key_set_cool_down: key_set_cool_down?,
        key_set_keep: key_set_keep?,
        cached_tokens: cached_tokens?,
    })
}

/// A claim with one value; `None` for none.
fn claim(check: &mut Check<'_>, setting: &str) -> Option<Option<ClaimPath>> {
    let text = check.text(setting, 256)?;
    if text.is_empty() {
        return Some(None);
    }
    let cause = match text.parse::<ClaimPath>() {
        Ok(path) if path.leads_to_one() => return Some(Some(path)),
        Ok(_) => "leads to many values, and one is needed".to_owned(),
        Err(cause) => cause.to_string(),
    };
    check.problem(setting, cause);
    None
}

/// A secret that is at least as long as the algorithm's hash (RFC 7518 §3.2), and not well known.
fn jwt_secret(
    check: &mut Check<'_>,
    algorithm: Option<JwtAlgorithm>,
    encoding: SecretEncoding,
) -> Option<Option<SecretBytes>> {
    let (bytes, name, remedy) = match algorithm {
        Some(JwtAlgorithm::Hs512) => (64, "HS512", MAKE_LONGER),
        Some(JwtAlgorithm::Hs384) => (48, "HS384", MAKE_ONE),
        // If the algorithm is invalid, which is reported separately, the smallest minimum applies.
        Some(JwtAlgorithm::Hs256) | None => (32, "HS256", MAKE_ONE),
    };
    let text = check.secret("jwt.secret")?;
    let cause = if text.is_empty() {
        if check.names_issuers() {
            return Some(None);
        }
        "is not set, and there are no jwt.issuers".to_owned()
    } else {
        match encoding.decode(&text) {
            Err(cause) => format!("{cause}, which jwt.secret_encoding says"),
            Ok(secret) if secret.expose().len() < bytes => {
                format!("has {} bytes, but {name} needs {bytes} (RFC 7518, 3.2)", secret.expose().len())
            }
            Ok(secret) => match weakness(&text).or_else(|| weakness(secret.expose())) {
                None => return Some(Some(secret)),
                Some(weakness) => weakness.to_owned(),
            },
        }
    };
    check.problem("jwt.secret", format!("{cause}: {remedy}"));
    None
}

pub(super) fn keys(check: &mut Check<'_>, jwt_secret: Option<&str>) -> Option<Keys> {
    let prefix = parsed(check, "keys.prefix");
    let environment = parsed(check, "keys.environment");
    let peppers = peppers(check, jwt_secret);
    let policy = key_policy(check);
    let retention = retention(check);
    Some(Keys { prefix: prefix?, environment: environment?, peppers: peppers?, policy: policy?, retention: retention? })
}

pub(super) fn key_policy(check: &mut Check<'_>) -> Option<KeyPolicy> {
    let max_lifetime = check.duration("keys.max_lifetime", "0s", "3650d");
    let max_per_owner = check.number("keys.max_per_owner", 0..=1_000_000);
    let max_new_per_day = check.number("keys.max_new_per_day", 0..=10_000_000);
    let require_name = check.value("keys.require_name", "true or false");
    let rotation_grace = check.duration("keys.rotation_grace", "0s", "365d");
    Some(KeyPolicy {
        max_lifetime: Some(max_lifetime?).filter(|span| !span.is_zero()),
        max_per_owner: Some(max_per_owner?).filter(|count| *count > 0),
        max_new_per_day: Some(max_new_per_day?).filter(|count| *count > 0),
        require_name: require_name?,
        rotation_grace: rotation_grace?,
    })
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
pub(super) fn parsed<T: FromStr<Err: Display>>(check: &mut Check<'_>, setting: &str) -> Option<T> {
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
