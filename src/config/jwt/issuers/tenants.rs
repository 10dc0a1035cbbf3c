//! One table for many tenants of a provider: `{tenantid}` in `issuer` and other members is replaced by each of them.

use crate::config::{
    Issuer, IssuerKeys,
    loading::check::table::{Table, texts},
};

/// The notation of Microsoft Entra ID's documents.
const PLACEHOLDER: &str = "{tenantid}";
/// The maximum number of tenants that share a key set.
const TENANTS_MAX: usize = 1000;
/// The maximum number of tenants with their own keys, which are fetched periodically.
const TENANTS_WITH_KEYS_MAX: usize = 64;
/// The maximum length of a tenant's id, in bytes.
const TENANT_MAX_BYTES: usize = 128;

impl Table<'_, '_> {
    /// The tenants of an issuer with the placeholder; `Some(None)` without one.
    pub(super) fn tenants(&mut self, issuer: Option<&str>) -> Option<Option<Vec<String>>> {
        let tenants = self.member("tenants", Vec::new(), "a list of texts", texts)?;
        let issuer = issuer?;
        let placeholders = issuer.matches(PLACEHOLDER).count();
        let problem = if placeholders > 1 || issuer.replace(PLACEHOLDER, "").contains(['{', '}']) {
            Some(("issuer", format!("may hold one {PLACEHOLDER}, in place of a tenant's id, and no other braces")))
        } else if placeholders == 1 && tenants.is_empty() {
            Some(("tenants", format!("is not set: list the tenants that {PLACEHOLDER} may be")))
        } else if placeholders == 0 && !tenants.is_empty() {
            Some(("tenants", format!("needs {PLACEHOLDER} in issuer")))
        } else if let Some(tenant) = tenants.iter().find(|tenant| !is_tenant(tenant)) {
            Some(("tenants", format!("holds {tenant:?}, which is no id: letters, digits, `.`, `-` and `_`")))
        } else if tenants.len() > TENANTS_MAX {
            Some(("tenants", format!("holds more than {TENANTS_MAX} tenants")))
        } else {
            None
        };
        match problem {
            None => Some(Some(tenants).filter(|tenants| !tenants.is_empty())),
            Some((name, cause)) => {
                self.problem(name, cause);
                None
            }
        }
    }

    /// One issuer for each tenant.
    pub(super) fn of_tenants(&mut self, issuer: &Issuer, tenants: &[String]) -> Option<Vec<Issuer>> {
        if !issuer.keyward_scopes.is_empty() {
            let why = "can't be given to tenants, whose administrators would become yours";
            self.problem("keyward_scopes", format!("{why}: give your own tenant a table of its own"));
            return None;
        }
        if issuer.plan_claim.is_some() {
            let why = "can't be read from tokens of tenants, whose administrators would choose their own plans";
            self.problem("plan_claim", format!("{why}: assign plans yourself, or give a tenant a table of its own"));
            return None;
        }
        let shared = matches!(&issuer.keys, IssuerKeys::KeySet(address) if !address.contains(PLACEHOLDER));
        if !shared && tenants.len() > TENANTS_WITH_KEYS_MAX {
            let most = format!("{TENANTS_WITH_KEYS_MAX} that publish keys of their own");
            self.problem("tenants", format!("holds more than {most}: give a key_set that all of them share"));
            return None;
        }
        let all: Option<Vec<_>> = tenants.iter().map(|tenant| of_tenant(issuer, tenant)).collect();
        if all.is_none() {
            self.problem("tenants", "needs discovery = true or key_set");
        }
        all
    }
}

fn of_tenant(issuer: &Issuer, tenant: &str) -> Option<Issuer> {
    let put = |text: &String| text.replace(PLACEHOLDER, tenant);
    let keys = match &issuer.keys {
        IssuerKeys::Discovery => IssuerKeys::Discovery,
        IssuerKeys::KeySet(address) => IssuerKeys::KeySet(put(address)),
        IssuerKeys::Secret(_) | IssuerKeys::Public(_) => return None,
    };
    Some(Issuer {
        issuer: put(&issuer.issuer),
        template: Some(issuer.issuer.clone()),
        audience: issuer.audience.iter().map(put).collect(),
        authorized_parties: issuer.authorized_parties.clone(),
        keys,
        previous_secret: None,
        fetch: issuer.fetch.clone(),
        algorithms: issuer.algorithms.clone(),
        required_claims: issuer.required_claims.clone(),
        forbidden_claims: issuer.forbidden_claims.clone(),
        subject_claim: issuer.subject_claim.clone(),
        scope_claims: issuer.scope_claims.clone(),
        role_claims: issuer.role_claims.clone(),
        role_scopes: issuer.role_scopes.clone(),
        keyward_scopes: issuer.keyward_scopes.clone(),
        tenant_claim: issuer.tenant_claim.clone(),
        disabled_claim: issuer.disabled_claim.clone(),
        plan_claim: issuer.plan_claim.clone(),
        ..*issuer
    })
}

fn is_tenant(text: &str) -> bool {
    let is_sound = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    is_sound && text.len() <= TENANT_MAX_BYTES && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
}
