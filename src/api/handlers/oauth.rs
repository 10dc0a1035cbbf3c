//! Keyward as OAuth knows such services: introspection (RFC 7662) and revocation (RFC 7009) of keys, for
//! resource servers that treat them as opaque tokens, and the metadata that tells where both are (RFC 8414).

use std::net::IpAddr;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::CACHE_CONTROL,
    web::{Bytes, Data},
};
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::api::{
    access::host::host_of,
    handlers::keys::log_change,
    paths::{INTROSPECT, REVOKE},
    services::{Services, unavailable},
    wire::{
        failure::{Failure, Reason},
        form::Members,
        times::now,
    },
};
use crate::{
    auth::{Undecided, keys::cache::Examined, lifecycle::Editor},
    domain::{
        key_record::KeyRecord, ledger::Reach, owner::OwnerKind, principal::TokenIdentity, scope::Scopes,
        secret::SecretString, verdict::Verdict,
    },
    protect::credentials,
    server::Refusal,
};

const BEARER: Option<&str> = Some("Bearer");

/// What a token is good for (RFC 7662 §2.2). Of one that is good for nothing, `active` alone is told.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Introspection {
    active: bool,
    /// Its scopes, with spaces between.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scope: Option<String>,
    /// Who owns the key, or bears the token; missing for a key that belongs to an organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sub: Option<String>,
    /// The organisation that the bearer's keys belong to; missing where keys belong to persons.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tenant: Option<String>,
    /// By whom that is named so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iss: Option<String>,
    /// The key's public name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    jti: Option<String>,
    /// `Bearer`: how it may be sent (RFC 6750 §2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_type: Option<&'static str>,
    /// Seconds since 1970 at which it was made; missing for a JWT that doesn't say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iat: Option<i64>,
    /// Seconds since 1970 at which its life ends; missing for a key that lives for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    exp: Option<i64>,
    /// The key's environment, `live` or `test`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    environment: Option<&'static str>,
}

/// `POST /v1/introspect`
pub(crate) async fn introspect(
    request: HttpRequest,
    services: Data<Services>,
    body: Bytes,
) -> Result<HttpResponse, Failure> {
    let form = Form::read(&request, &body)?;
    let found = introspection(&services, &form, now()).await;
    let found = found.map_err(|undecided| unavailable(&request, &undecided, "decide on a token"))?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(found.unwrap_or_default()))
}

/// What an active token is good for; `None` for any other.
async fn introspection(
    services: &Services,
    form: &Form,
    now: OffsetDateTime,
) -> Result<Option<Introspection>, Undecided> {
    let token = form.token.expose().as_bytes();
    if let Examined::Proven(record) = services.gate.keys.examine(token).await? {
        let refusal = |record: &KeyRecord| record.refusal(now, form.client_address).map_or(Ok(()), Err);
        if services.gate.keys.use_key(&record, now, form.client_address, refusal).is_err() {
            return Ok(None);
        }
        let kind = services.gate.tokens.verifier().owner_kind(&record.owner.issuer);
        return Ok(Some(Introspection::of_key(&record, kind)));
    }
    match services.gate.tokens.check(token, now).await? {
        Verdict::Granted(principal) => Ok(principal.token().map(|identity| {
            let kind = services.gate.tokens.verifier().owner_kind(&identity.owner.issuer);
            Introspection::of_token(identity, kind)
        })),
        Verdict::Denied(_) | Verdict::OwnerDisabled(_) => Ok(None),
    }
}

impl Introspection {
    fn of_key(record: &KeyRecord, owner: OwnerKind) -> Self {
        Self {
            active: true,
            scope: spaced(&record.scopes),
            // Whoever reads no more than this must not take an organisation for a person of that name.
            sub: (owner == OwnerKind::Person).then(|| record.owner.subject.to_string()),
            tenant: (owner == OwnerKind::Organisation).then(|| record.owner.subject.to_string()),
            iss: Some(record.owner.issuer.to_string()).filter(|issuer| !issuer.is_empty()),
            jti: Some(record.id.to_string()),
            token_type: BEARER,
            iat: Some(record.id.made_at().unix_timestamp()),
            exp: record.expires_at.map(OffsetDateTime::unix_timestamp),
            environment: Some(record.environment.as_str()),
        }
    }

    fn of_token(identity: &TokenIdentity, owner: OwnerKind) -> Self {
        Self {
            active: true,
            scope: spaced(&identity.scopes),
            sub: Some(identity.subject.to_string()),
            tenant: (owner == OwnerKind::Organisation).then(|| identity.owner.subject.to_string()),
            iss: Some(identity.owner.issuer.to_string()).filter(|issuer| !issuer.is_empty()),
            token_type: BEARER,
            iat: identity.issued_at.map(OffsetDateTime::unix_timestamp),
            exp: Some(identity.expires_at.unix_timestamp()),
            ..Self::default()
        }
    }
}

fn spaced(scopes: &Scopes) -> Option<String> {
    (!scopes.is_empty()).then(|| scopes.iter().collect::<Vec<_>>().join(" "))
}

/// `POST /v1/revoke`: when the answer comes, no replica accepts the key. What is no key (any more) is
/// answered the same (RFC 7009 §2.2).
pub(crate) async fn revoke(
    request: HttpRequest,
    services: Data<Services>,
    editor: Editor,
    body: Bytes,
) -> Result<HttpResponse, Failure> {
    let form = Form::read(&request, &body)?;
    let fail = |undecided| unavailable(&request, &undecided, "revoke a key");
    if let Examined::Proven(record) = services.gate.keys.examine(form.token.expose().as_bytes()).await.map_err(fail)? {
        // Who asks has shown the key itself, so it is theirs to end.
        let editor = Editor { reach: Reach::Own(record.owner.clone()), ..editor };
        let revoked = services.lifecycle.revoke(record.id, None, editor, now()).await.map_err(fail)?;
        let revoked = revoked.map_err(|refusal| Failure::new(request.path(), refusal))?;
        log_change(&request, &revoked, "revoke a key");
    } else if is_token(&services, &form).await.map_err(fail)? {
        return Err(Failure::new(request.path(), Reason::UnsupportedTokenType));
    }
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).finish())
}

async fn is_token(services: &Services, form: &Form) -> Result<bool, Undecided> {
    let verdict = services.gate.tokens.check(form.token.expose().as_bytes(), now()).await?;
    Ok(matches!(verdict, Verdict::Granted(_)))
}

/// What both take, as a form (RFC 7662 §2.1, RFC 7009 §2.1). Other members are of no use to us.
struct Form {
    token: SecretString,
    /// Our own: from where the token came, for keys that are bound to addresses.
    client_address: Option<IpAddr>,
}

impl Form {
    fn read(request: &HttpRequest, body: &[u8]) -> Result<Self, Failure> {
        Self::of(request, body).map_err(|what| Failure::new(request.path(), Reason::InvalidForm(what)))
    }

    fn of(request: &HttpRequest, body: &[u8]) -> Result<Self, &'static str> {
        let members = Members::of(request, body)?;
        if members.client_secret()?.is_some() && credentials::are_in_headers(request.headers()) {
            // RFC 6749 §2.3.
            return Err("authenticate in one way: by a header, or by client_secret");
        }
        let token =
            members.one("token")?.filter(|token| !token.is_empty()).ok_or("token is missing")?.to_owned().into();
        let client_address = match members.one("client_address")? {
            Some(text) => Some(text.parse::<IpAddr>().map_err(|_| "client_address is no address")?.to_canonical()),
            None => None,
        };
        Ok(Self { token, client_address })
    }
}

/// `GET /.well-known/oauth-authorization-server`. Without `server.public_url`, the address is the one that was asked; what
/// headers tell of another one is not looked at, because proxies pass on unchanged what they don't know.
pub(crate) async fn metadata(request: HttpRequest, services: Data<Services>) -> Result<HttpResponse, Failure> {
    let base = match (&services.public_url, host_of(&request)) {
        (Some(url), _) => url.trim_end_matches('/').to_owned(),
        (None, Some(host)) => format!("http://{host}"),
        (None, None) => return Err(Failure::new(request.path(), Reason::NoRequest(Refusal::InvalidHost))),
    };
    // The last one is no method of OAuth's clients, but a type of tokens, which RFC 8414 §2 lets stand here.
    let methods = ["client_secret_basic", "client_secret_post", "Bearer"];
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({
        "issuer": base,
        "introspection_endpoint": format!("{base}{INTROSPECT}"),
        "introspection_endpoint_auth_methods_supported": methods,
        "revocation_endpoint": format!("{base}{REVOKE}"),
        "revocation_endpoint_auth_methods_supported": methods,
        "response_types_supported": [],
    })))
}
