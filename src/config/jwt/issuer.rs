//! An issuer of JWTs, with the rules for its tokens.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;

use super::ClaimPath;
use crate::{
    config::DAY,
    domain::{scope::Scopes, secret::SecretBytes},
};

/// An issuer of JWTs, with the rules for its tokens.
#[non_exhaustive]
pub struct Issuer {
    /// The exact `iss`.
    pub issuer: String,
    /// The `issuer` in the configuration, if it is a template for several tenants.
    pub(crate) template: Option<String>,
    /// The accepted audiences: `aud` must contain one of them. Empty: a token with `aud` is refused.
    pub audience: Vec<String>,
    /// The clients whose tokens are accepted, as named by `azp`, `client_id`, `cid` or `appid`; empty: any client.
    pub authorized_parties: Vec<String>,
    /// The keys that verify its tokens.
    pub keys: IssuerKeys,
    /// The shared secret before the present one, whose tokens are still accepted; only with a shared secret.
    pub previous_secret: Option<SecretBytes>,
    /// How published keys are fetched.
    pub fetch: KeyFetch,
    /// The accepted algorithms, with their names in RFC 7518 and RFC 8037; empty: every algorithm that its keys
    /// support.
    pub algorithms: Vec<String>,
    /// Claims that must be present with exactly this value.
    pub required_claims: Vec<(ClaimPath, String)>,
    /// Claims that must be absent, whatever their value: those of other kinds of tokens (RFC 8725 §3.12).
    pub forbidden_claims: Vec<ClaimPath>,
    /// The claim that identifies the bearer.
    pub subject_claim: ClaimPath,
    /// The claims with scopes; their scopes are combined.
    pub scope_claims: Vec<ClaimPath>,
    /// The claims with roles or groups, which are mapped by `role_scopes`.
    pub role_claims: Vec<ClaimPath>,
    /// The scopes of each role or group.
    pub role_scopes: BTreeMap<String, Scopes>,
    /// What happens to invalid scopes.
    pub malformed_scopes: MalformedScopes,
    /// The rights on Keyward itself (`keyward:…`) that its tokens may have. Others in tokens are ignored.
    pub keyward_scopes: Scopes,
    /// The claim with the organisation whose keys a bearer manages.
    pub tenant_claim: Option<ClaimPath>,
    /// The claim which, if `true`, states that the owner is disabled.
    pub disabled_claim: Option<ClaimPath>,
    /// The claim with the name of the owner's plan; `None`: only administrators assign plans.
    pub plan_claim: Option<ClaimPath>,
    /// Whether a key may have only scopes that its creator's token has.
    pub scope_bearing: bool,
    /// Whether `typ` must identify an access token (RFC 9068 §2.1).
    pub at_jwt: bool,
    /// The tolerated difference between the issuer's clock and ours.
    pub leeway: Duration,
    /// The maximum time until `exp`.
    pub max_lifetime: Duration,
}

/// The source of an issuer's keys.
#[non_exhaustive]
pub enum IssuerKeys {
    /// A shared secret.
    Secret(SecretBytes),
    /// Public keys: PEM blocks, or a JSON Web Key Set, as text.
    Public(String),
    /// The URL of a JSON Web Key Set.
    KeySet(String),
    /// The URL in the issuer's discovery document (OpenID Connect Discovery 1.0 §4).
    Discovery,
}

impl IssuerKeys {
    /// Whether the keys must be fetched.
    pub(crate) fn are_fetched(&self) -> bool {
        matches!(self, Self::KeySet(_) | Self::Discovery)
    }
}

/// How published keys of an issuer are fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct KeyFetch {
    /// A file with a bearer token to send, which is read again for each fetch.
    pub token_file: Option<PathBuf>,
    /// A file with certificates in PEM that are trusted instead of the system's; read again for each fetch.
    pub ca_file: Option<PathBuf>,
    /// Whether the keys may be fetched without TLS. Then anybody on the network path can replace them.
    pub insecure_http: bool,
}

/// What happens to invalid scopes in a token: malformed (RFC 6749 §3.3), not strings, or too many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MalformedScopes {
    /// They are dropped, and the token is accepted without them.
    #[default]
    Drop,
    /// The token is refused.
    Refuse,
}

impl Issuer {
    /// An issuer with exactly this `iss`, for this audience, with these keys.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, keys: IssuerKeys) -> Self {
        let claim = |name: &str| name.parse().expect("a claim's name is a path");
        Self {
            issuer: issuer.into(),
            template: None,
            audience: vec![audience.into()],
            authorized_parties: Vec::new(),
            keys,
            previous_secret: None,
            fetch: KeyFetch::default(),
            algorithms: Vec::new(),
            required_claims: Vec::new(),
            forbidden_claims: Vec::new(),
            subject_claim: claim("sub"),
            scope_claims: vec![claim("scope"), claim("scp")],
            role_claims: Vec::new(),
            role_scopes: BTreeMap::new(),
            malformed_scopes: MalformedScopes::default(),
            keyward_scopes: Scopes::default(),
            tenant_claim: None,
            disabled_claim: None,
            plan_claim: None,
            scope_bearing: false,
            at_jwt: false,
            leeway: Duration::from_secs(30),
            max_lifetime: DAY,
        }
    }

    /// The name in the configuration, which is the same for all tenants of a table.
    pub(crate) fn name(&self) -> &str {
        self.template.as_deref().unwrap_or(&self.issuer)
    }
}
