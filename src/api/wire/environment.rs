//! The environments of keys as they appear in responses.

use utoipa::ToSchema;

/// The environment of a key, for the schema.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used; a unit test compares it with the domain's")]
pub(crate) enum Environment {
    Live,
    Test,
}
