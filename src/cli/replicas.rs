//! `keyward replicas`: the replicas of a database.

use keyward::{
    config::Sources,
    domain::{
        ports::replicas::{ReplicaDirectory, ReplicaRow},
        timestamp,
    },
};
use serde::Serialize;

use super::shared::{
    DatabaseOptions,
    output::print,
    print_json,
    table::{columns, or_dash},
};

/// List the replicas that work on this database.
///
/// A replica whose lease is over has ended without deregistering, or can't reach the database. Other replicas
/// remove its row some minutes after its last heartbeat. A replica that was stopped has no row.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keyward replicas
  keyward replicas --dev
  keyward replicas --json | jq -r '.[] | select(.alive | not) | .id'")]
pub(super) struct Replicas {
    /// Print JSON: a list of replicas.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseOptions,
}

/// A replica as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    /// As in the `application_name` of its connections, `keyward/ID`.
    id: String,
    /// `null` for an application that uses the library.
    address: Option<String>,
    version: String,
    /// What it was built from; `null` for a version that does not say.
    revision: Option<String>,
    lease_ms: u128,
    started_at: String,
    last_heartbeat_at: String,
    /// When it has last confirmed that it applies a change.
    last_applied_at: Option<String>,
    /// Whether its lease may still last.
    alive: bool,
}

impl From<ReplicaRow> for Shown {
    fn from(row: ReplicaRow) -> Self {
        Self {
            id: row.id.to_string(),
            address: row.address,
            version: row.version,
            revision: row.revision,
            lease_ms: row.lease.as_millis(),
            started_at: timestamp::write(row.started_at),
            last_heartbeat_at: timestamp::write(row.heartbeat_at),
            last_applied_at: row.acknowledged_at.map(timestamp::write),
            alive: row.alive,
        }
    }
}

impl Replicas {
    pub(super) fn run(self, sources: Sources) -> anyhow::Result<()> {
        self.database.work(sources, async |desk| {
            let replicas: Vec<Shown> = desk.store.replicas().await?.into_iter().map(Shown::from).collect();
            if self.json {
                return print_json(&replicas);
            }
            let header =
                ["ID", "ADDRESS", "VERSION", "REVISION", "LEASE", "STARTED", "LAST HEARTBEAT", "LAST APPLIED", "STATE"];
            let rows = replicas.into_iter().map(|replica| {
                [
                    replica.id,
                    or_dash(&replica.address.unwrap_or_default()),
                    replica.version,
                    or_dash(&replica.revision.unwrap_or_default()),
                    format!("{} ms", replica.lease_ms),
                    replica.started_at,
                    replica.last_heartbeat_at,
                    or_dash(&replica.last_applied_at.unwrap_or_default()),
                    if replica.alive { "alive" } else { "silent" }.to_owned(),
                ]
            });
            Ok(print(columns(header, rows))?)
        })
    }
}
