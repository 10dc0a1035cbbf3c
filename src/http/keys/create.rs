//! A key is made, or replaced by another.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{CACHE_CONTROL, LOCATION},
    web::{Bytes, Data, Path},
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{
    conditions, conditions_of_change, etag, key_id, now,
    representation::{CreatedKey, Key, RotatedKey},
    requests,
};
use crate::{
    auth::lifecycle::{Editor, Issued, Rotation},
    domain::{audit::Actor, key_record::ManagedKey, ledger::IdempotentRequest, principal::Owner},
    http::{
        Services,
        failure::{Failure, FieldProblem, Reason},
        fields::Fields,
        root_span::in_request,
        undone,
    },
};

const SHOWN_BEFORE: &str =
    "The same request has made this key before. Its secret was shown then, and can't be shown again.";

/// `POST /v1/keys`
pub(in crate::http) async fn create(
    request: HttpRequest,
    editor: Editor,
    services: Data<Services>,
    body: Bytes,
) -> Result<HttpResponse, Failure> {
    let fail = |reason: Reason| Failure::new(request.path(), reason);
    let now = now();
    let idempotent = idempotent(&request, &editor, &body).map_err(fail)?;
    let fields = Fields::of_optional(&request, &body).map_err(fail)?;
    let order = requests::order(fields, editor.reach.owner(), now).map_err(fail)?;
    let issued = services.issuer.issue(order, idempotent.as_ref(), &editor, now).await;
    let issued = issued.map_err(|undecided| undone(&request, &undecided, "issue a key"))?;
    match issued.map_err(|refusal| Failure::new(request.path(), refusal))? {
        Issued::Now(new) => {
            in_request(&request, || tracing::info!(key_id = %new.key.record.id, "issued a key"));
            let location = format!("{}/{}", request.path(), new.key.record.id);
            Ok(with_secret(HttpResponse::Created(), &new.key, now)
                .insert_header((LOCATION, location))
                .json(CreatedKey::new(*new, services.issuer.keyring.prefix())))
        }
        Issued::Before(key) => {
            let known = CreatedKey {
                key: Key::new(&key, services.issuer.keyring.prefix(), now),
                api_key: None,
                notice: Some(SHOWN_BEFORE),
            };
            Ok(with_secret(HttpResponse::Ok(), &key, now).json(known))
        }
    }
}

/// `POST /v1/keys/{id}/rotate`
pub(in crate::http) async fn rotate(
    request: HttpRequest,
    editor: Editor,
    services: Data<Services>,
    id: Path<String>,
    body: Bytes,
) -> Result<HttpResponse, Failure> {
    let fail = |reason: Reason| Failure::new(request.path(), reason);
    let (id, now) = (key_id(&request, &id)?, now());
    let fields = Fields::of_optional(&request, &body).map_err(fail)?;
    let (grace_period, expiry) = requests::rotation(fields, now).map_err(fail)?;
    let rotation = Rotation { id, grace_period, expiry, preconditions: conditions_of_change(&request)? };
    let rotated = services.issuer.rotate(rotation, editor, now).await;
    let rotated = rotated.map_err(|undecided| undone(&request, &undecided, "rotate a key"))?;
    let rotated = rotated.map_err(|refusal| Failure::new(request.path(), refusal))?;
    in_request(&request, || {
        let successor = rotated.new.key.record.id;
        tracing::info!(key_id = %id, %successor, took = ?rotated.everywhere.took, "rotated a key");
    });
    let mut response = with_secret(HttpResponse::Created(), &rotated.new.key, now);
    Ok(response.json(RotatedKey::new(rotated, services.issuer.keyring.prefix(), now)))
}

fn with_secret(mut response: HttpResponseBuilder, key: &ManagedKey, now: OffsetDateTime) -> HttpResponseBuilder {
    response.insert_header((CACHE_CONTROL, "no-store")).insert_header(etag(&conditions::tag(key, now)));
    response
}

/// The request as it is remembered, where it carries an `Idempotency-Key`.
fn idempotent(request: &HttpRequest, editor: &Editor, body: &[u8]) -> Result<Option<IdempotentRequest>, Reason> {
    const NAME: &str = "Idempotency-Key";
    let mut values = request.headers().get_all(NAME);
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|text| (1..=255).contains(&text.len()) && !text.contains('\t'));
    let (Some(key), None) = (key, values.next()) else {
        let detail = "one header of 1 to 255 printable ASCII characters";
        return Err(Reason::InvalidParameters(vec![FieldProblem::of_parameter(NAME, "invalid", detail)]));
    };
    let Actor::Token { issuer, subject } = &editor.author.actor else { return Ok(None) };
    let by = Owner { issuer: issuer.clone(), subject: subject.clone() };
    // Somebody may ask for one organisation now and for another later; what either has is not the other's to see.
    let organisation = editor.reach.owner().filter(|owner| **owner != by).map(|owner| &*owner.subject);
    Ok(Some(IdempotentRequest { by, key: key.to_owned(), hash: fingerprint(request.path(), organisation, body) }))
}

/// What tells a request from another that comes with the same `Idempotency-Key`.
fn fingerprint(path: &str, organisation: Option<&str>, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new().chain_update(path);
    if let Some(organisation) = organisation {
        hash = hash.chain_update([0]).chain_update(organisation);
    }
    hash.chain_update([0]).chain_update(body).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    /// Over HTTP, no two routes of today take the same body with the same header; those of tomorrow may.
    #[test]
    fn requests_are_told_apart_by_path_organisation_and_body() {
        let request = ("/v1/keys", Some("acme"), &b"{}"[..]);
        let of = |(path, organisation, body)| fingerprint(path, organisation, body);
        assert_eq!(of(request), of(request));
        for other in [
            ("/v1/admin/keys", Some("acme"), &b"{}"[..]),
            ("/v1/keys", Some("other"), b"{}"),
            ("/v1/keys", None, b"{}"),
            ("/v1/keys", Some("acme"), b"{ }"),
            // Where one ends and the next begins.
            ("/v1/key", Some("sacme"), b"{}"),
            ("/v1/keys", Some("acme{"), b"}"),
        ] {
            assert_ne!(of(request), of(other), "{other:?}");
        }
    }
}
