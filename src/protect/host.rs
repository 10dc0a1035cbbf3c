//! The application that a check stands in.

use actix_web::{HttpRequest, HttpResponse};

use super::Refused;

/// How an application answers and logs: Keyward's own, or somebody else's.
pub(crate) trait Host: Send + Sync {
    /// The answer to a request that is not let through.
    fn answer(&self, request: &HttpRequest, refused: Refused) -> HttpResponse;

    /// Runs `log`, so that its lines tell which request they are about.
    fn in_request(&self, request: &HttpRequest, log: &mut dyn FnMut());

    /// The id of the request, where it has one.
    fn request_id(&self, request: &HttpRequest) -> Option<String>;
}

/// Somebody else's application: it has spans and request ids of its own, or none.
pub(crate) struct Elsewhere;

impl Host for Elsewhere {
    fn answer(&self, _: &HttpRequest, refused: Refused) -> HttpResponse {
        HttpResponse::from_error(refused)
    }

    fn in_request(&self, request: &HttpRequest, log: &mut dyn FnMut()) {
        // The pattern, never the address: somebody may have put a credential there.
        let route = request.match_pattern().unwrap_or_else(|| "none".to_owned());
        tracing::info_span!("keyward", route).in_scope(log);
    }

    fn request_id(&self, _: &HttpRequest) -> Option<String> {
        None
    }
}
