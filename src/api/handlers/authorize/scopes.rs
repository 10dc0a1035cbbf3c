//! The scopes in the gateway's URL: `?scope=orders:read`, for gateways that are configured with one URL per location.
//! They only narrow what the policy allows.

use actix_web::{HttpRequest, web::Query};

use super::original;
use crate::{
    api::wire::failure::{FieldError, Reason},
    domain::scope::Scopes,
};

/// The scopes in the query, separated by spaces or in repeated parameters; all of them are required. Other parameters
/// are ignored, because some gateways forward their client's query.
pub(super) fn demanded(request: &HttpRequest) -> Result<Scopes, Reason> {
    let query = request.query_string();
    // If the client's path follows ours, the query is the client's too. But a single slash may be a mistake in the
    // gateway's configuration, which must not drop the demanded scopes; a client that sends it only narrows its own
    // access.
    if query.is_empty() || original::below(request).is_some_and(|path| path != "/") {
        return Ok(Scopes::default());
    }
    let pairs = Query::<Vec<(String, String)>>::from_query(query).map_err(|error| invalid(error.to_string()))?;
    let values: Vec<&str> = pairs.iter().filter(|(name, _)| name == "scope").map(|(_, value)| value.trim()).collect();
    if values.contains(&"") {
        // An unset variable in the gateway's configuration must not mean that nothing is demanded.
        return Err(invalid("names no scope: leave it out where none is demanded"));
    }
    let words = values.iter().flat_map(|value| value.split_ascii_whitespace());
    Scopes::parse(words).map_err(|error| invalid(error.to_string()))
}

fn invalid(detail: impl Into<String>) -> Reason {
    Reason::InvalidParameters(vec![FieldError::of_parameter("scope", "invalid", detail)])
}
