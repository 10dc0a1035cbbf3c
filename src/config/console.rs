//! The section `[console]`: the pages for people, and how they sign in.

use std::{net::SocketAddr, time::Duration};

use super::{Jwt, loading::Check, server::origin_fault};
use crate::domain::{
    secret::SecretString,
    session::{HANDED_OVER_SECONDS, Person},
    timestamp,
};

/// A client id or secret is a line of an identity provider, never a document.
const TEXT_MAX: usize = 1024;
const SCOPES_MAX: usize = 32;

/// The pages for people.
pub struct Console {
    /// How people sign in.
    pub sign_in: ConsoleSignIn,
    /// How long a session lasts.
    pub sessions: SessionLives,
    /// The address at which the pages are served; `None`: where the API is.
    pub listen: Option<SocketAddr>,
    /// How often the keys are surveyed for the overview.
    pub survey_every: Duration,
}

/// How people sign in.
pub enum ConsoleSignIn {
    /// At an OpenID provider.
    OpenId(OpenIdClient),
    /// By choosing one of these people. No setting leads here: only `keyward dev` does, which nobody else can reach.
    Choice(Vec<Person>),
}

/// How long the sessions of people last.
#[derive(Clone, Copy, Debug)]
pub struct SessionLives {
    /// Without a request.
    pub idle: Duration,
    /// In any case.
    pub longest: Duration,
    /// In any case, if a product has handed its person over.
    pub handed_over: Duration,
    /// How recently somebody must have signed in to do what is dangerous; `None`: any session may.
    pub fresh: Option<Duration>,
}

/// Keyward as a client of an OpenID provider (OpenID Connect Core 1.0).
pub struct OpenIdClient {
    /// The issuer, which is one of [`Jwt::issuers`].
    pub issuer: String,
    /// The client id that the provider gave to Keyward.
    pub client_id: String,
    /// The secret that belongs to it; `None` for a public client.
    pub client_secret: Option<SecretString>,
    /// The scopes that are asked for.
    pub scopes: Vec<String>,
    /// The address at which browsers reach Keyward, without a slash at its end.
    pub public_url: String,
}

impl SessionLives {
    /// These settings, or `None` after their problems were recorded.
    pub(super) fn read(check: &mut Check<'_>) -> Option<Self> {
        let idle = check.duration("console.session_idle", "1m", "7d");
        let longest = check.duration("console.session_max", "5m", "30d");
        let fresh = check.duration("console.fresh_sign_in", "0s", "1d");
        let (shortest, most) = HANDED_OVER_SECONDS.into_inner();
        let [shortest, most] = [shortest, most].map(|seconds| timestamp::span(Duration::from_secs(seconds)));
        let handed_over = check.duration("console.handed_over_max", &shortest, &most);
        let (idle, longest) = (idle?, longest?);
        if idle > longest {
            check.problem("console.session_idle", "is longer than console.session_max");
            return None;
        }
        let handed_over = handed_over?.min(longest);
        Some(Self { idle, longest, handed_over, fresh: Some(fresh?).filter(|fresh| !fresh.is_zero()) })
    }
}

impl Console {
    /// The address of its own; within, `None` if there is none. `None` after its problems were recorded.
    pub(super) fn read_listen(check: &mut Check<'_>) -> Option<Option<SocketAddr>> {
        check.listen("console.listen", 3001)
    }

    /// How often the keys are surveyed, or `None` after its problems were recorded.
    pub(super) fn read_survey_every(check: &mut Check<'_>) -> Option<Duration> {
        check.duration("console.survey_every", "1s", "1d")
    }

    /// The section; within, `None` if there are no pages. `None` after its problems were recorded. All of it is read
    /// before the first `?`.
    pub(super) fn read(check: &mut Check<'_>, jwt: Option<&Jwt>, public_url: Option<&str>) -> Option<Option<Self>> {
        let enabled: Option<bool> = check.value("console.enabled", "true or false");
        let sessions = SessionLives::read(check);
        let listen = Self::read_listen(check);
        let survey_every = Self::read_survey_every(check);
        let own_url = check.text("console.public_url", TEXT_MAX);
        let issuer = check.text("console.openid.issuer", TEXT_MAX);
        let client_id = check.text("console.openid.client_id", TEXT_MAX);
        let client_secret = check.secret("console.openid.client_secret");
        let scopes = check.list("console.openid.scopes", SCOPES_MAX, TEXT_MAX);
        let (sessions, survey_every, issuer, client_id) = (sessions?, survey_every?, issuer?, client_id?);
        let (client_secret, scopes, listen, own_url) = (client_secret?, scopes?, listen?, own_url?);
        if !enabled? {
            return Some(None);
        }
        let before = check.problems();
        if client_id.is_empty() {
            check.problem("console.openid.client_id", "is empty: it is what the provider calls Keyward");
        }
        if !scopes.iter().any(|scope| scope == "openid") {
            check.problem("console.openid.scopes", "has no `openid`, without which a provider names nobody");
        }
        if jwt.is_some_and(|jwt| jwt.issuers.iter().all(|known| known.issuer != issuer)) {
            check.problem(
                "console.openid.issuer",
                "is none of jwt.issuers: give it a table there, so that people own the same keys here and with their tokens",
            );
        }
        // At an address of its own, the console has an origin of its own.
        let (setting, public_url) = match own_url.as_str() {
            "" => ("server.public_url", public_url.unwrap_or_default()),
            own => ("console.public_url", own),
        };
        let public_url = public_url.trim_end_matches('/').to_owned();
        if !is_origin(&public_url) {
            check.problem(
                setting,
                "is not https:// with a host and nothing else: the console needs the address at which browsers reach it",
            );
        }
        if check.problems() > before {
            return None;
        }
        let client_secret = (!client_secret.is_empty()).then(|| SecretString::from(client_secret));
        let sign_in = OpenIdClient { issuer, client_id, client_secret, scopes, public_url };
        Some(Some(Self { sign_in: ConsoleSignIn::OpenId(sign_in), sessions, listen, survey_every }))
    }
}

/// Whether a browser calls this its origin, and keeps cookies for it alone: with TLS, or on this machine.
fn is_origin(url: &str) -> bool {
    let is_local = |rest: &str| {
        let port = ["localhost", "127.0.0.1", "[::1]"].iter().find_map(|host| rest.strip_prefix(host));
        port.is_some_and(|port| port.is_empty() || port.starts_with(':'))
    };
    let is_safe = url.starts_with("https://") || url.strip_prefix("http://").is_some_and(is_local);
    is_safe && origin_fault(url).is_none()
}
