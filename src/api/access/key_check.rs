//! What stands before routes that want an API key, and calls their handlers itself: the key's [`Principal`] goes to the
//! handler as an argument, and needs no place in the request's extensions, which costs as much as a check does.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::immediate::Answer;
use crate::api::{OwnRoutes, services::Services};
use crate::{
    auth::Undecided,
    domain::{principal::Principal, verdict::Verdict},
    protect::{CredentialKind, Host, credentials},
};

/// Answers whoever has shown a good API key. It is called with the key's [`Principal`] or not at all.
pub(crate) type KeyedHandler = fn(&Principal) -> HttpResponse;

/// The check before its handler.
#[derive(Clone)]
pub(crate) struct WithKey {
    /// At hand: to look for them in the application's data takes a tenth of the check.
    pub(crate) services: Data<Services>,
    pub(crate) handler: KeyedHandler,
}

impl Answer for WithKey {
    fn at_once(&self, request: &HttpRequest) -> Option<HttpResponse> {
        let verdict = match credentials::api_key(request.headers()) {
            Ok(key) => self.services.gate.recall_key(key, request)?,
            Err(denial) => Verdict::Denied(denial),
        };
        Some(self.answer(Ok(verdict), request))
    }

    async fn in_time(self, request: &HttpRequest) -> HttpResponse {
        let verdict = match credentials::api_key(request.headers()) {
            Ok(key) => self.services.gate.check_key(key, request).await,
            Err(denial) => Ok(Verdict::Denied(denial)),
        };
        self.answer(verdict, request)
    }
}

impl WithKey {
    fn answer(&self, verdict: Result<Verdict, Undecided>, request: &HttpRequest) -> HttpResponse {
        match self.services.gate.judge(CredentialKind::ApiKey, verdict, request) {
            Ok(principal) => (self.handler)(&principal),
            Err(refused) => OwnRoutes.answer(request, refused),
        }
    }
}
