//! Puts the console together.

use std::{collections::HashMap, sync::Arc};

use actix_web::web::Data;

use crate::{
    api::application::Pages,
    auth::{
        jwt::{IdTokenVerifier, LogoutTokenVerifier, RemoteKeys},
        lifecycle::KeyIssuer,
        people::{Sessions, SignIn},
    },
    config::{self, ConsoleSignIn, Jwt},
    console::{self, Console, SignInWay},
    outbound::HttpProvider,
    protect::{BoundedLog, Gate},
    store::Store,
};

/// How people sign in. `remote` has the keys of issuers that publish them.
pub(super) fn sign_in(
    settings: ConsoleSignIn,
    jwt: &Jwt,
    remote: &HashMap<String, Arc<RemoteKeys>>,
) -> anyhow::Result<(SignInWay, Option<String>)> {
    let client = match settings {
        ConsoleSignIn::Choice(people) => return Ok((SignInWay::Choice(people), None)),
        ConsoleSignIn::OpenId(client) => client,
    };
    let verifier = IdTokenVerifier::new(jwt, &client, remote)?;
    let logout = LogoutTokenVerifier::new(jwt, &client, remote)?;
    let issuer = jwt.issuers.iter().find(|issuer| issuer.issuer == client.issuer);
    let issuer = issuer.ok_or_else(|| anyhow::anyhow!("console.openid.issuer is none of jwt.issuers"))?;
    let provider = Arc::new(HttpProvider::new(issuer, &client)?);
    let sign_in = SignIn::new(provider, verifier, logout, client.client_id, &client.scopes, &client.public_url);
    Ok((SignInWay::OpenId(sign_in), Some(client.public_url)))
}

/// The pages, to be added to an application.
pub(super) fn pages(
    (sign_in, public_url): (SignInWay, Option<String>),
    lives: config::SessionLives,
    gate: Arc<Gate>,
    issuer: Arc<KeyIssuer>,
    store: Arc<Store>,
) -> Pages {
    let lifecycle = Arc::clone(&gate.lifecycle);
    let sessions = Sessions::new(store.clone(), lives);
    let refusals = BoundedLog::default();
    let console = Console {
        gate,
        issuer,
        lifecycle,
        ledger: store.clone(),
        usage: store.clone(),
        limits: store.clone(),
        replicas: store,
        sessions,
        sign_in,
        refusals,
        public_url,
    };
    let console = Data::new(console);
    Arc::new(move |app| console::configure(app, &console))
}
