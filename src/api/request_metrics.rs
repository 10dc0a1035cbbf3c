//! How many requests were answered with which status, by route, and how long that took.
//!
//! A request is counted under the pattern of its route, never its path. The routes are known when the program starts,
//! and so are the statuses, so a client can't create a series.

use std::{collections::HashMap, time::Duration};

use actix_web::{
    HttpRequest,
    http::{Method, StatusCode},
};

use super::{
    endpoint::{Access, Endpoint},
    paths,
};
use crate::telemetry::metrics::counting::{Counters, Distribution, FAST, Histograms};

/// The statuses that Keyward answers with. Others count together.
pub const STATUSES: [&str; 26] = [
    "200", "201", "204", "303", "304", "307", "308", "400", "401", "403", "404", "405", "408", "409", "412", "413",
    "414", "415", "421", "422", "429", "431", "500", "501", "503", "other",
];
const NUMBERS: [u16; STATUSES.len() - 1] = [
    200, 201, 204, 303, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 412, 413, 414, 415, 421, 422, 429, 431, 500,
    501, 503,
];

/// Those that spend the error budget.
const FAILURES: [&str; 2] = ["500", "503"];

/// The method of a route that takes any.
const ANY: &str = "any";

/// What is not in the table of routes: the pages of the console together, and what no route serves.
const OTHERS: [RouteLabels; 2] =
    [RouteLabels { method: ANY, route: paths::CONSOLE_BELOW }, RouteLabels { method: "none", route: "none" }];

/// The counters of all routes.
pub struct RequestCounts {
    endpoints: &'static [Endpoint],
    /// The places of the routes with a path.
    by_path: HashMap<&'static str, Vec<usize>>,
    counts: Counters,
    durations: Histograms,
}

/// The labels of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteLabels {
    /// The method of the route.
    pub method: &'static str,
    /// The pattern of its path.
    pub route: &'static str,
}

impl RequestCounts {
    /// Counters for these routes.
    pub fn new(endpoints: &'static [Endpoint]) -> Self {
        let mut by_path = HashMap::<_, Vec<_>>::new();
        for (place, endpoint) in endpoints.iter().enumerate() {
            by_path.entry(endpoint.path).or_default().push(place);
        }
        let routes = endpoints.len() + OTHERS.len();
        Self {
            endpoints,
            by_path,
            counts: Counters::new(routes * STATUSES.len()),
            durations: Histograms::new(FAST, routes),
        }
    }

    /// Counts an answer.
    pub(super) fn answered(&self, request: &HttpRequest, status: StatusCode, took: Duration) {
        let route = self.place_of(request);
        self.count(route, status);
        self.durations.observe(route, took);
    }

    /// Counts the refusal of something that is no valid request, which has no route and no beginning.
    pub(super) fn refused(&self, status: StatusCode) {
        self.count(self.none(), status);
    }

    /// The place of what no route serves.
    fn none(&self) -> usize {
        self.endpoints.len() + OTHERS.len() - 1
    }

    fn count(&self, route: usize, status: StatusCode) {
        let known = NUMBERS.iter().position(|number| *number == status.as_u16());
        self.counts.add(route * STATUSES.len() + known.unwrap_or(NUMBERS.len()), 1);
    }

    fn place_of(&self, request: &HttpRequest) -> usize {
        let path = request.path();
        if paths::is_of_console(path) {
            return self.endpoints.len();
        }
        // The scope for gateways has no pattern.
        let places = if paths::is_for_gateways(path) {
            let pattern = if path == paths::AUTHORIZE { paths::AUTHORIZE } else { paths::AUTHORIZE_BELOW };
            self.by_path.get(pattern)
        } else {
            // Most paths have no parameters, and finding a pattern costs more than this.
            let by_pattern = || self.by_path.get(request.match_pattern()?.as_str());
            self.by_path.get(path).or_else(by_pattern)
        };
        let serves = |place: &&usize| {
            let Endpoint { method, access, .. } = &self.endpoints[**place];
            *access == Access::Forwarded
                || method == request.method()
                || (method == Method::GET && request.method() == Method::HEAD)
        };
        places.and_then(|places| places.iter().find(serves)).copied().unwrap_or(self.none())
    }

    /// The labels of all routes, and of requests without one.
    pub fn routes(&self) -> impl Iterator<Item = RouteLabels> {
        let labels = |endpoint: &'static Endpoint| RouteLabels {
            method: if endpoint.access == Access::Forwarded { ANY } else { endpoint.method.as_str() },
            route: endpoint.path,
        };
        self.endpoints.iter().map(labels).chain(OTHERS)
    }

    /// How many answers each route gave with each status, if it gave any. The failures of a route that was used begin
    /// with 0: Prometheus sees no increase in a series that begins with its first events, so an outage between two
    /// scrapes would be no error.
    pub fn counts(&self) -> impl Iterator<Item = (RouteLabels, &'static str, u64)> {
        let of_route = move |(route, labels): (usize, RouteLabels)| {
            let is_used = self.durations.distribution(route).count() > 0;
            let count = move |(place, status)| (labels, status, self.counts.get(route * STATUSES.len() + place));
            let is_told =
                move |(_, status, count): &(_, &'static str, u64)| *count > 0 || (is_used && FAILURES.contains(status));
            STATUSES.into_iter().enumerate().map(count).filter(is_told)
        };
        self.routes().enumerate().flat_map(of_route)
    }

    /// How long each route took, if it was used.
    pub fn durations(&self) -> impl Iterator<Item = (RouteLabels, Distribution)> {
        let all = self.routes().enumerate().map(|(place, labels)| (labels, self.durations.distribution(place)));
        all.filter(|(_, distribution)| distribution.count() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_counted_under_their_names() {
        for (number, name) in NUMBERS.iter().zip(STATUSES) {
            assert_eq!(number.to_string(), name);
        }
    }
}
