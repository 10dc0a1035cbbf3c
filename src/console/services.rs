//! The state that the pages share.

use std::sync::Arc;

use actix_web::{HttpRequest, http::header::HOST, web::Data};

use crate::{
    auth::{
        lifecycle::{KeyIssuer, Lifecycle},
        people::{Sessions, SignIn},
    },
    domain::{
        ports::{
            ledger::KeyLedger, limits::LimitStore, plans::PlanStore, replicas::ReplicaDirectory, surveys::Surveys,
            usage::UsageStore,
        },
        session::Person,
    },
    protect::{BoundedLog, Gate},
};

/// What the pages need.
pub(crate) struct Console {
    /// Knows clients' addresses, and checks tokens.
    pub(crate) gate: Arc<Gate>,
    /// Creates and rotates keys.
    pub(crate) issuer: Arc<KeyIssuer>,
    /// Changes keys and owners.
    pub(crate) lifecycle: Arc<Lifecycle>,
    /// Reads keys, owners and the audit.
    pub(crate) ledger: Arc<dyn KeyLedger>,
    /// Reads plans.
    pub(crate) plans: Arc<dyn PlanStore>,
    /// Reports usage.
    pub(crate) usage: Arc<dyn UsageStore>,
    /// What is left of limits.
    pub(crate) limits: Arc<dyn LimitStore>,
    /// What was found out about all keys.
    pub(crate) surveys: Arc<dyn Surveys>,
    /// The replicas, for administrators.
    pub(crate) replicas: Arc<dyn ReplicaDirectory>,
    /// Who is signed in.
    pub(crate) sessions: Arc<Sessions>,
    /// How people sign in.
    pub(crate) sign_in: SignInWay,
    /// Bounds the log of refused sign-ins.
    pub(crate) refusals: BoundedLog,
    /// The address at which browsers reach the console; `None` if it is the one that they ask for, on this machine.
    pub(crate) public_url: Option<String>,
    /// The address at which clients reach the API; `None` if it is that of the console.
    pub(crate) api_url: Option<String>,
}

/// How people sign in.
pub(crate) enum SignInWay {
    /// At an OpenID provider.
    OpenId(Box<SignIn>),
    /// By choosing one of these people: for trying Keyward, on this machine only.
    Choice(Vec<Person>),
}

impl Console {
    /// The console that answers this request.
    pub(super) fn of(request: &HttpRequest) -> &Data<Self> {
        request.app_data().expect("`configure` registers the console")
    }

    /// The address at which browsers reach Keyward: the configured one, or the one that this request was sent to.
    pub(super) fn address(&self, request: &HttpRequest) -> String {
        let asked = || request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        self.public_url.clone().unwrap_or_else(|| format!("http://{}", asked()))
    }

    /// The address at which clients reach the API.
    pub(super) fn api_address(&self, request: &HttpRequest) -> String {
        self.api_url.clone().unwrap_or_else(|| self.address(request))
    }

    /// Whether browsers reach the console with TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.public_url.as_ref().is_some_and(|url| url.starts_with("https://"))
    }
}
