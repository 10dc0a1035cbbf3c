//! `Idempotency-Key`: a request that creates a secret can be repeated without creating a second one. The lookup happens
//! before the request is parsed, because a request that was valid at first must not become invalid over time.

use actix_web::{HttpRequest, web::Data};
use sha2::{Digest, Sha256};

use super::fields::carries;
use crate::{
    api::{
        services::Services,
        wire::failure::{FieldError, Reason},
    },
    auth::lifecycle::Caller,
    domain::{audit::Actor, credential_in_text::credential_in, ledger::IdempotentRequest, owner::Owner},
};

const NAME: &str = "Idempotency-Key";

/// The request as it is stored, if it has an `Idempotency-Key`.
pub(crate) fn of(request: &HttpRequest, caller: &Caller, body: &[u8]) -> Result<Option<IdempotentRequest>, Reason> {
    let mut values = request.headers().get_all(NAME);
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|text| (1..=255).contains(&text.len()) && !text.contains('\t'));
    let (Some(key), None) = (key, values.next()) else {
        let detail = "one header of 1 to 255 printable ASCII characters";
        return Err(Reason::InvalidParameters(vec![FieldError::of_parameter(NAME, "invalid", detail)]));
    };
    let services = request.app_data::<Data<Services>>();
    if let Some(credential) = services.and_then(|services| credential_in(key, &services.issuer.keyring)) {
        let (code, detail) = carries(credential);
        return Err(Reason::InvalidParameters(vec![FieldError::of_parameter(NAME, code, detail)]));
    }
    let Actor::Token { issuer, subject } = &caller.author.actor else { return Ok(None) };
    let by = Owner { issuer: issuer.clone(), subject: subject.clone() };
    // A caller may act for one organisation now and for another later; a key of one must not be shown to the other.
    let organisation = caller.reach.owner().filter(|owner| **owner != by).map(|owner| &*owner.subject);
    Ok(Some(IdempotentRequest { by, key: key.to_owned(), hash: fingerprint(request.path(), organisation, body) }))
}

/// Distinguishes requests that have the same `Idempotency-Key`.
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

    /// No two of today's routes take the same body with this header, so a test over HTTP could not tell.
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
            // Fields are delimited: moving a character from one to the next changes the hash.
            ("/v1/key", Some("sacme"), b"{}"),
            ("/v1/keys", Some("acme{"), b"}"),
        ] {
            assert_ne!(of(request), of(other), "{other:?}");
        }
    }
}
