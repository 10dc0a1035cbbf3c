//! What the gateway's URL demands, such as `/v1/authorize?scope=orders:read&cost=5`, for gateways that are configured
//! with one URL per location. It only narrows what the policy allows, and raises what a request costs.

use actix_web::{HttpRequest, web::Query};

use super::original;
use crate::{
    api::wire::failure::{FieldError, Reason},
    domain::{limits::AMOUNT_MAX, scope::Scopes},
};

/// What the URL demands.
#[derive(Clone, Debug, Default)]
pub(super) struct ByUrl {
    /// These scopes, all of them.
    pub(super) scopes: Scopes,
    /// A request uses no less than this of each limit.
    pub(super) cost: u64,
}

/// The scopes in the query, separated by spaces or in repeated parameters, and the cost. Other parameters are ignored,
/// because some gateways forward their client's query.
pub(super) fn demanded(request: &HttpRequest) -> Result<ByUrl, Reason> {
    let query = request.query_string();
    // If the client's path follows ours, the query is the client's too. But a single slash may be a mistake in the
    // gateway's configuration, which must not drop the demanded scopes; a client that sends it only narrows its own
    // access.
    if query.is_empty() || original::below(request).is_some_and(|path| path != "/") {
        return Ok(ByUrl::default());
    }
    let pairs =
        Query::<Vec<(String, String)>>::from_query(query).map_err(|error| invalid("scope", error.to_string()))?;
    let values =
        |wanted: &'static str| pairs.iter().filter(move |(name, _)| name == wanted).map(|(_, value)| value.trim());
    if values("scope").any(str::is_empty) {
        // An unset variable in the gateway's configuration must not mean that nothing is demanded.
        return Err(invalid("scope", "names no scope: leave it out where none is demanded"));
    }
    let words = values("scope").flat_map(|value| value.split_ascii_whitespace());
    let scopes = Scopes::parse(words).map_err(|error| invalid("scope", error.to_string()))?;
    let costs = values("cost").map(cost).collect::<Result<Vec<_>, _>>()?;
    // Of several, one may be the client's.
    Ok(ByUrl { scopes, cost: costs.into_iter().max().unwrap_or(0) })
}

fn cost(text: &str) -> Result<u64, Reason> {
    let number = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number.and_then(|text| text.parse().ok()).filter(|number| (1..=AMOUNT_MAX).contains(number));
    number.ok_or_else(|| invalid("cost", format!("a whole number from 1 to {AMOUNT_MAX}")))
}

fn invalid(parameter: &'static str, detail: impl Into<String>) -> Reason {
    Reason::InvalidParameters(vec![FieldError::of_parameter(parameter, "invalid", detail)])
}
