//! Owners as they appear in responses.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{owner, owner_id};

/// The owner of a key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Owner {
    /// Issuer and subject, encoded for use in URLs.
    #[schema(format = "owner-id", pattern = "^[A-Za-z0-9_-]+$", example = "AGFsaWNl")]
    id: String,
    /// The `iss` of the owner's tokens; empty if they have none.
    #[schema(example = "https://issuer.example")]
    pub(crate) issuer: String,
    /// The `sub` of the owner's tokens, or their organisation.
    #[schema(min_length = 1, example = "alice")]
    pub(crate) subject: String,
}

impl Owner {
    pub(crate) fn new(owner: &owner::Owner) -> Self {
        Self {
            id: owner_id::write(owner),
            issuer: owner.issuer.clone().into_string(),
            subject: owner.subject.clone().into_string(),
        }
    }
}
