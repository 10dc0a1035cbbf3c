//! `/v1/keys` and `/v1/admin/keys`: the life of a key. The same handlers serve both; the caller's reach is in the
//! [`Caller`].

mod bulk;
mod change;
mod conditions;
mod create;
mod list;
pub(crate) mod representation;
pub(crate) mod requests;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ETAG, HeaderName},
    web::Path,
};
use time::OffsetDateTime;

pub(crate) use self::{
    bulk::*,
    change::*,
    conditions::{Conditions, Read},
    create::*,
    list::*,
};
use crate::api::{
    services::Services,
    wire::{
        failure::{Missing, Reason},
        times::now,
    },
};
use crate::domain::{api_key::KeyId, key_record::ManagedKey, precondition::Preconditions};

/// The id in the path. An invalid id is answered like an unknown one.
pub(crate) fn key_id(id: &Path<String>) -> Result<KeyId, Reason> {
    id.parse().map_err(|_| Reason::NotFound(Missing::Key))
}

/// The request's preconditions on the version that the change applies to.
fn conditions_of_change(request: &HttpRequest) -> Result<Preconditions, Reason> {
    Ok(Conditions::of(request)?.of_change())
}

/// A key with its entity tag.
pub(super) fn shown(services: &Services, key: &ManagedKey, now: OffsetDateTime) -> HttpResponse {
    HttpResponse::Ok().insert_header(etag(key, now)).json(representation::Key::new(
        key,
        services.issuer.keyring.prefix(),
        now,
    ))
}

fn etag(key: &ManagedKey, now: OffsetDateTime) -> (HeaderName, String) {
    (ETAG, format!("\"{}\"", conditions::tag(key, now)))
}
