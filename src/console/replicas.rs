//! The replicas of the database, for administrators.

use actix_web::{HttpRequest, web::Data};
use askama::Template;

use super::{
    access::visitor::Visitor,
    fault::{Answer, Fault, shown},
    frame::{Frame, When},
    services::Console,
    texts::EN,
};
use crate::domain::ports::replicas::ReplicaRow;

#[derive(Template)]
#[template(path = "replicas.html")]
struct ReplicasPage {
    frame: Frame,
    replicas: Vec<Row>,
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
pub(super) async fn list(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    visitor.demand_administrator()?;
    let replicas = console.replicas.replicas().await.map_err(|error| Fault::outage(&request, &error))?;
    let replicas = replicas.into_iter().map(Row::from).collect();
    shown(&ReplicasPage { frame: visitor.frame("replicas", EN.replicas), replicas })
}
