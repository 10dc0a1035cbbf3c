//! The adapter for issuers' key sets: the only place that asks other servers anything. Only configured
//! addresses are asked, and no redirect is followed (OWASP API7:2023).

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Response, header::CACHE_CONTROL, redirect::Policy};
use serde::Deserialize;

use crate::{
    config::{Issuer, IssuerKeys, is_safe_address},
    domain::ports::{FetchError, FetchedKeySet, KeySetSource},
};

/// From the connection to the last byte.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// The largest answer, in bytes. A set of a hundred keys has a twentieth of that. Answers are taken as they
/// come: compressed ones are not asked for.
const SIZE_LIMIT: usize = 1024 * 1024;

/// An issuer's key set, at its address or at the one that its discovery document tells.
pub struct HttpKeySet {
    client: Client,
    address: Address,
}

enum Address {
    KeySet(String),
    /// Of this issuer.
    Discovery(String),
}

/// The system's certificates or its network cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("key sets cannot be fetched: {0}")]
pub struct NoClient(#[from] reqwest::Error);

/// What we need of OpenID Connect Discovery 1.0 §3.
#[derive(Deserialize)]
struct DiscoveryDocument {
    issuer: String,
    jwks_uri: String,
}

impl HttpKeySet {
    /// Where this issuer's keys are fetched from; `None` for one whose keys are configured.
    ///
    /// # Errors
    /// [`NoClient`].
    pub fn of(issuer: &Issuer) -> Result<Option<Self>, NoClient> {
        let address = match &issuer.keys {
            IssuerKeys::KeySet(address) => Address::KeySet(address.clone()),
            IssuerKeys::Discovery => Address::Discovery(issuer.issuer.clone()),
            IssuerKeys::Secret(_) | IssuerKeys::Public(_) => return Ok(None),
        };
        let client = Client::builder()
            .timeout(TIME_LIMIT)
            .redirect(Policy::none())
            .user_agent(concat!("keyward/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Some(Self { client, address }))
    }

    async fn key_set_address(&self) -> Result<String, FetchError> {
        let issuer = match &self.address {
            Address::KeySet(address) => return Ok(address.clone()),
            Address::Discovery(issuer) => issuer,
        };
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let text = body(self.ask(&address).await?, &address).await?;
        let document: DiscoveryDocument = serde_json::from_slice(&text)
            .map_err(|error| FetchError(format!("{address} is no discovery document: {error}")))?;
        // OpenID Connect Discovery 1.0 §4.3: else one issuer could speak for another.
        if document.issuer != *issuer {
            return Err(FetchError(format!("{address} is about another issuer, {:?}", document.issuer)));
        }
        // An issuer on this machine may have its keys there, too.
        let local = issuer.starts_with("http://") && is_safe_address(&document.jwks_uri);
        if local || document.jwks_uri.starts_with("https://") {
            Ok(document.jwks_uri)
        } else {
            Err(FetchError(format!("{address} names keys at an address without https://")))
        }
    }

    async fn ask(&self, address: &str) -> Result<Response, FetchError> {
        let answer = self.client.get(address).header("accept", "application/json").send().await;
        let answer = answer.map_err(|error| FetchError(format!("{address} did not answer: {}", causes(&error))))?;
        if answer.status() == 200 {
            Ok(answer)
        } else {
            Err(FetchError(format!("{address} answered {}", answer.status())))
        }
    }
}

#[async_trait]
impl KeySetSource for HttpKeySet {
    async fn fetch(&self) -> Result<FetchedKeySet, FetchError> {
        let address = self.key_set_address().await?;
        let answer = self.ask(&address).await?;
        let max_age = answer.headers().get(CACHE_CONTROL).and_then(|value| max_age(value.to_str().ok()?));
        Ok(FetchedKeySet { json: body(answer, &address).await?, max_age })
    }
}

async fn body(mut answer: Response, address: &str) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    loop {
        let chunk = answer.chunk().await;
        let chunk = chunk.map_err(|error| FetchError(format!("{address} broke off: {}", causes(&error))))?;
        let Some(chunk) = chunk else { return Ok(body) };
        if body.len() + chunk.len() > SIZE_LIMIT {
            return Err(FetchError(format!("{address} answered more than {SIZE_LIMIT} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
}

/// `max-age` of RFC 9111 §5.2.2.1.
fn max_age(cache_control: &str) -> Option<Duration> {
    let directives = cache_control.split(',').filter_map(|directive| directive.trim().split_once('='));
    let mut ages = directives.filter(|(name, _)| name.eq_ignore_ascii_case("max-age"));
    let (_, seconds) = ages.next()?;
    seconds.trim_matches('"').parse().ok().map(Duration::from_secs)
}

/// An error with all that led to it: the library's own text stops at "error sending request".
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_age_is_found_among_other_directives() {
        assert_eq!(max_age("public, Max-Age=600, must-revalidate"), Some(Duration::from_secs(600)));
        for other in ["", "no-store", "max-age", "max-age=x", "s-maxage=5"] {
            assert_eq!(max_age(other), None, "{other}");
        }
    }
}
