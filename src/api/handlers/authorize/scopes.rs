//! The scopes that the address demands: `?scope=orders:read`, for gateways whose configuration has an address for each
//! place. They only ever narrow what a policy allows.

use actix_web::{HttpRequest, web::Query};

use super::original;
use crate::{
    api::wire::failure::{FieldProblem, Reason},
    domain::scope::Scopes,
};

/// The scopes in the query, separated by spaces, or each in a parameter of its own: all of them are needed. Other
/// parameters are left alone, for some gateways hand on the query of their client.
pub(super) fn demanded(request: &HttpRequest) -> Result<Scopes, Reason> {
    let query = request.query_string();
    // Where the client's path stands behind ours, so does its query. But a slash alone may as well be one too many in a gateway's
    // configuration, which must not mean that nothing is demanded; a client only narrows itself.
    if query.is_empty() || original::below(request).is_some_and(|path| path != "/") {
        return Ok(Scopes::default());
    }
    let pairs = Query::<Vec<(String, String)>>::from_query(query).map_err(|error| invalid(error.to_string()))?;
    let values: Vec<&str> = pairs.iter().filter(|(name, _)| name == "scope").map(|(_, value)| value.trim()).collect();
    if values.contains(&"") {
        // A variable of the gateway's that nobody has set must not mean that nothing is demanded.
        return Err(invalid("names no scope: leave it out where none is demanded"));
    }
    let words = values.iter().flat_map(|value| value.split_ascii_whitespace());
    Scopes::parse(words).map_err(|error| invalid(error.to_string()))
}

fn invalid(detail: impl Into<String>) -> Reason {
    Reason::InvalidParameters(vec![FieldProblem::of_parameter("scope", "invalid", detail)])
}
