//! What each route does, takes and returns, apart from what follows from its `Access` and the server's limits.

mod checks;
mod keys;
mod owners;
mod service;

use super::operation::{Occurs, Operation};
use crate::api::endpoint::{Access, Endpoint};

const TAG: &[(&str, Occurs)] = &[("ETag", Occurs::Always)];
const PAGE: &[(&str, Occurs)] = &[("Link", Occurs::Sometimes)];

/// Describes a route, either for administrators (`true`) or for others.
type Describe = fn(bool) -> Operation;

/// Every operation, by the name of its route.
const OPERATIONS: [&[(&str, Describe)]; 4] =
    [checks::OPERATIONS, keys::OPERATIONS, owners::OPERATIONS, service::OPERATIONS];

/// A route's name in these tables: the owners' route and the administrators' route for the same task share one name.
pub(super) fn name(endpoint: &Endpoint) -> String {
    format!("{} {}", endpoint.method, endpoint.path.replacen("/v1/admin/", "/v1/", 1))
}

/// The operation of a route.
pub(super) fn of(endpoint: &Endpoint) -> Option<Operation> {
    let name = name(endpoint);
    let (_, describe) = OPERATIONS.into_iter().flatten().find(|(own, _)| *own == name)?;
    Some(describe(endpoint.access == Access::Administrator))
}

/// The name of every operation.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    OPERATIONS.into_iter().flatten().map(|(name, _)| *name)
}
