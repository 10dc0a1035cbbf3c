//! Tokens of many issuers, whose keys are configured or fetched.

mod addresses;
mod administrators;
mod broken_key_sets;
mod claims;
mod headers;
mod key_sets;
mod outages;
mod provider;
mod rotation;
mod signing;
mod ways_to_keys;

use reqwest::{Method, Response};
use serde_json::Value;

use self::{provider::Provider, signing::SigningKey};
use crate::{actors::stranger, program::Folder, replica::Replica};

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

    /// Waits until an issuer's keys are known, of whom this is a good token.
    async fn comes_to_accept(&self, token: &str) {
        crate::program::eventually("the token is accepted", async || match self.status(token).await {
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
