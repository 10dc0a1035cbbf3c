//! The adapter for the OpenID provider at which people sign in.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{
    Client, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::Deserialize;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::client::{NoClient, client, client_believing, get, post};
use crate::{
    config::{Issuer, OpenIdClient, is_safe_address},
    domain::{
        ports::{
            key_sets::FetchError,
            openid::{CodeExchange, IssuedTokens, OpenIdProvider, ProviderAddresses},
        },
        secret::SecretString,
    },
};

/// How long the addresses of a provider are believed.
const BELIEVED_FOR: Duration = Duration::from_secs(600);
/// How long a provider that did not answer is not asked again.
const FAILED_FOR: Duration = Duration::from_secs(2);
/// What a form encodes (application/x-www-form-urlencoded percent-encode set of the URL standard). Providers that don't
/// decode the client's secret take the four others as they are.
const FORM_ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// The provider, with what it knows us by.
pub(crate) struct HttpProvider {
    client: Client,
    issuer: String,
    ca_file: Option<PathBuf>,
    insecure_http: bool,
    client_id: String,
    client_secret: Option<SecretString>,
    /// Locked while it is asked, so that many who sign in at once ask once.
    known: Mutex<Option<(Instant, Result<Known, FetchError>)>>,
}

#[derive(Clone)]
struct Known {
    addresses: ProviderAddresses,
    secret_in_form: bool,
}

/// The part of OpenID Connect Discovery 1.0 §3 that we need.
#[derive(Deserialize)]
struct DiscoveryDocument {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    end_session_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// RFC 9207 §3.
    authorization_response_iss_parameter_supported: Option<bool>,
}

/// OpenID Connect Core 1.0 §3.1.3.3.
#[derive(Deserialize)]
struct TokenResponse {
    id_token: String,
    access_token: Option<String>,
}

/// RFC 6749 §5.2.
#[derive(Deserialize)]
struct TokenRefusal {
    error: String,
}

impl HttpProvider {
    /// The provider that this issuer is, where we are this client.
    ///
    /// # Errors
    /// [`NoClient`].
    pub(crate) fn new(issuer: &Issuer, settings: &OpenIdClient) -> Result<Self, NoClient> {
        Ok(Self {
            client: client()?,
            issuer: issuer.issuer.clone(),
            ca_file: issuer.fetch.ca_file.clone(),
            insecure_http: issuer.fetch.insecure_http,
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.as_ref().map(|secret| secret.expose().to_owned().into()),
            known: Mutex::default(),
        })
    }

    async fn client(&self) -> Result<Client, FetchError> {
        match &self.ca_file {
            Some(file) => client_believing(file).await,
            None => Ok(self.client.clone()),
        }
    }

    async fn known(&self) -> Result<Known, FetchError> {
        let mut remembered = self.known.lock().await;
        if let Some((since, known)) = &*remembered
            && since.elapsed() < if known.is_ok() { BELIEVED_FOR } else { FAILED_FOR }
        {
            return known.clone();
        }
        let known = self.discover().await;
        *remembered = Some((Instant::now(), known.clone()));
        known
    }

    async fn discover(&self) -> Result<Known, FetchError> {
        let address = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let answer = get(&self.client().await?, &address, None).await?;
        let document: DiscoveryDocument = serde_json::from_slice(&answer.body)
            .map_err(|error| FetchError(format!("{address} is no discovery document: {error}")))?;
        // OpenID Connect Discovery 1.0 §4.3. Otherwise one issuer could speak for another.
        if document.issuer != self.issuer {
            return Err(FetchError(format!("{address} is about another issuer, {:?}", document.issuer)));
        }
        let local = self.issuer.starts_with("http://");
        let named = [&document.authorization_endpoint, &document.token_endpoint];
        for named in named.into_iter().chain(&document.end_session_endpoint) {
            let is_safe = named.starts_with("https://") || local && is_safe_address(named, self.insecure_http);
            if !is_safe || Url::parse(named).is_err() {
                return Err(FetchError(format!("{address} names an address without https://: {named:?}")));
            }
        }
        // OpenID Connect Discovery 1.0 §3: `client_secret_basic` if it is not told.
        let methods = document.token_endpoint_auth_methods_supported.unwrap_or_default();
        let can = |method: &str| methods.iter().any(|known| known == method);
        Ok(Known {
            addresses: ProviderAddresses {
                authorization: document.authorization_endpoint,
                token: document.token_endpoint,
                end_session: document.end_session_endpoint,
                names_itself: document.authorization_response_iss_parameter_supported.unwrap_or(false),
            },
            secret_in_form: !can("client_secret_basic") && can("client_secret_post"),
        })
    }

    /// The client's name and secret (RFC 6749 §2.3.1), which are encoded as in a form.
    fn basic(&self, secret: &SecretString) -> Result<HeaderValue, FetchError> {
        let pair = Zeroizing::new(format!("{}:{}", encoded(&self.client_id), encoded(secret.expose())));
        let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        let header = HeaderValue::from_str(&text);
        let mut header = header.map_err(|_| FetchError("console.openid.client_secret can't be sent".to_owned()))?;
        header.set_sensitive(true);
        Ok(header)
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, FORM_ENCODED).to_string()
}

#[async_trait]
impl OpenIdProvider for HttpProvider {
    async fn addresses(&self) -> Result<ProviderAddresses, FetchError> {
        Ok(self.known().await?.addresses)
    }

    async fn exchange(&self, exchange: CodeExchange<'_>) -> Result<Result<IssuedTokens, String>, FetchError> {
        let Known { addresses, secret_in_form } = self.known().await?;
        let mut members = vec![
            ("grant_type", "authorization_code"),
            ("code", exchange.code),
            ("redirect_uri", exchange.redirect_uri),
            ("code_verifier", exchange.verifier),
        ];
        let mut headers = vec![(CONTENT_TYPE, FORM)];
        match &self.client_secret {
            Some(secret) if secret_in_form => {
                members.extend([("client_id", self.client_id.as_str()), ("client_secret", secret.expose())]);
            }
            Some(secret) => headers.push((AUTHORIZATION, self.basic(secret)?)),
            None => members.push(("client_id", &self.client_id)),
        }
        let pairs: Vec<_> = members.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let (status, body) = post(&self.client().await?, &addresses.token, headers, pairs.join("&")).await?;
        if status == 200 {
            let tokens: TokenResponse = serde_json::from_slice(&body)
                .map_err(|error| FetchError(format!("{} issued no ID token: {error}", addresses.token)))?;
            let TokenResponse { id_token, access_token } = tokens;
            return Ok(Ok(IssuedTokens { id_token: id_token.into(), access_token: access_token.map(Into::into) }));
        }
        match serde_json::from_slice::<TokenRefusal>(&body) {
            Ok(refusal) if status < 500 => Ok(Err(refusal.error)),
            _ => Err(FetchError(format!("{} answered {status}", addresses.token))),
        }
    }
}
