//! Paths that more than the table of routes has to know.

/// `POST /v1/introspect`
pub(super) const INTROSPECT: &str = "/v1/introspect";
/// `POST /v1/revoke`
pub(super) const REVOKE: &str = "/v1/revoke";
/// Where gateways ask.
pub(super) const AUTHORIZE: &str = "/v1/authorize";
/// The same with the path that is asked about behind it.
pub(super) const AUTHORIZE_BELOW: &str = "/v1/authorize/{original}";

/// Whether gateways ask here.
pub(super) fn is_for_gateways(path: &str) -> bool {
    path.strip_prefix(AUTHORIZE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
