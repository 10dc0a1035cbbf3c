//! The bodies of errors: problem details (RFC 9457), OAuth errors, or `{"message": …}`.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

/// An error with problem details (RFC 9457).
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem<'a> {
    /// The stable identifier of the problem type.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    pub(crate) kind: String,
    /// A short description of the problem type.
    pub(crate) title: &'static str,
    /// The status of the response.
    #[schema(minimum = 400, maximum = 599)]
    pub(crate) status: u16,
    /// The last segment of `type`, for programs.
    #[schema(pattern = "^[a-z_]+$")]
    pub(crate) code: &'static str,
    /// A sentence about this occurrence, for people.
    pub(crate) detail: Cow<'a, str>,
    /// The path of the request, without its query; absent if there is none or it is longer than 2048 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uri-reference", max_length = 2050)]
    pub(crate) instance: Option<Cow<'a, str>>,
    /// The `x-request-id` of this response, also found in the log.
    #[serde(rename = "requestId", skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub(crate) request_id: Option<&'a str>,
    /// What is wrong with each field, parameter or header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 50)]
    pub(crate) errors: Option<&'a [FieldError]>,
    /// The names of the limits that are exhausted.
    #[serde(rename = "violated-policies", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 31)]
    pub(crate) violated_policies: Option<&'a [String]>,
    /// The id of the key's successor, if it already has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9A-Za-z]{22}$")]
    pub(crate) successor: Option<String>,
}

/// An error of the compatibility routes.
#[derive(Serialize, ToSchema)]
pub(crate) struct Message<'a> {
    pub(crate) message: &'a str,
}

/// An OAuth error (RFC 6749 §5.2).
#[derive(Serialize, ToSchema)]
pub(crate) struct OAuthError {
    /// The error code, for programs.
    pub(crate) error: &'static str,
    /// A description, for people.
    pub(crate) error_description: &'static str,
}

/// An error in one field of the body, one parameter of the query, or one header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = FieldProblem)]
pub(crate) struct FieldError {
    /// A JSON Pointer to the field in the body (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/allowedIps/0")]
    pub(crate) pointer: Option<String>,
    /// The name of the parameter or header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "limit")]
    pub(crate) parameter: Option<Cow<'static, str>>,
    /// A stable code, for programs.
    pub(crate) code: &'static str,
    /// A description, for people.
    pub(crate) detail: String,
}

impl FieldError {
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
