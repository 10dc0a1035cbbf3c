//! The members for scopes and roles.

use std::collections::BTreeMap;

use config::ValueKind;

use crate::{
    config::{
        ClaimPath, Issuer, MalformedScopes,
        loading::{
            check::table::{Table, table_of_lists, texts},
            names::nearest_of,
        },
    },
    domain::scope::{KEYWARD_SCOPES, Scopes},
};

/// The maximum number of claims with scopes, and of claims with roles.
const CLAIMS_MAX: usize = 16;
/// The maximum number of mapped roles.
const ROLES_MAX: usize = 1000;

pub(super) struct Rights {
    scope_claims: Vec<ClaimPath>,
    role_claims: Vec<ClaimPath>,
    role_scopes: BTreeMap<String, Scopes>,
    malformed_scopes: MalformedScopes,
    keyward_scopes: Scopes,
}

impl Rights {
    pub(super) fn put_into(self, issuer: &mut Issuer) {
        issuer.scope_claims = self.scope_claims;
        issuer.role_claims = self.role_claims;
        issuer.role_scopes = self.role_scopes;
        issuer.malformed_scopes = self.malformed_scopes;
        issuer.keyward_scopes = self.keyward_scopes;
    }
}

impl Table<'_, '_> {
    pub(super) fn rights(&mut self) -> Option<Rights> {
        let scope_claims = self.paths("scope_claims", &["scope", "scp"]);
        let role_claims = self.paths("role_claims", &[]);
        let role_scopes = self.role_scopes();
        let malformed = self.member("malformed_scopes", MalformedScopes::Drop, "drop or refuse", |kind| match kind {
            ValueKind::String(name) if name == "drop" => Some(MalformedScopes::Drop),
            ValueKind::String(name) if name == "refuse" => Some(MalformedScopes::Refuse),
            _ => None,
        });
        let keyward_scopes = self.keyward_scopes();
        let (role_claims, role_scopes) = (role_claims?, role_scopes?);
        if role_claims.is_empty() != role_scopes.is_empty() {
            let (given, missing) =
                if role_claims.is_empty() { ("role_scopes", "role_claims") } else { ("role_claims", "role_scopes") };
            self.problem(given, format!("gives nothing without {missing}"));
            return None;
        }
        Some(Rights {
            scope_claims: scope_claims?,
            role_claims,
            role_scopes,
            malformed_scopes: malformed?,
            keyward_scopes: keyward_scopes?,
        })
    }

    /// None by default: an issuer that is trusted for identities need not be trusted to appoint administrators.
    fn keyward_scopes(&mut self) -> Option<Scopes> {
        let names = self.member("keyward_scopes", Vec::new(), "a list of texts", texts)?;
        let unknown = names.iter().find(|name| !KEYWARD_SCOPES.contains(&name.as_str()));
        if let Some(unknown) = unknown {
            let hint = nearest_of(unknown, KEYWARD_SCOPES.into_iter());
            let hint = hint.map_or_else(String::new, |right| format!(": did you mean {right}?"));
            let all = KEYWARD_SCOPES.join(", ");
            self.problem(
                "keyward_scopes",
                format!("holds {unknown:?}, which is none of the rights on Keyward itself, {all}{hint}"),
            );
            return None;
        }
        Some(Scopes::parse(names.iter().map(String::as_str)).expect("each of them is a scope, and there are few"))
    }

    fn paths(&mut self, name: &str, usual: &[&str]) -> Option<Vec<ClaimPath>> {
        let usual = usual.iter().map(|claim| (*claim).to_owned()).collect();
        let claims = self.member(name, usual, "a list of texts", texts)?;
        if claims.len() > CLAIMS_MAX {
            self.problem(name, format!("holds more than {CLAIMS_MAX} claims"));
            return None;
        }
        claims.iter().map(|claim| self.path(name, claim, false)).collect()
    }

    fn role_scopes(&mut self) -> Option<BTreeMap<String, Scopes>> {
        let expected = "a table of roles with their scopes, such as { admin = \"orders:read orders:write\" }";
        let roles = self.member("role_scopes", Vec::new(), expected, table_of_lists)?;
        if roles.len() > ROLES_MAX {
            self.problem("role_scopes", format!("holds more than {ROLES_MAX} roles"));
            return None;
        }
        let read = roles.into_iter().map(|(role, texts)| {
            let scopes = Scopes::parse(texts.iter().flat_map(|text| text.split(' ')).filter(|text| !text.is_empty()));
            match scopes {
                Ok(scopes) if !scopes.is_empty() && !role.is_empty() => Some((role, scopes)),
                Ok(_) => {
                    self.problem("role_scopes", format!("has no scope, or no name, for the role {role:?}"));
                    None
                }
                Err(cause) => {
                    self.problem("role_scopes", format!("has what is no scope for the role {role:?}: {cause}"));
                    None
                }
            }
        });
        read.collect()
    }
}
