//! The application around a check.

use actix_web::{HttpRequest, HttpResponse};

use super::Refused;

/// The responses and the log of an application: Keyward's own, or one that uses the library.
pub(crate) trait HostApp: Send + Sync {
    /// The response to a refused request.
    fn answer(&self, request: &HttpRequest, refused: Refused) -> HttpResponse;

    /// Runs `log` so that its lines identify the request.
    fn in_request(&self, request: &HttpRequest, log: &mut dyn FnMut());

    /// The id of the request, if it has one.
    fn request_id(&self, request: &HttpRequest) -> Option<String>;
}

/// An application that uses the library, with or without spans and request ids of its own.
pub(crate) struct EmbeddedHost;

impl HostApp for EmbeddedHost {
    fn answer(&self, _: &HttpRequest, refused: Refused) -> HttpResponse {
        HttpResponse::from_error(refused)
    }

    fn in_request(&self, request: &HttpRequest, log: &mut dyn FnMut()) {
        // The pattern, never the raw path, which may contain a credential.
        let route = request.match_pattern().unwrap_or_else(|| "none".to_owned());
        tracing::info_span!("keyward", route).in_scope(log);
    }

    fn request_id(&self, _: &HttpRequest) -> Option<String> {
        None
    }
}
