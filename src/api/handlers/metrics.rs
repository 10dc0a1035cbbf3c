//! `GET /metrics`: the metrics, for Prometheus.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data},
};
use parking_lot::Mutex;
use subtle::ConstantTimeEq;

use crate::{
    api::{
        services::Services,
        wire::failure::{Answer, CredentialKind, Missing, Reason},
    },
    domain::{denial::Denial, secret::SecretString},
    protect::credentials::{BearerScheme, bearer_token},
    server::{IsShared, Shared},
    telemetry::metrics::exposition::MEDIA_TYPE,
};

/// How long one text is served. Whoever may read the metrics must not be able to keep a core busy with that.
const SERVES_FOR: Duration = Duration::from_millis(500);

/// The metrics as clients see them. Exists only where they are served.
pub struct MetricsPage {
    gather: Box<dyn Fn() -> String + Send + Sync>,
    token: Option<SecretString>,
    last: Mutex<Option<(Instant, Bytes)>>,
}

impl MetricsPage {
    /// A page with the text of `gather`, for those who present `token`, if there is one.
    pub fn new(gather: impl Fn() -> String + Send + Sync + 'static, token: Option<SecretString>) -> Self {
        Self { gather: Box::new(gather), token, last: Mutex::default() }
    }

    fn admits(&self, request: &HttpRequest) -> Result<(), Denial> {
        let Some(token) = &self.token else { return Ok(()) };
        let presented = bearer_token(request.headers(), BearerScheme::Required)?;
        let is_right = bool::from(presented.ct_eq(token.expose().as_bytes()));
        if is_right { Ok(()) } else { Err(Denial::MetricsToken) }
    }

    fn text(&self) -> Bytes {
        // Nothing that is left half done matters.
        let mut last = self.last.lock();
        match &*last {
            Some((at, text)) if at.elapsed() < SERVES_FOR => text.clone(),
            _ => {
                let text = Bytes::from((self.gather)());
                *last = Some((Instant::now(), text.clone()));
                text
            }
        }
    }
}

/// `GET /metrics`
pub(crate) async fn show(request: HttpRequest, services: Data<Services>) -> Answer {
    let page = request.app_data::<Data<MetricsPage>>().ok_or(Reason::NotFound(Missing::Route))?;
    page.admits(&request).map_err(|denial| services.gate.refuse(CredentialKind::Either, denial, &request))?;
    // Not on this thread, which answers checks in microseconds.
    let page = Arc::clone(page);
    let text = actix_web::web::block(move || page.text()).await.map_err(|_| Reason::Unavailable)?;
    let mut response = HttpResponse::Ok();
    response.extensions_mut().insert(IsShared);
    Ok(response.content_type(MEDIA_TYPE).body(Shared(text)))
}
