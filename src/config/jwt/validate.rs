//! The allowed values of the section `[jwt]`.

use super::{
    ClaimPath, Jwt, JwtAlgorithm,
    issuers::issuers,
    secret_encoding::{ENCODINGS, SecretEncoding},
};
use crate::{
    config::{
        loading::Check,
        weak::{MAKE_ONE, weakness},
    },
    domain::secret::SecretBytes,
};

/// The remedy for a missing or invalid secret of an algorithm that needs 64 bytes (the text itself is the key).
const MAKE_LONGER: &str = "make one with `openssl rand -base64 64 | tr -d '\\n'`";

impl Jwt {
    /// The section, or `None` after its problems were recorded. All of it is read before the first `?`.
    pub(in crate::config) fn read(check: &mut Check<'_>) -> Option<Self> {
        let algorithm = check.value("jwt.algorithm", "HS256, HS384 or HS512");
        let encoding = check.value("jwt.secret_encoding", ENCODINGS);
        let secret = encoding.and_then(|encoding| jwt_secret(check, "jwt.secret", algorithm, encoding));
        let previous_secret =
            encoding.and_then(|encoding| jwt_secret(check, "jwt.previous_secret", algorithm, encoding));
        if let (Some(None), Some(Some(_))) = (&secret, &previous_secret) {
            check.problem("jwt.previous_secret", "is set without jwt.secret, which it comes before");
        }
        let issuer = check.text("jwt.issuer", 512);
        let audience = check.list("jwt.audience", 16, 256);
        let leeway = check.duration("jwt.leeway", "0s", "1m");
        let max_lifetime = check.duration("jwt.max_lifetime", "1m", "365d");
        let malformed_scopes = check.value("jwt.malformed_scopes", "drop or refuse");
        let tenant_claim = claim(check, "jwt.tenant_claim");
        let disabled_claim = claim(check, "jwt.disabled_claim");
        let plan_claim = claim(check, "jwt.plan_claim");
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
        Some(Self {
            secret: secret?,
            previous_secret: previous_secret?,
            algorithm: algorithm?,
            issuer: Some(issuer?).filter(|issuer| !issuer.is_empty()),
            audience: audience?,
            leeway: leeway?,
            max_lifetime: max_lifetime?,
            malformed_scopes: malformed_scopes?,
            tenant_claim: tenant_claim?,
            disabled_claim: disabled_claim?,
            plan_claim: plan_claim?,
            scope_bearing: scope_bearing?,
            issuers: issuers?,
            key_set_refresh: key_set_refresh?,
            key_set_cool_down: key_set_cool_down?,
            key_set_keep: key_set_keep?,
            cached_tokens: cached_tokens?,
        })
    }
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
    setting: &'static str,
    algorithm: Option<JwtAlgorithm>,
    encoding: SecretEncoding,
) -> Option<Option<SecretBytes>> {
    let (bytes, name, remedy) = match algorithm {
        Some(JwtAlgorithm::Hs512) => (64, "HS512", MAKE_LONGER),
        Some(JwtAlgorithm::Hs384) => (48, "HS384", MAKE_ONE),
        // If the algorithm is invalid, which is reported separately, the smallest minimum applies.
        Some(JwtAlgorithm::Hs256) | None => (32, "HS256", MAKE_ONE),
    };
    let text = check.secret(setting)?;
    let cause = if text.is_empty() {
        if setting != "jwt.secret" || check.names_issuers() {
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
    check.problem(setting, format!("{cause}: {remedy}"));
    None
}
