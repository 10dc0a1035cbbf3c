//! The provider says that somebody has signed out there (OpenID Connect Back-Channel Logout 1.0 §2.5).

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, HeaderValue},
    web::{Bytes, Data},
};
use serde_json::json;
use time::OffsetDateTime;

use crate::console::{
    access::form::Form,
    fault::{Answer, Fault},
    services::{Console, SignInWay},
};

/// `POST /console/back-channel-logout`: ends the sessions that a logout token names, on every replica. The token alone
/// proves who sends it.
pub(in crate::console) async fn back_channel_logout(
    request: HttpRequest,
    console: Data<Console>,
    body: Bytes,
) -> Answer {
    let SignInWay::OpenId(sign_in) = &console.sign_in else { return Err(Fault::NotFound) };
    let form = Form::without_session(&request, &body)?;
    let token = form.text("logout_token").unwrap_or_default();
    let outage = |error| Fault::outage(&request, &error);
    let host = &console.gate.host;
    let mut answer =
        match sign_in.signed_out_there(token.as_bytes(), OffsetDateTime::now_utc()).await.map_err(outage)? {
            Ok(token) => {
                let ended = console.sessions.end_signed_out(&token).await.map_err(outage)?;
                let subject = token.subject.as_deref();
                host.in_request(&request, &mut || {
                    tracing::info!(
                        ended,
                        issuer = &*token.issuer,
                        subject,
                        "ended sessions that had ended at the provider"
                    );
                });
                HttpResponse::Ok().finish()
            }
            Err(reason) => {
                if let Some(suppressed) = console.refusals.admit() {
                    let client = console.gate.proxies.client_address(&request).map(tracing::field::display);
                    host.in_request(&request, &mut || {
                        tracing::info!(%reason, client, suppressed, "refused a logout token");
                    });
                }
                HttpResponse::BadRequest().json(json!({ "error": "invalid_request" }))
            }
        };
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}
