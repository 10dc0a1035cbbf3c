//! The tables `[[jwt.issuers]]`.
//!
//! - `keys`: the source of its keys
//! - `rights`: the members for scopes and roles
//! - `tenants`: one table for many tenants

mod keys;
mod rights;
mod tenants;

use std::{collections::BTreeSet, time::Duration};

use super::{ClaimPath, Issuer, IssuerKeys, is_safe_address};
use crate::config::loading::{
    Check,
    check::table::{Table, Tables, flag, table_of_texts, texts},
};

const TABLES: Tables = Tables { setting: "jwt.issuers", about: "an issuer", named_by: "issuer" };
const MOST: usize = 64;
/// The accepted names of algorithms.
const ALGORITHMS: [&str; 13] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
    "Ed25519",
];

/// The issuers of all tables; a table for several tenants results in one issuer for each.
pub(super) fn issuers(check: &mut Check<'_>) -> Option<Vec<Issuer>> {
    let tables = check.tables(TABLES.setting)?;
    if tables.len() > MOST {
        check.problem(TABLES.setting, format!("holds more than {MOST} issuers"));
        return None;
    }
    let mut names = BTreeSet::new();
    let mut issuers = Some(Vec::new());
    for (place, members) in tables.into_iter().enumerate() {
        let mut table = Table::new(TABLES, members, place + 1, check);
        let read = table.issuers();
        table.refuse_unknown();
        for issuer in read.iter().flatten() {
            if !names.insert(issuer.issuer.clone()) {
                table.problem("issuer", another_has(issuer));
            }
        }
        match (&mut issuers, read) {
            (Some(issuers), Some(read)) => issuers.extend(read),
            _ => issuers = None,
        }
    }
    issuers
}

fn another_has(issuer: &Issuer) -> String {
    match &issuer.template {
        None => "is another one's, too".to_owned(),
        Some(_) => format!("is another one's, too, for one of its tenants: {}", issuer.issuer),
    }
}

impl Table<'_, '_> {
    /// The issuer, or one for each tenant. All members are read before the first `?`, so that all problems are found.
    fn issuers(&mut self) -> Option<Vec<Issuer>> {
        let issuer = self.text("issuer", "").filter(|issuer| self.is_there("issuer", issuer));
        let tenants = self.tenants(issuer.as_deref());
        let audience = self.audience();
        let authorized_parties = self.member("authorized_parties", Vec::new(), "a list of texts", texts);
        let (keys, previous_secret) = self.keys().unzip();
        let fetch = self.fetch(keys.as_ref());
        let algorithms = self.algorithms();
        let required_claims = self.required_claims();
        let forbidden_claims = self.forbidden_claims();
        let subject_claim = self.claim("subject_claim", "sub");
        let rights = self.rights();
        let tenant_claim = self.claim("tenant_claim", "");
        let disabled_claim = self.claim("disabled_claim", "");
        let plan_claim = self.claim("plan_claim", "");
        let scope_bearing = self.member("scope_bearing", false, "true or false", flag);
        let at_jwt = self.member("at_jwt", false, "true or false", flag);
        let leeway = self.duration("leeway", "30s", Duration::ZERO, Duration::from_secs(60));
        let max_lifetime =
            self.duration("max_lifetime", "1d", Duration::from_secs(60), Duration::from_secs(365 * 86_400));
        let fetch = fetch?;
        if matches!(keys, Some(IssuerKeys::Discovery))
            && issuer.as_deref().is_some_and(|issuer| !is_safe_address(issuer, fetch.insecure_http))
        {
            self.problem("discovery", "asks at the issuer's address, which is not https://");
            return None;
        }
        if matches!(keys, Some(IssuerKeys::Discovery)) {
            self.keep_token_hidden(&fetch, issuer.as_deref().unwrap_or_default())?;
        }
        let mut read = Issuer::new(issuer?, "", keys?);
        read.audience = audience?;
        read.authorized_parties = authorized_parties?;
        read.previous_secret = previous_secret?;
        read.fetch = fetch;
        read.algorithms = algorithms?;
        read.required_claims = required_claims?;
        read.forbidden_claims = forbidden_claims?;
        read.subject_claim = self.demanded("subject_claim", subject_claim?)?;
        rights?.put_into(&mut read);
        read.tenant_claim = tenant_claim?;
        read.disabled_claim = disabled_claim?;
        read.plan_claim = plan_claim?;
        read.scope_bearing = scope_bearing?;
        read.at_jwt = at_jwt?;
        read.leeway = leeway?;
        read.max_lifetime = max_lifetime?;
        match tenants? {
            None => Some(vec![read]),
            Some(tenants) => self.of_tenants(&read, &tenants),
        }
    }

    /// Under either name; `audience` is the name in `[jwt]`.
    fn audience(&mut self) -> Option<Vec<String>> {
        let one = self.member("audience", Vec::new(), "a list of texts", texts);
        let other = self.member("audiences", Vec::new(), "a list of texts", texts);
        let (one, other) = (one?, other?);
        if !one.is_empty() && !other.is_empty() {
            self.problem("audiences", "is audience by another name: give one of them");
            return None;
        }
        Some([one, other].concat())
    }

    fn algorithms(&mut self) -> Option<Vec<String>> {
        let names = self.member("algorithms", Vec::new(), "a list of texts", texts)?;
        match names.iter().find(|name| !ALGORITHMS.contains(&name.as_str())) {
            None => Some(names),
            Some(unknown) => {
                self.problem("algorithms", format!("holds {unknown:?}, which is none of {}", ALGORITHMS.join(", ")));
                None
            }
        }
    }

    fn required_claims(&mut self) -> Option<Vec<(ClaimPath, String)>> {
        let claims = self.member("required_claims", Vec::new(), "a table of texts", table_of_texts)?;
        let parsed = claims.into_iter().map(|(name, text)| Some((self.path("required_claims", &name, true)?, text)));
        parsed.collect()
    }

    fn forbidden_claims(&mut self) -> Option<Vec<ClaimPath>> {
        let claims = self.member("forbidden_claims", Vec::new(), "a list of texts", texts)?;
        claims.iter().map(|claim| self.path("forbidden_claims", claim, true)).collect()
    }

    /// A path into claims. `to_one`: it must lead to at most one value.
    fn path(&mut self, name: &str, text: &str, to_one: bool) -> Option<ClaimPath> {
        let cause = match text.parse::<ClaimPath>() {
            Ok(path) if !to_one || path.leads_to_one() => return Some(path),
            Ok(_) => "leads to many values, and one is needed".to_owned(),
            Err(cause) => cause.to_string(),
        };
        self.problem(name, format!("holds {text:?}, which {cause}"));
        None
    }

    /// A claim with one value; `None` for none.
    fn claim(&mut self, name: &str, default: &str) -> Option<Option<ClaimPath>> {
        let text = self.text(name, default)?;
        if text.is_empty() { Some(None) } else { self.path(name, &text, true).map(Some) }
    }

    fn demanded<T>(&mut self, name: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.problem(name, "is not set");
        }
        value
    }
}
