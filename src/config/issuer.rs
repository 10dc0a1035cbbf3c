//! An issuer of JWTs, and which of its tokens are accepted.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;

use super::{ClaimPath, DAY};
use crate::domain::{scope::Scopes, secret::SecretBytes};

/// An issuer of JWTs, and which of its tokens are accepted.
#[non_exhaustive]
pub struct Issuer {
    /// What `iss` must be, exactly.
    pub issuer: String,
    /// What stands in the configuration in place of `issuer`, where that is one of several tenants'.
    pub(crate) template: Option<String>,
    /// Names of which `aud` must hold one. Empty: a token with `aud` is refused.
    pub audience: Vec<String>,
    /// Clients whose tokens are accepted, as `azp`, `client_id`, `cid` or `appid` name them; empty: any client's.
    pub authorized_parties: Vec<String>,
    /// What its tokens are verified with.
    pub keys: IssuerKeys,
    /// How keys that are published are fetched.
    pub fetch: KeyFetch,
    /// Algorithms that are accepted, as RFC 7518 and RFC 8037 name them; empty for all that its keys can be
    /// used with.
    pub algorithms: Vec<String>,
    /// Claims that must be there with exactly this text.
    pub required_claims: Vec<(ClaimPath, String)>,
    /// Claims that must not be there, whatever they say: those of tokens of another kind (RFC 8725 §3.12).
    pub forbidden_claims: Vec<ClaimPath>,
    /// The claim that names the bearer.
    pub subject_claim: ClaimPath,
    /// Claims that carry scopes; those of all of them count.
    pub scope_claims: Vec<ClaimPath>,
    /// Claims that carry roles or groups, which count as far as `role_scopes` knows them.
    pub role_claims: Vec<ClaimPath>,
    /// The scopes that a role or group stands for.
    pub role_scopes: BTreeMap<String, Scopes>,
    /// What becomes of scopes that are none.
    pub malformed_scopes: MalformedScopes,
    /// Which rights on Keyward itself (`keyward:…`) its tokens may carry. Any other in them does not count.
    pub keyward_scopes: Scopes,
    /// The claim that names the organisation whose keys a bearer manages.
    pub tenant_claim: Option<ClaimPath>,
    /// The claim that, when `true`, says that the owner is disabled.
    pub disabled_claim: Option<ClaimPath>,
    /// Whether a key may only get scopes that its maker's token carries.
    pub scope_bearing: bool,
    /// Whether `typ` must say that it is an access token (RFC 9068 §2.1).
    pub at_jwt: bool,
    /// Tolerated difference between the issuer's clock and ours.
    pub leeway: Duration,
    /// How far ahead `exp` may lie.
    pub max_lifetime: Duration,
}

/// Where an issuer's keys come from.
#[non_exhaustive]
pub enum IssuerKeys {
    /// A shared secret.
    Secret(SecretBytes),
    /// Public keys: PEM blocks, or a JSON Web Key Set, as text.
    Public(String),
    /// The address of a JSON Web Key Set.
    KeySet(String),
    /// The issuer's discovery document tells the address (OpenID Connect Discovery 1.0 §4).
    Discovery,
}

impl IssuerKeys {
    /// Whether they are published, and not handed in.
    pub(crate) fn are_fetched(&self) -> bool {
        matches!(self, Self::KeySet(_) | Self::Discovery)
    }
}

/// How keys that an issuer publishes are fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct KeyFetch {
    /// A file with a bearer token to show, which is read again for each fetch.
    pub token_file: Option<PathBuf>,
    /// A file with the certificates, in PEM, that are believed in place of the system's; read again for each fetch.
    pub ca_file: Option<PathBuf>,
    /// Whether the keys may come without TLS. Then whoever is on the way can put others in their place.
    pub insecure_http: bool,
}

/// What becomes of scopes in a token that are no scopes: not in the grammar of RFC 6749 §3.3, not text, or too many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MalformedScopes {
    /// The token is good without them.
    #[default]
    Drop,
    /// The token is refused.
    Refuse,
}

impl Issuer {
    /// An issuer whose tokens say exactly this `iss`, are for this audience, and are signed with these keys.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, keys: IssuerKeys) -> Self {
        let claim = |name: &str| name.parse().expect("a claim's name is a path");
        Self {
            issuer: issuer.into(),
            template: None,
            audience: vec![audience.into()],
            authorized_parties: Vec::new(),
            keys,
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
            scope_bearing: false,
            at_jwt: false,
            leeway: Duration::from_secs(30),
            max_lifetime: DAY,
        }
    }

    /// As it stands in the configuration: the same for all tenants of a table.
    pub(crate) fn name(&self) -> &str {
        self.template.as_deref().unwrap_or(&self.issuer)
    }
}
