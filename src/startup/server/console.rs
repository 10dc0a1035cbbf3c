//! Puts the console together.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use actix_web::web::{Data, ServiceConfig};

use super::listen::address_for_operators;
use crate::{
    api::{ConsoleLinks, application::Pages},
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

/// What the console has in common with the rest of a replica.
pub(super) struct Shared<'a> {
    pub(super) gate: &'a Arc<Gate>,
    pub(super) issuer: &'a Arc<KeyIssuer>,
    pub(super) store: &'a Arc<Store>,
    pub(super) jwt: &'a Jwt,
    /// The keys of issuers that publish them.
    pub(super) remote_keys: &'a HashMap<String, Arc<RemoteKeys>>,
}

/// Where Keyward is reached.
pub(super) struct Addresses<'a> {
    /// Where the API listens.
    pub(super) api: SocketAddr,
    /// Where clients reach it, if configured.
    pub(super) public_url: Option<&'a str>,
    /// Where the console listens, if at an address of its own.
    pub(super) own: Option<SocketAddr>,
}

/// The pages, to be added to an application, and the links into them.
pub(super) fn open(
    console: config::Console,
    addresses: &Addresses<'_>,
    shared: Shared<'_>,
) -> anyhow::Result<(Pages, ConsoleLinks)> {
    let Shared { gate, issuer, store, jwt, remote_keys } = shared;
    let (sign_in, public_url) = sign_in(console.sign_in, jwt, remote_keys)?;
    let sessions = Arc::new(Sessions::new(store.clone(), console.sessions, Arc::clone(&issuer.keyring)));
    // On this machine, where no address is configured, each listener is at its own.
    let own = addresses.own.map(|own| format!("http://{own}"));
    let links = ConsoleLinks { sessions: Arc::clone(&sessions), public_url: public_url.clone().or(own) };
    let api_url = addresses.public_url.map(|url| url.trim_end_matches('/').to_owned());
    let api_listens = addresses.own.map(|_| format!("http://{}", address_for_operators(addresses.api)));
    let console = Console {
        gate: Arc::clone(gate),
        issuer: Arc::clone(issuer),
        lifecycle: Arc::clone(&gate.lifecycle),
        ledger: store.clone(),
        plans: store.clone(),
        usage: store.clone(),
        limits: store.clone(),
        surveys: store.clone(),
        replicas: store.clone(),
        sessions,
        sign_in,
        refusals: BoundedLog::default(),
        public_url,
        api_url: api_url.or(api_listens),
    };
    let console = Data::new(console);
    let configure = Arc::new(move |app: &mut ServiceConfig| console::configure(app, &console));
    Ok((Pages { configure, have: console::has_page, unread: console::unread }, links))
}

/// How people sign in, and the address at which browsers reach the console, if that is configured.
fn sign_in(
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
    Ok((SignInWay::OpenId(Box::new(sign_in)), Some(client.public_url)))
}
