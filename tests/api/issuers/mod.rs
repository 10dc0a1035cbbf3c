//! Tokens of many issuers, whose keys are configured or fetched.

mod addresses;
mod administrators;
mod broken_key_sets;
mod claims;
mod fetching;
mod headers;
mod key_set_forms;
mod key_sets;
mod keys_apart;
mod metrics;
mod outages;
mod provider;
mod providers;
mod public_key_files;
mod refusal_lines;
mod rights;
mod rotation;
mod signing;
mod tenants;
mod ways_to_keys;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use test_support::{
    actors::{Person, claims, stranger},
    program::Folder,
    replica::Replica,
};
use tokio_rustls::TlsAcceptor;

use self::{provider::Provider, signing::SigningKey};

/// A route for which any good token will do.
const TOKEN_ROUTE: &str = "/v1/keys";
/// One for tokens with the scope of administrators.
const ADMIN_ROUTE: &str = "/v1/admin/keys";

/// A replica with tables `[[jwt.issuers]]` in its configuration file.
struct Service {
    replica: Replica,
    _folder: Folder,
}

impl Service {
    /// With these tables.
    async fn start(tables: &str) -> Self {
        Self::start_with(tables, &[]).await
    }

    /// The same with further environment variables.
    async fn start_with(tables: &str, env: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let file = folder.file("keyward.toml", tables);
        let env = [&[("KEYWARD_CONFIG", file.as_str())], env].concat();
        Self { replica: Replica::start_with(&env).await, _folder: folder }
    }

    /// One that trusts this provider, by discovery, with these further members.
    async fn trusting(provider: &Provider, members: &str) -> Self {
        Self::start(&table(&provider.issuer(), &format!("discovery = true\n{members}"))).await
    }

    /// The answer on a route for tokens.
    async fn asked(&self, path: &str, token: &str) -> Response {
        asked(&self.replica, path, token).await
    }

    async fn status(&self, token: &str) -> u16 {
        self.asked(TOKEN_ROUTE, token).await.status().as_u16()
    }

    /// What an introspection says of a token, whoever asks (RFC 7662 §2.2).
    async fn introspects(&self, token: &str) -> Value {
        self.introspects_for(claims("a service"), token).await
    }

    /// The same for somebody with these claims.
    async fn introspects_for(&self, mut asking: Value, token: &str) -> Value {
        asking["scope"] = json!("keyward:verify");
        let request = stranger(&self.replica, Method::POST, "/v1/introspect");
        let request = request.bearer_auth(Person::with_claims(&asking).token);
        let request =
            request.header("content-type", "application/x-www-form-urlencoded").body(format!("token={token}"));
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    /// The scopes of a good token, with spaces between.
    async fn scopes(&self, token: &str) -> String {
        let seen = self.introspects(token).await;
        assert_eq!(seen["active"], true, "{seen}");
        seen["scope"].as_str().unwrap_or_default().to_owned()
    }

    /// The reason in the log for the refusal of this token.
    async fn refusal(&self, token: &str) -> String {
        let answer = self.asked(TOKEN_ROUTE, token).await;
        assert_eq!(answer.status(), 401);
        let id = answer.headers()["x-request-id"].to_str().expect("text").to_owned();
        let line = self.replica.prints(&id).await;
        let (_, reason) = line.split_once(r#""reason":""#).unwrap_or_else(|| panic!("no reason in {line}"));
        reason.split('"').next().unwrap_or_default().to_owned()
    }

    /// RFC 6750 §3.1.
    async fn refuses(&self, token: &str, why: &str) {
        let answer = self.asked(TOKEN_ROUTE, token).await;
        assert_eq!(answer.status(), 401, "{why}");
        let challenge = answer.headers()["www-authenticate"].to_str().expect("text");
        assert_eq!(challenge, r#"Bearer realm="keyward", error="invalid_token""#, "{why}");
    }

    /// It could not be decided, which says nothing about the token (RFC 9110 §15.6.4).
    async fn cannot_decide(&self, token: &str, why: &str) {
        let answer = self.asked(TOKEN_ROUTE, token).await;
        assert_eq!(answer.status(), 503, "{why}");
        assert!(answer.headers().contains_key("retry-after"), "{why}");
        assert!(!answer.headers().contains_key("www-authenticate"), "{why}");
    }

    /// The lines of its log that say why something was answered 503.
    fn outages(&self) -> String {
        let output = self.replica.output();
        output.lines().filter(|line| line.contains("answering 503")).collect::<Vec<_>>().join("\n")
    }

    /// Waits until an issuer's keys are known, of whom this is a good token.
    async fn comes_to_accept(&self, token: &str) {
        test_support::eventually("the token is accepted", async || match self.status(token).await {
            200 => true,
            503 => false,
            other => panic!("a good token got {other}: {}", self.replica.last_output()),
        })
        .await;
    }

    async fn readiness(&self) -> (u16, Value) {
        let answer = stranger(&self.replica, Method::GET, "/readyz").send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }
}

async fn asked(replica: &Replica, path: &str, token: &str) -> Response {
    stranger(replica, Method::GET, path).bearer_auth(token).send().await.expect("an answer")
}

/// A table for `issuer` with these further members.
fn table(issuer: &str, members: &str) -> String {
    format!("[[jwt.issuers]]\nissuer = {issuer:?}\n{members}\n")
}

/// A table whose keys are in `file`.
fn table_with_keys(issuer: &str, folder: &Folder, key: &SigningKey) -> String {
    let file = folder.file(&format!("{}.pem", key.kid), &key.pem());
    table(issuer, &format!("public_keys_file = {file:?}"))
}

/// An issuer for tests of other things than issuers: of how other servers are asked.
pub(crate) struct TrustedIssuer {
    provider: Provider,
    key: SigningKey,
}

impl TrustedIssuer {
    pub(crate) async fn with_tls(tls: TlsAcceptor) -> Self {
        let key = SigningKey::p256("a");
        Self { provider: Provider::with_tls(&[&key], tls).await, key }
    }

    pub(crate) fn url(&self) -> String {
        self.provider.issuer()
    }

    /// A replica that trusts it, by discovery.
    pub(crate) async fn replica(&self, env: &[(&str, &str)]) -> Replica {
        let Service { replica, .. } = Service::start_with(&table(&self.url(), "discovery = true"), env).await;
        replica
    }

    /// The status for a good token of its own.
    pub(crate) async fn status(&self, replica: &Replica) -> u16 {
        asked(replica, TOKEN_ROUTE, &self.provider.token(&self.key)).await.status().as_u16()
    }
}
