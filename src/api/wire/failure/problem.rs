//! How errors are written: problem details (RFC 9457), or the guide's `{"message": …}`.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

/// An error as RFC 9457 has it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem<'a> {
    /// Names the kind of problem, for ever.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    pub(crate) kind: String,
    /// The kind in words.
    pub(crate) title: &'static str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    pub(crate) status: u16,
    /// The last part of `type`, for programs.
    #[schema(pattern = "^[a-z_]+$")]
    pub(crate) code: &'static str,
    /// What is wrong this time, in a sentence for people.
    pub(crate) detail: Cow<'a, str>,
    /// The path that was asked for, without its query; missing where there is none, or it is longer than 2048 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uri-reference", max_length = 2050)]
    pub(crate) instance: Option<Cow<'a, str>>,
    /// The `x-request-id` of this answer, by which the operator finds more in the log.
    #[serde(rename = "requestId", skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub(crate) request_id: Option<&'a str>,
    /// What is wrong with each field, parameter or header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 50)]
    pub(crate) errors: Option<&'a [FieldProblem]>,
    /// The id of the key's successor, where it has one already.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9A-Za-z]{22}$")]
    pub(crate) successor: Option<String>,
}

/// An error in the guide's words.
#[derive(Serialize, ToSchema)]
pub(crate) struct Message {
    pub(crate) message: &'static str,
}

/// An error as OAuth has it (RFC 6749 §5.2).
#[derive(Serialize, ToSchema)]
pub(crate) struct OAuthError {
    /// For programs.
    pub(crate) error: &'static str,
    /// For people.
    pub(crate) error_description: &'static str,
}

/// What is wrong with one field of a body, one parameter of the query, or one header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldProblem {
    /// Where in the body (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/allowedIps/0")]
    pub(crate) pointer: Option<String>,
    /// Which parameter or header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "limit")]
    pub(crate) parameter: Option<Cow<'static, str>>,
    /// A stable word for programs.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) detail: String,
}

impl FieldProblem {
    pub(crate) fn of_field(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), parameter: None, code, detail: detail.into() }
    }

    pub(crate) fn of_parameter(
        name: impl Into<Cow<'static, str>>,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { pointer: None, parameter: Some(name.into()), code, detail: detail.into() }
    }
}
