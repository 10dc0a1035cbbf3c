//! Keyward for OAuth clients: introspection (RFC 7662) and revocation (RFC 7009) of keys, for resource servers that
//! treat them as opaque tokens, and the metadata with the addresses of both (RFC 8414).

use std::net::IpAddr;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data},
};
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::api::{
    handlers::keys::{self, log_held_revocation},
    paths::{INTROSPECT, REVOKE},
    services::{Services, unavailable},
    wire::{
        failure::{Answer, Reason},
        request::{form::Members, host::host_of},
        times::now,
    },
};
use crate::{
    auth::{Undecided, keys::cache::Examined, lifecycle::Caller},
    domain::{
        denial::{Denial, TokenFault},
        key_record::KeyRecord,
        ledger::Reach,
        network,
        owner::OwnerKind,
        precondition::Preconditions,
        principal::TokenIdentity,
        scope::Scopes,
        secret::SecretString,
        verdict::Verdict,
    },
    protect::credentials::{self, Presented},
    server::Refusal,
};

const BEARER: Option<&str> = Some("Bearer");

/// The state of a token (RFC 7662 §2.2). An inactive token has only `active`.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Introspection {
    active: bool,
    /// The token's scopes, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scope: Option<String>,
    /// The owner of the key, or the subject of the token; absent for a key that belongs to an organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sub: Option<String>,
    /// The organisation that owns the bearer's keys; absent if keys belong to persons.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tenant: Option<String>,
    /// The issuer that `sub` or `tenant` belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iss: Option<String>,
    /// The key's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    jti: Option<String>,
    /// `Bearer`: the token can be sent as a bearer token (RFC 6750 §2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_type: Option<&'static str>,
    /// Unix time in seconds at which the token was created; absent for a JWT without `iat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iat: Option<i64>,
    /// Unix time in seconds at which the token expires; absent for a key that never expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    exp: Option<i64>,
    /// The key's environment, `live` or `test`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    environment: Option<&'static str>,
}

/// `POST /v1/introspect`
pub(crate) async fn introspect(request: HttpRequest, services: Data<Services>, body: Bytes) -> Answer {
    let form = Form::read(&request, &body)?;
    let found = introspection(&request, &services, &form, now()).await;
    let found = found.map_err(unavailable(&request, "decide on a token"))?;
    Ok(HttpResponse::Ok().json(found.unwrap_or_default()))
}

/// The introspection of an active token; `None` for any other.
async fn introspection(
    request: &HttpRequest,
    services: &Services,
    form: &Form,
    now: OffsetDateTime,
) -> Result<Option<Introspection>, Undecided> {
    let token = form.token.expose().as_bytes();
    let gate = &services.gate;
    let examined = gate.keys.examine(token).await?;
    if let Examined::Proven(key, way) = examined {
        let refusal = |record: &KeyRecord| record.refusal(now, form.client_address).map_or(Ok(()), Err);
        if let Err(denial) = gate.keys.look_at_key(&key, way, now, form.client_address, refusal) {
            gate.count_denial(denial);
            return Ok(None);
        }
        let kind = services.gate.tokens.verifier().owner_kind(&key.record.owner.issuer);
        return Ok(Some(Introspection::of_key(&key.record, kind)));
    }
    if let (Examined::No(denial, way), true) = (examined, gate.keys.is_key(token)) {
        gate.count_denial(gate.keys.refuse(denial, way));
        return Ok(None);
    }
    match gate.check(Ok(Presented::Token(token)), request).await? {
        Verdict::Granted(principal) => Ok(principal.token().map(|identity| {
            let kind = services.gate.tokens.verifier().owner_kind(&identity.owner.issuer);
            Introspection::of_token(identity, kind)
        })),
        Verdict::Denied(denial) => {
            gate.count_denial(denial);
            Ok(None)
        }
        // No token has limits.
        Verdict::Limited(exceeded) => {
            gate.count_denial(Denial::from(&exceeded));
            Ok(None)
        }
        Verdict::OwnerDisabled(_) => {
            gate.count_denial(Denial::Token(TokenFault::OwnerDisabled));
            Ok(None)
        }
    }
}

impl Introspection {
    fn of_key(record: &KeyRecord, owner: OwnerKind) -> Self {
        Self {
            active: true,
            scope: spaced(&record.scopes),
            // A client that reads only `sub` must not take an organisation for a person of that name.
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

/// `POST /v1/revoke`: answers once no replica accepts the key. The answer is the same if the token is not a valid key
/// (RFC 7009 §2.2).
pub(crate) async fn revoke(request: HttpRequest, services: Data<Services>, caller: Caller, body: Bytes) -> Answer {
    let form = Form::read(&request, &body)?;
    let fail = unavailable(&request, keys::REVOKE);
    if let Examined::Proven(key, _) = services.gate.keys.examine(form.token.expose().as_bytes()).await.map_err(&fail)? {
        // The client has presented the key itself, so it may revoke it.
        let caller = Caller { reach: Reach::Own(key.record.owner.clone()), ..caller };
        let revoked = services.lifecycle.revoke_held(&key.record, None, Preconditions::default(), caller, now()).await;
        log_held_revocation(&request, &revoked.map_err(fail)??);
    } else if is_token(&request, &services, &form).await.map_err(fail)? {
        return Err(Reason::UnsupportedTokenType);
    }
    Ok(HttpResponse::Ok().finish())
}

async fn is_token(request: &HttpRequest, services: &Services, form: &Form) -> Result<bool, Undecided> {
    let token = Presented::Token(form.token.expose().as_bytes());
    let verdict = services.gate.check(Ok(token), request).await?;
    Ok(matches!(verdict, Verdict::Granted(_)))
}

/// The form of both endpoints (RFC 7662 §2.1, RFC 7009 §2.1). Other members are ignored.
struct Form {
    token: SecretString,
    /// Our extension: the address that the token was sent from, for keys that are bound to addresses.
    client_address: Option<IpAddr>,
}

impl Form {
    fn read(request: &HttpRequest, body: &[u8]) -> Result<Self, Reason> {
        Self::of(request, body).map_err(Reason::InvalidForm)
    }

    fn of(request: &HttpRequest, body: &[u8]) -> Result<Self, &'static str> {
        let members = Members::of(request, body)?;
        if members.client_secret()?.is_some() && credentials::are_in_headers(request.headers()) {
            // RFC 6749 §2.3 forbids more than one authentication method.
            return Err("authenticate in one way: by a header, or by client_secret");
        }
        let token =
            members.one("token")?.filter(|token| !token.is_empty()).ok_or("token is missing")?.to_owned().into();
        let client_address = members.one("client_address")?;
        let client_address =
            client_address.map(|text| network::address(text).ok_or("client_address is no address")).transpose()?;
        Ok(Self { token, client_address })
    }
}

/// `GET /.well-known/oauth-authorization-server`. Without `server.public_url`, the base is the address that was
/// requested. Forwarding headers are ignored, because proxies pass on unchanged those that they don't know.
pub(crate) async fn metadata(request: HttpRequest, services: Data<Services>) -> Answer {
    let base = match (&services.public_url, host_of(&request)) {
        (Some(url), _) => url.trim_end_matches('/').to_owned(),
        (None, Some(host)) => format!("http://{host}"),
        (None, None) => return Err(Reason::NoRequest(Refusal::InvalidHost)),
    };
    // `Bearer` is not an OAuth client authentication method but a token type, which RFC 8414 §2 allows here.
    let methods = ["client_secret_basic", "client_secret_post", "Bearer"];
    Ok(HttpResponse::Ok().json(json!({
        "issuer": base,
        "introspection_endpoint": format!("{base}{INTROSPECT}"),
        "introspection_endpoint_auth_methods_supported": methods,
        "revocation_endpoint": format!("{base}{REVOKE}"),
        "revocation_endpoint_auth_methods_supported": methods,
        "response_types_supported": [],
    })))
}
