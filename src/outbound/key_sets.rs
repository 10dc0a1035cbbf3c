//! The adapter for issuers' key sets.

use async_trait::async_trait;
use reqwest::{Client, Url, header::HeaderValue};
use serde::Deserialize;

use super::client::{FetchedDocument, NoClient, bearer, client, client_believing, get};
use crate::{
    config::{Issuer, IssuerKeys, KeyFetch, is_safe_address},
    domain::ports::key_sets::{FetchError, FetchedKeySet, KeySetSource},
};

/// Creates sources of key sets.
pub(crate) struct KeySets {
    client: Client,
}

/// An issuer's key set, at its own URL or at the one in its discovery document.
struct HttpKeySet {
    /// Trusts the system's certificates.
    client: Client,
    address: Address,
    fetch: KeyFetch,
}

#[derive(PartialEq, Eq, Hash)]
enum Address {
    KeySet(String),
    /// The issuer with the document.
    Discovery(String),
}

/// Identifies a key set, to recognise issuers that share one.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct KeySetKey {
    address: Address,
    fetch: KeyFetch,
    algorithms: Vec<String>,
}

/// The part of OpenID Connect Discovery 1.0 §3 that we need.
#[derive(Deserialize)]
struct DiscoveryDocument {
    issuer: String,
    jwks_uri: String,
}

impl KeySets {
    /// Ready to fetch from any issuer.
    ///
    /// # Errors
    /// [`NoClient`].
    pub(crate) fn new() -> Result<Self, NoClient> {
        Ok(Self { client: client()? })
    }

    /// The source of the keys of an issuer that publishes them.
    pub(crate) fn of(&self, issuer: &Issuer) -> Box<dyn KeySetSource> {
        let address = address(issuer);
        let (Address::KeySet(url) | Address::Discovery(url)) = &address;
        if !is_safe_address(url, false) {
            tracing::warn!(
                issuer = issuer.name(),
                "an issuer's keys are fetched without TLS (insecure_http): an attacker on the network can replace them and \
                 impersonate anybody"
            );
        }
        Box::new(HttpKeySet { client: self.client.clone(), address, fetch: issuer.fetch.clone() })
    }

    /// Equal for issuers that share a key set.
    pub(crate) fn key(issuer: &Issuer) -> KeySetKey {
        KeySetKey { address: address(issuer), fetch: issuer.fetch.clone(), algorithms: issuer.algorithms.clone() }
    }
}

fn address(issuer: &Issuer) -> Address {
    match &issuer.keys {
        IssuerKeys::KeySet(address) => Address::KeySet(address.clone()),
        _ => Address::Discovery(issuer.issuer.clone()),
    }
}

/// The common part of the requests of one fetch.
struct Asking {
    client: Client,
    bearer: Option<HeaderValue>,
}

impl Asking {
    async fn get(&self, address: &str) -> Result<FetchedDocument, FetchError> {
        get(&self.client, address, self.bearer.as_ref()).await
    }
}

impl HttpKeySet {
    /// Files are read each time, because they are replaced while the process runs.
    async fn asking(&self) -> Result<Asking, FetchError> {
        let client = match &self.fetch.ca_file {
            Some(file) => client_believing(file).await?,
            None => self.client.clone(),
        };
        let bearer = match &self.fetch.token_file {
            Some(file) => Some(bearer(file).await?),
            None => None,
        };
        Ok(Asking { client, bearer })
    }

    /// The URL of the keys of `issuer`, from its discovery document.
    async fn discover(&self, issuer: &str, asking: &mut Asking) -> Result<String, FetchError> {
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let FetchedDocument { body, .. } = asking.get(&address).await?;
        let text = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&body);
        let document: DiscoveryDocument = serde_json::from_slice(text)
            .map_err(|error| FetchError(format!("{address} is no discovery document: {error}")))?;
        // OpenID Connect Discovery 1.0 §4.3. Otherwise one issuer could speak for another.
        if document.issuer != issuer {
            return Err(FetchError(format!("{address} is about another issuer, {:?}", document.issuer)));
        }
        let keys = document.jwks_uri;
        // An issuer on this machine may also have its keys here.
        let local = issuer.starts_with("http://") && is_safe_address(&keys, self.fetch.insecure_http);
        if !local && !keys.starts_with("https://") {
            return Err(FetchError(format!("{address} names keys at an address without https://")));
        }
        // The token is meant for the issuer, not for other servers that it names.
        if !have_one_origin(&address, &keys) {
            asking.bearer = None;
        }
        Ok(keys)
    }
}

/// Whether both URLs have the same origin (RFC 6454 §4).
fn have_one_origin(one: &str, other: &str) -> bool {
    let origin = |address: &str| Url::parse(address).ok().map(|url| url.origin());
    origin(one).is_some_and(|origin_of_one| origin(other) == Some(origin_of_one))
}

#[async_trait]
impl KeySetSource for HttpKeySet {
    async fn fetch(&self) -> Result<FetchedKeySet, FetchError> {
        let mut asking = self.asking().await?;
        let address = match &self.address {
            Address::KeySet(address) => address.clone(),
            Address::Discovery(issuer) => self.discover(issuer, &mut asking).await?,
        };
        let FetchedDocument { body, max_age } = asking.get(&address).await?;
        Ok(FetchedKeySet { address, body, max_age })
    }
}
