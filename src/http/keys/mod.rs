//! `/v1/keys` and `/v1/admin/keys`: the life of a key. The same handlers serve both; how far somebody
//! reaches is in their [`Editor`].

mod change;
mod create;
mod list;
pub(super) mod representation;
pub(super) mod requests;
mod together;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, ETAG},
    web::Path,
};
use time::OffsetDateTime;

pub(super) use self::{change::*, create::*, list::*, together::*};
use super::failure::{Failure, Reason};
use crate::domain::{api_key::KeyId, key_record::ManagedKey};

/// Now, as exact as the database is.
pub(super) fn now() -> OffsetDateTime {
    requests::to_microseconds(OffsetDateTime::now_utc())
}

/// The id in the path. What is no id is the id of no key.
fn key_id(request: &HttpRequest, id: &Path<String>) -> Result<KeyId, Failure> {
    id.parse().map_err(|_| Failure::new(request.path(), Reason::NotFound))
}

/// A key, with its version as entity tag.
fn shown(key: &ManagedKey, now: OffsetDateTime) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((ETAG, format!("\"{}\"", key.version)))
        .json(representation::Key::new(key, now))
}
