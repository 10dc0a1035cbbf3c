//! The replicas of the database, for administrators.

use actix_web::{HttpRequest, web::Data};
use askama::Template;

use crate::{
    auth::coherence::LinkCounts,
    console::{
        access::visitor::Visitor,
        fault::{Answer, Fault, shown},
        frame::{Frame, When},
        services::Console,
        texts::EN,
    },
    domain::ports::replicas::ReplicaRow,
    telemetry::{metrics::counting::Distribution, outage::millis},
};

#[derive(Template)]
#[template(path = "administrators/replicas.html")]
struct ReplicasPage {
    frame: Frame,
    replicas: Vec<Row>,
    confirmations: Vec<Confirmations>,
}

/// How long changes took that were made through the replica that answers, from their commit until all replicas had
/// applied them.
struct Confirmations {
    how: &'static str,
    count: u64,
    average_ms: u64,
    /// The bound that 95 of a hundred kept.
    most: Option<u128>,
}

impl Confirmations {
    fn of(settled: &str, distribution: &Distribution) -> Self {
        let count = distribution.count();
        let mut so_far = 0;
        let bound = distribution.bounds.iter().zip(&distribution.counts).find_map(|(bound, counted)| {
            so_far += counted;
            (so_far * 100 >= count * 95).then_some(bound.as_millis())
        });
        Self {
            how: match settled {
                "heard" => EN.all_confirmed,
                "expired" => EN.some_silent,
                _ => EN.nobody_heard,
            },
            count,
            average_ms: millis(distribution.sum) / count.max(1),
            most: bound,
        }
    }
}

struct Row {
    id: String,
    address: String,
    version: String,
    lease_ms: u128,
    started: When,
    heartbeat: When,
    applied: Option<When>,
    is_alive: bool,
}

impl From<ReplicaRow> for Row {
    fn from(row: ReplicaRow) -> Self {
        Self {
            id: row.id.to_string(),
            address: row.address.unwrap_or_default(),
            version: row.version,
            lease_ms: row.lease.as_millis(),
            started: row.started_at.into(),
            heartbeat: row.heartbeat_at.into(),
            applied: row.acknowledged_at.map(When::from),
            is_alive: row.alive,
        }
    }
}

/// `GET /console/replicas`
pub(in crate::console) async fn replicas(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    visitor.demand_administrator()?;
    let replicas = console.replicas.replicas().await.map_err(|error| Fault::outage(&request, &error))?;
    let replicas = replicas.into_iter().map(Row::from).collect();
    let counts = console.lifecycle.link.as_ref().map(|link| link.counts());
    let confirmations = counts.into_iter().flat_map(LinkCounts::confirmations);
    let confirmations = confirmations.filter(|(_, distribution)| distribution.count() > 0);
    let confirmations =
        confirmations.map(|(settled, distribution)| Confirmations::of(settled, &distribution)).collect();
    shown(&ReplicasPage { frame: visitor.frame("replicas", EN.replicas), replicas, confirmations })
}
