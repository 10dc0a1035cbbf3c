//! Paths that are used outside the table of routes.

/// `POST /v1/introspect`
pub(super) const INTROSPECT: &str = "/v1/introspect";
/// `POST /v1/revoke`
pub(super) const REVOKE: &str = "/v1/revoke";
/// The check for gateways.
pub(super) const AUTHORIZE: &str = "/v1/authorize";
/// The same, followed by the path of the client's request.
pub(super) const AUTHORIZE_BELOW: &str = "/v1/authorize/{original}";
/// The metrics, by convention.
pub(super) const METRICS: &str = "/metrics";
/// The pages of the console, as metrics name all of them.
pub(super) const CONSOLE_BELOW: &str = "/console/{page}";

/// Whether this path is one of the console's.
pub(super) fn is_of_console(path: &str) -> bool {
    path.strip_prefix("/console").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether this path is for gateways.
pub(super) fn is_for_gateways(path: &str) -> bool {
    path.strip_prefix(AUTHORIZE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
