//! Checks of keys and tokens, by services and gateways; the end of tokens.

use super::{
    super::{
        bodies::body,
        operation::{Occurs, Operation},
        parameters::{self, query},
    },
    Describe,
};
use crate::api::wire::{
    failure::{CredentialKind, FieldError, Missing, NeededScopes, Reason},
    request::queries::OF_GATEWAYS,
};

const IDENTITY: &[(&str, Occurs)] = &[
    ("X-Auth-Subject", Occurs::Always),
    ("X-Auth-Tenant", Occurs::Always),
    ("X-Auth-Owner", Occurs::Always),
    ("X-Auth-Key-Id", Occurs::Always),
    ("X-Auth-Scopes", Occurs::Always),
    ("X-Auth-Method", Occurs::Always),
    ("X-Auth-Environment", Occurs::Always),
];

pub(super) const OPERATIONS: &[(&str, Describe)] = &[
    ("GET /api/protected-resource", |_| {
        Operation::new("readProtectedResource", "Try a key").answers(200, "Access granted", "Message")
    }),
    ("GET /v1/authorize", |_| {
        let about = "Check a gateway's request";
        authorize("authorize", about).takes(query(OF_GATEWAYS)).fails([Reason::InvalidParameters(vec![
            FieldError::of_parameter("scope", "invalid", "names no scope: leave it out where none is demanded"),
        ])])
    }),
    ("GET /v1/authorize/{original}", |_| {
        let about = "Check a gateway's request by the appended path";
        authorize("authorizePath", about).takes([parameters::original()])
    }),
    ("POST /v1/keys/verify", |_| {
        Operation::new("verifyKeys", "Verify keys")
            .reads(body("Question"))
            .answers(200, "The result of the check, and what is known about the key", "Verdict")
            .stored()
    }),
    ("POST /v1/tokens/revoke", |_| {
        Operation::new("revokeTokens", "Revoke tokens before they expire")
            .reads(body("EndOfTokens"))
            .answers(200, "Revoked on every replica", "RevokedTokens")
            .stored()
    }),
    ("POST /v1/console/sessions", |_| {
        Operation::new("openConsole", "Hand somebody over to the console")
            .reads(body("HandOver"))
            .answers(201, "A link for their browser", "ConsoleLink")
            .fails([Reason::NotFound(Missing::Console), Reason::OwnerDisabled])
            .stored()
    }),
    ("POST /v1/introspect", |_| {
        Operation::new("introspect", "Introspect a token (RFC 7662)")
            .reads_form()
            .answers(200, "Active, with scopes and other members; or inactive, with no other member", "Introspection")
            .stored()
    }),
    ("POST /v1/revoke", |_| {
        Operation::new("revokeToken", "Revoke a key (RFC 7009)")
            .reads_form()
            .stored()
            .answers_without_json(200, "If the token is a key, it is revoked on every replica", &[])
            .fails([Reason::UnsupportedTokenType, Reason::OwnerBusy])
    }),
    ("GET /.well-known/oauth-authorization-server", |_| {
        Operation::new("readMetadata", "Get the authorization server metadata (RFC 8414)").answers(
            200,
            "The metadata document",
            "Metadata",
        )
    }),
];

/// A grant has no body: everything a gateway needs is in the headers.
fn authorize(id: &'static str, summary: &'static str) -> Operation {
    let means = "Allowed. The headers identify the client; a header without a value is empty";
    Operation::new(id, summary).answers_without_json(200, means, IDENTITY).fails([Reason::InsufficientScopes(
        CredentialKind::Either,
        NeededScopes::new(["orders:read"].into_iter(), [].into_iter()),
    )])
}
